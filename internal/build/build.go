package build

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// Lock takes the lock on the job's build key. A second builder of the same key waits here; the
// caller plans again once it has the lock, and finds what the first one built.
func (e *Env) Lock(ctx context.Context, job Job) (unlock func(), err error) {
	if err := e.writable(); err != nil {
		return nil, fmt.Errorf("build %s: %w", job.Name, err)
	}
	path := e.dir("locks", "build-"+job.Chain.Build)
	if unlock, err := fsx.TryLock(path); !errors.Is(err, fsx.ErrLocked) {
		return unlock, err
	}
	e.note(job.Name, "waiting: another process builds the same")
	return fsx.Lock(ctx, path)
}

// Do carries out a step under the job's lock. The element's own failure is a *Failure; any other
// error is ours or the machine's. After success the artifact is stored under all of job.Refs, and
// a record of the attempt too, except for Skip and Failed, which change nothing.
func (e *Env) Do(ctx context.Context, job Job, step plan.Step) (Built, error) {
	if step.Verdict != plan.Failed { // nothing begins then: the failure is all there is to tell
		e.emit(Event{Kind: EventStart, Element: job.Name, Verdict: string(step.Verdict),
			Reason: step.Reason.Text, Code: string(step.Reason.Code), Key: job.key()})
	}
	started := e.Now()
	built, err := e.do(ctx, job, step)
	built.Took = e.Now().Sub(started)
	var failure *Failure
	switch {
	case err != nil && ctx.Err() != nil:
		e.emit(Event{Kind: EventInterrupted, Element: job.Name, Duration: built.Took, Key: job.key()})
	case errors.As(err, &failure):
		event := Event{Kind: EventFailed, Element: job.Name, Phase: failure.Phase, LogPath: failure.Log, Command: failure.Command,
			ExitCode: failure.ExitCode, Signal: failure.Signal, Lines: failure.Tail, Duration: built.Took, Reason: failure.Summary(), Key: job.key()}
		if failure.Replayed {
			event.Verdict, event.Code, event.Reason = string(step.Verdict), string(step.Reason.Code), step.Reason.Text
		}
		e.emit(event)
	case err == nil && step.Verdict != plan.Skip:
		e.emit(Event{Kind: EventDone, Element: job.Name, Verdict: string(step.Verdict), Duration: built.Took, Key: job.key()})
	}
	return built, err
}

// key is the name by which a job is shown.
func (j Job) key() string {
	if j.Strict != "" {
		return j.Strict
	}
	return j.Chain.Build
}

func (e *Env) do(ctx context.Context, job Job, step plan.Step) (Built, error) {
	switch step.Verdict {
	case plan.Failed:
		return Built{}, e.replay(ctx, job.Name, step.Record)
	case plan.Promote:
		return e.promote(ctx, job, step)
	case plan.Resume:
		built, err := e.run(ctx, job, step)
		if errors.Is(err, ErrClock) {
			e.note(job.Name, "building clean: "+ErrClock.Error())
			instead := plan.Step{Element: step.Element, Verdict: plan.Clean, Reason: plan.Reason{Code: plan.CodeClock, Text: ErrClock.Error()}}
			built, err = e.run(ctx, job, instead)
			built.Instead = &instead
		}
		return built, err
	case plan.Clean:
		return e.run(ctx, job, step)
	case plan.Continue:
		return e.continueFrom(ctx, job, step)
	case plan.Same:
		return e.same(ctx, job, step)
	default:
		return Built{}, fmt.Errorf("internal error: build of %s: expected a verdict that can be carried out, got %q", job.Name, step.Verdict)
	}
}

// replay returns the failure that a record of the element with this name holds.
func (e *Env) replay(ctx context.Context, name, id string) error {
	rec, err := e.Records.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("read the record of the failed build: %w", err)
	}
	failure := &Failure{Element: name, Phase: rec.Failure.Phase, Command: rec.Failure.Command, ExitCode: rec.Failure.ExitCode,
		Signal: signalName(syscall.Signal(rec.Failure.Signal)), Result: rec.Result, Record: rec.ID, Replayed: true}
	failure.Log = rec.Failure.LogPath
	if failure.Tail = Tail(failure.Log, e.LogLines); failure.Tail == nil {
		if path, err := e.CAS.File(ctx, rec.Log, false); err == nil { // logs are kept for a month, records' for longer
			failure.Log, failure.Tail = path, Tail(path, e.LogLines)
		}
	}
	return failure
}

// promote gives the files of an earlier build with equal parts the job's names. Nothing runs.
func (e *Env) promote(ctx context.Context, job Job, step plan.Step) (Built, error) {
	base, err := e.Records.Get(ctx, step.Record)
	if err != nil {
		return Built{}, fmt.Errorf("read the record with equal inputs: %w", err)
	}
	rec, err := e.begin(job, step)
	if err != nil {
		return Built{}, err
	}
	rec.Base, rec.Files, rec.BuildTree, rec.Times, rec.Special = base.ID, base.Files, base.BuildTree, base.Times, base.Special
	rec.SourceTree, rec.Trace, rec.Tmp, rec.Shm = base.SourceTree, base.Trace, base.Tmp, base.Shm // rule 17
	rec.Result, rec.Log, rec.Sandbox = record.Success, base.Log, base.Sandbox
	rec.Trust = record.Least(rec.Trust, base.Trust)
	return e.finish(ctx, job, rec, base.Phases)
}

// run does what has to run, from the step's first phase on, and keeps what came of it.
func (e *Env) run(ctx context.Context, job Job, step plan.Step) (Built, error) {
	return e.runStep(ctx, job, step, func(ctx context.Context, c *chain) error { return e.runJob(ctx, c, step.Phase) })
}

// runStep makes a work folder and a record for do, and keeps what came of it.
func (e *Env) runStep(ctx context.Context, job Job, step plan.Step, do func(context.Context, *chain) error) (Built, error) {
	rec, err := e.begin(job, step)
	if err != nil {
		return Built{}, err
	}
	if err := e.SweepWork(ctx); err != nil { // what killed builds left may be all that the disk had
		return Built{}, err
	}
	if step.Verdict != plan.Continue {
		if err := e.makeRoom(job); err != nil {
			return Built{}, err
		}
	}
	work, release, err := e.workDir(ctx, rec.ID)
	if err != nil {
		return Built{}, err
	}
	defer release()
	lease, err := e.CAS.Lease(ctx)
	if err != nil {
		return Built{}, err
	}
	defer lease.Close()
	rec.Sandbox = e.Sandbox.String()
	e.reach(StageStaging)
	c := &chain{env: e, job: job, dir: work, rec: &rec, how: how(step), index: map[string]*tree.StatIndex{}}
	defer c.leaveWarm()
	defer c.untrace()
	built, err := e.end(ctx, c, do(ctx, c))
	if captured, ok := c.captured["build"]; ok && c.baseTimes != nil {
		built.Times, built.BaseTimes = captured.Times, c.baseTimes
	}
	return built, err
}

// runJob runs a job's phases from first on, or the work of a kind that has none.
func (e *Env) runJob(ctx context.Context, c *chain, first int) error {
	e.note(c.job.Name, c.job.Warnings...)
	if len(c.job.Parts.Phases) == 0 {
		files, err := e.assemble(ctx, c.job, c.dir)
		c.rec.Files = files
		return err
	}
	unclaim, err := c.claim(ctx)
	if err != nil {
		return err
	}
	defer unclaim()
	if err := c.enter(ctx, first); err != nil {
		return err
	}
	if first == len(c.job.Parts.Phases) {
		c.rec.Files = c.last.InstallTree
		return nil
	}
	if c.root, err = e.sysroot(ctx, c.job, c.dir); err != nil {
		return err
	}
	defer c.root.release()
	for i := first; i < len(c.job.Parts.Phases); i++ {
		if err := c.run(ctx, i); err != nil {
			return err
		}
	}
	c.rec.Files = c.last.InstallTree
	return nil
}

// enter brings the work folder to the state before phase first.
func (c *chain) enter(ctx context.Context, first int) error {
	if first == 0 {
		return c.stage(ctx)
	}
	for _, phase := range c.job.Chain.Phases[:first] {
		entry := record.Phase{Name: phase.Name, Key: phase.Key, How: record.Cached}
		if outputs, err := c.env.Phases.Get(ctx, action.Phase, phase.Key); err == nil {
			entry.Log, entry.Duration = outputs.Log, outputs.Duration
		}
		c.rec.Phases = append(c.rec.Phases, entry)
	}
	outputs, err := c.env.Phases.Get(ctx, action.Phase, c.job.Chain.Phases[first-1].Key)
	if err != nil {
		return fmt.Errorf("resume from the phase cache: %w", err)
	}
	c.rec.Base = outputs.Record
	if c.env.Trace {
		c.before = LoadTrace(ctx, c.env.CAS, outputs.Trace)
	}
	if first == len(c.job.Parts.Phases) {
		c.last = outputs
		return nil
	}
	return c.restore(ctx, outputs)
}

// begin starts the record of an attempt.
func (e *Env) begin(job Job, step plan.Step) (record.Record, error) {
	now := e.Now()
	id, err := record.NewID(now, rand.Reader)
	if err != nil {
		return record.Record{}, err
	}
	return record.Record{
		ID: id, Project: job.Project, Element: job.Element, BuildKey: job.Chain.Build, StrictKey: job.Strict,
		Verdict: string(step.Verdict), Reason: record.Reason{Code: string(step.Reason.Code), Text: step.Reason.Text},
		Started: now, Facts: job.Facts, Host: job.Host.Lines, SourceTree: job.Source,
		Trust: record.Least(record.Trust{How: how(step), Where: where(job)}, job.Trust),
	}, nil
}

// how says what carrying out a step stands on.
func how(step plan.Step) record.How {
	switch step.Verdict {
	case plan.Resume:
		return record.Resumed
	case plan.Continue:
		return record.Continued
	}
	return record.Clean
}

// end turns what running came to into a record, and an artifact where there is one. A failure's
// state is kept like a success's: a later build may start from it.
func (e *Env) end(ctx context.Context, c *chain, err error) (Built, error) {
	rec := c.rec
	ran := Built{Ran: phasesRun(*rec)}
	var failure *Failure
	var doubt *doubtError
	if errors.As(err, &doubt) {
		return Built{}, err // the clean build that follows has a record of its own
	}
	if noteErr := c.note(ctx); noteErr != nil {
		return Built{}, errors.Join(err, noteErr)
	}
	switch {
	case err == nil:
		rec.Result = record.Success
		built, err := e.finish(ctx, c.job, *rec, rec.Phases)
		if _, known := e.Records.Get(detached(ctx), rec.ID); err != nil && known != nil {
			e.fault(ctx, c.job, *rec, err)
		}
		return built, err
	case errors.As(err, &failure):
		failure.Record = rec.ID
		rec.Result = failure.Result
		rec.Failure = failureOf(failure)
	case ctx.Err() != nil:
		rec.Result = record.Interrupted
	default:
		e.fault(ctx, c.job, *rec, err)
		return Built{}, err
	}
	if putErr := e.putRecord(detached(ctx), c.job, *rec); putErr != nil {
		return ran, errors.Join(err, putErr)
	}
	return ran, err
}

// note puts into the record what the chain left, a failure's too: a later build may start from it.
func (c *chain) note(ctx context.Context) error {
	rec, last := c.rec, c.last
	rec.BuildTree, rec.Times, rec.InstallTree, rec.InstallTimes = last.BuildTree, last.BuildTimes, last.InstallTree, last.InstallTimes
	rec.Tmp, rec.Shm, rec.Special, rec.Log = last.Tmp, last.Shm, last.Special, last.Log
	var err error
	rec.Trace, err = c.saveTrace(detached(ctx))
	return err
}

// failureOf describes a failure for its record.
func failureOf(f *Failure) record.Failure {
	return record.Failure{Phase: f.Phase, Command: f.Command, LogPath: f.Log, ExitCode: f.ExitCode, Signal: int(unix.SignalNum(f.Signal))}
}

// fault puts an attempt on record that ended through no fault of the element's: by an error of ours
// or the machine's. It is never replayed and never a base (rules 15, 31). Where not even a record
// can be written, the error itself is all there is to tell.
func (e *Env) fault(ctx context.Context, job Job, rec record.Record, err error) {
	rec.Result, rec.Artifact = record.Machine, digest.Digest{}
	rec.Failure = record.Failure{Text: err.Error()}
	if errors.Is(err, ErrClock) {
		return // it is built clean at once, which is on record
	}
	if ctx.Err() != nil {
		rec.Result = record.Interrupted
	}
	_ = e.putRecord(detached(ctx), job, rec)
}
