package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/tree"
)

// Staged roots that no build used for a week are removed by a collection: making one anew takes
// seconds. Log files are kept for 30 days, as journals are; the store has those of kept records.
const (
	rootsAge = 7 * 24 * time.Hour
	logsAge  = 30 * 24 * time.Hour
)

// SweepRoots removes staged roots that were not used for a week, or all of them, but those that a
// build holds. Their files are links into the store: blobs that it gives up take room until then.
func (e *Env) SweepRoots(ctx context.Context, all bool) error {
	age := rootsAge
	if all {
		age = 0
	}
	entries, err := os.ReadDir(e.dir("roots"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep staged roots: %w", err)
	}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.sweepRoot(entry.Name(), age); err != nil {
			return fmt.Errorf("sweep staged roots: %w", err)
		}
	}
	return nil
}

func (e *Env) sweepRoot(name string, age time.Duration) error {
	if strings.HasSuffix(name, indexSuffix) {
		return nil // goes with its root
	}
	dir := e.dir("roots", name)
	unusedFor := func(age time.Duration) bool {
		info, err := os.Lstat(dir)
		return err == nil && (age == 0 || e.Now().Sub(info.ModTime()) > age)
	}
	if strings.HasSuffix(name, ".tmp") { // being staged, or left by a killed process
		if unusedFor(rootsAge) {
			return fsx.RemoveAll(dir)
		}
		return nil
	}
	unlock, err := fsx.TryLock(e.dir("locks", "root-"+name))
	if errors.Is(err, fsx.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if !unusedFor(age) {
		return nil
	}
	return errors.Join(fsx.RemoveAll(dir), fsx.RemoveAll(dir+indexSuffix))
}

// CheckRoots reads every staged root whole, reports those that are not what they were staged from,
// and removes them: they are staged anew when they are needed.
func (e *Env) CheckRoots(ctx context.Context, report func(path string, err error)) error {
	entries, err := os.ReadDir(e.dir("roots"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check staged roots: %w", err)
	}
	for _, entry := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name := entry.Name()
		if strings.HasSuffix(name, indexSuffix) || strings.HasSuffix(name, ".tmp") {
			continue
		}
		found, err := tree.Import(ctx, nil, e.dir("roots", name), tree.ImportOptions{HashOnly: true})
		if err == nil && found.Root.Hash() == name {
			continue
		}
		report(e.dir("roots", name), errors.New("a staged root is not what it was staged from; it is removed when no build uses it"))
		if err := e.sweepRoot(name, 0); err != nil {
			return fmt.Errorf("check staged roots: %w", err)
		}
	}
	return nil
}

// SweepLogs removes log files of builds of more than 30 days ago.
func (e *Env) SweepLogs(ctx context.Context) error {
	err := filepath.WalkDir(e.dir("logs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		info, err := entry.Info()
		if err != nil || entry.IsDir() || e.Now().Sub(info.ModTime()) <= logsAge {
			return err
		}
		return os.Remove(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sweep logs: %w", err)
	}
	return nil
}
