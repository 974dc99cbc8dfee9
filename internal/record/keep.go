package record

import (
	"context"
	"errors"
	"fmt"

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
}

// DefaultPolicy keeps two of each, the newest and one to compare with or go back to (build trees
// are what fills a cache), and the small things of fifty.
func DefaultPolicy() Policy { return Policy{Trees: 2, Logs: 50} }

// Roots returns all that the records refer to, as far as the policy keeps it: input of
// artifact.Closure and so of the collector. Damaged records are passed over; one that cannot be
// read or is of a newer format is an error, since nobody can tell what it refers to.
func (s *Store) Roots(ctx context.Context, p Policy) (artifact.Roots, error) {
	var roots artifact.Roots
	var bad error
	records, err := s.List(ctx, Filter{}, func(_ string, err error) {
		if !errors.Is(err, cas.ErrCorrupt) {
			bad = err
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return roots, fmt.Errorf("find what records refer to: %w", err)
	}
	type group struct {
		project, element string
		result           Result
	}
	counts := map[group]int{}
	for _, r := range records {
		g := group{r.Project, r.Element, r.Result}
		if p.Pinned[r.ID] || counts[g] < p.Trees {
			roots.AddTrees(r.Files, r.BuildTree, r.InstallTree, r.Tmp, r.Shm, r.SourceTree, r.Parts.Source)
			roots.AddBlobs(r.Times, r.InstallTimes, r.Special)
		}
		if p.Pinned[r.ID] || counts[g] < max(p.Logs, p.Trees) {
			roots.AddBlobs(r.smallBlobs()...)
		}
		counts[g]++
	}
	return roots, nil
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
