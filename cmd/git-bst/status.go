package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/ui"
)

func statusCommand() command {
	return command{
		name: "status", help: "show what a build would do, and why", args: "[ELEMENT...]", max: many,
		about: "Prints the plan of `git bst build`, an element a line: verdict, key, name, reason. Nothing is built or fetched. An element whose " +
			"dependencies are still to be built is unknown: its key depends on what they come to.",
		examples: []string{"git bst status", "git bst status --json app.bst"},
		flags: []cli.Flag{
			optionFlag(),
			&cli.BoolFlag{Name: "short", Aliases: []string{"s"}, Usage: "leave out what is up to date"},
		},
		action: runStatus,
	}
}

// statusInfo is one line of status with --json.
type statusInfo struct {
	Schema  string      `json:"schema"`
	Version int         `json:"version"`
	Element string      `json:"element"`
	Kind    string      `json:"kind"`
	Verdict string      `json:"verdict"`
	Reason  plan.Reason `json:"reason"`
	Key     string      `json:"key,omitempty"`
	Strict  bool        `json:"strict"`
	Phase   int         `json:"phase,omitempty"`
}

func runStatus(a *app, cc *cli.Context) error {
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	rows, err := session.Status(cc.Context, cc.Args().Slice(), flow.Asked{})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if cc.Bool("short") && row.Step.Verdict == plan.Skip {
			continue
		}
		if a.json {
			info := statusInfo{"git-bst.status", 1, row.Element, row.Kind, string(row.Step.Verdict), row.Step.Reason, row.Key, row.Strict, row.Step.Phase}
			if err := writeJSONLine(a.stdout, info); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%-8s %-8s %s: %s\n", row.Step.Verdict, brief(row.Key), ui.Safe(row.Element), ui.Safe(row.Step.Reason.Text))
	}
	return nil
}

// brief is the first digits of a key, as BuildStream shows them.
func brief(key string) string {
	const digits = 8
	if key == "" {
		key = flow.UnknownKey
	}
	return key[:digits]
}
