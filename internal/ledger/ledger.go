// Package ledger keeps small files by name: references, records, cached results. Each is written
// whole or not at all, whoever is killed and whenever, and any number of processes may read and
// write at once: the last writer of a name wins. The blobs that such files name are not its
// business; who writes a name syncs the blobs first.
//
// Files whose names begin with a dot are the ledger's own: temporary files and locks.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// maxFile bounds what Read returns, in bytes. The largest files are artifacts with thousands of
// dependencies, some hundred KB.
const maxFile = 64 << 20

// A Folder holds files by slash-separated names relative to it. The zero Fault is right outside
// of tests. A Folder may be used by several goroutines at once.
type Folder struct {
	dir string
	// Fault is called before every step that changes the disk ("mkdir", "write", "remove") with
	// the file's name; its error ends the operation there. For tests only.
	Fault func(step, name string) error
}

// Open returns the folder at dir, an absolute path. Nothing is made before the first Write.
func Open(dir string) Folder { return Folder{dir: dir} }

// Path returns the absolute path of a file or folder.
func (f Folder) Path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Write puts data at name, with the folders that it needs. After success it is on disk.
// cas.ErrReadOnly and cas.ErrNoSpace when that is the cause; then the old file is still there.
func (f Folder) Write(name string, data []byte) error {
	if err := f.fault("mkdir", name); err != nil {
		return writeError(err)
	}
	if err := makeFolders(filepath.Dir(f.Path(name))); err != nil {
		return writeError(err)
	}
	if err := f.fault("write", name); err != nil {
		return writeError(err)
	}
	// BuildStream opens references for reading and writing, hence not 0444.
	return writeError(fsx.WriteFile(f.Path(name), data, 0o644))
}

// Read returns the content of name: cas.ErrNotFound if there is none, cas.ErrCorrupt for what is
// no ordinary file of a likely size.
func (f Folder) Read(name string) ([]byte, error) {
	file, err := os.OpenFile(f.Path(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%w: %s", cas.ErrNotFound, name)
	}
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", cas.ErrCorrupt, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s is no file of a likely size", cas.ErrCorrupt, name)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// Remove deletes name. That there is none is no error.
func (f Folder) Remove(name string) error {
	if err := f.fault("remove", name); err != nil {
		return writeError(err)
	}
	err := os.Remove(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return writeError(err)
}

// Touch sets the modification time of name, which says when it was last used, to now. It is best
// effort: a folder that cannot be written stays as it is.
func (f Folder) Touch(name string) {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, f.Path(name), []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
}

// Used returns the time of the last Write or Touch, zero when there is no such file.
func (f Folder) Used(name string) time.Time {
	info, err := os.Lstat(f.Path(name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Names returns the names in the folder name, sorted, without the ledger's own; none if there is
// no such folder.
func (f Folder) Names(name string) ([]string, error) {
	entries, err := os.ReadDir(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Each calls yield for every file at and below the folder name, sorted. What vanishes meanwhile is
// left out. Symbolic links are files here, never followed.
func (f Folder) Each(ctx context.Context, name string, yield func(name string) error) error {
	names, err := f.Names(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		child = path.Join(name, child)
		info, err := os.Lstat(f.Path(child))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("list %s: %w", name, err)
		case info.IsDir():
			err = f.Each(ctx, child, yield)
		default:
			err = yield(child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Lock takes the exclusive lock called name ("" for the whole folder): see fsx.Lock.
func (f Folder) Lock(ctx context.Context, name string) (unlock func(), err error) {
	file := f.Path(path.Join(name, ".lock"))
	if err := makeFolders(filepath.Dir(file)); err != nil {
		return nil, writeError(err)
	}
	unlock, err = fsx.Lock(ctx, file)
	return unlock, writeError(err)
}

// Sweep removes temporary files that were last written before old: a killed process left them.
func (f Folder) Sweep(ctx context.Context, old time.Time) error {
	return filepath.WalkDir(f.dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return ctx.Err()
		}
		name := entry.Name()
		if !strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".tmp") {
			return ctx.Err()
		}
		info, err := entry.Info()
		if err != nil || !info.ModTime().Before(old) {
			return ctx.Err()
		}
		err = os.Remove(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(err)
		}
		return ctx.Err()
	})
}

func (f Folder) fault(step, name string) error {
	if f.Fault == nil {
		return nil
	}
	return f.Fault(step, name)
}

// makeFolders is os.MkdirAll, with the new names on disk.
func makeFolders(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolders(parent); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fsx.SyncDir(parent)
}

// writeError gives the causes that a user can do something about their sentinel and hint.
func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return hint.Add(fmt.Errorf("%w: %w", cas.ErrNoSpace, err), "free some space, or shrink the cache: git bst cache gc")
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return hint.Add(fmt.Errorf("%w: %w", cas.ErrReadOnly, err), "make the cache folder writable, or name another: GIT_BST_CACHE_DIR=DIR git bst ...")
	}
	return err
}
