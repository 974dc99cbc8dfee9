package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/fsx"
)

const leaseHeader = "git-bst lease 1\nstart "

// Lease keeps blobs from garbage collection: what its Local has put, found present or handed out
// since the lease began. It ends with Close, or with the process.
type Lease struct {
	l     *Local
	start int64 // nanoseconds since 1970
	file  *os.File
}

// Lease begins a lease. On a store that cannot be written it keeps nothing.
func (l *Local) Lease(ctx context.Context) (*Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lease := &Lease{l: l, start: l.now().UnixNano()}
	if !l.readOnly {
		if err := lease.write(); err != nil {
			return nil, fmt.Errorf("lease blobs: %w", writeError(err))
		}
	}
	l.leaseMu.Lock()
	defer l.leaseMu.Unlock()
	l.leases[lease] = true
	l.setNewest()
	return lease, nil
}

// write makes the file appear with its content and its lock at once.
func (e *Lease) write() error {
	name := fsx.TempName("lease-")
	temp := filepath.Join(e.l.dir, "tmp", name)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(leaseHeader + strconv.FormatInt(e.start, 10) + "\n")
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(temp, e.path(name))
	}
	if err != nil {
		os.Remove(temp)
		f.Close()
		return err
	}
	e.file = f
	return nil
}

func (e *Lease) path(name string) string {
	return filepath.Join(e.l.dir, "leases", strings.TrimSuffix(name, ".tmp"))
}

// Close ends the lease. A second Close does nothing.
func (e *Lease) Close() error {
	e.l.leaseMu.Lock()
	defer e.l.leaseMu.Unlock()
	delete(e.l.leases, e)
	e.l.setNewest()
	if e.file == nil {
		return nil
	}
	os.Remove(e.path(filepath.Base(e.file.Name())))
	err := e.file.Close()
	e.file = nil
	return err
}

// setNewest needs leaseMu. A blob used before the newest lease began is touched again, since the
// older leases may end first.
func (l *Local) setNewest() {
	var newest int64
	for e := range l.leases {
		newest = max(newest, e.start)
	}
	l.newest.Store(newest)
}

// oldestLease returns the start of the oldest live lease of any process (math.MaxInt64 when there
// is none), and removes dead ones.
func (l *Local) oldestLease() (oldest int64, live int, err error) {
	dir := filepath.Join(l.dir, "leases")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	oldest = noLease
	for _, entry := range entries {
		start, alive, err := l.readLease(filepath.Join(dir, entry.Name()))
		if err != nil {
			return 0, 0, err
		}
		if alive {
			live++
			oldest = min(oldest, start)
		}
	}
	return oldest, live, nil
}

const noLease = int64(1<<63 - 1)

func (l *Local) readLease(path string) (start int64, alive bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		if !l.readOnly {
			os.Remove(path)
		}
		return 0, false, nil
	}
	if err != unix.EWOULDBLOCK {
		return 0, false, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		// It has ended just now.
		return 0, false, nil
	}
	number, ok := strings.CutPrefix(string(text), leaseHeader)
	number, _, _ = strings.Cut(number, "\n")
	start, err = strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return 0, true, nil // alive, of a form that we do not know: it keeps all
	}
	return start, true, nil
}
