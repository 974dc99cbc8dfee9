package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func buildCommand() command {
	return command{
		name: "build", help: "build elements and all that they need", args: "[ELEMENT...]", max: many,
		about: "Builds elements, the configured one or the project's default when none is named. What is in the cache is not built again: " +
			"equal inputs have equal keys, whatever work tree, branch or commit they come from. When only later phases of an element changed, " +
			"the earlier ones are taken from the cache. A build that failed keeps its log and build tree, and is not run again with the same " +
			"inputs unless --retry is given.\n\n" + verdictHelp,
		examples: []string{"git bst build", "git bst build base/zlib.bst", "git bst build --retry app.bst", "git bst build -o debug=True app.bst"},
		flags: append(buildFlags(),
			&cli.BoolFlag{Name: "retry", Usage: "build again what failed with the same inputs"},
			&cli.BoolFlag{Name: "clean", Usage: "build the named elements without any earlier result"},
			&cli.BoolFlag{Name: "keep-going", Aliases: []string{"k"}, Usage: "after a failure, build what does not depend on it"},
		),
		action: runBuild,
	}
}

func runBuild(a *app, cc *cli.Context) error {
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	report, err := session.Build(cc.Context, flow.BuildRequest{
		Elements: cc.Args().Slice(), KeepGoing: cc.Bool("keep-going"),
		Asked: flow.Asked{Clean: cc.Bool("clean"), Retry: cc.Bool("retry")},
	})
	done()
	if len(report.Outcomes) > 0 {
		a.printSummary(report)
	}
	return err
}

// summaryInfo is the last line of a build with --json.
type summaryInfo struct {
	Schema   string         `json:"schema"`
	Version  int            `json:"version"`
	Verdicts map[string]int `json:"verdicts"`
	Phases   int            `json:"phases_run"`
	Failed   []string       `json:"failed,omitempty"`
	Stopped  []string       `json:"interrupted,omitempty"`
	Skipped  []string       `json:"not_begun,omitempty"`
	Millis   int64          `json:"duration_ms"`
}

func summaryOf(report flow.Report) summaryInfo {
	info := summaryInfo{Schema: "git-bst.summary", Version: 1, Verdicts: map[string]int{}, Skipped: report.Skipped, Millis: report.Took.Milliseconds()}
	for _, outcome := range report.Outcomes {
		if !outcome.Failed && !outcome.Interrupted {
			info.Verdicts[string(outcome.Step.Verdict)]++
		}
		info.Phases += outcome.Ran
	}
	for _, outcome := range report.Outcomes {
		if outcome.Failed {
			info.Failed = append(info.Failed, outcome.Step.Element)
		}
		if outcome.Interrupted {
			info.Stopped = append(info.Stopped, outcome.Step.Element)
		}
	}
	return info
}

func (a *app) printSummary(report flow.Report) {
	info := summaryOf(report)
	if a.json {
		_ = writeJSONLine(a.stdout, info)
		return
	}
	a.talk("git-bst: %s in %s", summaryText(info), ui.FormatDuration(report.Took.Round(time.Millisecond)))
}

func summaryText(info summaryInfo) string {
	words := []struct{ verdict, text string }{
		{"skip", "up to date"}, {"promote", "promoted"}, {"same", "unchanged"}, {"resume", "resumed"},
		{"continue", "continued"}, {"clean", "built"},
	}
	text := ""
	for _, word := range words {
		n := info.Verdicts[word.verdict]
		if n == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", n, word.text)
	}
	for _, other := range []struct {
		n    int
		text string
	}{{len(info.Failed), "failed"}, {len(info.Stopped), "interrupted"}, {len(info.Skipped), "not begun"}} {
		if other.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", other.n, other.text)
		}
	}
	return text + fmt.Sprintf("; phases run: %d", info.Phases)
}
