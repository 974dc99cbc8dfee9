package gitint

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/fsx"
)

// scratch is a folder of one call. It is in home, "<git dir>/bst", or beside the memo where the
// git directory cannot be written. Who uses one holds a shared lock on "scratch.lock"; who finds
// nobody holding it removes what killed processes left.
type scratch struct {
	home, dir string
	unlock    func()
}

const scratchPrefix = "tmp-"

func (r *Repo) scratch(ctx context.Context) (scratch, error) {
	home := filepath.Join(r.place.gitDir, "bst")
	s, err := makeScratch(ctx, home)
	if err != nil && ctx.Err() == nil && r.opts.MemoDir != "" {
		return makeScratch(ctx, filepath.Join(r.opts.MemoDir, "git", strings.ReplaceAll(strings.Trim(r.place.gitDir, "/"), "/", "%")))
	}
	return s, err
}

func makeScratch(ctx context.Context, home string) (scratch, error) {
	if err := os.MkdirAll(home, 0o777); err != nil {
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
