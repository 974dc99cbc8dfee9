package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func logCommand() command {
	return command{
		name: "log", help: "show history with what is built of it", args: "[REVISION...] [-- PATH...]", max: many,
		about: "Prints commits, the newest first, each with what is in the cache of the content that it has for the element: whatever branch, amend, rebase or " +
			"work tree it was built in. The recipe and the dependencies are those of now; of an element in a folder only that folder's content counts. " +
			"Nothing is built or fetched.\n\n" +
			"States:\n" +
			"  ✓  built: its files are in the cache\n" +
			"  ◐  there is the build tree of a build that did not end\n" +
			"  ✗  its commands failed\n" +
			"  …  being built now\n" +
			"  ·  nothing is known\n",
		examples: []string{"git bst log -n 20", "git bst log --all", "git bst log --element app.bst main..topic -- src"},
		flags:    append(append(placeFlags(), logFlags()...), &cli.BoolFlag{Name: "oneline", Usage: "only state, commit and subject"}),
		action:   runLog,
	}
}

// historyInfo is one line of log with --json.
type historyInfo struct {
	Schema  string   `json:"schema"`
	Version int      `json:"version"`
	Commit  string   `json:"commit"`
	Subject string   `json:"subject"`
	Time    string   `json:"time"`
	Refs    []string `json:"refs,omitempty"`
	Element string   `json:"element"`
	Source  string   `json:"source,omitempty"`
	Key     string   `json:"key,omitempty"`
	State   string   `json:"state"`
	Why     string   `json:"why,omitempty"`
	Record  string   `json:"record,omitempty"`
	Verdict string   `json:"verdict,omitempty"`
	How     string   `json:"how,omitempty"`
	Millis  int64    `json:"duration_ms,omitempty"`
}

// logMarks are how states are drawn.
var logMarks = map[flow.LogState]string{flow.LogBuilt: "✓", flow.LogTree: "◐", flow.LogFailed: "✗", flow.LogRunning: "…", flow.LogUnknown: "·"}

func runLog(a *app, cc *cli.Context) error {
	request, err := logRequest(a, cc)
	if err != nil {
		return err
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	return session.Log(cc.Context, request, func(row flow.LogRow) error { return a.printLogRow(row, cc.Bool("oneline")) })
}

func (a *app) printLogRow(row flow.LogRow, short bool) error {
	if a.json {
		info := historyInfo{Schema: "git-bst.history", Version: 1, Commit: row.Commit, Subject: row.Subject, Time: row.Time.Format(time.RFC3339), Refs: row.Refs, Element: row.Element,
			Key: row.Key, State: string(row.State), Why: row.Why, Record: row.Record, Verdict: row.Verdict, How: string(row.Trust.How), Millis: row.Took.Milliseconds()}
		if !row.Source.IsZero() {
			info.Source = row.Source.String()
		}
		return writeJSONLine(a.stdout, info)
	}
	line := logMarks[row.State] + " " + brief(row.Commit)
	if row.Of > 1 {
		line += " " + ui.Safe(row.Element)
	}
	if !short && len(row.Refs) > 0 {
		line += " [" + ui.Safe(strings.Join(row.Refs, ", ")) + "]"
	}
	line += " " + ui.Safe(row.Subject)
	if !short && row.Record != "" {
		line += fmt.Sprintf(" (%s, %s, %s)", brief(row.Key), row.Verdict, ui.FormatDuration(row.Took.Round(time.Millisecond)))
	}
	if !short && row.Why != "" {
		line += " (" + ui.Safe(row.Why) + ")"
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}
