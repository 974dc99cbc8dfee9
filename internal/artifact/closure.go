package artifact

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// Roots are what something refers to: trees, which stand for all that is in them, and blobs.
type Roots struct {
	Trees, Blobs []digest.Digest
}

// Add adds other's roots to r, without the zero Digest.
func (r *Roots) Add(other Roots) {
	r.AddTrees(other.Trees...)
	r.AddBlobs(other.Blobs...)
}

// AddTrees adds trees, without the zero Digest.
func (r *Roots) AddTrees(trees ...digest.Digest) { r.Trees = appendSet(r.Trees, trees) }

// AddBlobs adds blobs, without the zero Digest.
func (r *Roots) AddBlobs(blobs ...digest.Digest) { r.Blobs = appendSet(r.Blobs, blobs) }

func appendSet(to, from []digest.Digest) []digest.Digest {
	for _, d := range from {
		if !d.IsZero() {
			to = append(to, d)
		}
	}
	return to
}

// Roots returns all that the artifact refers to, also what it could do without.
func (a Artifact) Roots() Roots {
	var r Roots
	needed, optional := a.trees()
	r.AddTrees(needed...)
	r.AddTrees(optional...)
	r.AddBlobs(a.blobs()...)
	return r
}

// Digests calls yield for every blob of the artifact's closure, each once, until yield says false.
func Digests(ctx context.Context, blobs cas.Store, a Artifact, yield func(digest.Digest) bool) error {
	return Closure(ctx, blobs, a.Roots(), yield)
}

// Closure calls yield for every blob that the roots stand for, folders included, each once, until
// yield says false. What is not in the store is yielded too, but not what is below it: a collector
// that keeps what is left of an incomplete tree does no harm. A root that is no tree is yielded as
// a blob. Errors are the store's.
func Closure(ctx context.Context, blobs cas.Store, roots Roots, yield func(digest.Digest) bool) error {
	w := walker{ctx: ctx, blobs: blobs, yield: yield, seen: map[digest.Digest]bool{}, opened: map[digest.Digest]bool{}}
	for _, d := range roots.Blobs {
		if !w.blob(d) {
			return nil
		}
	}
	for _, d := range roots.Trees {
		more, err := w.folder(d)
		if err != nil {
			return fmt.Errorf("walk tree %s: %w", d, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

type walker struct {
	ctx   context.Context
	blobs cas.Store
	yield func(digest.Digest) bool
	// seen were yielded; opened were looked into as folders.
	seen, opened map[digest.Digest]bool
}

// blob yields d unless it was yielded before; false means stop.
func (w *walker) blob(d digest.Digest) bool {
	if d.IsZero() || w.seen[d] {
		return true
	}
	w.seen[d] = true
	return w.yield(d)
}

// folder yields d and all below it. It does not recurse: a hostile tree may be very deep. A
// digest met as a blob before is looked into all the same.
func (w *walker) folder(root digest.Digest) (more bool, err error) {
	for queue := []digest.Digest{root}; len(queue) > 0; {
		d := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if d.IsZero() || w.opened[d] {
			continue
		}
		w.opened[d] = true
		if !w.blob(d) {
			return false, nil
		}
		dir, err := w.load(d)
		if err != nil {
			return false, err
		}
		for _, file := range dir.Files {
			if !w.blob(file.Digest) {
				return false, nil
			}
		}
		for _, child := range dir.Dirs {
			queue = append(queue, child.Digest)
		}
	}
	return true, nil
}

// load returns the folder d, an empty one where there is none to be had.
func (w *walker) load(d digest.Digest) (tree.Directory, error) {
	if err := w.ctx.Err(); err != nil {
		return tree.Directory{}, err
	}
	dir, err := tree.Load(w.ctx, w.blobs, d)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) || errors.Is(err, tree.ErrInvalid) {
		return tree.Directory{}, nil
	}
	return dir, err
}

// Keep calls yield for every blob that any artifact of the store refers to, each once, for
// cas.Local.GC. keep says which references count (by its time of last use, for example); nil is
// all. Damaged files are passed over, for Check reports them; one that cannot be read, or is of a
// newer format (cas.ErrNewerFormat), is an error, since nobody can tell what it refers to.
func (s *Store) Keep(ctx context.Context, keep func(Listed) bool, yield func(digest.Digest) bool) error {
	roots, err := s.Roots(ctx, keep)
	if err != nil {
		return err
	}
	return Closure(ctx, s.blobs, roots, yield)
}

// Roots is Keep without walking the trees.
func (s *Store) Roots(ctx context.Context, keep func(Listed) bool) (Roots, error) {
	var roots Roots
	all, err := s.List(ctx)
	if err != nil {
		return roots, err
	}
	for _, listed := range all {
		if keep != nil && !keep(listed) {
			continue
		}
		entry, err := s.Peek(listed.Ref)
		if errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) {
			continue
		}
		if err != nil {
			return roots, err
		}
		roots.Add(entry.Artifact.Roots())
	}
	return roots, nil
}
