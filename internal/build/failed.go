package build

import (
	"context"
	"errors"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// failed is what becomes of a continued build when a phase failed (rule 23): where a compiler says
// that the error is in what changed, it is the user's, who is told at once. Everything else may come
// of what an older build left behind, so the element is built clean, once, and that is reported.
func (c *chain) failed(ctx context.Context, err error) error {
	var failure *Failure
	if !errors.As(err, &failure) || failure.Result != record.Failed {
		return err
	}
	if base := c.job.Base.Record; len(c.job.Base.Changes) == 0 && base.Replayable() && base.Failure.Phase == failure.Phase &&
		base.Failure.ExitCode == failure.ExitCode && base.Failure.Command == failure.Command {
		c.readers = false // it read again what the base's failure had read
		return failure    // as it failed clean: nothing of an older build is in it
	}
	said, sayErr := c.said(ctx, failure.Log)
	if sayErr != nil {
		return errors.Join(err, sayErr)
	}
	if at := said.Of(c.job.Base.Case.Changes); at != "" && said.Errors {
		failure.Diagnosed = at
		c.rec.Notes = append(c.rec.Notes, "the error is in "+at+", which changed since the build that this one continued")
		return failure
	}
	reason, _, _ := plan.Distrust(plan.Continued{Failed: true})
	return &doubtError{reason}
}

// said reads a log for what compilers say of the source that is being built.
func (c *chain) said(ctx context.Context, file string) (plan.Diagnoses, error) {
	text, err := ReadLog(file)
	if err != nil && !errors.Is(err, ErrLongLog) { // of one that is too long nothing is known
		return plan.Diagnoses{}, err
	}
	sources := c.sources(ctx, c.job.Source)
	return plan.Diagnose(text, c.job.Parts.Layout.BuildRoot, sources.list), sources.err
}

// again runs a failed base's build phase once more before the changes are applied, to see whether it
// is the same that fails, and what that reads (see plan.Accounted).
func (c *chain) again(ctx context.Context) (trace.Phase, error) {
	result, log, err := c.trial(ctx, plan.AgainPhase)
	if err != nil {
		return trace.Phase{}, err
	}
	did, known := c.now.Phase(plan.AgainPhase)
	switch {
	case !known || !c.now.Complete() || result.Signal != 0:
		return did, doubt(plan.CodeDistrustReaders, "the last build could not be tried again")
	case result.ExitCode == 0:
		return did, doubt(plan.CodeDistrustReaders, "the last build does not fail when it is tried again")
	}
	text, err := ReadLog(log.path)
	if errors.Is(err, ErrLongLog) {
		return did, doubt(plan.CodeDistrustReaders, "the last build says too much when it is tried again")
	}
	if err != nil {
		return did, err
	}
	sources := c.sources(ctx, c.job.Base.Record.SourceTree)
	half, known := plan.HalfWritten(plan.Ending{Result: record.Failed, Phase: plan.AgainPhase, Trace: c.now, Log: text, IsSource: sources.has})
	if sources.err != nil {
		return did, sources.err
	}
	if !known {
		return did, doubt(plan.CodeBaseHalf, "it is not known which files the last build left half written when it was tried again")
	}
	if err := c.remove(half); err != nil {
		return did, err
	}
	said := plan.Diagnose(text, c.job.Parts.Layout.BuildRoot, sources.list)
	if sources.err != nil {
		return did, sources.err
	}
	if reason, ok := plan.Accounted(c.job.Base.Case, did, said); !ok {
		return did, &doubtError{reason}
	}
	return did, nil
}
