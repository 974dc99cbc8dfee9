package artifact

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// Trees tells which trees are whole. What it once found whole it remembers, for walking a sysroot
// of 50 000 files costs tens of milliseconds and a plan asks for it again and again: so it is right
// only while a lease keeps the blobs. It may be used by several goroutines.
type Trees struct {
	blobs cas.Store
	mu    sync.Mutex
	whole map[digest.Digest]bool
}

// NewTrees returns a Trees that knows of none.
func NewTrees(blobs cas.Store) *Trees {
	return &Trees{blobs: blobs, whole: map[digest.Digest]bool{}}
}

// Missing returns the blobs of the tree root that are not in the store; see tree.Missing. What is
// no tree at all is cas.ErrCorrupt.
func (t *Trees) Missing(ctx context.Context, root digest.Digest) ([]digest.Digest, error) {
	if t.known(root) {
		return nil, nil
	}
	missing, err := tree.Missing(ctx, t.blobs, root)
	if errors.Is(err, tree.ErrInvalid) {
		err = fmt.Errorf("%w: %w", cas.ErrCorrupt, err)
	}
	if err == nil && len(missing) == 0 {
		t.remember(root)
	}
	return missing, err
}

func (t *Trees) known(root digest.Digest) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.whole[root]
}

func (t *Trees) remember(root digest.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole[root] = true
}
