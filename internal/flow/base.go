package flow

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"syscall"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// maxLog bounds what is read of a failed build's log to find what it was writing.
const maxLog = 4 << 20

// base finds the earlier build of the element that a build with another source may be continued
// from: the nearest usable one whose other inputs are equal (rule 14). nil when there is none, when
// it was not asked for, or when the result would have BuildStream's own name, which only a clean
// build is given for now.
func (s *Session) base(ctx context.Context, n *node, job build.Job, phases []plan.Phase) (*build.ContinuedBase, error) {
	if s.config.Build.Continue != "auto" || job.Strict != "" || !stagesSources(n.recipe) || s.config.Build.Sandbox == sandbox.None.String() {
		return nil, nil
	}
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: compared}, nil)
	if err != nil {
		return nil, err
	}
	var bases []plan.Base
	var candidates []plan.Candidate
	near := math.MaxInt32
	kept := records[:0]
	for _, rec := range records {
		if !s.sameButSource(ctx, rec, job) {
			continue
		}
		base, err := s.baseOf(ctx, rec)
		if err != nil {
			return nil, err
		}
		candidate := plan.Candidate{Record: rec.ID, Success: rec.Result == record.Success, Usable: base.Usable() == nil}
		if candidate.Usable {
			distance, err := tree.Distance(ctx, s.cas, rec.SourceTree, job.Source, near)
			if err != nil {
				candidate.Usable = false // its source is no longer here
			}
			near, candidate.Distance = min(near, distance+1), int64(distance)
		}
		kept, bases, candidates = append(kept, rec), append(bases, base), append(candidates, candidate)
	}
	best := plan.Nearest(candidates)
	if best < 0 {
		return nil, nil
	}
	return s.against(ctx, kept[best], bases[best], job, phases)
}

// sameButSource reports whether a record's build had the job's inputs but for the source (rule 14).
func (s *Session) sameButSource(ctx context.Context, rec record.Record, job build.Job) bool {
	if rec.BuildTree.IsZero() || rec.SourceTree.IsZero() {
		return false
	}
	if withdrawn, err := s.env.IsWithdrawn(ctx, rec); err != nil || withdrawn {
		return false // rule 34
	}
	old, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return false
	}
	differs := keys.Differs(old, job.Chain.PreImage)
	return slices.Equal(differs, []string{"source"}) || len(differs) == 0
}

// baseOf describes an earlier build as the rules want it.
func (s *Session) baseOf(ctx context.Context, rec record.Record) (plan.Base, error) {
	base := plan.Base{
		Record: rec.ID, Result: rec.Result, Signal: syscall.Signal(rec.Failure.Signal), Source: rec.SourceTree.String(), SameRoot: true,
		Unjudged: rec.Verdict == string(plan.Continue) && rec.Result != record.Success,
		Trace:    build.LoadTrace(ctx, s.cas, rec.Trace),
	}
	if noop, ok := base.Trace.Phase(build.ProbePhase); ok && noop.Ended {
		base.Noop = &noop // of this chain: what could change it makes the next build clean
	}
	missing, err := tree.Missing(ctx, s.cas, rec.BuildTree)
	base.Tree = err == nil && len(missing) == 0
	if rec.Result == record.Success && !rec.Files.IsZero() {
		missing, err := tree.Missing(ctx, s.cas, rec.Files)
		base.Artifact = err == nil && len(missing) == 0
	}
	for _, phase := range rec.Phases {
		base.Phases = append(base.Phases, plan.BasePhase{Name: phase.Name, Ended: phase.ExitCode == 0 && phase.Signal == 0})
	}
	if rec.Result != record.Success && emptied(rec.Tmp) && emptied(rec.Shm) { // what is half written there nobody traces
		base.Half, base.HalfKnown = plan.HalfWritten(plan.Ending{
			Result: rec.Result, Phase: rec.Failure.Phase, Trace: base.Trace, Log: s.logText(ctx, rec.Log), IsSource: s.isSource(ctx, rec.SourceTree),
		})
	}
	return base, nil
}

// emptied reports whether a build left nothing in a folder.
func emptied(root digest.Digest) bool { return root.IsZero() || root == digest.Empty }

func (s *Session) logText(ctx context.Context, d digest.Digest) string {
	reader, err := s.cas.Open(ctx, d)
	if err != nil {
		return ""
	}
	defer reader.Close()
	text, err := io.ReadAll(io.LimitReader(reader, maxLog))
	if err != nil {
		return ""
	}
	return string(text)
}

func (s *Session) isSource(ctx context.Context, root digest.Digest) func(string) bool {
	return func(path string) bool {
		entry, err := tree.Lookup(ctx, s.cas, root, path)
		return err == nil && entry.Kind != tree.KindDir || err != nil && !errors.Is(err, tree.ErrNotFound)
	}
}

// against compares a base with the wanted build: the case that the rules judge.
func (s *Session) against(ctx context.Context, rec record.Record, base plan.Base, job build.Job, phases []plan.Phase) (*build.ContinuedBase, error) {
	changes, err := tree.Compare(ctx, s.cas, rec.SourceTree, job.Source)
	if err != nil {
		return nil, nil // the base's source is no longer whole: it can't be compared
	}
	asked, err := build.Changes(ctx, s.cas, rec.BuildTree, changes)
	if err != nil {
		return nil, err
	}
	found := &build.ContinuedBase{Record: rec, Changes: changes, Case: plan.Case{Base: base, Changes: asked, Phases: phases}}
	if found.Case.Unread() {
		if err := build.MarkCopied(ctx, s.cas, rec.Files, rec.BuildTree, found.Case.Changes); err != nil {
			return nil, err
		}
	}
	keeps, err := tree.KeepsNanoseconds(s.config.Cache.Dir)
	if err != nil {
		return nil, nil // a read-only cache: nothing can be continued there
	}
	times, err := cas.Get(ctx, s.cas, rec.Times)
	if err != nil {
		return nil, nil
	}
	decoded, err := tree.DecodeTimes(times)
	if err != nil {
		return nil, nil
	}
	found.Case.Clock = plan.Clock{Now: s.options.Now(), Newest: decoded.Newest(), Coarse: !keeps}
	return found, nil
}
