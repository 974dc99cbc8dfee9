package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/ui"
)

func explainCommand() command {
	return command{
		name: "explain", help: "explain what an element's build depends on, and the decision", args: "[ELEMENT]", max: 1,
		about: "Prints what a build would do with the element and why: its keys, which phases are in the cache, the newest builds and in what " +
			"their inputs differ from the present ones; which of them might be continued, the nearest of these, what differs from its source file by " +
			"file, and what the trace of its builds says of these files. With --inputs, every input that enters the build key.",
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
		line("build", fmt.Sprintf("%s  %s  %s, %s: %s", record.Short(rec.ID), rec.Started.Local().Format(time.DateTime), rec.Result, rec.How, text))
	}
	printBases(line, e)
	if inputs && len(e.Inputs) > 0 {
		var out bytes.Buffer
		if err := json.Indent(&out, e.Inputs, "", "  "); err == nil {
			fmt.Fprintf(a.stdout, "inputs\n%s\n", out.String())
		}
	}
}

// printBases prints which earlier builds might be continued, what differs from the chosen one, and
// what its trace says of that.
func printBases(line func(name, value string), e flow.Explained) {
	for _, base := range e.Bases {
		text := fmt.Sprintf("%s  %s, %s", record.Short(base.ID), base.Result, counted(base.Distance, "change", "changes"))
		switch {
		case base.Why != nil:
			text = fmt.Sprintf("%s  %s: not usable: %s [%s]", record.Short(base.ID), base.Result, base.Why.Text, base.Why.Code)
		case base.Chosen:
			text += ": the nearest"
		}
		line("base", text)
	}
	for _, file := range e.Changes {
		uses := "no build used it"
		if len(file.Uses) > 0 {
			uses = strings.Join(file.Uses, "; ")
		}
		line("change", fmt.Sprintf("%s %s: %s", file.Op, file.Path, strings.Join(append([]string{uses}, file.Facts...), "; ")))
	}
	for _, policy := range e.Policies {
		line("policy", policy)
	}
}

// counted writes a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
