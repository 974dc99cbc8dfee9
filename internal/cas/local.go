package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

const (
	formatPrefix  = "git-bst cas "
	formatVersion = 1

	// touchInterval is how stale an access time may get: often enough for the grace period of
	// GC, seldom enough that a build that finds 50 000 blobs present writes no inode for most.
	touchInterval = 5 * time.Minute
)

// FileTime is the modification time of every blob's file, so that trees of hard links show the
// same times everywhere: 2011-11-11 11:11:11 UTC, which is BuildStream's SOURCE_DATE_EPOCH too.
var FileTime = time.Unix(1321009871, 0).UTC()

// Options says how to open a Local.
type Options struct {
	Now      func() time.Time // the clock; nil is time.Now
	ReadOnly bool             // never write, even where that would be allowed
}

// Local is a Store in a folder, shared by all processes of a machine that open it. It is safe for
// concurrent use. See the package comment for the form on disk and what it survives.
type Local struct {
	dir      string
	now      func() time.Time
	readOnly bool
	chmod    bool // the umask takes bits that blobs need
	objects  int  // file descriptor of dir/objects
	tmp      int  // file descriptor of dir/tmp; -1 when read-only

	trust    trust
	newest   atomic.Int64 // start of the newest live lease of this Local, nanoseconds; 0: none
	unsynced atomic.Bool  // something that is not known to be on disk was put or found
	faults   faults
	buffers  sync.Pool // of *[]byte, smallBlob long

	leaseMu sync.Mutex
	leases  map[*Lease]bool
}

// faults lets tests of this package make a write fail or the process die at a named step.
type faults struct {
	step  func(name string) error
	write func(fd int, p []byte) (int, error)
}

// OpenLocal opens the store in dir, and makes it if it is not there. A folder that cannot be
// written can be read: then every write is ErrReadOnly. ErrNewerFormat when a later git-bst made
// it; ErrReadOnly when it does not exist and cannot be made.
func OpenLocal(dir string, opts Options) (*Local, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	l := &Local{dir: dir, now: opts.Now, readOnly: opts.ReadOnly, objects: -1, tmp: -1, leases: map[*Lease]bool{}}
	if l.now == nil {
		l.now = time.Now
	}
	l.chmod = fsx.Umask()&0o555 != 0
	if err := l.open(); err != nil {
		l.Close()
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return l, nil
}

// Dir returns the absolute folder of the store.
func (l *Local) Dir() string { return l.dir }

// ReadOnly reports whether writes are refused.
func (l *Local) ReadOnly() bool { return l.readOnly }

// Close frees the file descriptors. Leases and readers end on their own.
func (l *Local) Close() error {
	for _, fd := range []*int{&l.objects, &l.tmp} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
	return nil
}

func (l *Local) open() error {
	switch err := l.checkFormat(); {
	case errors.Is(err, fs.ErrNotExist):
		if l.readOnly {
			return writeError(fmt.Errorf("%w: nothing there", unix.EROFS))
		}
		if err := l.create(); err != nil {
			return writeError(err)
		}
	case err != nil:
		return err
	}
	var err error
	if l.objects, err = openFolder(filepath.Join(l.dir, "objects")); err != nil {
		return err
	}
	if !l.readOnly {
		l.readOnly = !l.canWrite()
	}
	if !l.readOnly {
		if l.tmp, err = openFolder(filepath.Join(l.dir, "tmp")); err != nil {
			return err
		}
	}
	return l.loadTrust()
}

func openFolder(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// checkFormat returns nil for a format that we know, and fs.ErrNotExist for no store.
func (l *Local) checkFormat() error {
	text, err := os.ReadFile(filepath.Join(l.dir, "format"))
	if err != nil {
		return err
	}
	number, ok := bytes.CutPrefix(text, []byte(formatPrefix))
	version, err := strconv.Atoi(strings.TrimSpace(string(number)))
	if !ok || err != nil || version < 1 {
		return hint.Addf(fmt.Errorf("read %s: not the format file of a store", filepath.Join(l.dir, "format")),
			"if nothing else is kept there, remove it: rm -r %s", l.dir)
	}
	if version > formatVersion {
		return hint.Add(fmt.Errorf("%w: %d, known is %d", ErrNewerFormat, version, formatVersion),
			"use the newer git-bst, or another cache folder, or remove this one (it costs only time): rm -rf "+l.dir)
	}
	return nil
}

// create makes an empty store; another process may be doing the same. The locks are made now, so
// that garbage can be collected when the disk is full.
func (l *Local) create() error {
	for _, name := range []string{"objects", "tmp", "leases", "corrupt"} {
		if err := os.MkdirAll(filepath.Join(l.dir, name), 0o777); err != nil {
			return err
		}
	}
	for _, name := range []string{"gc.lock", "trash.lock", "state.lock"} {
		unlock, err := fsx.TryRLock(filepath.Join(l.dir, name))
		if err == nil {
			unlock()
		} else if !errors.Is(err, fsx.ErrLocked) {
			return err
		}
	}
	return fsx.WriteFile(filepath.Join(l.dir, "format"), []byte(formatPrefix+strconv.Itoa(formatVersion)+"\n"), 0o666)
}

// canWrite also makes folders that a user may have removed by hand.
func (l *Local) canWrite() bool {
	for _, name := range []string{"tmp", "leases", "corrupt", "objects"} {
		path := filepath.Join(l.dir, name)
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return false
		}
		if unix.Access(path, unix.W_OK|unix.X_OK) != nil {
			return false
		}
	}
	return unix.Access(l.dir, unix.W_OK|unix.X_OK) == nil
}

// step is called between the steps of every write.
func (l *Local) step(name string) error {
	if l.faults.step == nil {
		return nil
	}
	return l.faults.step(name)
}

// objectName returns the blob's path below objects.
func objectName(d digest.Digest) string {
	hash := d.Hash()
	return hash[:2] + "/" + hash[2:]
}

// Missing implements Store. A blob whose file has another size than the digest says is missing.
func (l *Local) Missing(ctx context.Context, digests []digest.Digest) ([]digest.Digest, error) {
	asked := make([]digest.Digest, 0, len(digests))
	seen := make(map[digest.Digest]bool, len(digests))
	for _, d := range digests {
		if !seen[d] {
			seen[d] = true
			asked = append(asked, d)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	parts := slices.Collect(slices.Chunk(asked, max(askAtOnce, (len(asked)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))))
	found := make([][]digest.Digest, len(parts))
	for i, part := range parts {
		group.Go(func() error {
			for _, d := range part {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !l.has(d) {
					found[i] = append(found[i], d)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// askAtOnce is how many blobs one goroutine looks for: a stat takes some microseconds, to begin
// a goroutine about one.
const askAtOnce = 512

// has reports whether the blob is there and not spoilt by a crash, and notes its use.
func (l *Local) has(d digest.Digest) bool {
	if d == digest.Empty {
		return true
	}
	if d.IsZero() {
		return false
	}
	name := objectName(d)
	var st unix.Stat_t
	if unix.Fstatat(l.objects, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return false
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != d.Size() {
		return false
	}
	if l.trust.doubts(name, ctime(&st)) && l.verify(d, name) != nil {
		return false
	}
	return l.use(name, &st)
}

// use notes that the blob was found. It is false when GC has just taken it away.
func (l *Local) use(name string, st *unix.Stat_t) bool {
	if !l.trust.synced(ctime(st)) {
		l.unsynced.Store(true)
	}
	now := l.now().UnixNano()
	accessed := st.Atim.Nano()
	if accessed >= now-int64(touchInterval) && accessed > l.newest.Load() {
		return true
	}
	if l.readOnly {
		return true
	}
	return !errors.Is(l.touch(name, now), unix.ENOENT)
}

// touch sets the access time. It changes ctime, so who calls it must have dealt with suspicion.
func (l *Local) touch(name string, now int64) error {
	times := []unix.Timespec{unix.NsecToTimespec(now), unix.NsecToTimespec(FileTime.UnixNano())}
	return unix.UtimesNanoAt(l.objects, name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func ctime(st *unix.Stat_t) int64 { return st.Ctim.Nano() }
