package tree

import (
	"context"
	"fmt"
	"slices"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Merged is the result of Merge.
type Merged struct {
	Root     digest.Digest
	Overlaps []Overlap // sorted by path
	Unstaged []string  // paths of the layer that were left out; sorted
}

// Overlap is a path of the base that the layer replaced: a file or link (with the same content
// too), or an empty folder.
type Overlap struct {
	Path     string
	Old, New Entry
}

// Merge stages layer over base, as BuildStream 2 does: folders are merged; a file or link replaces
// a file, a link or an empty folder (an overlap, whatever the contents); a file or link where the
// base has a folder with something in it is left out (Unstaged). A folder where the base has a
// file or link is ErrConflict, also when the link leads to a folder: links are not followed.
func Merge(ctx context.Context, s cas.Store, base, layer digest.Digest) (Merged, error) {
	m := &merger{ctx: ctx, store: s}
	root, err := m.folders(base, layer, "", 0)
	if err != nil {
		return Merged{}, fmt.Errorf("merge trees: %w", err)
	}
	slices.SortFunc(m.result.Overlaps, func(a, b Overlap) int {
		if a.Path < b.Path {
			return -1
		}
		return 1 // a path comes once
	})
	slices.Sort(m.result.Unstaged)
	m.result.Root = root
	return m.result, nil
}

type merger struct {
	ctx    context.Context
	store  cas.Store
	result Merged
	count  int
}

func (m *merger) folders(base, layer digest.Digest, prefix string, depth int) (digest.Digest, error) {
	if depth > maxDepth {
		return digest.Digest{}, fmt.Errorf("%w: more than %d folders deep", ErrInvalid, maxDepth)
	}
	if base == digest.Empty {
		return layer, nil
	}
	below, err := Load(m.ctx, m.store, base)
	if err != nil {
		return digest.Digest{}, inFolder(prefix, err)
	}
	above, err := Load(m.ctx, m.store, layer)
	if err != nil {
		return digest.Digest{}, inFolder(prefix, err)
	}
	if above.isEmpty() {
		return base, nil
	}
	entries := map[string]Entry{}
	for e := range below.entries() {
		entries[e.name] = e.Entry
	}
	for e := range above.entries() {
		if m.count++; m.count > maxEntries {
			return digest.Digest{}, fmt.Errorf("%w: more than %d entries", ErrInvalid, maxEntries)
		}
		merged, err := m.entry(entries[e.name], e.Entry, prefix+e.name, depth)
		if err != nil {
			return digest.Digest{}, err
		}
		entries[e.name] = merged
	}
	return Save(m.ctx, m.store, fromEntries(entries))
}

// entry returns what is at path when above is staged over below.
func (m *merger) entry(below, above Entry, path string, depth int) (Entry, error) {
	switch {
	case below.Kind == KindNone:
		return above, nil
	case above.Kind == KindDir && below.Kind == KindDir:
		d, err := m.folders(below.Digest, above.Digest, path+"/", depth+1)
		return Entry{Kind: KindDir, Digest: d}, err
	case above.Kind == KindDir:
		return Entry{}, fmt.Errorf("the destination is a %s, not a folder: /%s: %w", below.Kind, path, ErrConflict)
	case below.Kind == KindDir && below.Digest != digest.Empty:
		m.result.Unstaged = append(m.result.Unstaged, path)
		return below, nil
	}
	m.result.Overlaps = append(m.result.Overlaps, Overlap{Path: path, Old: below, New: above})
	return above, nil
}
