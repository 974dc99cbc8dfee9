package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// Judged is what a test says of a commit, in the words of git bisect.
type Judged string

// The judgements. The zero value is none yet.
const (
	Good    Judged = "good"
	Bad     Judged = "bad"
	Skipped Judged = "skip"  // it can't be tested
	Aborted Judged = "abort" // the command was ended by a signal, or says that nothing is to be tested
)

// Exit codes of test commands with a meaning of their own, as in git bisect run.
const (
	exitSkip     = 125
	exitNotRun   = 126 // what a shell says of a command that it can't run
	exitNotFound = 127
	exitAbort    = 128 // and above
)

// judge is what an exit code says.
func judge(exitCode int) Judged {
	switch {
	case exitCode == 0:
		return Good
	case exitCode == exitSkip:
		return Skipped
	case exitCode < 0 || exitCode >= exitAbort:
		return Aborted
	}
	return Bad
}

// TestSpec is a command that is run on what an element is built to.
type TestSpec struct {
	Element   string   // "" for the configured one
	Command   []string // of a script its arguments
	Script    []byte   // a program of the user's that is run; nil: Command is run
	BuildTree bool     // run it in the build tree, not on the artifact
	NoBuild   bool     // what is not built is not tested
	Again     bool     // run it although its verdict is known
	Unbuilt   Judged   // what a commit is whose build fails; "" is Skipped
	Output    io.Writer
}

// TestRequest is a command with the commits on which it is run.
type TestRequest struct {
	TestSpec
	Revisions   []string // commits and ranges; none: the work tree
	FirstParent bool     // of merges in a range follow the first parent only
}

// TestRow is what a test came to at one commit.
type TestRow struct {
	Commit   string // "" for the work tree
	Subject  string
	Element  string
	Key      string // build key; "" while it is unknown
	Judged   Judged
	ExitCode int       // of the command; 0 where none was run, nor ever
	Known    bool      // the command was not run, as its verdict was known
	Step     plan.Step // what was done to have what is tested; not carried out where the verdict was known
	Why      string    // why it was not tested
	Trust    record.Trust
	Record   string
	Looking  time.Duration // how long it took to find what is known
	Building time.Duration
	Testing  time.Duration
}

// Test runs a command on what an element is built to at each commit, the oldest first, and calls yield
// for each. What has been tested before, whatever commit it came from, is not tested again. An aborted
// one is the last.
func (s *Session) Test(ctx context.Context, request TestRequest, yield func(TestRow) error) error {
	t, err := s.newTrial(ctx, request.TestSpec)
	if err != nil {
		return err
	}
	commits := []commitLine{{}}
	if len(request.Revisions) > 0 {
		if t.unmapped != nil {
			return t.unmapped
		}
		if commits, err = s.listTested(ctx, t.history, request); err != nil {
			return err
		}
	}
	for _, commit := range commits {
		row, err := t.test(ctx, commit)
		if err == nil {
			err = yield(row)
		}
		if err != nil {
			return err
		}
		if row.Judged == Aborted {
			return nil
		}
	}
	return nil
}

// listTested lists the commits that are named or in a named range, the oldest first.
func (s *Session) listTested(ctx context.Context, h history, request TestRequest) ([]commitLine, error) {
	flags := []string{"--no-walk=unsorted"}
	if slices.ContainsFunc(request.Revisions, isRange) {
		flags = []string{"--reverse", "--topo-order"}
		if request.FirstParent {
			flags = append(flags, "--first-parent")
		}
	}
	commits, err := s.listCommits(ctx, h.repo, LogRequest{Revisions: request.Revisions}, flags...)
	if err == nil && len(commits) == 0 {
		err = fmt.Errorf("there is no commit in %s", strings.Join(request.Revisions, " "))
	}
	return commits, err
}

// isRange reports whether a revision means more than the commit that it names.
func isRange(revision string) bool {
	return strings.Contains(revision, "..") || strings.HasPrefix(revision, "^") || strings.Contains(revision, "^@") ||
		strings.Contains(revision, "^!") || strings.Contains(revision, "^-")
}

// trial is a command that is run on an element at several commits.
type trial struct {
	TestSpec
	session  *Session
	history  history
	unmapped error // why no commit says what is tested; nil: they do
}

func (s *Session) newTrial(ctx context.Context, spec TestSpec) (*trial, error) {
	if err := s.config.CheckTrust(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if spec.Unbuilt == "" {
		spec.Unbuilt = Skipped
	}
	g, n, err := s.element(ctx, spec.Element)
	if err != nil {
		return nil, err
	}
	if spec.BuildTree && !stagesSources(n.recipe) {
		return nil, fmt.Errorf("test %s: an element of kind %s has no build tree", n.element.FullName(), n.element.Kind)
	}
	t := &trial{TestSpec: spec, session: s}
	t.history, t.unmapped = s.historyOf(g, n) // as it is now it can be tested in any case
	return t, nil
}

// subject is what is tested at one commit, as far as it is known.
type subject struct {
	session *Session
	graph   *graph
	node    *node
	job     build.Job
	shell   build.Shell
	key     string // of the verdict; "" while what is tested is not there
}

// test is the verdict on a commit: what is known, or what running the command comes to.
func (t *trial) test(ctx context.Context, commit commitLine) (TestRow, error) {
	started := t.session.options.Now()
	row, what, err := t.look(ctx, commit)
	row.Looking = t.session.options.Now().Sub(started)
	if err != nil || row.Judged != "" {
		return row, err
	}
	if what.key == "" {
		if t.NoBuild {
			row.Judged, row.Why = Skipped, "it is not built"
			return row, nil
		}
		if what, err = t.build(ctx, commit, &row); err != nil || row.Judged != "" {
			return row, err
		}
		if t.recall(what, &row) {
			return row, nil
		}
	}
	return row, t.run(ctx, what, &row)
}

// untestable are the errors of commits that have not what is built, or can't be read.
var untestable = append([]error{tree.ErrNotFound}, unreadable...)

// look finds what is known of a commit. Nothing is built and no command runs.
func (t *trial) look(ctx context.Context, commit commitLine) (TestRow, subject, error) {
	row := TestRow{Commit: commit.id, Subject: commit.subject, Element: t.history.element}
	what := subject{session: t.session.at(t.history, commit.id)}
	var err error
	if what.graph, what.node, err = what.session.elementAt(ctx, t.history); err != nil {
		if commit.id != "" && slices.ContainsFunc(untestable, func(one error) bool { return errors.Is(err, one) }) {
			row.Judged, row.Known, row.Why = Skipped, true, err.Error()
			return row, what, nil
		}
		return row, what, t.at(commit, err)
	}
	job, facts, err := what.session.resolve(ctx, what.graph, what.node, Asked{})
	if err != nil {
		return row, what, t.at(commit, err)
	}
	what.job, row.Key, row.Step = job, job.Chain.Build, plan.Make(facts)
	if row.Step.Verdict == plan.Failed && !t.Again {
		row.Judged, row.Known, row.Why = t.Unbuilt, true, row.Step.Reason.Text
		return row, what, nil
	}
	err = what.furnish(ctx, t, &row)
	if err == nil {
		t.recall(what, &row)
	}
	return row, what, t.at(commit, err)
}

// recall takes the verdict that is known of what is tested, and reports whether one is.
func (t *trial) recall(what subject, row *TestRow) bool {
	if what.key == "" || t.Again {
		return false
	}
	verdict, err := t.session.env.Verdicts.Get(what.key)
	if err != nil { // a damaged one is none: it is tested again
		return false
	}
	row.Judged, row.ExitCode, row.Known, row.Testing = judge(verdict.ExitCode), verdict.ExitCode, true, verdict.Duration
	return true
}

func (t *trial) at(commit commitLine, err error) error {
	if err == nil || commit.id == "" {
		return err
	}
	return fmt.Errorf("test %s at %.12s: %w", t.history.element, commit.id, err)
}

// build builds what is to be tested. A failure of the element's is a judgement.
func (t *trial) build(ctx context.Context, commit commitLine, row *TestRow) (subject, error) {
	session := t.session.at(t.history, commit.id)
	asked := Asked{Retry: t.Again, Clean: t.BuildTree && row.Step.Verdict == plan.Skip} // its build tree is gone
	report, err := session.Build(ctx, BuildRequest{Elements: []string{t.history.element}, Asked: asked})
	row.Building = report.Took
	for _, outcome := range report.Outcomes {
		if outcome.Step.Element == t.history.element {
			row.Step = outcome.Step
		}
	}
	if errors.Is(err, ErrBuildFailed) && ctx.Err() == nil && len(report.Failures) > 0 {
		failure := report.Failures[0]
		if failure.Result != record.Failed {
			return subject{}, t.at(commit, err) // the machine's doing says nothing of the commit
		}
		row.Judged, row.Why = t.Unbuilt, failure.Error()
		return subject{}, nil
	}
	if err != nil {
		return subject{}, t.at(commit, err)
	}
	what := subject{session: t.session.at(t.history, commit.id)}
	if what.graph, what.node, err = what.session.elementAt(ctx, t.history); err != nil {
		return what, t.at(commit, err)
	}
	if what.job, _, err = what.session.resolve(ctx, what.graph, what.node, Asked{}); err != nil {
		return what, t.at(commit, err)
	}
	if err := what.furnish(ctx, t, row); err != nil {
		return what, t.at(commit, err)
	}
	if what.key == "" {
		err := fmt.Errorf("%w: what was built of %s is not in the cache", ErrNotCached, t.history.element)
		if t.BuildTree {
			err = hint.Add(fmt.Errorf("%w: %s left no build tree", ErrNotCached, t.history.element), "to have them kept, leave build.continue at auto")
		}
		return what, t.at(commit, err)
	}
	return what, nil
}

// furnish prepares the command where it is to run, and names its verdict, if what is tested is there.
func (w *subject) furnish(ctx context.Context, t *trial, row *TestRow) error {
	w.shell = build.Shell{Command: t.Command, Script: t.Script, Stdout: t.Output, Stderr: t.Output}
	test := keys.Test{State: map[string]string{}, Command: t.Command}
	if t.BuildTree {
		rec, err := w.withTree(ctx)
		if err != nil || rec == nil {
			return err
		}
		if err := w.session.enterRecord(ctx, *rec, w.node.recipe.Env, &w.shell); err != nil {
			if errors.Is(err, ErrNotCached) {
				return nil
			}
			return err
		}
		row.Trust, row.Record = rec.Trust, rec.ID
		for name, d := range map[string]digest.Digest{"build": rec.BuildTree, "times": rec.Times, "install": rec.InstallTree,
			"install-times": rec.InstallTimes, "tmp": rec.Tmp, "shm": rec.Shm, "special": rec.Special} {
			test.State[name] = d.String()
		}
	} else {
		if w.node.built == nil {
			return nil
		}
		if err := w.session.enterRuntime(ctx, w.graph, w.node, &w.shell); err != nil {
			if errors.Is(err, ErrNotCached) { // something that it needs at run time is not built
				return nil
			}
			return err
		}
		row.Trust, row.Record = w.node.built.Trust, w.node.built.Record
		test.State["files"] = w.node.built.Files.String()
	}
	return w.name(ctx, test)
}

// withTree is the build attempt whose tree is tested: a success with these very inputs; nil without.
func (w *subject) withTree(ctx context.Context) (*record.Record, error) {
	job := w.job
	if job.Chain.Build == "" && w.session.blocked(ctx, w.graph, w.node) == nil { // skipped by its strict key
		var err error
		if job, err = w.session.job(ctx, w.graph, w.node); err != nil {
			return nil, err
		}
	}
	records, err := w.session.env.Records.ByBuildKey(ctx, job.Chain.Build)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		if rec.Result != record.Success || rec.BuildTree.IsZero() {
			continue
		}
		withdrawn, err := w.session.env.IsWithdrawn(ctx, rec)
		if err != nil {
			return nil, err
		}
		whole, err := tree.NewPresence(w.session.cas).Whole(ctx, rec.BuildTree)
		if err != nil {
			return nil, err
		}
		if whole && !withdrawn {
			return &rec, nil
		}
	}
	return nil, nil
}

// name computes the key of the verdict.
func (w *subject) name(ctx context.Context, test keys.Test) error {
	job := w.shell.Job
	test.Root, test.Layout, test.Environment = job.Parts.Root, job.Parts.Layout, job.Recipe.Env
	if w.session.config.Build.Sandbox == "none" {
		test.Root.Sandbox = "none"
	}
	if test.Root.Kind == keys.RootHost {
		host, err := w.session.host(ctx, w.graph)
		if err != nil {
			return err
		}
		test.Root.Fingerprint = host.fingerprint
	}
	for _, placed := range job.Stack {
		test.Sysroot = append(test.Sysroot, stagedPart(placed, true))
	}
	if w.shell.Script != nil {
		test.Script = digest.Of(w.shell.Script).String()
	}
	var err error
	w.key, err = test.Key()
	return err
}

// run runs the command and remembers what it said.
func (t *trial) run(ctx context.Context, what subject, row *TestRow) error {
	if err := what.session.chooseSandbox(ctx); err != nil {
		return err
	}
	result, err := what.session.env.Enter(ctx, what.shell)
	if err != nil {
		return t.at(commitLine{id: row.Commit}, fmt.Errorf("run the test: %w", err))
	}
	if result.Interrupted || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	row.Judged, row.ExitCode, row.Testing = judge(result.ExitCode), result.ExitCode, result.Duration
	switch {
	case result.OutOfMemory:
		row.Judged, row.Why = Aborted, "the machine ran out of memory"
	case result.Signal != 0:
		row.Judged, row.Why = Aborted, fmt.Sprintf("the command was ended by signal %d", result.Signal)
	case row.Judged == Aborted:
	default:
		return t.session.env.Verdicts.Put(what.key, action.Verdict{ExitCode: result.ExitCode, Duration: result.Duration})
	}
	return nil
}
