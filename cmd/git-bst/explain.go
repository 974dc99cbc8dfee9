package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func explainCommand() command {
	return command{
		name: "explain", help: "explain what an element's build depends on, and the decision", args: "[ELEMENT]", max: 1,
		about: "Prints what a build would do with the element and why: its keys, which phases are in the cache, the newest builds and in what " +
			"their inputs differ from the present ones. With --inputs, every input that enters the build key.",
		examples: []string{"git bst explain", "git bst explain --inputs app.bst"},
		flags: append(placeFlags(),
			&cli.BoolFlag{Name: "inputs", Usage: "print all that enters the build key"},
		),
		action: runExplain,
	}
}

func runExplain(a *app, cc *cli.Context) error {
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	explained, err := session.Explain(cc.Context, cc.Args().First())
	if err != nil {
		return err
	}
	if a.json {
		return writeJSONLine(a.stdout, struct {
			Schema  string `json:"schema"`
			Version int    `json:"version"`
			flow.Explained
		}{"git-bst.explain", 1, explained})
	}
	a.printExplained(explained, cc.Bool("inputs"))
	return nil
}

func (a *app) printExplained(e flow.Explained, inputs bool) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.stdout, "%-13s %s\n", name, ui.Safe(value))
		}
	}
	line("element", e.Element+" ("+e.Kind+")")
	line("workspace", e.Workspace)
	line("verdict", fmt.Sprintf("%s: %s [%s]", e.Step.Verdict, e.Step.Reason.Text, e.Step.Reason.Code))
	line("strict key", e.Strict)
	line("", "")
	if e.NoStrict != "" {
		line("no strict key", e.NoStrict)
	}
	line("weak key", e.Weak)
	line("build key", e.Build)
	line("artifact key", e.Artifact)
	for _, phase := range e.Phases {
		state := "not cached"
		if phase.Cached {
			state = "cached"
		}
		line("phase", fmt.Sprintf("%-10s %s  %s", phase.Name, brief(phase.Key), state))
	}
	for _, rec := range e.Records {
		text := "equal inputs"
		if !rec.Equal {
			text = "differs in " + strings.Join(rec.Differs, ", ")
		}
		line("build", fmt.Sprintf("%s  %s, %s: %s", rec.Started.Local().Format(time.DateTime), rec.Result, rec.How, text))
	}
	if inputs && len(e.Inputs) > 0 {
		var out bytes.Buffer
		if err := json.Indent(&out, e.Inputs, "", "  "); err == nil {
			fmt.Fprintf(a.stdout, "inputs\n%s\n", out.String())
		}
	}
}
