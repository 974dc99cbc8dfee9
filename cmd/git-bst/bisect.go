package main

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/ui"
)

func bisectCommand() command {
	element := []cli.Flag{&cli.StringFlag{Name: "element", Aliases: []string{"e"}, Usage: "choose commits by what is built of `ELEMENT`"}}
	element = append(element, placeFlags()...)
	mark := func(name, help, args string) command {
		return command{name: name, help: help, args: args, max: many, flags: element, action: func(a *app, cc *cli.Context) error {
			return runMark(a, cc, append([]string{name}, a.arguments(cc)...))
		}}
	}
	return command{
		name: "bisect", help: "find the first bad commit with few builds",
		about: "Finds the commit that brought an error, as git bisect does and with its state: git bisect log, visualize and reset work. It differs in which commit is " +
			"tested next: one whose verdict is known, else one that is built, else, among those that part the range about as well as can be, one that needs little " +
			"building. Commits are built from what git has of them: the work tree stays as it is, and so do the recipe and the dependencies.",
		examples: []string{"git bst bisect run --bad HEAD --good v1.0 -- app --self-test", "git bst bisect start HEAD v1.0 && git bst bisect run --script ../crash.sh",
			"git bst bisect reset"},
		sub: []command{
			{name: "start", help: "begin a bisection", args: "[BAD [GOOD...]] [-- PATH...]", max: many, action: startBisect,
				flags: append([]cli.Flag{
					&cli.BoolFlag{Name: "first-parent", Usage: "of merges, follow the first parent only"},
					&cli.StringFlag{Name: "term-old", Aliases: []string{"term-good"}, Usage: "say `TERM` in place of good"},
					&cli.StringFlag{Name: "term-new", Aliases: []string{"term-bad"}, Usage: "say `TERM` in place of bad"},
				}, element...),
				about: "As git bisect start --no-checkout: no commit is checked out. git bst test BISECT_HEAD tests the one that is chosen."},
			mark("bad", "say that a commit is bad", "[REVISION]"),
			mark("good", "say that commits are good", "[REVISION...]"),
			mark("new", "say that a commit has what is looked for", "[REVISION]"),
			mark("old", "say that commits have it not", "[REVISION...]"),
			mark("skip", "say that commits can't be tested", "[REVISION...]"),
			{name: "run", help: "test commits until the first bad one is found", args: "[ELEMENT] [-- COMMAND...]", max: many, action: runBisect,
				about: "Goes on with the bisection that has been started; or with --bad and --good runs one of its own, of which git learns nothing.\n\n" + testWords +
					"\n\nAt the end it says what was built, and what git bisect would have had built.",
				flags: append(append(buildFlags(), testFlags()...),
					&cli.StringFlag{Name: "bad", Usage: "the commit `REVISION` is bad; without it, with --good, HEAD is"},
					&cli.StringSliceFlag{Name: "good", Usage: "the commit `REVISION` is good; may be given several times"},
					&cli.BoolFlag{Name: "first-parent", Usage: "of merges, follow the first parent only, with --good"},
				)},
			gitBisect("log", "print what has been marked"),
			gitBisect("reset", "end the bisection"),
		},
	}
}

// gitBisect is a command of git bisect's that needs nothing of ours.
func gitBisect(name, help string) command {
	return command{name: name, help: help, args: "[ARGUMENT...]", max: many, action: func(a *app, cc *cli.Context) error {
		where, err := a.gitPlace(cc.Context)
		if err != nil {
			return err
		}
		program, err := a.program("git")
		if err != nil {
			return err
		}
		git := gitint.Git{Bin: program, Env: a.environ}
		return git.Do(cc.Context, gitint.Command{Dir: where.top, Args: append([]string{"bisect", name}, a.arguments(cc)...), Stdout: a.stdout})
	}}
}

func startBisect(a *app, cc *cli.Context) error {
	args := []string{"start", "--no-checkout"}
	if cc.Bool("first-parent") {
		args = append(args, "--first-parent")
	}
	for _, term := range []string{"term-old", "term-new"} {
		if cc.IsSet(term) {
			args = append(args, "--"+term+"="+cc.String(term))
		}
	}
	return runMark(a, cc, append(args, a.arguments(cc)...))
}

// runMark has git take a mark down, and says what is best tested next.
func runMark(a *app, cc *cli.Context, args []string) error {
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	marked, err := session.BisectMark(cc.Context, flow.TestSpec{Element: cc.String("element")}, args...)
	if err != nil {
		return err
	}
	next := marked.Next
	switch {
	case a.json:
		return writeJSONLine(a.stdout, markedInfoOf(marked))
	case next == nil:
		fmt.Fprint(a.stdout, marked.Said)
	default:
		fmt.Fprintf(a.stdout, "%s\n[%s] %s (%s)\n", leftLine(next.Left), next.Commit, ui.Safe(next.Subject), priceText(*next))
	}
	return nil
}

// leftLine is git's line on how far a bisection has come.
func leftLine(left int) string {
	all := max(left, 1)
	steps := bits.Len(uint(all)) - 1
	if power := 1 << steps; power >= 3*(all-power) {
		steps--
	}
	steps, rest := max(steps, 0), all-all/2-1
	plural := func(n int) string {
		if n == 1 {
			return ""
		}
		return "s"
	}
	return fmt.Sprintf("Bisecting: %d revision%s left to test after this (roughly %d step%s)", rest, plural(rest), steps, plural(steps))
}

func priceText(next flow.BisectNext) string {
	switch {
	case next.Judged != "":
		return "known to be " + string(next.Judged)
	case plan.PriceOf(next.Verdict) == plan.PriceTest:
		return "it is built"
	}
	return string(next.Verdict)
}

// markedInfo is what bisect start, good, bad and skip print with --json.
type markedInfo struct {
	Schema  string       `json:"schema"`
	Version int          `json:"version"`
	Said    string       `json:"said"`
	Commit  string       `json:"commit,omitempty"`
	Subject string       `json:"subject,omitempty"`
	Left    int          `json:"left,omitempty"`
	Verdict plan.Verdict `json:"verdict,omitempty"`
	Judged  flow.Judged  `json:"judged,omitempty"`
}

func markedInfoOf(marked flow.Marked) markedInfo {
	info := markedInfo{Schema: "git-bst.marked", Version: 1, Said: marked.Said}
	if next := marked.Next; next != nil {
		info.Commit, info.Subject, info.Left, info.Verdict, info.Judged = next.Commit, next.Subject, next.Left, next.Verdict, next.Judged
	}
	return info
}

func runBisect(a *app, cc *cli.Context) error {
	revisions, element, line, err := testArguments("bisect run", a.arguments(cc))
	if err == nil && len(revisions) > 0 {
		err = usageError{err: usagef("git bst bisect run: unexpected argument %q", revisions[0]), hints: []string{"a command goes after --"}}.asError()
	}
	if err != nil {
		return err
	}
	request := flow.BisectRequest{Bad: cc.String("bad"), Good: cc.StringSlice("good"), FirstParent: cc.Bool("first-parent")}
	switch {
	case request.Bad != "" && len(request.Good) == 0:
		return usagef("git bst bisect run: --bad needs a --good")
	case request.Bad == "" && len(request.Good) > 0:
		request.Bad = "HEAD"
	}
	if request.TestSpec, err = a.testSpec(cc, "bisect run", element, line); err != nil {
		return err
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	var last flow.BisectStep
	found, err := session.Bisect(cc.Context, request, func(step flow.BisectStep) error {
		last = step
		if !a.json {
			fmt.Fprintln(a.stdout, leftLine(step.Left))
		}
		return a.printTest(step.TestRow)
	})
	done()
	if err != nil {
		return err
	}
	if last.Judged == flow.Aborted {
		return commandError{max(last.ExitCode, exitAbort)}
	}
	return a.printBisected(found)
}

// bisectedInfo is the last line of bisect run with --json.
type bisectedInfo struct {
	Schema   string               `json:"schema"`
	Version  int                  `json:"version"`
	First    string               `json:"first,omitempty"`
	Subject  string               `json:"subject,omitempty"`
	Suspects []string             `json:"suspects,omitempty"`
	Known    int                  `json:"known"`
	Tested   int                  `json:"tested"`
	Verdicts map[plan.Verdict]int `json:"verdicts"`
	Built    int                  `json:"built"`
	Plain    int                  `json:"plain_builds"`
	How      string               `json:"how,omitempty"`
}

// builds counts what was built of a bisection: all that ran something.
func builds(found flow.Bisected) int {
	n := 0
	for verdict, times := range found.Verdicts {
		if plan.PriceOf(verdict) != plan.PriceTest {
			n += times
		}
	}
	return n
}

func (a *app) printBisected(found flow.Bisected) error {
	if a.json {
		info := bisectedInfo{Schema: "git-bst.bisected", Version: 1, First: found.First, Subject: found.Subject, Suspects: found.Suspects, Known: found.Known,
			Tested: found.Tested, Verdicts: found.Verdicts, Built: builds(found), Plain: found.Plain}
		if found.Unsure != nil {
			info.How = string(found.Unsure.How)
		}
		if err := writeJSONLine(a.stdout, info); err != nil {
			return err
		}
	} else if found.First != "" {
		fmt.Fprintf(a.stdout, "%s is the first %s commit\n    %s\n", found.First, found.Words[0], ui.Safe(found.Subject))
		fmt.Fprintln(a.stdout, savedLine(found))
		if found.Unsure != nil {
			fmt.Fprintf(a.stdout, "its build was %s; to be sure of it: git bst verify %s\n", found.Unsure.How, brief(found.First))
		}
	}
	if found.First == "" {
		return fmt.Errorf("only commits that were skipped are left to test; the first %s commit could be any of: %s", found.Words[0], strings.Join(found.Suspects, " "))
	}
	return nil
}

// savedLine says what a bisection cost, and what git's would have.
func savedLine(found flow.Bisected) string {
	var parts []string
	for verdict := range found.Verdicts {
		parts = append(parts, string(verdict))
	}
	slices.Sort(parts)
	for i, verdict := range parts {
		parts[i] = fmt.Sprintf("%d %s", found.Verdicts[plan.Verdict(verdict)], verdict)
	}
	made := ""
	if len(parts) > 0 {
		made = " (" + strings.Join(parts, ", ") + ")"
	}
	saved := max(found.Plain-builds(found), 0)
	return fmt.Sprintf("%s known, %s run%s; builds: %d, git bisect: %d, saved: %d", counted(found.Known, "verdict", "verdicts"), counted(found.Tested, "test", "tests"), made, builds(found), found.Plain, saved)
}
