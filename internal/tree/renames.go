package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/textdiff"
)

// Rename is a Deleted and an Added file or link of a comparison that are taken for one.
type Rename struct {
	From, To   Change // Deleted, Added
	Similarity int    // percent; 100 is the same content
}

// Bounds of the search for renames with changes: enough for 128 files on each side, some seconds of
// work at most. Beyond them only equal contents are found.
const (
	maxRenamePairs = 1 << 14
	maxRenameBytes = 32 << 20 // of texts in memory
	maxRenameFile  = 1 << 20
	minSimilarity  = 50 // percent, as git has it
)

// Renames finds what was renamed among changes, and returns the other changes as they are, in their
// order. Equal contents are paired first, those with equal names before others; then texts that
// have at least half of their lines in common. Contents that the store lacks are not looked at.
func Renames(ctx context.Context, s cas.Store, changes []Change) (renames []Rename, rest []Change, err error) {
	gone, come := candidates(changes)
	used := map[string]bool{}
	take := func(from, to Change, similarity int) {
		used[from.Path], used[to.Path] = true, true
		renames = append(renames, Rename{from, to, similarity})
	}
	pairEqual(gone, come, used, take)
	if err := pairSimilar(ctx, s, left(gone, used), left(come, used), used, take); err != nil {
		return nil, nil, fmt.Errorf("look for renames: %w", err)
	}
	for _, c := range changes {
		if !used[c.Path] {
			rest = append(rest, c)
		}
	}
	slices.SortFunc(renames, func(a, b Rename) int { return cmp.Compare(a.To.Path, b.To.Path) })
	return renames, rest, nil
}

// candidates are files and links that went, and those that came. Empty files are all alike: they
// tell nothing.
func candidates(changes []Change) (gone, come []Change) {
	for _, c := range changes {
		e := c.Old
		if c.Op == Added {
			e = c.New
		}
		switch {
		case e.Kind == KindDir || e.Kind == KindFile && e.Digest.Size() == 0:
		case c.Op == Deleted:
			gone = append(gone, c)
		case c.Op == Added:
			come = append(come, c)
		}
	}
	return gone, come
}

func left(changes []Change, used map[string]bool) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return used[c.Path] })
}

// content names what a file or link holds; modes do not count.
type content struct {
	kind   Kind
	digest digest.Digest
	target string
}

func contentOf(e Entry) content { return content{e.Kind, e.Digest, e.Target} }

func pairEqual(gone, come []Change, used map[string]bool, take func(from, to Change, similarity int)) {
	by := map[content][]Change{}
	for _, c := range gone {
		by[contentOf(c.Old)] = append(by[contentOf(c.Old)], c)
	}
	for _, sameName := range []bool{true, false} {
		for _, to := range come {
			if used[to.Path] {
				continue
			}
			for i, from := range by[contentOf(to.New)] {
				if used[from.Path] || sameName && path.Base(from.Path) != path.Base(to.Path) {
					continue
				}
				take(from, to, 100)
				list := by[contentOf(to.New)]
				by[contentOf(to.New)] = slices.Delete(list, i, i+1)
				break
			}
		}
	}
}

func pairSimilar(ctx context.Context, s cas.Store, gone, come []Change, used map[string]bool, take func(from, to Change, similarity int)) error {
	if len(gone)*len(come) > maxRenamePairs {
		return nil
	}
	texts := texts{ctx: ctx, store: s, room: maxRenameBytes, seen: map[digest.Digest][][]byte{}}
	type pair struct {
		from, to   Change
		similarity int
	}
	var pairs []pair
	for _, from := range gone {
		for _, to := range come {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !alike(from.Old, to.New) {
				continue
			}
			a, err := texts.of(from.Old.Digest)
			if err != nil {
				return err
			}
			b, err := texts.of(to.New.Digest)
			if err != nil {
				return err
			}
			if len(a) == 0 || len(b) == 0 {
				continue
			}
			if n := textdiff.Similar(a, b); n >= minSimilarity {
				pairs = append(pairs, pair{from, to, n})
			}
		}
	}
	slices.SortStableFunc(pairs, func(x, y pair) int { return cmp.Compare(y.similarity, x.similarity) })
	for _, p := range pairs {
		if !used[p.from.Path] && !used[p.to.Path] {
			take(p.from, p.to, p.similarity)
		}
	}
	return nil
}

// alike reports whether two files can have half of their lines in common, by their sizes.
func alike(a, b Entry) bool {
	if a.Kind != KindFile || b.Kind != KindFile || a.Digest.Size() > maxRenameFile || b.Digest.Size() > maxRenameFile {
		return false
	}
	small, large := min(a.Digest.Size(), b.Digest.Size()), max(a.Digest.Size(), b.Digest.Size())
	return small*100 >= large*minSimilarity
}

// texts reads texts, as long as there is room.
type texts struct {
	ctx   context.Context
	store cas.Store
	room  int64
	seen  map[digest.Digest][][]byte
}

// of returns the lines of a text; none for what is binary, not in the store or beyond the room.
func (t *texts) of(d digest.Digest) ([][]byte, error) {
	if lines, seen := t.seen[d]; seen {
		return lines, nil
	}
	t.seen[d] = nil
	if t.room -= d.Size(); t.room < 0 {
		return nil, nil
	}
	data, err := cas.Get(t.ctx, t.store, d)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !textdiff.IsBinary(data) {
		t.seen[d] = textdiff.Lines(data)
	}
	return t.seen[d], nil
}
