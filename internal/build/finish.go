package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
)

// finish stores a successful attempt: its record, then the artifact under all of the job's names.
// A crash between any two of its steps leaves blobs or a record that nothing names wrongly.
func (e *Env) finish(ctx context.Context, job Job, rec record.Record, phases []record.Phase) (Built, error) {
	made, err := e.describe(ctx, job, rec, phases)
	if err != nil {
		return Built{}, fmt.Errorf("store the artifact: %w", err)
	}
	if rec.Artifact, err = made.Digest(); err != nil {
		return Built{}, fmt.Errorf("store the artifact: %w", err)
	}
	if err := e.admit(ctx, job, rec); err != nil {
		return Built{}, err
	}
	e.reach(StageRecord)
	if err := e.putRecord(ctx, job, rec); err != nil {
		return Built{}, err
	}
	e.reach(StageArtifact)
	if _, err := e.Artifacts.Put(ctx, job.refs(rec.Trust), made, rec.ID); err != nil {
		return Built{}, fmt.Errorf("store the artifact: %w", err)
	}
	e.reach(StageEnd)
	return Built{Artifact: made, Files: rec.Files, BuildKey: job.Chain.Build, Record: rec.ID, Trust: rec.Trust, Ran: phasesRun(rec)}, nil
}

// phasesRun counts the phases that ran, the one that failed too.
func phasesRun(rec record.Record) int {
	ran := 0
	for _, phase := range rec.Phases {
		if phase.How == record.Run {
			ran++
		}
	}
	return ran
}

// ErrWithdrawn is returned for a result that was withdrawn before: it must not be stored again
// (rule 34).
var ErrWithdrawn = errors.New("that result was withdrawn")

// admit refuses what was withdrawn, and what came of such; the job's lock is held (rule 34).
func (e *Env) admit(ctx context.Context, job Job, rec record.Record) error {
	_, withdrawn, err := e.Records.Withdrawn(ctx, job.Chain.Build, rec.Artifact)
	if err != nil {
		return fmt.Errorf("store the artifact: %w", err)
	}
	if withdrawn {
		err := fmt.Errorf("store the artifact of %s: %w", job.Name, ErrWithdrawn)
		return hint.Addf(err, "to build it without earlier results: git bst build --clean %s", job.Name)
	}
	if rec.Base != "" {
		base, err := e.Records.Get(ctx, rec.Base)
		if err == nil {
			withdrawn, err = e.IsWithdrawn(ctx, base)
		}
		if withdrawn && err == nil {
			return e.overtaken(job, "what it came of")
		}
	}
	for _, dep := range job.Stands {
		if dep.BuildKey == "" {
			continue
		}
		if _, withdrawn, err := e.Records.Withdrawn(ctx, dep.BuildKey, dep.Artifact); err != nil || withdrawn {
			return errors.Join(err, e.overtaken(job, dep.Element+", which it was built on,"))
		}
	}
	return nil
}

func (e *Env) overtaken(job Job, what string) error {
	err := fmt.Errorf("store the artifact of %s: %s was withdrawn meanwhile: %w", job.Name, what, ErrWithdrawn)
	return hint.Addf(err, "to build it on what took its place: git bst build %s", job.Name)
}

// describe makes the artifact's message and puts the blobs that it names.
func (e *Env) describe(ctx context.Context, job Job, rec record.Record, phases []record.Phase) (artifact.Artifact, error) {
	made := artifact.Artifact{
		Version: artifact.Version, BuildSuccess: true, BuildError: artifact.Succeeded,
		StrongKey: job.Strict, StrictKey: job.Strict, WeakKey: job.Weak, Files: rec.Files, BuildDeps: job.Deps,
	}
	meta, err := artifact.PutMetadata(ctx, e.CAS, job.Meta)
	if err != nil {
		return made, err
	}
	made.PublicData, made.LowDiversityMeta, made.HighDiversityMeta = meta.Public, meta.LowDiversity, meta.HighDiversity
	for _, phase := range phases {
		if !phase.Log.IsZero() {
			made.Logs = append(made.Logs, artifact.Log{Name: phase.Name + ".log", Digest: phase.Log})
		}
	}
	if e.Keep == KeepAlways {
		made.BuildTree, made.Sources = rec.BuildTree, job.Source
	}
	return made, nil
}

// putRecord completes a record with what it names and stores it. All blobs are on disk before.
func (e *Env) putRecord(ctx context.Context, job Job, rec record.Record) error {
	image, err := cas.PutBytes(ctx, e.CAS, job.Chain.PreImage)
	if err != nil {
		return fmt.Errorf("store the record: %w", err)
	}
	rec.Parts.PreImage, rec.Parts.Source = image, job.Source
	rec.Duration = e.Now().Sub(rec.Started)
	if err := e.CAS.Sync(ctx); err != nil {
		return fmt.Errorf("store the record: %w", err)
	}
	if err := e.Records.Put(ctx, rec); err != nil {
		return fmt.Errorf("store the record: %w", err)
	}
	return nil
}
