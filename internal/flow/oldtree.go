package flow

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
)

// findFrom finds the record that --from names, which must be of an element that is to be built.
func (s *Session) findFrom(ctx context.Context, g *graph, asked *Asked) error {
	if asked.From == "" {
		return nil
	}
	rec, err := s.env.Records.Find(ctx, asked.From, record.Filter{})
	if errors.Is(err, cas.ErrNotFound) {
		return hint.Add(fmt.Errorf("%w: %w", ErrNotCached, err), "to see what there is: git bst records")
	}
	if err != nil {
		return err
	}
	for _, target := range g.project.Targets {
		if target.Name == rec.Element && target.Project.Name == rec.Project {
			asked.from = rec
			return nil
		}
	}
	err = fmt.Errorf("%w: continue record %s: it is of %s, which was not asked for", ErrRefused, record.Short(rec.ID), rec.Element)
	return hint.Addf(err, "name it: git bst build --from %s %s", record.Short(rec.ID), rec.Element)
}

// oldTree is base for who asks that an old tree be continued: with --from that record's and no other,
// ErrRefused where the rules say no; with --reconfigure the nearest.
func (s *Session) oldTree(ctx context.Context, n *node, job build.Job, facts *plan.Facts) (*build.ContinuedBase, error) {
	if !s.continues(n) {
		return nil, s.refuseOldTree(n)
	}
	var records []record.Record
	var err error
	if id := facts.Asked.From; id != "" {
		records = make([]record.Record, 1)
		records[0], err = s.env.Records.Get(ctx, id)
	} else {
		records, err = s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: bases}, nil)
	}
	if err != nil {
		return nil, err
	}
	all := s.standings(ctx, records, job)
	best, err := s.nearest(ctx, all, job)
	if err != nil {
		return nil, err
	}
	var found *build.ContinuedBase
	if best != nil {
		if found, err = s.against(ctx, best, job, facts.Phases); err != nil {
			return nil, err
		}
	}
	if found != nil {
		found.Case.Reconfigure = facts.Asked.Reconfigure
	}
	if facts.Asked.From == "" {
		return found, nil
	}
	return found, refused(all[0], found)
}

// refused is ErrRefused where a record that was asked for may not be continued; nil where it may.
func refused(one *standing, found *build.ContinuedBase) error {
	why := "its times are gone"
	switch {
	case one.why != nil:
		why = one.why.Text + " [" + string(one.why.Code) + "]"
	case found != nil:
		judged := plan.Judge(found.Case)
		if judged.Verdict != plan.Clean {
			return nil
		}
		why = judged.Reason.Text + " [" + string(judged.Reason.Code) + "]"
	}
	err := fmt.Errorf("%w: continue record %s of %s: %s", ErrRefused, record.Short(one.rec.ID), one.rec.Element, why)
	return hint.Addf(err, "to build from what is best: git bst build %s; from the sources alone: git bst build --clean %s", one.rec.Element, one.rec.Element)
}

// refuseOldTree says why nothing is continued at all.
func (s *Session) refuseOldTree(n *node) error {
	switch {
	case !stagesSources(n.recipe):
		return fmt.Errorf("%w: continue %s: its kind, %s, does not build in a folder with its sources", ErrRefused, n.element.FullName(), n.element.Kind)
	case s.config.Build.Continue != "auto":
		return hint.Add(fmt.Errorf("%w: continue %s: build.continue is never", ErrRefused, n.element.FullName()), "to allow it: git config bst.build.continue auto")
	}
	if pattern := plan.Matches(s.config.Build.NeverContinue, n.element.FullName()); pattern != "" {
		err := fmt.Errorf("%w: continue %s: build.never-continue has %q", ErrRefused, n.element.FullName(), pattern)
		return hint.Add(err, "to see where it is set: git bst config --show-origin build.never-continue")
	}
	return fmt.Errorf("%w: continue %s: without a sandbox nothing is", ErrRefused, n.element.FullName())
}
