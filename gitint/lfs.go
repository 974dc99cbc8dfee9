package gitint

import (
	"context"
	"github.com/git-bst/git-bst/internal/digest"
)

func (q *quarantine) cleanLFS(ctx context.Context) error { return nil }
func (r *Repo) fetchLFS(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	return nil
}
func (r *Repo) fetchConverted(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	return nil
}
