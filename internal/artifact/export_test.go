package artifact

import (
	"context"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// CutWithLimit is a selection of nothing, with another limit on entries than maxEntries.
func CutWithLimit(ctx context.Context, store cas.Store, root digest.Digest, limit int) (digest.Digest, error) {
	c := cutter{ctx: ctx, store: store, want: func(string) bool { return false }, limit: limit}
	return c.cut(root)
}

// SetFault makes the steps of writing fail; see ledger.Folder.
func (s *Store) SetFault(fault func(step, name string) error) { s.files.Fault = fault }

// Seal and Unseal are for tests that write files by hand.
var (
	Seal   = seal
	Unseal = unseal
)
