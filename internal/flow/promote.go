package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
)

// ErrNothing: no build in the cache has what was to be promoted.
var ErrNothing = errors.New("nothing to promote")

// PromoteRequest is what to promote.
type PromoteRequest struct {
	// Revision is a commit in the elements' work trees; "" is HEAD, of work trees without changes.
	Revision string
	Elements []string
	Local    bool // also a commit that nobody else can fetch
	DryRun   bool // find out, and change nothing in the project and the store
}

// Promotion is what promoting one element came to.
type Promotion struct {
	Element string
	Commit  string // that its ref names now; "" where the ref stays
	Ref     string // of its source
	OldRef  string // what it was; "" for none
	File    string // that has the ref, as the project names it; "" where nothing was written
	Key     string // strict key, or the key of the artifact
	Strict  bool   // whether Key is BuildStream's
	OnHost  bool   // built on this machine's own system: of no use to others
	Step    plan.Step
	Trust   record.Trust
	Record  string // of the build whose result it is; "" where that is not known
}

// Promote makes builds that are in the cache the elements' own: for each that is built from a work tree
// it writes a commit as its source's ref, and gives the result of a build with exactly these inputs the
// element's name. Nothing is built. What else the elements need gets its name too, where that is as
// cheap. report is called for each that was promoted. Errors: ErrNothing, ErrRefused.
func (s *Session) Promote(ctx context.Context, request PromoteRequest, report func(Promotion)) error {
	if err := s.config.CheckTrust(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return err
	}
	var all []error
	wanted := map[*node]*candidate{}
	for _, element := range g.project.Targets {
		n := g.nodes[element]
		c, err := s.candidate(ctx, g, n, request)
		if err != nil {
			all = append(all, fmt.Errorf("promote %s: %w", element.Name, err))
			continue
		}
		wanted[n] = c
	}
	if err := s.nameAll(g); err != nil {
		return err
	}
	order, err := s.needed(ctx, g, Asked{})
	if err != nil {
		return err
	}
	for _, n := range order {
		c := wanted[n]
		found, err := s.promoteOne(ctx, g, n, c, request)
		if c == nil && errors.Is(err, ErrNothing) {
			continue // what needs it says so
		}
		if err != nil {
			all = append(all, fmt.Errorf("promote %s: %w", n.element.Name, err))
			continue
		}
		if c != nil || found.Step.Verdict != plan.Skip {
			report(found)
		}
	}
	return errors.Join(all...)
}

// promoteOne gives an element its name, and writes its ref.
func (s *Session) promoteOne(ctx context.Context, g *graph, n *node, c *candidate, request PromoteRequest) (Promotion, error) {
	found := Promotion{Element: n.element.Name, OnHost: n.onHost}
	job, step, err := s.takeUp(ctx, g, n, request.DryRun)
	if err != nil {
		return found, err
	}
	found.Step, found.Strict, found.Key = step, job.Strict != "", job.Strict
	if !found.Strict {
		found.Key = job.Refs[0].Key
	}
	if built := g.isBuilt(n); built != nil {
		found.Record, found.Trust = built.Record, built.Trust
	}
	if c == nil || c.edit == nil {
		return found, nil
	}
	found.Commit, found.Ref, found.OldRef, found.File = c.commit, c.ref, c.old, c.edit.At.File
	if request.DryRun {
		return found, nil
	}
	return found, c.edit.Write()
}

// takeUp stores the result of a build that had n's inputs under n's name; nothing runs. ErrNothing where
// there is none.
func (s *Session) takeUp(ctx context.Context, g *graph, n *node, dry bool) (build.Job, plan.Step, error) {
	job, facts, err := s.resolve(ctx, g, n, Asked{})
	if err != nil {
		return job, plan.Step{}, err
	}
	step := plan.Make(facts)
	if step.Verdict == plan.Skip {
		return job, step, nil
	}
	if !n.runsNothing(facts, step) {
		return job, step, nothing(n, facts, step)
	}
	if dry {
		return job, step, s.foresee(ctx, g, n, step)
	}
	unlock, err := s.env.Lock(ctx, job)
	if err != nil {
		return job, step, err
	}
	defer unlock()
	if err := s.lookUpAgain(ctx, g, n, &job, &facts); err != nil {
		return job, step, err
	}
	if step = plan.Make(facts); step.Verdict == plan.Skip {
		return job, step, nil
	}
	if !n.runsNothing(facts, step) {
		return job, step, nothing(n, facts, step)
	}
	if err := s.prepare(ctx, n, step); err != nil {
		return job, step, err
	}
	built, err := s.env.Do(ctx, job, step)
	if err != nil {
		return job, step, err
	}
	g.setBuilt(n, &built)
	return job, step, nil
}

// foresee notes what taking up would come to, for what depends on n.
func (s *Session) foresee(ctx context.Context, g *graph, n *node, step plan.Step) error {
	if step.Record == "" {
		return nil // its files are made by then: what depends on it is not known yet
	}
	rec, err := s.env.Records.Get(ctx, step.Record)
	if err != nil {
		return err
	}
	g.setBuilt(n, &build.Built{Files: rec.Files, BuildKey: rec.BuildKey, Record: rec.ID, Trust: rec.Trust})
	return nil
}

// runsNothing reports whether a step only gives names, or puts files together by their digests.
func (n *node) runsNothing(facts plan.Facts, step plan.Step) bool {
	switch step.Verdict {
	case plan.Skip, plan.Promote, plan.Same:
		return true
	case plan.Resume:
		return step.Phase == len(facts.Phases)
	case plan.Clean:
		return !n.recipe.RunsCommands
	}
	return false
}

// nothing says why there is nothing to promote.
func nothing(n *node, facts plan.Facts, step plan.Step) error {
	name := n.element.Name
	if facts.Blocked != nil {
		return hint.Addf(fmt.Errorf("%w: %s", ErrNothing, facts.Blocked.Text), "to build all that it needs: git bst build %s", name)
	}
	err := fmt.Errorf("%w: no build in the cache has its inputs: %s", ErrNothing, step.Reason.Text)
	return hint.Addf(err, "to see what differs: git bst explain %s; to build it: git bst build %s", name, name)
}

// candidate finds the commit that is to be n's source, and gives n that source. nil for an element whose
// ref stays as it is.
func (s *Session) candidate(ctx context.Context, g *graph, n *node, request PromoteRequest) (*candidate, error) {
	if slices.ContainsFunc(n.sources, func(id source.Identity) bool { return id.InPlace }) {
		err := fmt.Errorf("%w: it is built in place, from the work tree of the project, and has no ref", ErrNothing)
		return nil, hint.Addf(err, "nothing needs to be done: git bst build %s finds what was built of the same content", n.element.Name)
	}
	if n.work == nil {
		if request.Revision != "" {
			err := fmt.Errorf("%w: it has no workspace in which %s could be found", ErrNothing, request.Revision)
			return nil, hint.Addf(err, "to open one: git bst workspace open --attach %s DIR", n.element.Name)
		}
		return nil, nil
	}
	return s.commitOf(ctx, g, n, request)
}
