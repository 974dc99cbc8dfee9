package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
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
	Deps     bool // also what depends on the elements, where that was built of the same
	Verify   bool // build clean beside it what was continued, before anything is written
	DryRun   bool // find out, and change nothing in the project and the store
	// StoreOnly: results get the names that they will have once the ref is written. No file is edited, and
	// nobody else sees it.
	StoreOnly bool
	// AsPatch: what a commit has more than the sources becomes a patch in the project, and a source, in
	// place of a ref. WritePatch writes one path's part of it.
	AsPatch    bool
	WritePatch func(io.Writer, Diffed) error
}

// Promotion is what promoting one element came to.
type Promotion struct {
	Element string
	Commit  string // that its ref names now; "" where the ref stays
	Ref     string // of its source
	OldRef  string // what it was; "" for none
	File    string // that has the ref, as the project names it; "" where nothing was written
	Patch   string // the patch that was added in place of a ref, as the project names it; "" without
	Key     string // strict key, or the key of the artifact; "" where it was not promoted
	Strict  bool   // whether Key is BuildStream's
	Step    plan.Step
	Trust   record.Trust
	Record  string // of the build whose result it is; "" where that is not known
	// Private says why only this store has it under its name, BuildStream's cache not; "" where that
	// has it, or where there is none.
	Private string
	Shared  string        // the folder of BuildStream's cache, which has it now; "" where it has not
	Check   *Verification // what verifying it came to; nil without
}

// Promote makes builds that are in the cache the elements' own: for each that is built from a work tree
// it writes a commit as its source's ref, and gives the result of a build with exactly these inputs the
// element's name. Nothing is built. What else the elements need gets its name too, where that is as
// cheap. report is called for each that was promoted. Errors: ErrNothing, ErrRefused, ErrNotVerified.
func (s *Session) Promote(ctx context.Context, request PromoteRequest, report func(Promotion)) error {
	if err := s.config.CheckTrust(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if request.Verify {
		s.config.Promote.Trust = "any" // what comes of that is looked at before anybody uses it
	}
	g, named, err := s.loadToPromote(ctx, request)
	if err != nil {
		return err
	}
	var all []error
	wanted := map[*node]*candidate{}
	defer func() {
		for _, c := range wanted {
			c.takeBack()
		}
	}()
	for _, n := range named {
		c, err := s.candidate(ctx, g, n, request)
		if err != nil {
			all = append(all, fmt.Errorf("promote %s: %w", n.element.FullName(), err))
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
		c, asked := wanted[n]
		if !asked && slices.Contains(named, n) {
			continue // refused
		}
		found, err := s.promoteOne(ctx, g, n, c, request)
		if !asked && errors.Is(err, ErrNothing) {
			if request.Deps && g.isTarget(n.element) {
				s.note(n, err.Error())
			}
			continue // what needs it says so
		}
		if told := asked || found.Step.Verdict != plan.Skip; err == nil && told {
			if !request.StoreOnly {
				err = s.share(ctx, g, n, &found, request)
			}
			report(found)
		} else if found.Check != nil {
			report(found)
		}
		if err != nil {
			all = append(all, fmt.Errorf("promote %s: %w", n.element.FullName(), err))
		}
	}
	return errors.Join(all...)
}

// loadToPromote loads the elements, and with Deps what depends on them as further targets. It returns
// the named ones.
func (s *Session) loadToPromote(ctx context.Context, request PromoteRequest) (*graph, []*node, error) {
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return nil, nil, err
	}
	isNamed := map[string]bool{}
	for _, element := range g.project.Targets {
		isNamed[element.FullName()] = true
	}
	if request.Deps {
		all, err := g.project.ElementNames()
		if err != nil {
			return nil, nil, err
		}
		if g, err = s.loadToPlan(ctx, all); err != nil {
			return nil, nil, hint.Add(err, "--deps asks for all elements of the project; without it, name those that depend on it")
		}
	}
	var named []*node
	var targets []*project.Element
	affected := map[*project.Element]bool{}
	for _, element := range g.project.Order { // dependencies first
		above := slices.ContainsFunc(element.Deps, func(dep project.Dependency) bool { return affected[dep.Element] })
		if isNamed[element.FullName()] {
			named = append(named, g.nodes[element])
		}
		if isNamed[element.FullName()] || request.Deps && above {
			affected[element] = true
			targets = append(targets, element)
		}
	}
	g.project.Targets = targets
	return g, named, nil
}

// promoteOne gives an element its name, and writes its ref.
func (s *Session) promoteOne(ctx context.Context, g *graph, n *node, c *candidate, request PromoteRequest) (Promotion, error) {
	found := Promotion{Element: n.element.FullName()}
	job, step, err := s.takeUp(ctx, g, n, request.DryRun)
	if err != nil {
		return found, err
	}
	if request.Verify && !request.DryRun {
		if found.Check, err = s.check(ctx, g, n); err != nil {
			return found, err
		}
	}
	if c != nil && c.edit != nil && !request.DryRun {
		if err := c.edit.Write(); err != nil {
			return found, err
		}
		c.undo = nil
	}
	found.Step, found.Strict, found.Key = step, job.Strict != "", job.Strict
	if !found.Strict {
		found.Key = job.Refs[0].Key
	}
	if built := g.isBuilt(n); built != nil {
		found.Record, found.Trust = built.Record, built.Trust
	}
	if c != nil && c.edit != nil {
		found.Commit, found.Ref, found.OldRef, found.File, found.Patch = c.commit, c.ref, c.old, c.edit.At.File, c.patch
	}
	return found, nil
}

// share shows a promoted result to BuildStream, where it may be seen (rule 33).
func (s *Session) share(ctx context.Context, g *graph, n *node, found *Promotion, request PromoteRequest) error {
	switch {
	case n.onHost:
		found.Private = "it is built on this machine's own system, and has no name of BuildStream's"
	case !found.Strict:
		found.Private = "it has no name of BuildStream's"
	case !found.Trust.Public() && found.Trust.How != "":
		found.Private = "it was " + string(found.Trust.How) + " and is not verified, so BuildStream and others do not see it; to verify it: git bst promote --verify " + found.Element
	case s.env.Peer != nil && !request.DryRun:
		err := s.env.Share(ctx, n.ref(found.Key), n.names.Weak)
		if errors.Is(err, build.ErrNotPublic) {
			found.Private = err.Error()
			return nil
		}
		if errors.Is(err, build.ErrTheirs) {
			s.note(n, err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		found.Shared = s.env.Peer.Dir()
		return s.shareNeeded(ctx, g, n)
	}
	return nil
}

// shareNeeded shows BuildStream what an element needs at run time, as far as it is here, may be seen, and
// BuildStream has none of its own.
func (s *Session) shareNeeded(ctx context.Context, g *graph, n *node) error {
	for _, element := range n.element.RunScope() {
		dep := g.nodes[element]
		if dep == n || dep.strict() == "" || s.env.Peer.Has(dep.ref(dep.strict())) {
			continue
		}
		err := s.env.Share(ctx, dep.ref(dep.strict()), dep.names.Weak)
		if err != nil && !errors.Is(err, build.ErrNotPublic) && !errors.Is(err, cas.ErrNotFound) {
			return err
		}
	}
	return nil
}

// check verifies what was continued, and what was built on such.
func (s *Session) check(ctx context.Context, g *graph, n *node) (*Verification, error) {
	built := g.isBuilt(n)
	if built == nil || built.Trust.Solid() {
		return nil, nil
	}
	if err := s.chooseSandbox(ctx); err != nil {
		return nil, err
	}
	if err := s.resolveAll(ctx, g); err != nil { // of what is here nobody has asked yet what it was built on
		return nil, err
	}
	found, err := s.verifyOne(ctx, g, n)
	if err != nil {
		return &found, err
	}
	entry, err := s.cached(ctx, n)
	if err == nil && entry != nil {
		g.setBuilt(n, s.built(*entry))
	}
	return &found, err
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
		return job, step, s.nothing(ctx, n, job, facts, step)
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
		return job, step, s.nothing(ctx, n, job, facts, step)
	}
	if err := s.prepare(ctx, n, &job, step); err != nil {
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
func (s *Session) nothing(ctx context.Context, n *node, job build.Job, facts plan.Facts, step plan.Step) error {
	name := n.element.FullName()
	if facts.Blocked != nil {
		return hint.Addf(fmt.Errorf("%w: %s", ErrNothing, facts.Blocked.Text), "to build all that it needs: git bst build %s", name)
	}
	records, err := s.env.Records.ByBuildKey(ctx, job.Chain.Build)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if rec.Result == record.Success && job.Strict != "" && !s.trusts(rec.Trust) {
			err := fmt.Errorf("%w: what was built of the same was %s, and promote.trust is %s", ErrRefused, rec.Trust.How, s.config.Promote.Trust)
			return hint.Addf(err, "to build it clean beside it, and promote what is equal: git bst promote --verify %s", name)
		}
	}
	why := step.Reason.Text
	if facts.Previous != nil && len(facts.Previous.Differs) > 0 {
		why = "the nearest differs in " + strings.Join(facts.Previous.Differs, ", ")
	}
	err = fmt.Errorf("%w: no build in the cache has its inputs: %s", ErrNothing, why)
	return hint.Addf(err, "to see what differs: git bst explain %s; to build it: git bst build %s", name, name)
}

// candidate finds the commit that is to be n's source, and gives n that source. nil for an element whose
// ref stays as it is.
func (s *Session) candidate(ctx context.Context, g *graph, n *node, request PromoteRequest) (*candidate, error) {
	if slices.ContainsFunc(n.sources, func(id source.Identity) bool { return id.InPlace }) {
		err := fmt.Errorf("%w: it is built in place, from the work tree of the project, and has no ref", ErrNothing)
		return nil, hint.Addf(err, "nothing needs to be done: git bst build %s finds what was built of the same content", n.element.FullName())
	}
	if n.work == nil {
		if request.Revision != "" {
			err := fmt.Errorf("%w: it has no workspace in which %s could be found", ErrNothing, request.Revision)
			return nil, hint.Addf(err, "to open one: git bst workspace open --attach %s DIR", n.element.FullName())
		}
		return nil, nil
	}
	return s.commitOf(ctx, g, n, request)
}
