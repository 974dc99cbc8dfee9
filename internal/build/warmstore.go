package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/tree"
)

// Warm trees that no build used for a month are removed by a collection, as are those that were put
// aside a week ago: making one anew costs what restoring a build tree does.
const (
	warmAge  = 30 * 24 * time.Hour
	asideAge = 7 * 24 * time.Hour
)

// WarmUsage is what warm trees take.
type WarmUsage struct {
	Trees int
	Aside int // that something else than a build had changed
	Bytes int64
}

// warmEntry is one folder below warm/.
type warmEntry struct {
	name  string
	used  time.Time // by a build; of one that was put aside: when that was done
	bytes int64
	state warmStateFile
	whole bool // its state is known
}

func (w warmEntry) aside() bool { return strings.Contains(w.name, asideMark) }

// warmEntries lists the warm trees, the one used longest ago first.
func (e *Env) warmEntries(ctx context.Context) ([]warmEntry, error) {
	folders, err := os.ReadDir(e.dir("warm"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the build folders that are kept: %w", err)
	}
	var all []warmEntry
	for _, folder := range folders {
		one := warmEntry{name: folder.Name()}
		dir := e.dir("warm", one.name)
		stamp := filepath.Join(dir, warmState)
		if one.aside() {
			stamp = dir
		}
		if info, err := os.Lstat(stamp); err == nil {
			one.used = info.ModTime()
		}
		one.state, err = readWarmState(dir)
		one.whole, one.bytes = err == nil, one.state.Bytes
		if !one.whole {
			if one.bytes, err = bytesBelow(ctx, dir); err != nil {
				return nil, err
			}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b warmEntry) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
	return all, nil
}

// bytesBelow adds up the sizes of the files of a folder, as far as it can be read.
func bytesBelow(ctx context.Context, dir string) (int64, error) {
	var bytes int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ctx.Err() // a build is at work there, or closed it
		}
		if info, err := entry.Info(); err == nil {
			bytes += info.Size()
		}
		return ctx.Err()
	})
	return bytes, err
}

// WarmUsage counts the warm trees.
func (e *Env) WarmUsage(ctx context.Context) (WarmUsage, error) {
	var usage WarmUsage
	all, err := e.warmEntries(ctx)
	for _, one := range all {
		usage.Bytes += one.bytes
		if one.aside() {
			usage.Aside++
		} else {
			usage.Trees++
		}
	}
	return usage, err
}

// SweepWarm removes warm trees until what is left takes room at most, the one used longest ago
// first, but none that a build has or had in the last grace; and, whatever the room, those that
// nobody will use: of killed builds, of work trees that are gone, of long ago. What was put aside
// stays for a week. It returns what is left.
func (e *Env) SweepWarm(ctx context.Context, room int64, grace time.Duration) (int64, error) {
	all, err := e.warmEntries(ctx)
	if err != nil {
		return 0, err
	}
	var left int64
	for _, one := range all {
		left += one.bytes
	}
	for _, one := range all {
		age := e.Now().Sub(one.used)
		var goes bool
		if one.aside() {
			goes = age > asideAge
		} else {
			goes = !one.whole || age > warmAge || one.homeless() || left > room && age > grace
		}
		if !goes {
			continue
		}
		gone, err := e.removeWarm(one)
		if err != nil {
			return left, fmt.Errorf("remove a build folder that was kept: %w", err)
		}
		if gone {
			left -= one.bytes
		}
	}
	return left, nil
}

// homeless reports whether the work tree that it belongs to is no longer there.
func (w warmEntry) homeless() bool {
	if w.state.WorkDir == "" {
		return false
	}
	_, err := os.Lstat(w.state.WorkDir)
	return errors.Is(err, fs.ErrNotExist)
}

// makeRoom gives up a job's warm tree before it is built beside it, where the disk has no room for
// two such trees; and what a killed build left of it.
func (e *Env) makeRoom(job Job) error {
	if job.Warm == "" {
		return nil
	}
	if _, err := os.Lstat(e.dir("warm", job.Warm)); err != nil {
		return nil
	}
	disk, err := fsx.DiskFree(e.Cache)
	state, stateErr := readWarmState(e.dir("warm", job.Warm))
	if err == nil && stateErr == nil && disk.FreeBytes-fullBelow > state.Bytes {
		return nil
	}
	if _, err := e.removeWarm(warmEntry{name: job.Warm}); err != nil {
		return fmt.Errorf("make room for the build: %w", err)
	}
	return nil
}

// removeWarm removes a warm tree, if no build has it.
func (e *Env) removeWarm(one warmEntry) (bool, error) {
	if !one.aside() {
		if err := os.MkdirAll(e.dir("locks"), 0o755); err != nil {
			return false, err
		}
		release, err := fsx.TryLock(e.dir("locks", "warm-"+one.name))
		if errors.Is(err, fsx.ErrLocked) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer release()
		// So that what is left by a kill in between is not believed.
		if err := os.Remove(e.dir("warm", one.name, warmState)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, fsx.RemoveAll(e.dir("warm", one.name))
}

// CheckWarm reads every warm tree whole, but those that builds have, and reports those that are not
// what their state says. The next build puts them aside.
func (e *Env) CheckWarm(ctx context.Context, report func(path string, err error)) error {
	all, err := e.warmEntries(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.aside() || !one.whole {
			continue // known not to be right, and not used
		}
		if err := e.checkWarm(ctx, one.name, report); err != nil {
			return fmt.Errorf("check the build folders that are kept: %w", err)
		}
	}
	return nil
}

func (e *Env) checkWarm(ctx context.Context, name string, report func(path string, err error)) error {
	release, err := fsx.TryLock(e.dir("locks", "warm-"+name))
	if err != nil {
		return nil // in use; or nobody can lock it, so nobody uses it
	}
	defer release()
	dir := e.dir("warm", name)
	state, err := readWarmState(dir)
	if err != nil {
		return nil
	}
	for _, folder := range warmFolders {
		found, err := tree.Import(ctx, nil, filepath.Join(dir, folder), tree.ImportOptions{HashOnly: true})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var content warmContent
		if err == nil {
			content, err = contentOf(found, folder)
		}
		if err != nil || !content.equal(state.Folders[folder]) {
			report(filepath.Join(dir, folder), errors.New("a build folder that is kept was changed by something else than a build; the next build puts it aside"))
		}
	}
	return nil
}
