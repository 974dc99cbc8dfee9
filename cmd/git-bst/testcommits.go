package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/ui"
)

// testWords say how a test command is run, in the help of all that run one.
const testWords = "COMMAND runs as in `git bst shell`: in a sandbox with the element and all that it needs at run time, on the host's root in the folder of " +
	"its files; with --build-tree in the build tree. A program of yours that is in neither goes in with --script FILE; COMMAND are its arguments then. " +
	"The exit codes are those of git bisect run: 0 is good, 1 to 127 bad, but 125 means that it can't be tested; 128 and more, and a signal, end everything. " +
	"A commit whose build fails can't be tested, unless --unbuilt says what it is.\n\n" +
	"A verdict is remembered by the content of all that the command saw, and is used for every commit and work tree that comes to the same."

func testCommand() command {
	return command{
		name: "test", help: "run a command on what commits are built to", args: "[REVISION...] [ELEMENT] [-- COMMAND...]", max: many,
		about: "Runs COMMAND on what the work tree, or each commit that is named or in a range such as main~5..main, is built to. What is not built yet is built " +
			"first; no file of the work tree changes. The recipe and the dependencies are those of now.\n\n" + testWords + "\n\n" +
			"For one commit the exit code is the command's, so that git bisect run can call git bst test.",
		exits: "For one commit the command's, and 125 where it could not be tested. For several 0 if all are good, else 1. An error of git-bst itself ends with " +
			"128, wrong usage with 129, so that neither is ever taken for a verdict; 130: interrupted.",
		examples: []string{"git bst test -- app --version", "git bst test main~10..main -- app --self-test", "git bst test --build-tree HEAD -- make check",
			"git bisect run git bst test --script ../crash.sh"},
		flags: append(append(buildFlags(), testFlags()...),
			&cli.BoolFlag{Name: "no-build", Usage: "test only what is built"},
			&cli.BoolFlag{Name: "first-parent", Usage: "of merges in a range, follow the first parent only"},
		),
		action: runTest,
	}
}

// testFlags are for commands that test.
func testFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "build-tree", Usage: "run it in the build tree, not on the artifact"},
		&cli.StringFlag{Name: "script", Usage: "run `FILE` of this machine, with the command as its arguments"},
		&cli.BoolFlag{Name: "again", Usage: "run it although its verdict is known, and build again what failed"},
		&cli.StringFlag{Name: "unbuilt", Value: "skip", Usage: "a commit whose build fails is `VERDICT`: good, bad or skip"},
	}
}

// maxScript is the size of the largest script: more is no script.
const maxScript = 64 << 20

// testSpec is what the flags and the words behind -- say of a test.
func (a *app) testSpec(cc *cli.Context, name, element string, command []string) (flow.TestSpec, error) {
	spec := flow.TestSpec{Element: element, Command: command, BuildTree: cc.Bool("build-tree"), NoBuild: cc.Bool("no-build"), Again: cc.Bool("again"),
		Unbuilt: flow.Judged(cc.String("unbuilt")), Output: a.stderr}
	if a.quiet {
		spec.Output = io.Discard
	}
	if !slices.Contains([]flow.Judged{flow.Good, flow.Bad, flow.Skipped}, spec.Unbuilt) {
		return spec, usagef("git bst %s: --unbuilt %s: one of good, bad, skip is expected", name, cc.String("unbuilt"))
	}
	if !cc.IsSet("script") {
		if len(command) == 0 {
			return spec, usageError{err: usagef("git bst %s: no command is given", name), hints: []string{"a command goes after --"}}.asError()
		}
		return spec, nil
	}
	file, err := os.Open(a.path(cc.String("script")))
	if err != nil {
		return spec, fmt.Errorf("read the script: %w", err)
	}
	defer file.Close()
	if spec.Script, err = io.ReadAll(io.LimitReader(file, maxScript+1)); err != nil {
		return spec, fmt.Errorf("read the script: %w", err)
	}
	if len(spec.Script) > maxScript {
		return spec, fmt.Errorf("read the script: %s has more than %d MiB", cc.String("script"), maxScript>>20)
	}
	return spec, nil
}

// testArguments splits revisions and an element from what comes after --.
func testArguments(name string, args []string) (revisions []string, element string, line []string, err error) {
	if at := slices.Index(args, "--"); at >= 0 {
		args, line = args[:at], args[at+1:]
	}
	for _, arg := range args {
		switch {
		case strings.HasPrefix(arg, "-"):
			return nil, "", nil, usageError{err: usagef("git bst %s: %q is no revision", name, arg), hints: []string{"flags go before the arguments"}}.asError()
		case !strings.HasSuffix(arg, ".bst"):
			revisions = append(revisions, arg)
		case element != "":
			return nil, "", nil, usagef("git bst %s: two elements: %s, %s", name, element, arg)
		default:
			element = arg
		}
	}
	return revisions, element, line, nil
}

func runTest(a *app, cc *cli.Context) error {
	revisions, element, line, err := testArguments("test", a.arguments(cc))
	if err != nil {
		return err
	}
	spec, err := a.testSpec(cc, "test", element, line)
	if err != nil {
		return noVerdict(err)
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return noVerdict(err)
	}
	var rows []flow.TestRow
	request := flow.TestRequest{TestSpec: spec, Revisions: revisions, FirstParent: cc.Bool("first-parent")}
	err = session.Test(cc.Context, request, func(row flow.TestRow) error {
		rows = append(rows, row)
		return a.printTest(row)
	})
	done()
	if err != nil {
		return noVerdict(err)
	}
	return testResult(rows)
}

// noVerdict makes an error of ours one that git bisect run takes for no verdict. A project that can't be
// read is what an old commit may have, and none of git-bst's doing.
func noVerdict(err error) error {
	what := errNoVerdict
	if errors.Is(err, flow.ErrNoProject) || project.ReasonOf(err) != "" {
		what = errUntestable
	}
	return fmt.Errorf("%w%w", err, silent{what})
}

// testResult is the exit code as an error: the command's for one commit, else whether any is bad.
func testResult(rows []flow.TestRow) error {
	code := exitDone
	for _, row := range rows {
		switch row.Judged {
		case flow.Aborted:
			return commandError{max(row.ExitCode, exitAbort)}
		case flow.Bad:
			code = exitBad
			if len(rows) == 1 && row.ExitCode != 0 {
				code = row.ExitCode
			}
		case flow.Skipped:
			if len(rows) == 1 {
				code = exitSkip
			}
		}
	}
	if code == exitDone {
		return nil
	}
	return commandError{code}
}

// testInfo is one line of test with --json.
type testInfo struct {
	Schema   string      `json:"schema"`
	Version  int         `json:"version"`
	Commit   string      `json:"commit,omitempty"`
	Subject  string      `json:"subject,omitempty"`
	Element  string      `json:"element"`
	Key      string      `json:"key,omitempty"`
	Judged   flow.Judged `json:"judged"`
	ExitCode int         `json:"exit_code"`
	Known    bool        `json:"known"`
	Verdict  string      `json:"verdict"`
	Reason   plan.Reason `json:"reason"`
	Why      string      `json:"why,omitempty"`
	How      string      `json:"how,omitempty"`
	Verified bool        `json:"verified,omitempty"`
	Record   string      `json:"record,omitempty"`
	Looking  int64       `json:"looking_ms"`
	Building int64       `json:"building_ms"`
	Testing  int64       `json:"testing_ms"`
}

func testInfoOf(row flow.TestRow) testInfo {
	return testInfo{Schema: "git-bst.test", Version: 1, Commit: row.Commit, Subject: row.Subject, Element: row.Element, Key: row.Key, Judged: row.Judged,
		ExitCode: row.ExitCode, Known: row.Known, Verdict: string(row.Step.Verdict), Reason: row.Step.Reason, Why: row.Why, How: string(row.Trust.How),
		Verified: row.Trust.Verified, Record: row.Record, Looking: row.Looking.Milliseconds(), Building: row.Building.Milliseconds(), Testing: row.Testing.Milliseconds()}
}

func (a *app) printTest(row flow.TestRow) error {
	if a.json {
		return writeJSONLine(a.stdout, testInfoOf(row))
	}
	_, err := fmt.Fprintln(a.stdout, testLine(row))
	return err
}

// testLine is a test as people read it: good 1a2b3c4d subject (exit code 0, clean 3.2s).
func testLine(row flow.TestRow) string {
	name := "the work tree"
	if row.Commit != "" {
		name = brief(row.Commit) + " " + row.Subject
	}
	var notes []string
	switch {
	case row.Known && row.Why == "":
		notes = append(notes, "known")
	case row.Why != "":
		notes = append(notes, row.Why)
	}
	if row.Judged == flow.Bad && row.ExitCode != 0 {
		notes = append(notes, fmt.Sprintf("exit code %d", row.ExitCode))
	}
	if (!row.Known || row.Building > 0) && row.Step.Verdict != "" {
		text := string(row.Step.Verdict)
		if row.Building > 0 {
			text += " " + ui.FormatDuration(row.Building.Round(time.Millisecond))
		}
		notes = append(notes, text)
	}
	return fmt.Sprintf("%-5s %s (%s)", row.Judged, ui.Safe(name), ui.Safe(strings.Join(notes, ", ")))
}
