package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
)

// CacheStatus says what the cache holds.
type CacheStatus struct {
	Dir         string
	ReadOnly    bool
	Blobs       int
	Bytes       int64 // of the blobs, on disk
	BudgetBytes int64
	Disk        fsx.Disk
	Artifacts   int // references
	Phases      int // entries of the phase cache
	// TreeBytes is the size of the contents that only the phase cache and records need: what it
	// costs to resume, and to look into build trees.
	TreeBytes int64
	// Warm are the build folders that stay between builds; their bytes are not in Bytes.
	Warm build.WarmUsage
}

// CacheStatus counts what the cache holds.
func (s *Session) CacheStatus(ctx context.Context) (CacheStatus, error) {
	status := CacheStatus{Dir: s.config.Cache.Dir, ReadOnly: s.cas.ReadOnly()}
	usage, err := s.cas.Usage(ctx)
	if err != nil {
		return status, err
	}
	status.Blobs, status.Bytes = usage.Blobs, usage.Bytes
	if status.Disk, err = fsx.DiskFree(status.Dir); err != nil {
		return status, err
	}
	status.BudgetBytes = s.config.Cache.Budget.Of(status.Disk.TotalBytes)
	refs, err := s.env.Artifacts.List(ctx)
	if err != nil {
		return status, err
	}
	status.Artifacts = len(refs)
	if status.Warm, err = s.env.WarmUsage(ctx); err != nil {
		return status, err
	}
	status.TreeBytes, err = s.treeBytes(ctx, &status)
	return status, err
}

// treeBytes adds up what phases and records keep and no artifact has.
func (s *Session) treeBytes(ctx context.Context, status *CacheStatus) (int64, error) {
	var published, kept artifact.Roots
	references, err := s.references(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range references {
		if r.phase {
			status.Phases++
			kept.Add(r.roots)
		} else {
			published.Add(r.roots)
		}
	}
	records, err := s.env.Records.Roots(ctx, s.keepPolicy())
	if err != nil {
		return 0, err
	}
	kept.Add(records)
	seen := map[digest.Digest]bool{}
	if err := artifact.Closure(ctx, s.cas, published, func(d digest.Digest) bool { seen[d] = true; return true }); err != nil {
		return 0, err
	}
	var bytes int64
	err = artifact.Closure(ctx, s.cas, kept, func(d digest.Digest) bool {
		if !seen[d] {
			bytes += d.Size()
		}
		return true
	})
	return bytes, err
}

// GarbageReport says what CollectGarbage did.
type GarbageReport struct {
	cas.GCReport
	References int   // artifacts and cached phases that were given up
	WarmBytes  int64 // of the build folders that are still kept
}

// keepShare is the part of the budget that what was used last may fill; the rest is left to what
// no reference names: sources, logs, trees of old records. Below cas's low-water mark of 90 %, so
// that a collection ends with room for some builds.
const keepShare = 0.8

// CollectGarbage brings the cache within a budget. Build folders that are only kept to be quicker go
// first. Artifacts and cached phases go as a whole, those
// used longest ago first; then blobs that nothing kept needs. What a running build uses stays.
func (s *Session) CollectGarbage(ctx context.Context, budgetBytes int64) (GarbageReport, error) {
	s.Close() // our own lease would keep all that is there
	var report GarbageReport
	usage, err := s.cas.Usage(ctx)
	if err != nil {
		return report, fmt.Errorf("collect garbage: %w", err)
	}
	if report.WarmBytes, err = s.env.SweepWarm(ctx, budgetBytes-usage.Bytes, cas.DefaultGrace); err != nil {
		return report, fmt.Errorf("collect garbage: %w", err)
	}
	budgetBytes = max(budgetBytes-report.WarmBytes, 0)
	over := usage.Bytes > budgetBytes
	if err := s.env.SweepRoots(ctx, over); err != nil {
		return report, fmt.Errorf("collect garbage: %w", err)
	}
	var kept map[digest.Digest]bool
	if over {
		if kept, err = s.giveUpOldest(ctx, budgetBytes, &report); err != nil {
			return report, fmt.Errorf("collect garbage: %w", err)
		}
	}
	report.GCReport, err = s.cas.GC(ctx, cas.GCOptions{
		BudgetBytes: budgetBytes, Now: s.options.Now,
		Keep: func(yield func(digest.Digest) bool) {
			for d := range kept {
				if !yield(d) {
					return
				}
			}
		},
	})
	if err != nil {
		return report, fmt.Errorf("collect garbage: %w", err)
	}
	return report, s.sweep(ctx)
}

// staleAfter is the age from which a temporary file is a killed process's.
const staleAfter = 24 * time.Hour

func (s *Session) sweep(ctx context.Context) error {
	old := s.options.Now().Add(-staleAfter)
	for _, sweep := range []func(context.Context) error{s.env.SweepWork, s.env.SweepLogs} {
		if err := sweep(ctx); err != nil {
			return fmt.Errorf("collect garbage: %w", err)
		}
	}
	for _, sweep := range []func(context.Context, time.Time) error{s.env.Artifacts.Sweep, s.env.Records.Sweep, s.env.Phases.Sweep, s.env.Verdicts.Sweep} {
		if err := sweep(ctx, old); err != nil {
			return fmt.Errorf("collect garbage: %w", err)
		}
	}
	return nil
}

// A reference is something that names blobs and can be given up.
type reference struct {
	used   time.Time
	roots  artifact.Roots
	remove func() error
	phase  bool // of the phase cache, not an artifact
	head   bool // of a record, which stays when what it names is given up
}

// keepPolicy says which records matter: those of work trees that are there, of branches, the last
// successes, and what failed a short time ago (cache.keep-failed).
func (s *Session) keepPolicy() record.Policy {
	policy := record.DefaultPolicy()
	policy.FailedFor, policy.Now = s.config.Cache.KeepFailed, s.options.Now()
	policy.Lives = func(dir string) bool {
		info, err := os.Stat(dir)
		return err == nil && info.IsDir()
	}
	return policy
}

// withHeads puts what records need among references, which are sorted by their last use: what
// somebody is at work on before all else, as nobody wants to wait for it twice, the rest by age.
func withHeads(references []reference, heads []record.Head) []reference {
	var first, others []reference
	for _, head := range heads {
		r := reference{used: head.Started, roots: head.Roots, head: true}
		if head.First || !head.Trees { // logs and traces are small
			first = append(first, r)
		} else {
			others = append(others, r)
		}
	}
	others = append(others, references...)
	slices.SortStableFunc(others, func(a, b reference) int { return cmp.Compare(b.used.UnixNano(), a.used.UnixNano()) })
	return append(first, others...)
}

// giveUpOldest removes the references that don't fit into the budget any more and returns the
// blobs of the others. What was used in cas's grace period is not given up: a running build may
// have put it there.
func (s *Session) giveUpOldest(ctx context.Context, budgetBytes int64, report *GarbageReport) (map[digest.Digest]bool, error) {
	references, err := s.references(ctx)
	if err != nil {
		return nil, err
	}
	heads, err := s.env.Records.Heads(ctx, s.keepPolicy())
	if err != nil {
		return nil, err
	}
	references = withHeads(references, heads)
	room := int64(float64(budgetBytes) * keepShare)
	kept := map[digest.Digest]bool{}
	for _, r := range references {
		added, size := []digest.Digest(nil), int64(0)
		err := artifact.Closure(ctx, s.cas, r.roots, func(d digest.Digest) bool {
			if !kept[d] {
				added, size = append(added, d), size+d.Size()
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		room -= size
		if inUse := r.used.After(s.options.Now().Add(-cas.DefaultGrace)); room >= 0 || inUse {
			for _, d := range added {
				kept[d] = true
			}
			continue
		}
		if r.head {
			room += size // what does not fit leaves its place to others
			continue
		}
		if err := r.remove(); err != nil {
			return nil, err
		}
		report.References++
	}
	return kept, nil
}

// references lists all artifacts and cached phases, the one used last first. What can't be read
// is left to fsck.
func (s *Session) references(ctx context.Context) ([]reference, error) {
	var out []reference
	refs, err := s.env.Artifacts.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, listed := range refs {
		entry, err := s.env.Artifacts.Peek(listed.Ref)
		if err != nil {
			continue
		}
		remove := func() error { return s.env.Artifacts.Delete(listed.Ref) }
		out = append(out, reference{used: listed.Used, roots: entry.Artifact.Roots(), remove: remove})
	}
	err = s.env.Phases.Each(ctx, func(e action.CacheEntry) error {
		remove := func() error { return s.env.Phases.Delete(e.Key) }
		out = append(out, reference{used: e.Used, roots: e.Outputs.Roots(), remove: remove, phase: true})
		return nil
	}, nil)
	slices.SortStableFunc(out, func(a, b reference) int { return cmp.Compare(b.used.UnixNano(), a.used.UnixNano()) })
	return out, err
}

// CacheProblem is something that CheckCache found.
type CacheProblem struct {
	Path     string
	What     string
	Repaired bool
}

// mend removes the file of an artifact, a record or a phase that is damaged: nobody can read it, and
// it would be reported for ever. A withdrawal stays, as someone has to look at it.
func (s *Session) mend(p CacheProblem, err error) CacheProblem {
	if !errors.Is(err, cas.ErrCorrupt) || s.cas.ReadOnly() || strings.Contains(p.Path, "/tombstones/") {
		return p
	}
	if os.Remove(p.Path) == nil {
		p.What, p.Repaired = p.What+"; removed", true
	}
	return p
}

// CheckCache reads the whole cache and reports all that is wrong with it. Corrupt blobs are moved
// aside, other damaged files removed; records that a killed process did not get to index are found
// again. Nothing else changes.
func (s *Session) CheckCache(ctx context.Context, report func(CacheProblem)) error {
	if err := s.cas.Fsck(ctx, func(p cas.Problem) {
		report(CacheProblem{Path: filepath.Join(s.config.Cache.Dir, "cas", filepath.FromSlash(p.Path)), What: p.What, Repaired: p.Repaired})
	}); err != nil {
		return fmt.Errorf("check the cache: %w", err)
	}
	unindexed := false
	tell := func(path string, err error) {
		if errors.Is(err, record.ErrNotIndexed) && !s.cas.ReadOnly() {
			unindexed = true // a kill between a record and its index, or one that is just being written
			return
		}
		report(s.mend(CacheProblem{Path: path, What: err.Error()}, err))
	}
	for _, check := range []func(context.Context, func(string, error)) error{s.env.Artifacts.Check, s.env.Records.Check, s.env.Phases.Check, s.env.Verdicts.Check} {
		if err := check(ctx, tell); err != nil {
			return fmt.Errorf("check the cache: %w", err)
		}
	}
	mended := func(path string, err error) { report(CacheProblem{Path: path, What: err.Error(), Repaired: true}) }
	if err := errors.Join(s.env.CheckRoots(ctx, mended), s.env.CheckWarm(ctx, mended)); err != nil {
		return fmt.Errorf("check the cache: %w", err)
	}
	if unindexed {
		if err := s.env.Records.Reindex(ctx); err != nil {
			return fmt.Errorf("check the cache: %w", err)
		}
	}
	return nil
}
