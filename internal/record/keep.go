package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Policy says what of which records a collector keeps. The newest records are counted apart for
// every element and every result, so that ten failures do not push out the last success.
type Policy struct {
	// Trees is the number of records whose trees are kept (build tree, install tree, ...).
	Trees int
	// Logs is the number of records whose log, traces and pre-images are kept.
	Logs int
	// Pinned are the ids of records of which all is kept, as bases of workspaces are.
	Pinned map[string]bool
	// Lives reports whether a work tree (Facts.WorkDir) is still there: then the newest record of
	// each element that was built from it is kept. nil: none is.
	Lives func(dir string) bool
	// FailedFor is how long the trees of what did not succeed are kept, counted from Now.
	FailedFor time.Duration
	Now       time.Time
}

// DefaultPolicy keeps two of each, the newest and one to compare with or go back to (build trees
// are what fills a cache), and the small things of fifty.
func DefaultPolicy() Policy { return Policy{Trees: 2, Logs: 50} }

// Head is a record of which a collector keeps something.
type Head struct {
	ID      string
	Started time.Time
	// First: it goes last, as somebody is at work on it: it is the newest of a work tree, the last
	// success of its element, or pinned.
	First bool
	// Trees: its trees are kept; else only what is small.
	Trees bool
	Roots artifact.Roots
}

// Heads returns the records that matter, the newest first: for each element the newest of each
// result, of each work tree that is there and of each branch, and what failed a short time ago. A
// work tree's or a branch's newest is the newest that left a tree, so that an attempt which ended
// before anything ran does not take the place of the one before. What a record continued from is
// not kept for its sake: its trace and its tree stand for the whole chain. Damaged records are
// passed over; one that cannot be read or is of a newer format is an error, since nobody can tell
// what it refers to.
func (s *Store) Heads(ctx context.Context, p Policy) ([]Head, error) {
	var bad error
	records, err := s.List(ctx, Filter{}, func(_ string, err error) {
		if !errors.Is(err, cas.ErrCorrupt) {
			bad = err
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, fmt.Errorf("find what records refer to: %w", err)
	}
	var heads []Head
	groups := groups{policy: p, results: map[group]int{}, newest: map[group]bool{}, lives: map[string]bool{}}
	for _, r := range records {
		if head, kept := groups.head(r); kept {
			heads = append(heads, head)
		}
	}
	return heads, nil
}

// Roots returns all that the heads refer to: input of artifact.Closure and so of the collector.
func (s *Store) Roots(ctx context.Context, p Policy) (artifact.Roots, error) {
	var roots artifact.Roots
	heads, err := s.Heads(ctx, p)
	for _, head := range heads {
		roots.Add(head.Roots)
	}
	return roots, err
}

// group is what records are counted by: a result, a work tree or a branch of an element.
type group struct{ project, element, by, value string }

// groups counts records, which come in the order of their age.
type groups struct {
	policy  Policy
	results map[group]int
	newest  map[group]bool // whose newest was seen
	lives   map[string]bool
}

// head says what is kept of the next record.
func (g *groups) head(r Record) (Head, bool) {
	p := g.policy
	result := group{r.Project, r.Element, "result", string(r.Result)}
	n := g.results[result]
	g.results[result]++
	inWork, onBranch := false, false
	if !r.BuildTree.IsZero() || !r.Files.IsZero() {
		inWork = g.isLive(r.Facts.WorkDir) && g.first(group{r.Project, r.Element, "work tree", r.Facts.WorkDir})
		onBranch = r.Facts.Branch != "" && g.first(group{r.Project, r.Element, "branch", r.Facts.Branch})
	}
	recent := r.Result != Success && p.FailedFor > 0 && p.Now.Sub(r.Started) < p.FailedFor
	head := Head{
		ID: r.ID, Started: r.Started, First: p.Pinned[r.ID] || inWork || p.Trees > 0 && n == 0 && r.Result == Success,
		Trees: p.Pinned[r.ID] || inWork || onBranch || recent || n < p.Trees,
	}
	if head.Trees {
		head.Roots.AddTrees(r.Files, r.BuildTree, r.InstallTree, r.Tmp, r.Shm, r.SourceTree, r.Parts.Source)
		head.Roots.AddBlobs(r.Times, r.InstallTimes, r.Special)
	}
	kept := head.Trees || n < p.Logs
	if kept {
		head.Roots.AddBlobs(r.smallBlobs()...)
	}
	return head, kept
}

func (g *groups) first(key group) bool {
	seen := g.newest[key]
	g.newest[key] = true
	return !seen
}

func (g *groups) isLive(dir string) bool {
	if dir == "" || g.policy.Lives == nil {
		return false
	}
	lives, known := g.lives[dir]
	if !known {
		lives = g.policy.Lives(dir)
		g.lives[dir] = lives
	}
	return lives
}

// smallBlobs returns what is worth keeping when the trees are gone, zero digests too.
func (r Record) smallBlobs() []digest.Digest {
	p := r.Parts
	blobs := []digest.Digest{r.Log, r.Trace, r.Host, p.PreImage, p.Recipe, p.Source, p.Sysroot, p.Root}
	for _, d := range p.Phases {
		blobs = append(blobs, d)
	}
	for _, phase := range r.Phases {
		blobs = append(blobs, phase.Log)
	}
	return blobs
}
