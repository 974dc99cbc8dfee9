package gitint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"

	"github.com/git-bst/git-bst/internal/fsx"
)

// scratch is a folder of one call. It is in home, "<git dir>/bst", or beside the memo where the
// git directory cannot be written or has something else of that name. Who uses one holds a shared lock on "scratch.lock"; who finds
// nobody holding it removes what killed processes left.
type scratch struct {
	home, dir string
	unlock    func()
}

const scratchPrefix = "tmp-"

func (r *Repo) scratch(ctx context.Context) (scratch, error) {
	s, err := makeScratch(ctx, filepath.Join(r.place.gitDir, "bst"))
	if err == nil || ctx.Err() != nil || r.opts.MemoDir == "" {
		return s, err
	}
	beside := filepath.Join(r.opts.MemoDir, "git")
	if err := os.MkdirAll(beside, 0o777); err != nil {
		return scratch{}, err
	}
	sum := sha256.Sum256([]byte(r.place.gitDir))
	return makeScratch(ctx, filepath.Join(beside, hex.EncodeToString(sum[:16])))
}

// makeScratch makes a folder in home. Whatever a git directory came with, nothing outside of home
// is touched: home and what is used in it must be the user's own, and no links.
func makeScratch(ctx context.Context, home string) (scratch, error) {
	if err := fsx.OwnDir(home); err != nil {
		return scratch{}, err
	}
	lock := filepath.Join(home, "scratch.lock")
	if unlock, err := fsx.TryLock(lock); err == nil {
		left, _ := filepath.Glob(filepath.Join(escapeGlob(home), scratchPrefix+"*"))
		for _, dir := range left {
			_ = fsx.RemoveAll(dir)
		}
		unlock()
	}
	unlock, err := fsx.RLock(ctx, lock)
	if err != nil {
		return scratch{}, err
	}
	dir, err := os.MkdirTemp(home, scratchPrefix)
	if err != nil {
		unlock()
		return scratch{}, err
	}
	return scratch{home: home, dir: dir, unlock: unlock}, nil
}

func (s scratch) close() {
	_ = fsx.RemoveAll(s.dir)
	s.unlock()
}
