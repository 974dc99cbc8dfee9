package tree

import (
	"context"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Paths finds many paths in one tree, and reads each of its folders once at most. It is for one
// goroutine.
type Paths struct {
	store cas.Store
	root  digest.Digest
	read  map[digest.Digest]Directory
}

// NewPaths returns the Paths of the tree root.
func NewPaths(store cas.Store, root digest.Digest) *Paths {
	return &Paths{store: store, root: root, read: map[digest.Digest]Directory{}}
}

// Lookup is as the function of that name.
func (p *Paths) Lookup(ctx context.Context, path string) (Entry, error) {
	return lookup(p.root, path, func(d digest.Digest) (Directory, error) {
		if dir, ok := p.read[d]; ok {
			return dir, nil
		}
		dir, err := Load(ctx, p.store, d)
		if err == nil {
			p.read[d] = dir
		}
		return dir, err
	})
}
