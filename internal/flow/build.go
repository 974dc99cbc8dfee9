package flow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// BuildRequest is what to build and how.
type BuildRequest struct {
	Elements  []string // none: the configured element or the project's default
	Asked     Asked
	KeepGoing bool // after a failure, build what does not depend on it
}

// Outcome is what became of one element.
type Outcome struct {
	Step   plan.Step
	Key    string // strict key, or the key of the artifact
	Strict bool   // whether Key is BuildStream's
	Failed bool   // its commands failed, or it could not be built
	// Interrupted: the user ended it; then it is not Failed.
	Interrupted bool
	Ran         int // phases that ran
	Took        time.Duration
	Redone      *Redone // of what was carried out with success, where it is known; else nil
}

// Report is what a build came to, in the order of the elements.
type Report struct {
	Outcomes []Outcome
	Failures []*build.Failure
	Skipped  []string // not begun, as something that they need failed
	Took     time.Duration
}

// Build builds elements and all that they need, several at a time. A failure of an element is in
// the report and as ErrBuildFailed; what was built stays.
func (s *Session) Build(ctx context.Context, request BuildRequest) (Report, error) {
	started := s.options.Now()
	if err := s.config.CheckTrust(); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	s.fetches = true
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return Report{}, err
	}
	if err := s.findFrom(ctx, g, &request.Asked); err != nil {
		return Report{}, err
	}
	order, err := s.needed(ctx, g, request.Asked)
	if err != nil {
		return Report{}, err
	}
	outcomes := make(map[*node]*Outcome, len(order))
	for _, n := range order {
		outcomes[n] = &Outcome{}
	}
	s.noteWorkspaces(order)
	options := build.ScheduleOptions{Limit: s.builders(), KeepGoing: request.KeepGoing}
	skipped, err := build.Schedule(ctx, order, g.dependencies, options, func(ctx context.Context, n *node) error {
		err := s.buildOne(ctx, g, n, request.Asked, outcomes[n])
		if errors.Is(err, cas.ErrCorrupt) { // it was put aside: what it held is fetched, read or built again
			s.wholeTrees.Clear()
			s.bases.Clear()
			s.env.Report(build.Event{Kind: build.EventNote, Element: n.element.FullName(), Lines: []string{"once more, as the cache was damaged: " + err.Error()}})
			err = s.buildOne(ctx, g, n, request.Asked, outcomes[n])
		}
		return err
	})
	report := Report{Took: s.options.Now().Sub(started)}
	for _, n := range order {
		if outcomes[n].Step.Verdict != "" {
			report.Outcomes = append(report.Outcomes, *outcomes[n])
		}
	}
	for _, n := range skipped {
		report.Skipped = append(report.Skipped, n.element.FullName())
	}
	report, err = s.failures(report, err)
	s.collectIfDue(ctx, report)
	return report, err
}

// failures takes the elements' own failures out of err.
func (s *Session) failures(report Report, err error) (Report, error) {
	var others []error
	for _, one := range unjoin(err) {
		var failure *build.Failure
		if errors.As(one, &failure) {
			report.Failures = append(report.Failures, failure)
			continue
		}
		others = append(others, one)
	}
	if len(others) > 0 {
		return report, errors.Join(others...)
	}
	if len(report.Failures) > 0 {
		failure := report.Failures[0]
		return report, s.hintFailure(fmt.Errorf("%w: %w", ErrBuildFailed, failure), failure)
	}
	return report, nil
}

// hintFailure says what can be done about an element that failed.
func (s *Session) hintFailure(err error, failure *build.Failure) error {
	if failure.ExitCode == 127 && failure.Command == "" && s.config.Build.Root != keys.RootHost {
		return hintNoShell(err, failure.Element)
	}
	if failure.Result == record.Machine {
		return hint.Addf(err, "make room, then: git bst build %s; what the cache may give back: git bst cache gc", failure.Element)
	}
	look := "to look into its build tree: git bst shell --build " + failure.Element
	if failure.Diagnosed != "" {
		return hint.Addf(err, "the error is in %s, which you changed: fix it and build again; built again as it is, it is built clean", failure.Diagnosed)
	}
	if failure.Replayed {
		return hint.Add(err, look, "to build it again with the same inputs: git bst build --retry "+failure.Element)
	}
	// The build folder and the install root are two mounts, between which the kernel links no files.
	if slices.ContainsFunc(build.Tail(failure.Log, linesOfCause), func(line string) bool { return strings.Contains(line, "cross-device link") }) {
		return hint.Add(err, "the build folder and the install root are two file systems to a build here: copy between them (cp, install), or ln within one", look)
	}
	return hint.Add(err, look)
}

// linesOfCause is how many of a log's last lines are searched for why a command failed.
const linesOfCause = 20

// hintNoShell is for a sysroot in which no command can be started.
func hintNoShell(err error, element string) error {
	return hint.Add(err, "no build dependency of "+element+" brings a shell (sh): add one to its build-depends, such as an import of a root file system",
		"or, where no element needs what another installs to /usr, build on this machine's own system: git config bst.build.root host")
}

func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// dependencies are the nodes that must be done before n: all that is staged to build it, and what
// it needs at run time.
func (g *graph) dependencies(n *node) []*node {
	var list []*node
	for _, dep := range n.element.Deps {
		if dep.Build || dep.Runtime {
			list = append(list, g.nodes[dep.Element])
		}
	}
	return list
}

func (s *Session) builders() int {
	if s.config.Build.Builders > 0 {
		return s.config.Build.Builders
	}
	return runtime.NumCPU()
}

// buildOne brings one element's artifact about. A step that runs something is decided again under
// the lock on its build key, so that a second builder finds what the first one built.
func (s *Session) buildOne(ctx context.Context, g *graph, n *node, asked Asked, outcome *Outcome) error {
	job, facts, err := s.resolve(ctx, g, n, asked)
	if err != nil {
		return fmt.Errorf("plan %s: %w", n.element.FullName(), err)
	}
	if facts.Blocked != nil {
		if job, facts, err = s.unblock(ctx, g, n, asked, *facts.Blocked); err != nil {
			return err
		}
	}
	step := plan.Make(facts)
	if step.Verdict == plan.Skip {
		return s.skip(ctx, n, job, step, outcome)
	}
	if step.Runs() {
		go func() { _, _ = s.sandboxTrial(ctx)() }() // prepare asks for what it found
	}
	unlock, err := s.env.Lock(ctx, job)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.lookUpAgain(ctx, g, n, &job, &facts); err != nil {
		return fmt.Errorf("plan %s: %w", n.element.FullName(), err)
	}
	step = plan.Make(facts)
	if step.Verdict == plan.Skip {
		return s.skip(ctx, n, job, step, outcome)
	}
	if err := s.prepare(ctx, n, &job, step); err != nil {
		return fmt.Errorf("build %s: %w", n.element.FullName(), err)
	}
	built, err := s.env.Do(ctx, job, step)
	s.unmark(ctx, n, err)
	*outcome = Outcome{Step: step, Key: job.Refs[0].Key, Strict: job.Strict != "", Ran: built.Ran, Took: built.Took}
	if built.Instead != nil {
		outcome.Step = *built.Instead
	}
	outcome.Interrupted = err != nil && ctx.Err() != nil
	outcome.Failed = err != nil && !outcome.Interrupted
	if err != nil {
		var failure *build.Failure
		if errors.As(err, &failure) {
			return failure
		}
		return fmt.Errorf("build %s: %w", n.element.FullName(), err)
	}
	outcome.Redone = s.redone(ctx, *outcome, built)
	g.setBuilt(n, &built)
	return nil
}

// skip reports an element whose artifact is here.
func (s *Session) skip(_ context.Context, n *node, job build.Job, step plan.Step, outcome *Outcome) error {
	key := job.Strict
	if key == "" {
		key = job.Refs[0].Key
	}
	*outcome = Outcome{Step: step, Key: key, Strict: job.Strict != ""}
	s.env.Report(build.Event{Kind: build.EventSkipped, Element: n.element.FullName(), Verdict: string(step.Verdict),
		Reason: step.Reason.Text, Code: string(step.Reason.Code), Key: key})
	return nil
}

// unblock does what can be done about a reason not to plan: it fetches sources.
func (s *Session) unblock(ctx context.Context, g *graph, n *node, asked Asked, reason plan.Reason) (build.Job, plan.Facts, error) {
	switch reason.Code {
	case plan.CodeNotFetched:
		if err := source.Fetch(ctx, s.telling(g, n), n.element); err != nil {
			return build.Job{}, plan.Facts{}, hintFetch(fmt.Errorf("fetch the sources of %s: %w", n.element.FullName(), err), n.element.FullName())
		}
		return s.resolve(ctx, g, n, asked)
	case plan.CodeUnknownKind:
		return build.Job{}, plan.Facts{}, fmt.Errorf("%s: build %s: %s", n.element.At, n.element.FullName(), reason.Text)
	case plan.CodeNoReference:
		err := fmt.Errorf("%s: build %s: %s", n.unresolved(), n.element.FullName(), reason.Text)
		return build.Job{}, plan.Facts{}, hint.Addf(err, "to find the newest one and write it: git bst source track %s", n.element.FullName())
	}
	return build.Job{}, plan.Facts{}, fmt.Errorf("internal error: build %s: expected its dependencies to be built, but %s", n.element.FullName(), reason.Text)
}

// telling is what sources are read with for n: what there is to say about them becomes notes.
func (s *Session) telling(g *graph, n *node) source.Env {
	sources := g.sources
	sources.Progress = func(line string) {
		s.env.Report(build.Event{Kind: build.EventNote, Element: n.element.FullName(), Lines: []string{line}})
	}
	return sources
}

// hintFetch says what can be done about sources that could not be fetched.
func hintFetch(err error, element string) error {
	switch {
	case errors.Is(err, source.ErrDownload):
		return hint.Addf(err, "is the URL right, and can it be reached from here? to try again: git bst source fetch %s", element)
	case errors.Is(err, source.ErrNoCommit):
		return hint.Addf(err, "to find the newest one and write it: git bst source track %s", element)
	}
	return err
}

// unresolved is where the first source without a ref is written.
func (n *node) unresolved() project.Place {
	for i, id := range n.sources {
		if !id.Resolved && !id.InPlace {
			return n.element.Sources[i].At
		}
	}
	return n.element.At
}

// lookUpAgain refreshes what another process may have changed before the lock was taken.
func (s *Session) lookUpAgain(ctx context.Context, g *graph, n *node, job *build.Job, facts *plan.Facts) error {
	fresh := plan.Facts{Element: facts.Element, Asked: facts.Asked}
	if !facts.Asked.Anew() {
		entry, err := s.cached(ctx, n)
		if err != nil {
			return err
		}
		if entry != nil {
			fresh.Artifact = n.strict()
			g.setBuilt(n, s.built(*entry))
			*facts = fresh
			return nil
		}
	}
	err := s.lookUp(ctx, g, n, job, &fresh)
	*facts = fresh
	return err
}

// prepare puts into the store what the step reads from the work tree (rule 26).
func (s *Session) prepare(ctx context.Context, n *node, job *build.Job, step plan.Step) error {
	job.Fetch = func(ctx context.Context) error { return s.ensureSources(ctx, n) }
	ensure := s.ensureSources
	if !step.Runs() {
		return nil
	}
	if step.Verdict == plan.Continue && s.env.Keep != build.KeepAlways { // else the artifact names all of the source
		ensure = func(ctx context.Context, n *node) error { return s.ensureChanges(ctx, n, job.Base.Changes) }
	}
	if err := ensure(ctx, n); err != nil {
		return err
	}
	return s.chooseSandbox(ctx)
}

// ensureChanges puts into the store what n's sources have that an old build tree has not: no more is
// read where that is continued.
func (s *Session) ensureChanges(ctx context.Context, n *node, changes []tree.Change) error {
	var files []digest.Digest
	for _, change := range changes {
		if change.New.Kind == tree.KindFile {
			files = append(files, change.New.Digest)
		}
	}
	err := error(nil)
	switch {
	case n.stagesWork():
		err = n.work.repo.EnsureFiles(ctx, n.work.snap, files)
	case s.snap != nil:
		err = s.repo.EnsureFiles(ctx, *s.snap, files)
	}
	if err != nil {
		return s.ensureSources(ctx, n)
	}
	return nil
}

// ensureSources puts into the store the blobs of n's sources that are known by digest only.
func (s *Session) ensureSources(ctx context.Context, n *node) error {
	if n.stagesWork() {
		return n.work.repo.Ensure(ctx, n.work.snap, n.work.root)
	}
	for i, id := range n.sources {
		fromCommit := s.apart && id.Kind == "local" && s.options.Standing == nil && s.ofRepository(n.element)
		if !id.InPlace && !fromCommit {
			continue
		}
		read := s.inPlace
		if fromCommit {
			read = s.localOf
		}
		root, err := read(ctx, n.element, n.element.Sources[i])
		if err != nil {
			return err
		}
		if err := s.repo.Ensure(ctx, *s.snap, root); err != nil {
			return err
		}
	}
	return nil
}
