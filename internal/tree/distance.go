package tree

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// errFar ends a comparison that has found enough.
var errFar = errors.New("far apart")

// Distance returns how many paths differ between two trees, as Compare would list them, but not
// more than limit: to find the nearest of several trees, with the distance of the best so far as
// the limit for the next. Equal subtrees are not looked into.
func Distance(ctx context.Context, s cas.Store, a, b digest.Digest, limit int) (int, error) {
	c := &comparer{ctx: ctx, store: s, limit: limit}
	err := c.folders(Entry{Kind: KindDir, Digest: a}, Entry{Kind: KindDir, Digest: b}, "", 0)
	if err != nil && !errors.Is(err, errFar) {
		return 0, fmt.Errorf("compare trees: %w", err)
	}
	return min(len(c.changes), limit), nil
}
