package flow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/workspace"
	"github.com/git-bst/git-bst/keys"
)

// bases is how many of an element's newest builds are looked at as bases: a day of failed attempts
// must not hide the last good one.
const bases = 64

// far is the number of differing files from which on it does not matter how many there are.
const far = 100_000

// standing is an earlier build as a base, as far as it was looked at.
type standing struct {
	rec      record.Record
	base     plan.Base
	distance int
	measured bool         // else the distance is the least that it may be
	later    []string     // inputs of the phases after build that are not the job's
	why      *plan.Reason // why it can't be the base; nil when it may
	looked   bool         // base and why are those of baseOf
}

// base finds the earlier build of the element that a build with another source may be continued
// from: the nearest usable one whose other inputs are equal (rule 14). nil when there is none, or
// when nothing is to be continued.
func (s *Session) base(ctx context.Context, n *node, job build.Job, facts *plan.Facts) (*build.ContinuedBase, error) {
	if facts.Asked.FromScratch() {
		return nil, nil
	}
	if facts.Asked.OldTree() {
		return s.oldTree(ctx, n, job, facts)
	}
	if !s.continues(n) {
		return nil, nil
	}
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: bases}, nil)
	if err != nil || len(records) == 0 || !s.mayContinue(n, records[0], facts.Asked) {
		return nil, err
	}
	all := s.standings(ctx, records, job)
	best, err := s.nearest(ctx, all, job)
	if err != nil {
		return nil, err
	}
	if best == nil {
		facts.Spoiled = spoiled(all)
		return nil, nil
	}
	return s.against(ctx, best, job, facts.Phases)
}

// continues reports whether an element's builds may be continued at all.
func (s *Session) continues(n *node) bool {
	return s.config.Build.Continue == "auto" && plan.Matches(s.config.Build.NeverContinue, n.element.FullName()) == "" && stagesSources(n.recipe) && s.config.Build.Sandbox != sandbox.None.String()
}

// policies are what the project and the user say about an element's source files, and what verifying it
// has shown.
func (s *Session) policies(job build.Job) (plan.Policies, error) {
	c := s.config.Build
	policies := plan.Policies{ConfigureInputs: c.ConfigureInputs, Allowed: c.ComeAndGo, IgnoreListing: c.IgnoreListing}
	var err error
	policies.Learned, err = workspace.Learned(s.repo.CommonDir(), job.Project, job.Element)
	return policies, err
}

// mayContinue reports whether a result on an old tree may have the element's name: where that is
// BuildStream's (a strict key) only for who works on the element, in its work tree or by trying a
// failed build again, and only as the user's promote.trust is "any". It carries the trust that it has.
func (s *Session) mayContinue(n *node, newest record.Record, asked plan.Asked) bool {
	mine := n.fromWorkTree() || asked.Retry && newest.Result != record.Success
	return n.strict() == "" || mine && s.config.Promote.Trust == "any"
}

// standings lists the earlier builds, the newest first. How far their sources are from the job's, and
// whether they are usable, is not looked at yet: that costs more.
func (s *Session) standings(ctx context.Context, records []record.Record, job build.Job) []*standing {
	all := make([]*standing, len(records))
	for i, rec := range records {
		one := &standing{rec: rec}
		one.later, one.why = s.otherInputs(ctx, rec, job)
		if rec.SourceTree == job.Source {
			one.measured = true
		} else if one.distance = 1; one.why == nil && len(one.later) > 0 {
			one.why = otherParts(append([]string{"source"}, one.later...))
		}
		all[i] = one
	}
	return all
}

// measure finds out how far the source of an earlier build is from the job's. It is asked twice: the step is
// decided again under the lock of its build key.
func (s *Session) measure(ctx context.Context, one *standing, job build.Job) {
	if one.measured || one.why != nil {
		return
	}
	one.measured = true
	pair := [2]digest.Digest{one.rec.SourceTree, job.Source}
	if known, ok := s.distances.Load(pair); ok {
		one.distance = known.(int)
		return
	}
	var err error
	if one.distance, err = tree.Distance(ctx, s.cas, pair[0], pair[1], far); err != nil {
		one.why = &plan.Reason{Code: plan.CodeBaseSource, Text: "the source in its build tree is no longer here"}
		return
	}
	s.distances.Store(pair, one.distance)
}

// nearest returns the one to continue from; nil when none is usable. It looks at the nearest first, and
// measures no more than it must.
func (s *Session) nearest(ctx context.Context, all []*standing, job build.Job) (*standing, error) {
	warm := s.env.Warm(job.Warm)
	for {
		var candidates []plan.Candidate
		for _, one := range all {
			candidates = append(candidates, plan.Candidate{
				Record: one.rec.ID, Success: one.rec.Result == record.Success, Usable: one.why == nil, Distance: int64(one.distance), Warm: one.rec.ID == warm.Record,
			})
		}
		best := plan.Nearest(candidates)
		if best < 0 {
			return nil, nil
		}
		if !all[best].measured {
			s.measure(ctx, all[best], job)
			continue
		}
		if err := s.look(ctx, all[best], warm); err != nil {
			return nil, err
		}
		if all[best].why == nil {
			return all[best], nil
		}
	}
}

// spoiled says why the nearest of the builds with equal other inputs can't be continued; nil when
// there is no such build.
func spoiled(all []*standing) *plan.Reason {
	var nearest *standing
	for _, one := range all {
		if one.looked && (nearest == nil || one.distance < nearest.distance) {
			nearest = one
		}
	}
	if nearest == nil {
		return nil
	}
	return nearest.why
}

// look finds out whether an earlier build is usable as a base.
func (s *Session) look(ctx context.Context, one *standing, warm build.Warm) error {
	if one.looked || one.why != nil {
		return nil
	}
	var err error
	one.base, err = s.baseOf(ctx, one.rec, warm)
	one.looked, one.why = true, one.base.Usable()
	if one.why == nil && len(one.later) > 0 {
		if altered := plan.Altered(one.base.Trace, s.isSource(ctx, one.rec.SourceTree)); altered != "" {
			one.why = otherParts(one.later)
			one.why.Text += "; and it changed " + altered + " after its build phase"
		}
	}
	return err
}

func otherParts(differs []string) *plan.Reason {
	return &plan.Reason{Code: plan.CodeChanged, Text: "other inputs differ: " + strings.Join(differs, ", ")}
}

// otherInputs says why a record's build had not the job's inputs but for the source (rule 14); nil when
// it had, up to its build phase: what comes later and differs is listed.
func (s *Session) otherInputs(ctx context.Context, rec record.Record, job build.Job) (later []string, why *plan.Reason) {
	if rec.BuildTree.IsZero() {
		return nil, &plan.Reason{Code: plan.CodeBaseGone, Text: "it left no build tree"}
	}
	if rec.SourceTree.IsZero() {
		return nil, &plan.Reason{Code: plan.CodeBaseSource, Text: "it is not known which source is in its build tree"}
	}
	if withdrawn, err := s.env.IsWithdrawn(ctx, rec); err != nil || withdrawn {
		return nil, &plan.Reason{Code: plan.CodeBaseWithdrawn, Text: "its result was withdrawn"}
	}
	old, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return nil, &plan.Reason{Code: plan.CodeChanged, Text: "what its inputs were is no longer here"}
	}
	differs := slices.DeleteFunc(keys.Differs(old, job.Chain.PreImage), func(part string) bool { return part == "source" })
	early := slices.ContainsFunc(differs, func(part string) bool {
		phase, ok := strings.CutSuffix(part, " commands")
		return !ok || !plan.IsLate(phase)
	})
	// What a build left in /tmp nobody traced, so other commands may not begin with it.
	if early || len(differs) > 0 && (rec.Result != record.Success || !build.EmptyTree(rec.Tmp) || !build.EmptyTree(rec.Shm)) {
		return nil, otherParts(differs)
	}
	return differs, nil
}

// baseOf describes an earlier build as the rules want it. What the warm tree holds need not be in the
// store: where it turns out to be spoilt, and the store has not all, the element is built clean.
func (s *Session) baseOf(ctx context.Context, rec record.Record, warm build.Warm) (plan.Base, error) {
	if known, ok := s.bases.Load(rec.ID); ok {
		return known.(plan.Base), nil
	}
	base := plan.Base{
		Record: rec.ID, Result: rec.Result, Signal: syscall.Signal(rec.Failure.Signal), Source: rec.SourceTree.String(), SameRoot: true,
		Unjudged: s.unjudged(ctx, rec),
		Trace:    build.LoadTrace(ctx, s.cas, rec.Trace),
	}
	if noop, ok := base.Trace.Phase(plan.ProbePhase); ok && noop.Ended {
		base.Noop = &noop // of this chain: what could change it makes the next build clean
	}
	base.Tree = warm.Holds(rec) && s.has(ctx, rec.BuildTree) || s.whole(ctx, rec.BuildTree)
	base.Artifact = rec.Result == record.Success && !rec.Files.IsZero() && s.whole(ctx, rec.Files)
	for _, phase := range rec.Phases {
		cut := rec.Result != record.Success && rec.Failure.Phase == phase.Name // what was told to end may have exited with 0
		base.Phases = append(base.Phases, plan.BasePhase{Name: phase.Name, Ended: phase.ExitCode == 0 && phase.Signal == 0 && !cut})
	}
	if rec.Result != record.Success && build.EmptyTree(rec.Tmp) && build.EmptyTree(rec.Shm) { // what is half written there nobody traces
		base.Half, base.HalfKnown = plan.HalfWritten(plan.Ending{
			Result: rec.Result, Phase: rec.Failure.Phase, Trace: base.Trace, Log: s.logText(ctx, rec.Log), IsSource: s.isSource(ctx, rec.SourceTree),
		})
	}
	if s.lease != nil {
		s.bases.Store(rec.ID, base)
	}
	return base, nil
}

// has reports whether one blob is here.
func (s *Session) has(ctx context.Context, d digest.Digest) bool {
	missing, err := s.cas.Missing(ctx, []digest.Digest{d})
	return err == nil && len(missing) == 0
}

// whole reports whether all blobs of a tree are here. What was found once stays while the session
// has its lease, and to look again, as is done when a step is decided again under its lock, would
// take as long as all else of the decision.
func (s *Session) whole(ctx context.Context, root digest.Digest) bool {
	if _, known := s.wholeTrees.Load(root); known {
		return true
	}
	missing, err := tree.Missing(ctx, s.cas, root)
	if err != nil || len(missing) > 0 {
		return false
	}
	if s.lease != nil {
		s.wholeTrees.Store(root, true)
	}
	return true
}

// unjudged reports whether a build was continued with changes of which nobody asked in the end
// whether all that depends on them was built (rule 23).
func (s *Session) unjudged(ctx context.Context, rec record.Record) bool {
	if rec.Verdict != string(plan.Continue) || rec.Result == record.Success {
		return false
	}
	from, err := s.env.Records.Get(ctx, rec.Base)
	return err != nil || from.SourceTree != rec.SourceTree
}

// logText returns a whole log, or "" where it can't be had: of a part it could not be told what was
// being written when the build ended.
func (s *Session) logText(ctx context.Context, d digest.Digest) string {
	path, err := s.cas.File(ctx, d, false)
	if err != nil {
		return ""
	}
	text, err := build.ReadLog(path)
	if err != nil {
		return ""
	}
	return text
}

func (s *Session) isSource(ctx context.Context, root digest.Digest) func(string) bool {
	return func(path string) bool {
		entry, err := tree.Lookup(ctx, s.cas, root, path)
		return err == nil && entry.Kind != tree.KindDir || err != nil && !errors.Is(err, tree.ErrNotFound)
	}
}

// said is what the log of a build phase that failed says of the source that was built.
func (s *Session) said(ctx context.Context, rec record.Record, job build.Job) (plan.Diagnoses, error) {
	sources, err := build.Sources(ctx, s.cas, rec.SourceTree)
	return plan.Diagnose(s.logText(ctx, rec.Log), job.Parts.Layout.BuildRoot, func() map[string]bool { return sources }), err
}

// against compares a base with the wanted build: the case that the rules judge.
func (s *Session) against(ctx context.Context, best *standing, job build.Job, phases []plan.Phase) (*build.ContinuedBase, error) {
	rec, base := best.rec, best.base
	changes, err := tree.Compare(ctx, s.cas, rec.SourceTree, job.Source)
	if err != nil {
		return nil, nil // the base's source is no longer whole: it can't be compared
	}
	asked, err := build.Changes(ctx, s.cas, rec.BuildTree, changes)
	if errors.Is(err, cas.ErrNotFound) {
		return nil, nil // as is its build tree, which the warm one stands in for
	}
	if err != nil {
		return nil, err
	}
	if base.Partial() && rec.Result == record.Failed {
		if base.Said, err = s.said(ctx, rec, job); err != nil {
			return nil, nil // as above
		}
	}
	policies, err := s.policies(job)
	if err != nil {
		return nil, err
	}
	found := &build.ContinuedBase{Record: rec, Changes: changes, Case: plan.Case{
		Base: base, Later: best.later, Changes: asked, Phases: phases, Strict: job.Strict != "", Policies: policies,
	}}
	if found.Case.Unread() {
		if err := build.MarkCopied(ctx, s.cas, rec.Files, rec.BuildTree, s.env.WarmIndex(job.Warm, rec), found.Case.Changes); err != nil {
			return nil, err
		}
	}
	keeps, err := tree.KeepsNanoseconds(s.config.Cache.Dir)
	if err != nil {
		return nil, nil // a read-only cache: nothing can be continued there
	}
	newest, ok := s.newest(ctx, rec, job.Warm)
	if !ok {
		return nil, nil
	}
	found.Case.Clock = plan.Clock{Now: s.options.Now(), Newest: newest, Coarse: !keeps}
	return found, nil
}

// newest is the time of the newest file in a record's build tree.
func (s *Session) newest(ctx context.Context, rec record.Record, warm string) (time.Time, bool) {
	if w := s.env.Warm(warm); w.Holds(rec) && !w.Newest.IsZero() {
		return w.Newest, true
	}
	times, ok := s.times(ctx, rec.Times)
	return times.Newest(), ok
}
