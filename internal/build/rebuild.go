package build

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// Rebuilt is what a build beside an artifact came to. Its blobs are in the store; no name, record or
// phase refers to them until Confirm or Replace is called.
type Rebuilt struct {
	Files   digest.Digest
	Failure *Failure // nil: it succeeded
	rec     record.Record
	phases  map[string]action.Outputs // by phase key
}

// Rebuild builds a job from its sources with no cache for what it builds (rule 35): neither phases
// nor integrated sysroots nor an earlier build's tree are read. Hold the job's lock. The element's own
// failure is in the result; any other error is ours or the machine's.
func (e *Env) Rebuild(ctx context.Context, job Job) (Rebuilt, error) {
	job.Base, job.Warm = nil, ""
	started := e.Now()
	made, err := e.rebuild(ctx, job)
	event := Event{Kind: EventDone, Element: job.Name, Verdict: string(plan.Clean), Duration: e.Now().Sub(started), Key: job.key()}
	switch failure := made.Failure; {
	case err != nil && ctx.Err() != nil:
		event.Kind = EventInterrupted
	case failure != nil:
		event.Kind, event.Phase, event.LogPath, event.Command, event.Lines = EventFailed, failure.Phase, failure.Log, failure.Command, failure.Tail
		event.ExitCode, event.Signal, event.Reason = failure.ExitCode, failure.Signal, failure.Summary()
	case err != nil:
		return made, err
	}
	e.emit(event)
	return made, err
}

func (e *Env) rebuild(ctx context.Context, job Job) (Rebuilt, error) {
	step := plan.Step{Element: job.Name, Verdict: plan.Clean, Reason: plan.Reason{Code: plan.CodeVerify, Text: "a clean build was asked for, to compare with"}}
	e.emit(Event{Kind: EventStart, Element: job.Name, Verdict: string(step.Verdict), Reason: step.Reason.Text, Code: string(step.Reason.Code), Key: job.key()})
	rec, err := e.begin(job, step)
	if err != nil {
		return Rebuilt{}, err
	}
	if err := e.SweepWork(ctx); err != nil {
		return Rebuilt{}, err
	}
	work, release, err := e.workDir(ctx, rec.ID)
	if err != nil {
		return Rebuilt{}, err
	}
	defer release()
	apart := *e
	apart.Phases = action.OpenCache(filepath.Join(work, "actions"), e.CAS)
	rec.Sandbox = e.Sandbox.String()
	e.reach(StageStaging)
	c := &chain{env: &apart, job: job, dir: work, rec: &rec, how: record.Clean, index: map[string]*tree.StatIndex{}}
	err = apart.runJob(ctx, c, 0)
	var failure *Failure
	if err != nil && !(errors.As(err, &failure) && failure.Result == record.Failed) {
		return Rebuilt{}, err
	}
	if err := c.note(ctx); err != nil {
		return Rebuilt{}, err
	}
	made := Rebuilt{Files: rec.Files, Failure: failure, rec: rec, phases: map[string]action.Outputs{}}
	for _, phase := range job.Chain.Phases {
		if outputs, err := apart.Phases.Get(ctx, action.Phase, phase.Key); err == nil {
			made.phases[phase.Key] = outputs
		}
	}
	return made, nil
}

// Confirm puts on record that a clean build gave an artifact's files: the artifact has this record
// from now on (rule 32). Hold the job's lock.
func (e *Env) Confirm(ctx context.Context, job Job, stored artifact.Entry, made Rebuilt) (record.Record, error) {
	rec := made.rec
	rec.Result, rec.Artifact = record.Success, stored.Digest
	rec.Trust = confirmed(job)
	if err := e.admit(ctx, job, rec); err != nil {
		return rec, err
	}
	if err := e.putRecord(ctx, job, rec); err != nil {
		return rec, err
	}
	var refs []artifact.Ref
	for _, ref := range job.Refs { // a weak name may be another artifact's by now
		if entry, err := e.Artifacts.Peek(ref); err == nil && entry.Digest == stored.Digest {
			refs = append(refs, ref)
		}
	}
	if _, err := e.Artifacts.Put(ctx, refs, stored.Artifact, rec.ID); err != nil {
		return rec, fmt.Errorf("mark the artifact of %s as verified: %w", job.Name, err)
	}
	return rec, e.keepPhases(ctx, made, false)
}

// Replace stores what was rebuilt as the job's artifact, or its failure as that of the job's, after
// what was there was withdrawn. Hold the job's lock.
func (e *Env) Replace(ctx context.Context, job Job, made Rebuilt) (Built, error) {
	if err := e.keepPhases(ctx, made, true); err != nil {
		return Built{}, err
	}
	rec := made.rec
	if failure := made.Failure; failure != nil {
		rec.Result, rec.Failure = record.Failed, failureOf(failure)
		failure.Record = rec.ID
		return Built{}, e.putRecord(ctx, job, rec)
	}
	rec.Result, rec.Trust = record.Success, confirmed(job)
	return e.finish(ctx, job, rec, rec.Phases)
}

// confirmed is the trust of what two builds agree on, one of them clean: verified, unless something
// that it was built on is neither clean nor verified (rule 32).
func confirmed(job Job) record.Trust {
	trust := record.Least(record.Trust{How: record.Clean, Where: where(job)}, job.Trust)
	trust.Verified = job.Trust.How != record.Continued || job.Trust.Verified
	return trust
}

// keepPhases puts a clean build's phases into the phase cache, in place of what is there or beside it.
func (e *Env) keepPhases(ctx context.Context, made Rebuilt, replace bool) error {
	for key, outputs := range made.phases {
		if replace {
			if err := e.Phases.Delete(key); err != nil {
				return err
			}
		}
		if _, err := e.Phases.Put(ctx, action.Phase, key, outputs); err != nil {
			return err
		}
	}
	return nil
}
