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
			"dependencies are still to be built is unknown: its key depends on what they come to. With -v, also the phases and all that changed.\n\n" +
			"Below an element that is built from a work tree with changes, HEAD, the index and the work tree are told apart, each with what a build of it " +
			"would do; with -v and --json always. Other commits, branches and stash entries: see git bst log.\n\n" +
			"With --watch nothing is planned: it shows what the builder behind git's hooks does and writes, until nothing is built there any more; " +
			"the exit code is 2 if the last build failed. See git bst hooks.\n\n" +
			verdictHelp,
		examples: []string{"git bst status", "git bst status --json app.bst", "git bst status --watch"},
		flags: append(placeFlags(),
			&cli.BoolFlag{Name: "watch", Usage: "show what is built in the background, until that has ended"},
			&cli.BoolFlag{Name: "short", Aliases: []string{"s"}, Usage: "leave out what is up to date"},
		),
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
	Differs []string    `json:"differs,omitempty"`
	// Workspace is the folder of the open workspace that it is built from.
	Workspace string `json:"workspace,omitempty"`
	// Trees are HEAD's, the index's and the work tree's, of an element that is built from one.
	Trees []whereInfo `json:"trees,omitempty"`
}

// whereInfo is what is known of an element's build from one of git's trees.
type whereInfo struct {
	Tree     string      `json:"tree"`
	Commit   string      `json:"commit,omitempty"`
	Source   string      `json:"source,omitempty"`
	BuildKey string      `json:"build_key,omitempty"`
	Key      string      `json:"key,omitempty"`
	Strict   bool        `json:"strict"`
	Verdict  string      `json:"verdict"`
	Reason   plan.Reason `json:"reason"`
}

func whereInfos(states []flow.TreeState) []whereInfo {
	var infos []whereInfo
	for _, state := range states {
		info := whereInfo{Tree: string(state.Where), Commit: state.Commit, BuildKey: state.BuildKey, Key: state.Key, Strict: state.Strict,
			Verdict: string(state.Step.Verdict), Reason: state.Step.Reason}
		if !state.Source.IsZero() {
			info.Source = state.Source.String()
		}
		infos = append(infos, info)
	}
	return infos
}

// verdictHelp explains what status and build print.
const verdictHelp = "Verdicts:\n" +
	"  skip     its artifact is in the cache: nothing is to be done\n" +
	"  promote  a build with the same inputs is in the cache under another name: its files are taken, nothing runs\n" +
	"  resume   the first phases are taken from the cache, only the later ones run\n" +
	"  clean    all phases run, from the sources on\n" +
	"  failed   the same inputs failed before: not run again, unless with --retry\n" +
	"  unknown  a dependency is to be built first, or sources are to be fetched"

func runStatus(a *app, cc *cli.Context) error {
	if cc.Bool("watch") {
		return watchHooks(a, cc)
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	trees := flow.TreesChanged
	if a.json || a.verbose {
		trees = flow.TreesAll
	}
	rows, err := session.Status(cc.Context, cc.Args().Slice(), trees)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if cc.Bool("short") && row.Step.Verdict == plan.Skip {
			continue
		}
		if a.json {
			info := statusInfo{"git-bst.status", 1, row.Element, row.Kind, string(row.Step.Verdict), row.Step.Reason, row.Key, row.Strict, row.Step.Phase, row.Differs, row.Workspace, whereInfos(row.Trees)}
			if err := writeJSONLine(a.stdout, info); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%-8s %-8s %s: %s\n", row.Step.Verdict, brief(row.Key), ui.Safe(row.Element), ui.Safe(row.Step.Reason.Text))
		a.printTrees(row.Trees)
		if a.verbose {
			a.printStatusDetails(row)
		}
	}
	a.tellHiddenHooks(cc.Context)
	return nil
}

// whereWords are the trees' names for the user.
var whereWords = map[flow.Where]string{flow.WhereHead: "HEAD", flow.WhereIndex: "index", flow.WhereWorkTree: "work tree"}

func (a *app) printTrees(states []flow.TreeState) {
	for _, state := range states {
		fmt.Fprintf(a.stdout, "         %-9s %-8s %-8s %s\n", whereWords[state.Where], state.Step.Verdict, brief(state.Key), ui.Safe(state.Step.Reason.Text))
	}
}

// printStatusDetails prints the phases of an element that is to be built, and all that changed.
func (a *app) printStatusDetails(row flow.StatusRow) {
	if row.Workspace != "" {
		fmt.Fprintf(a.stdout, "         workspace: %s\n", ui.Safe(row.Workspace))
	}
	for _, what := range row.Differs {
		fmt.Fprintf(a.stdout, "         changed: %s\n", ui.Safe(what))
	}
	if row.Step.Verdict == plan.Skip || row.Step.Verdict == plan.Promote {
		return
	}
	for i, phase := range row.Phases {
		state := "runs"
		if row.Step.Verdict == plan.Resume && i < row.Step.Phase {
			state = "from the cache"
		} else if row.Step.Verdict == plan.Failed {
			state = "does not run"
		}
		fmt.Fprintf(a.stdout, "         phase %s: %s\n", ui.Safe(phase.Name), state)
	}
}

// brief is the first digits of a key, as BuildStream shows them.
func brief(key string) string {
	const digits = 8
	if key == "" {
		key = flow.UnknownKey
	}
	return key[:digits]
}
