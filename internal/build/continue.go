package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// continueFrom continues a base's build tree with the new source (rules 20 to 23). What the rules
// distrust is built clean, once; the reason is told.
func (e *Env) continueFrom(ctx context.Context, job Job, step plan.Step) (Built, error) {
	built, err := e.runStep(ctx, job, step, func(ctx context.Context, c *chain) error { return c.proceed(ctx, step) })
	var doubt *doubtError
	if !errors.As(err, &doubt) {
		return built, err
	}
	e.emit(Event{Kind: EventNote, Element: job.Name, Code: string(doubt.reason.Code), Lines: []string{"building clean: " + doubt.reason.Text}})
	if job.Fetch != nil {
		if err := job.Fetch(ctx); err != nil {
			return Built{}, err
		}
	}
	instead := plan.Step{Element: step.Element, Verdict: plan.Clean, Reason: doubt.reason}
	built, err = e.run(ctx, job, instead)
	built.Instead = &instead
	return built, err
}

// doubtError ends a continued build whose result must not be used.
type doubtError struct{ reason plan.Reason }

func (d *doubtError) Error() string { return d.reason.Text }

func doubt(code plan.Code, format string, args ...any) error {
	return &doubtError{plan.Reason{Code: code, Text: fmt.Sprintf(format, args...)}}
}

// proceed brings the base's build tree to the new source and runs the phases after configure.
func (c *chain) proceed(ctx context.Context, step plan.Step) error {
	base := c.job.Base
	if base == nil || base.Record.ID != step.Record {
		return fmt.Errorf("internal error: continue %s: expected the record %s", c.job.Name, step.Record)
	}
	c.rec.Base = base.Record.ID
	if err := c.takeUp(ctx, base.Record, step.Phase); err != nil {
		return notTakenUp(err)
	}
	c.last = action.Outputs{} // what ends before a phase of its own ends has no tree (rule 17)
	var err error
	if c.root, err = c.env.sysroot(ctx, c.job, c.dir); err != nil {
		return err
	}
	defer c.root.release()
	if err := c.countable(ctx); err != nil {
		return err
	}
	again, err := c.tryFirst(ctx, step)
	if err != nil {
		return err
	}
	if err := c.patch(ctx); err != nil {
		return notTakenUp(err)
	}
	for i := step.Phase; i < len(c.job.Parts.Phases); i++ {
		if err := c.run(ctx, i); err != nil {
			return c.failed(ctx, err)
		}
		if step.After && c.job.Parts.Phases[i].Name == plan.BuildPhase {
			if err := c.probe(ctx); err != nil {
				return err
			}
		}
	}
	c.rec.Files = c.last.InstallTree
	return c.distrusted(ctx, again)
}

// notTakenUp turns what is the old tree's fault into a doubt: a clean build needs neither its blobs,
// which may have been collected since the plan, nor a clock that is ahead of it (rule 21).
func notTakenUp(err error) error {
	switch {
	case errors.Is(err, ErrClock):
		return doubt(plan.CodeClock, "%v", ErrClock)
	case errors.Is(err, cas.ErrNotFound):
		return doubt(plan.CodeBaseGone, "the build tree of the last build is gone")
	}
	return err
}

// tryFirst tries the base's tree as the step wants it before the changes are applied.
func (c *chain) tryFirst(ctx context.Context, step plan.Step) (again trace.Phase, err error) {
	if step.Again {
		if again, err = c.again(ctx); err != nil {
			return again, err
		}
	}
	if step.Probe {
		if err := c.probe(ctx); err != nil {
			return again, err
		}
	}
	if step.Again || step.Probe {
		c.untrace() // the files whose readers are counted are still to be written
	}
	// What a trial did is part of the chain, as what ran before this build's own phases.
	c.before, c.now = follow(c.before, c.now), trace.Trace{}
	return again, nil
}

// countable asks whether the readers of what changed can be counted afterwards (rule 23).
func (c *chain) countable(ctx context.Context) error {
	changes := slices.Clone(c.job.Base.Case.Changes)
	sources := c.sources(ctx, c.job.Base.Record.SourceTree)
	names := sync.OnceValue(func() Names { return NamesOf(sources.list(), c.before) })
	if err := MarkIncludes(ctx, c.env.CAS, changes, names); err != nil {
		return err
	}
	if sources.err != nil {
		return sources.err
	}
	if reason, ok := plan.Countable(changes, c.before); !ok {
		return &doubtError{reason}
	}
	// A base that did not come to its end has readers that this build does not run again.
	c.readers = c.job.Base.Record.Result != record.Success ||
		plan.MayInclude(changes, c.before)
	return nil
}

// takeUp restores the base's build tree, with an empty install root (rule 22), and deletes what was
// half written when it ended (rule 15).
func (c *chain) takeUp(ctx context.Context, rec record.Record, first int) error {
	if !c.enterWarm(ctx, rec) {
		outputs := action.Outputs{BuildTree: rec.BuildTree, BuildTimes: rec.Times, Tmp: rec.Tmp, Shm: rec.Shm}
		if err := c.restore(ctx, outputs); err != nil {
			return err
		}
		if err := c.restoreSpecial(ctx, rec.Special, "build", "tmp", "shm"); err != nil {
			return fmt.Errorf("restore permissions and links: %w", err)
		}
	}
	if err := c.makeFolder("install"); err != nil {
		return err
	}
	c.before = c.job.Base.Case.Base.Trace
	for _, phase := range c.job.Chain.Phases[:first] {
		if phase.Name == plan.ConfigurePhase {
			c.rec.Phases = append(c.rec.Phases, record.Phase{Name: phase.Name, Key: "", How: record.Cached})
		}
	}
	if err := c.remove(c.job.Base.Case.Base.Half); err != nil {
		return err
	}
	return c.clearLate(ctx)
}

// remove deletes files of the build folder that are half written (rule 15).
func (c *chain) remove(half []string) error {
	root, err := os.OpenRoot(c.path("build"))
	if err != nil {
		return err
	}
	defer root.Close()
	c.touch(true, half...)
	for _, name := range half {
		if err := root.Remove(filepath.FromSlash(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("delete the half written %s: %w", name, err)
		}
	}
	return nil
}

// trial runs the build phase under another name: nothing of it is kept but what it did. The error is
// a *Failure where the user ended it.
func (c *chain) trial(ctx context.Context, name string) (sandbox.Result, *phaseLog, error) {
	at := slices.IndexFunc(c.job.Parts.Phases, func(p keys.Phase) bool { return p.Name == plan.BuildPhase })
	if at < 0 {
		return sandbox.Result{}, nil, doubt(plan.CodeBuildSystem, "it has no build phase that could be tried without changes")
	}
	log, err := c.env.openLog(c.job, name)
	if err != nil {
		return sandbox.Result{}, nil, err
	}
	defer log.close()
	c.env.emit(Event{Kind: EventPhase, Element: c.job.Name, Phase: name, LogPath: log.path})
	c.env.reach(StagePhase)
	result, _, err := c.runTraced(ctx, name, c.job.Parts.Phases[at].Commands, log)
	if err == nil && Outcome(result) == record.Interrupted {
		err = c.env.failure(c.job, name, "", result, log)
	}
	return result, log, err
}

// probe runs the build phase on the tree as it is, when there is nothing to do, and asks the rules
// again with what it opened (rule 20): makefiles, whatever their names, are read even then.
func (c *chain) probe(ctx context.Context) error {
	result, _, err := c.trial(ctx, plan.ProbePhase)
	if err != nil {
		return err
	}
	noop, known := c.now.Phase(plan.ProbePhase)
	if !known || !c.now.Complete() || result.ExitCode != 0 || result.Signal != 0 {
		return doubt(plan.CodeBuildSystem, "the last build could not be tried without changes")
	}
	if err := c.idle(ctx, noop); err != nil {
		return err
	}
	again := c.job.Base.Case
	again.Base.Noop = &noop
	if judged := plan.Judge(again); judged.Verdict != plan.Continue {
		return &doubtError{judged.Reason}
	}
	return nil
}

// patch applies the source's changes to the build folder. Content decides times: what changed is
// newer than everything in it.
func (c *chain) patch(ctx context.Context) error {
	base := c.job.Base
	newest, err := c.newest(ctx)
	if err != nil {
		return err
	}
	c.touch(true, c.changed()...)
	patched, err := tree.Patch(ctx, c.env.CAS, c.path("build"), base.Changes, tree.PatchOptions{Newest: newest})
	if errors.Is(err, tree.ErrConflict) {
		return doubt(plan.CodeBuildWrote, "the changes do not fit what the last build made of the source: %v", err)
	}
	if err != nil {
		return err
	}
	for _, replaced := range patched.Replaced {
		c.remark(replaced.Path + ": the source's version takes the place of what the build had made of it")
	}
	return c.env.ahead(ctx, time.Unix(0, patched.Stamp-1))
}

// newest is the latest time of a file in the build folder, nanoseconds since 1970.
func (c *chain) newest(ctx context.Context) (int64, error) {
	if !c.newestTime.IsZero() {
		return c.newestTime.UnixNano(), nil
	}
	found, err := c.importFolder(ctx, "build")
	if err != nil {
		return 0, fmt.Errorf("look at the build folder: %w", err)
	}
	c.index["build"] = found.Index
	if newest := found.Times.Newest(); !newest.IsZero() {
		return newest.UnixNano(), nil
	}
	return 0, nil
}

// distrusted asks rule 23 of what a continued build did.
func (c *chain) distrusted(ctx context.Context, again trace.Phase) error {
	sources := c.sources(ctx, c.job.Source)
	told, err := c.shown(ctx, sources)
	if err != nil {
		return err
	}
	made, err := c.outputs(ctx, sources)
	if err != nil {
		return err
	}
	c.remade = made.remade
	if err := c.sameTemporary(ctx); err != nil {
		return err
	}
	base := c.job.Base.Case.Base
	reason, verify, ok := plan.Distrust(plan.Continued{
		Changes: c.job.Base.Case.Changes, Base: base.Trace, Now: c.now, IsSource: sources.has,
		Partial: base.Partial(), Again: again, Said: base.Said, Remade: made.remade, New: made.fresh, Told: told,
	})
	if sources.err != nil {
		return sources.err
	}
	if !ok {
		return &doubtError{reason}
	}
	for _, path := range verify { // rule 23: no name of BuildStream's before a clean build gave the same
		c.rec.Notes = append(c.rec.Notes, "to be verified: what is made of "+path+" may have several outputs, of which the build system knows one")
	}
	c.judged = true
	return nil
}

// same gives the base's files the job's names: nothing that changed was ever opened (rule 18). The
// build tree stays that of the base, and names the source that is in it (rule 17).
func (e *Env) same(ctx context.Context, job Job, step plan.Step) (Built, error) {
	base, err := e.Records.Get(ctx, step.Record)
	if err != nil {
		return Built{}, fmt.Errorf("read the record of the last build: %w", err)
	}
	rec, err := e.begin(job, step)
	if err != nil {
		return Built{}, err
	}
	rec.Base, rec.Files, rec.BuildTree, rec.Times, rec.Special = base.ID, base.Files, base.BuildTree, base.Times, base.Special
	rec.SourceTree, rec.Trace, rec.Tmp, rec.Shm = base.SourceTree, base.Trace, base.Tmp, base.Shm
	rec.Result, rec.Log, rec.Sandbox = record.Success, base.Log, base.Sandbox
	rec.Phases = base.Phases
	rec.Trust = record.Least(rec.Trust, base.Trust)
	for i := range rec.Phases {
		rec.Phases[i].How = record.Cached
	}
	return e.finish(ctx, job, rec, base.Phases)
}

// ContinuedBase is the earlier build from which a job may be continued.
type ContinuedBase struct {
	Record  record.Record
	Case    plan.Case
	Changes []tree.Change // from the source in its build tree to the job's
}
