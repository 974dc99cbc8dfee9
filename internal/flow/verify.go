package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/textdiff"
	"github.com/git-bst/git-bst/internal/tree"
)

// ErrNotVerified: a clean build did not give what is in the cache.
var ErrNotVerified = errors.New("not verified")

// codeWithdrawn is the reason of a withdrawal, in its tombstone.
const codeWithdrawn = "verify-differs"

// Comparison is what verifying an element came to.
type Comparison string

// The comparisons.
const (
	Verified        Comparison = "verified"         // a clean build gave the same files
	Withdrawn       Comparison = "withdrawn"        // two clean builds agreed on something else
	NotReproducible Comparison = "not-reproducible" // two clean builds differ, so nothing is known
)

// Difference is a path at which an artifact differs from a clean build.
type Difference struct {
	Path   string
	Change tree.Op // from the artifact to the clean build
	// Unstable: the clean builds differ there from each other too.
	Unstable bool
	Kind     textdiff.Kind // of what differs
}

// Verification is what verifying one element came to.
type Verification struct {
	Element string
	Key     string // strict key, or the key of the artifact
	Result  Comparison
	How     record.How // how what was compared had been made
	Record  string     // of the clean build, where its result is kept
	Differs []Difference
	Failure *build.Failure // of the clean builds, where what is in the cache had been built
	// Withdrawn are the builds that were withdrawn: this one, and what came of it.
	Withdrawn []record.Record
	Commit    string // of which it was; "" for what is there now
	// Missed are source files of which a change was missed, one of them at least: a change of any is built
	// clean from now on.
	Missed []string
}

// Verify builds elements clean, beside what is in the cache and with no cache for what is built (rule
// 35), and compares. A difference that a second clean build confirms withdraws what is there and all
// that came of it, and puts the clean result in its place (rule 34). ErrNotVerified unless all are
// equal; ErrNotCached for an element whose artifact is not here.
func (s *Session) Verify(ctx context.Context, elements []string, report func(Verification)) error {
	if err := s.config.CheckTrust(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	g, err := s.loadToPlan(ctx, elements)
	if err != nil {
		return err
	}
	if err := s.resolveAll(ctx, g); err != nil {
		return err
	}
	if err := s.chooseSandbox(ctx); err != nil {
		return err
	}
	var all []error
	for _, element := range g.project.Targets {
		found, err := s.verifyOne(ctx, g, g.nodes[element])
		found.Commit = s.options.Revision
		if found.Result != "" {
			report(found)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("verify %s: %w", element.FullName(), err)
		if !errors.Is(err, ErrNotVerified) {
			return errors.Join(append(all, err)...)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// VerifyAt is Verify of what elements are built to at each commit that is named or in a named range, the
// oldest first. What is not built there is an error: ErrNotCached.
func (s *Session) VerifyAt(ctx context.Context, elements, revisions []string, report func(Verification)) error {
	if err := s.config.CheckTrust(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	g, err := s.loadToPlan(ctx, elements)
	if err != nil {
		return err
	}
	var all []error
	for _, element := range g.project.Targets {
		h, err := s.historyOf(g, g.nodes[element])
		if err != nil {
			return err
		}
		commits, err := s.listTested(ctx, h, TestRequest{Revisions: revisions})
		if err != nil {
			return err
		}
		for _, commit := range commits {
			err := s.at(h, commit.id).Verify(ctx, []string{h.element}, report)
			if err == nil {
				continue
			}
			err = fmt.Errorf("at %.12s: %w", commit.id, err)
			if !errors.Is(err, ErrNotVerified) {
				return errors.Join(append(all, err)...)
			}
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// resolveAll looks up every element that the targets need, to be built too.
func (s *Session) resolveAll(ctx context.Context, g *graph) error {
	for _, element := range g.project.Order {
		if _, _, err := s.resolve(ctx, g, g.nodes[element], Asked{}); err != nil {
			return fmt.Errorf("plan %s: %w", element.FullName(), err)
		}
	}
	return nil
}

func (s *Session) verifyOne(ctx context.Context, g *graph, n *node) (Verification, error) {
	name := n.element.FullName()
	for _, dep := range n.element.BuildScope() {
		if g.isBuilt(g.nodes[dep]) == nil {
			err := fmt.Errorf("%w: artifact of %s, which it is built on", ErrNotCached, dep.FullName())
			return Verification{}, hint.Addf(err, "to build it: git bst build %s", dep.FullName())
		}
	}
	if g.isBuilt(n) == nil {
		return Verification{}, hint.Addf(fmt.Errorf("%w: there is nothing to compare with", ErrNotCached), "to build it: git bst build %s", name)
	}
	if reason := s.blocked(ctx, g, n); reason != nil {
		if _, _, err := s.unblock(ctx, g, n, Asked{}, *reason); err != nil {
			return Verification{}, err
		}
	}
	job, err := s.job(ctx, g, n)
	if err != nil {
		return Verification{}, err
	}
	if err := s.ensureSources(ctx, n); err != nil {
		return Verification{}, err
	}
	unlock, err := s.env.Lock(ctx, job)
	if err != nil {
		return Verification{}, err
	}
	defer unlock()
	stored, err := s.artifactAt(ctx, job.Refs[0])
	if err != nil {
		return Verification{}, err
	}
	if stored == nil {
		return Verification{}, hint.Addf(fmt.Errorf("%w: it was removed meanwhile", ErrNotCached), "to build it: git bst build %s", name)
	}
	return s.verify(ctx, job, *stored, replace)
}

// afterwards is what becomes of a clean result when what it was compared with is withdrawn.
type afterwards int

const (
	replace  afterwards = iota // it takes the other's place
	leaveOut                   // nothing: what stands beside its files is not known
)

// verify compares one artifact with a clean build, under the job's lock.
func (s *Session) verify(ctx context.Context, job build.Job, stored artifact.Entry, then afterwards) (Verification, error) {
	found := Verification{Element: job.Element, Key: job.Refs[0].Key}
	if rec, err := s.env.Records.Get(ctx, stored.Record); err == nil {
		found.How = rec.Trust.How
	}
	if err := s.readWhole(ctx, stored.Artifact.Files); err != nil {
		return found, err
	}
	began := s.options.Now()
	first, err := s.env.Rebuild(ctx, job)
	if err != nil {
		return found, err
	}
	if first.Failure == nil && first.Files == stored.Artifact.Files {
		rec, err := s.env.Confirm(ctx, job, stored, first)
		if err != nil {
			return found, err
		}
		found.Result, found.Record = Verified, rec.ID
		return found, nil
	}
	s.env.Report(build.Event{Kind: build.EventNote, Element: job.Element, Lines: []string{"the clean build differs: once more, to be sure"}})
	second, err := s.env.Rebuild(ctx, job)
	if err != nil {
		return found, err
	}
	if found.Differs, err = s.differences(ctx, stored.Artifact.Files, first, second, began); err != nil {
		return found, err
	}
	if (first.Failure == nil) != (second.Failure == nil) || first.Files != second.Files {
		found.Result = NotReproducible
		return found, fmt.Errorf("%w: two clean builds differ: it is not reproducible, so nothing was withdrawn", ErrNotVerified)
	}
	return s.withdraw(ctx, job, stored, second, found, then)
}

// withdraw takes back what two clean builds agree not to give, and keeps what they give.
func (s *Session) withdraw(ctx context.Context, job build.Job, stored artifact.Entry, made build.Rebuilt, found Verification, then afterwards) (Verification, error) {
	var err error
	text := fmt.Sprintf("%d paths differ from what two clean builds gave", len(found.Differs))
	if made.Failure != nil {
		text = "two clean builds failed: " + made.Failure.Summary()
	}
	real := func(d Difference) bool { return d.Kind == textdiff.Content && !d.Unstable }
	if made.Failure != nil || slices.ContainsFunc(found.Differs, real) {
		if found.Missed, err = s.learn(ctx, stored); err != nil {
			return found, err
		}
	}
	found.Withdrawn, err = s.env.Withdraw(ctx, job, stored, record.Reason{Code: codeWithdrawn, Text: text})
	if err != nil {
		return found, err
	}
	found.Result = Withdrawn
	if then == leaveOut {
		return found, fmt.Errorf("%w: it differs from what two clean builds gave: the next build of it is clean", ErrNotVerified)
	}
	built, err := s.env.Replace(ctx, job, made)
	if err != nil {
		return found, err
	}
	found.Record, found.Failure = built.Record, made.Failure
	if made.Failure != nil {
		found.Record = made.Failure.Record
		err := fmt.Errorf("%w: a clean build fails, so what was there is withdrawn: %w: %w", ErrNotVerified, ErrBuildFailed, made.Failure)
		return found, s.hintFailure(err, made.Failure)
	}
	err = fmt.Errorf("%w: it differs from what two clean builds gave, which took its place", ErrNotVerified)
	return found, err
}

// readWhole reads all files of a tree, which compares each with its digest: a damaged one is put
// aside, so that the clean build brings it anew.
func (s *Session) readWhole(ctx context.Context, root digest.Digest) error {
	if root.IsZero() {
		return nil
	}
	return tree.Walk(ctx, s.cas, root, func(_ string, e tree.Entry) error {
		if e.Kind != tree.KindFile {
			return nil
		}
		reader, err := s.cas.Open(ctx, e.Digest)
		if err != nil {
			if errors.Is(err, cas.ErrCorrupt) || errors.Is(err, cas.ErrNotFound) {
				return nil
			}
			return err
		}
		_, err = io.Copy(io.Discard, reader)
		if err := errors.Join(err, reader.Close()); err != nil && !errors.Is(err, cas.ErrCorrupt) {
			return err
		}
		return nil
	})
}
