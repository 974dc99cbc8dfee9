package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// holdName is the lock in a work folder that its user holds. The kernel frees it when the user is
// killed: then the folder is nobody's.
const holdName = "lock"

// workDir makes the work folder of this name and holds it until release, which removes it.
func (e *Env) workDir(ctx context.Context, name string) (dir string, release func(), err error) {
	if err := e.writable(); err != nil {
		return "", nil, err
	}
	// A sweep must not come between the folder and its lock.
	made, err := fsx.RLock(ctx, e.dir("locks", "work"))
	if err != nil {
		return "", nil, err
	}
	defer made()
	dir = e.dir("work", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	free, err := fsx.TryLock(filepath.Join(dir, holdName))
	if err != nil {
		return "", nil, err
	}
	return dir, func() { _ = fsx.RemoveAll(dir); free() }, nil
}

// writable makes the folder of locks. ErrReadOnly where nothing can be written.
func (e *Env) writable() error {
	if e.CAS.ReadOnly() {
		err := fmt.Errorf("write to %s: %w", e.Cache, cas.ErrReadOnly)
		return hint.Add(err, "make the cache folder writable, or name another: GIT_BST_CACHE_DIR=DIR git bst ...")
	}
	return os.MkdirAll(e.dir("locks"), 0o755)
}

// SweepWork removes the work folders that killed processes left.
func (e *Env) SweepWork(ctx context.Context) error {
	entries, err := os.ReadDir(e.dir("work"))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep work folders: %w", err)
	}
	free, err := fsx.Lock(ctx, e.dir("locks", "work"))
	if err != nil {
		return fmt.Errorf("sweep work folders: %w", err)
	}
	defer free()
	for _, entry := range entries {
		if err := sweepOne(e.dir("work", entry.Name())); err != nil {
			return fmt.Errorf("sweep work folders: %w", err)
		}
	}
	return nil
}

func sweepOne(dir string) error {
	free, err := fsx.TryLock(filepath.Join(dir, holdName))
	switch {
	case errors.Is(err, fsx.ErrLocked), errors.Is(err, os.ErrNotExist):
		return nil // in use, or gone meanwhile
	case err != nil:
		return err
	}
	defer free()
	return fsx.RemoveAll(dir)
}
