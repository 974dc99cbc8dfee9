package tree

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Presence tells of many trees which are whole, and looks into a folder that they share once. It is
// for one goroutine, and for a short time: a collection may remove what it has seen.
type Presence struct {
	store cas.Store
	whole map[digest.Digest]bool // folders
}

// NewPresence returns a Presence of what the store holds.
func NewPresence(store cas.Store) *Presence {
	return &Presence{store: store, whole: map[digest.Digest]bool{}}
}

// Whole reports whether the store holds a tree with all that is in it. A zero root is none.
func (p *Presence) Whole(ctx context.Context, root digest.Digest) (bool, error) {
	if root.IsZero() {
		return false, nil
	}
	whole, err := p.folder(ctx, root, 0)
	if err != nil {
		return false, fmt.Errorf("look for the blobs of %s: %w", root, err)
	}
	return whole, nil
}

func (p *Presence) folder(ctx context.Context, d digest.Digest, depth int) (bool, error) {
	if whole, known := p.whole[d]; known {
		return whole, nil
	}
	if depth > maxDepth {
		return false, fmt.Errorf("%w: more than %d folders deep", ErrInvalid, maxDepth)
	}
	whole, err := p.lookInto(ctx, d, depth)
	if err == nil {
		p.whole[d] = whole
	}
	return whole, err
}

func (p *Presence) lookInto(ctx context.Context, d digest.Digest, depth int) (bool, error) {
	dir, err := Load(ctx, p.store, d)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) || errors.Is(err, ErrInvalid) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	files := make([]digest.Digest, 0, len(dir.Files))
	for _, f := range dir.Files {
		files = append(files, f.Digest)
	}
	missing, err := p.store.Missing(ctx, files)
	if err != nil || len(missing) > 0 {
		return false, err
	}
	for _, sub := range dir.Dirs {
		if whole, err := p.folder(ctx, sub.Digest, depth+1); err != nil || !whole {
			return false, err
		}
	}
	return true, nil
}
