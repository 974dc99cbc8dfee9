package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// ExportOptions says how a tree becomes files.
type ExportOptions struct {
	// Times are the modification times of regular files, as Import returned them.
	Times Times
	// Default is the modification time of all that Times does not name: files, folders, links.
	// The zero time is cas.FileTime.
	Default time.Time
	// Link makes regular files hard links into the store where that is possible: modes 0444 and
	// 0555, and the time cas.FileTime (a file whose time is to be another one is copied). Only
	// for trees that nobody can write from then on: a write would change the store (rule 29).
	Link bool
	// Jobs is how many goroutines work; 0 is one per processor.
	Jobs int
}

// Export writes the tree into the folder dest, which must be empty or not be there; its parent
// must. Files get mode 0644, or 0755 when executable, folders 0755, whatever the umask. Contents
// are verified while they are copied; where the file system shares blocks, or with Link, they are
// taken as cas.Local.File gives them. Symbolic links are written as they are. Nothing is written
// outside dest. After an error dest holds a part of the tree. Nothing is synced.
func Export(ctx context.Context, store *cas.Local, root digest.Digest, dest string, opts ExportOptions) error {
	var open folders
	defer open.close()
	top, err := makeDest(&open, dest)
	if err != nil {
		return fmt.Errorf("export to %s: %w", dest, err)
	}
	if opts.Default.IsZero() {
		opts.Default = cas.FileTime
	}
	ex := &exporter{ctx: ctx, store: store, opts: opts, chmod: fsx.Umask()&0o755 != 0}
	err = runPool(ctx, opts.Jobs, func(p *pool) {
		ex.pool = p
		p.push(func(w *worker) error { return ex.folder(w, top, root, nil) })
	})
	if err != nil {
		return fmt.Errorf("export to %s: %w", dest, err)
	}
	return nil
}

// makeDest opens the empty folder dest.
func makeDest(open *folders, dest string) (*folder, error) {
	if err := os.Mkdir(dest, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Unwrap(err)
	}
	fd, err := openat(unix.AT_FDCWD, dest, openDir)
	if err != nil {
		return nil, err
	}
	top := open.add(fd, "", 0)
	names, err := top.list(make([]byte, 4096))
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("the folder is not empty: %w", fs.ErrExist)
	}
	return top, err
}

// exporter is the state of one Export.
type exporter struct {
	ctx     context.Context
	store   *cas.Local
	opts    ExportOptions
	pool    *pool
	chmod   bool        // the umask takes bits that are needed
	noClone atomic.Bool // the file systems do not share blocks
	noLink  atomic.Bool // no hard links from the store to here
	total   atomic.Int64
}

// part is a folder that is being written; who brings pending to 0 finishes it: its time is set
// last, since every name written into it changes that.
type part struct {
	parent  *part
	folder  *folder
	pending atomic.Int32
}

// folder writes the content of the Directory d into the open, empty folder f. The last task for f
// closes it; after an error Export does, when no task runs.
func (ex *exporter) folder(w *worker, f *folder, d digest.Digest, parent *part) error {
	p := &part{parent: parent, folder: f}
	p.pending.Store(1)
	dir, err := Load(ex.ctx, ex.store, d)
	if err != nil {
		return inFolder(f.path, err)
	}
	if ex.total.Add(int64(len(dir.Files)+len(dir.Dirs)+len(dir.Symlinks))) > maxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrInvalid, maxEntries)
	}
	if ex.chmod {
		if err := unix.Fchmod(f.fd, 0o755); err != nil {
			return inFolder(f.path, err)
		}
	}
	files := ex.share(p, dir)
	for _, l := range dir.Symlinks {
		if err := ex.symlink(f, l); err != nil {
			return err
		}
	}
	if err := ex.files(w, f, files); err != nil {
		return err
	}
	return ex.done(p)
}

// share gives folders and surplus files to the pool, and returns the files to write at once.
func (ex *exporter) share(p *part, dir Directory) []File {
	var tasks []task
	for _, sub := range dir.Dirs {
		p.pending.Add(1)
		tasks = append(tasks, func(w *worker) error {
			f, err := ex.mkdir(p.folder, sub.Name)
			if err != nil {
				return err
			}
			return ex.folder(w, f, sub.Digest, p)
		})
	}
	files := dir.Files
	for len(files) > filesPerTask {
		some := files[:filesPerTask]
		files = files[filesPerTask:]
		p.pending.Add(1)
		tasks = append(tasks, func(w *worker) error {
			if err := ex.files(w, p.folder, some); err != nil {
				return err
			}
			return ex.done(p)
		})
	}
	ex.pool.push(tasks...)
	return files
}

func (ex *exporter) mkdir(f *folder, name string) (*folder, error) {
	if err := unix.Mkdirat(f.fd, name, 0o755); err != nil {
		return nil, fmt.Errorf("make folder %s: %w", f.join(name), err)
	}
	return f.open(name)
}

// done finishes p, and the folders above it whose last part it was.
func (ex *exporter) done(p *part) error {
	for ; p != nil && p.pending.Add(-1) == 0; p = p.parent {
		err := setTime(p.folder.fd, ".", ex.opts.Default.UnixNano())
		if err != nil {
			err = fmt.Errorf("set the time of %s: %w", p.folder.path, err)
		}
		p.folder.release()
		if err != nil {
			return err
		}
	}
	return nil
}

func setTime(dir int, name string, nano int64) error {
	times := []unix.Timespec{unix.NsecToTimespec(nano), unix.NsecToTimespec(nano)}
	return unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func (ex *exporter) symlink(f *folder, l Symlink) error {
	if err := unix.Symlinkat(l.Target, f.fd, l.Name); err != nil {
		return fmt.Errorf("make link %s: %w", f.join(l.Name), err)
	}
	if err := setTime(f.fd, l.Name, ex.opts.Default.UnixNano()); err != nil {
		return fmt.Errorf("set the time of %s: %w", f.join(l.Name), err)
	}
	return nil
}

func (ex *exporter) files(w *worker, f *folder, files []File) error {
	for _, file := range files {
		if err := ex.file(w, f, file); err != nil {
			return fmt.Errorf("write %s: %w", f.join(file.Name), err)
		}
		if err := ex.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (ex *exporter) file(w *worker, f *folder, file File) error {
	nano, ok := ex.opts.Times.Lookup(f.join(file.Name))
	if !ok {
		nano = ex.opts.Default.UnixNano()
	}
	if ex.opts.Link && nano == cas.FileTime.UnixNano() && !ex.noLink.Load() {
		done, err := ex.link(f, file)
		if done || err != nil {
			return err
		}
	}
	if err := ex.copy(w, f, file); err != nil {
		return err
	}
	return setTime(f.fd, file.Name, nano)
}

// link makes a hard link; false when that cannot be.
func (ex *exporter) link(f *folder, file File) (bool, error) {
	path, err := ex.store.File(ex.ctx, file.Digest, file.Executable)
	if errors.Is(err, cas.ErrReadOnly) {
		return false, nil // no executable twin, and none can be made
	}
	if err != nil {
		return false, err
	}
	err = unix.Linkat(unix.AT_FDCWD, path, f.fd, file.Name, 0)
	switch err {
	case nil:
		return true, nil
	case unix.EXDEV, unix.EPERM, unix.EOPNOTSUPP:
		ex.noLink.Store(true)
		return false, nil
	case unix.EMLINK:
		return false, nil // a blob with as many names as the file system allows, such as the empty one
	}
	return false, err
}

// copy makes a file of its own.
func (ex *exporter) copy(w *worker, f *folder, file File) error {
	mode := uint32(0o644)
	if file.Executable {
		mode = 0o755
		// A program started by another goroutine would inherit the open file until its exec,
		// and executing this one meanwhile would be "text file busy".
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
	}
	if ex.opts.Link {
		mode &= 0o555
	}
	fd, err := unix.Openat(f.fd, file.Name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	err = ex.fill(w, fd, file)
	if err == nil && ex.chmod {
		err = unix.Fchmod(fd, mode)
	}
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	return err
}

func (ex *exporter) fill(w *worker, fd int, file File) error {
	if file.Digest == digest.Empty {
		return nil
	}
	if !ex.noClone.Load() {
		err := ex.store.CloneTo(ex.ctx, file.Digest, fd)
		if !errors.Is(err, fsx.ErrNoReflink) {
			return err
		}
		ex.noClone.Store(true)
	}
	return ex.store.CopyTo(ex.ctx, file.Digest, fd, w.buf)
}
