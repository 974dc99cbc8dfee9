package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

const (
	// DefaultGrace protects who uses the store without a lease, such as a program that has just
	// printed a digest: longer than touchInterval, for access times are as old as that.
	DefaultGrace = 10 * time.Minute

	// lowWaterPercent of the budget is left by a collection that is told no mark: so that the
	// next few builds after it do not collect again.
	lowWaterPercent = 90

	// strayAge is after what time a file in tmp, or moved aside as corrupt, is nobody's any more.
	// No build writes one blob for a day.
	strayAge = 24 * time.Hour
)

// GCOptions says what a collection may take.
type GCOptions struct {
	BudgetBytes int64 // nothing is collected up to this size on disk
	LowWater    int64 // bytes that are left at most, if enough may go; 0 is 90 % of the budget
	// Keep, if not nil, yields the digests of blobs that stay in any case; it is called once.
	Keep func(yield func(digest.Digest) bool)
	// Grace keeps what was used less long ago; 0 is DefaultGrace, below 0 none.
	Grace time.Duration
	Now   func() time.Time // nil is the store's clock
}

// GCReport says what a collection did.
type GCReport struct {
	Before, After  Usage
	Removed        int   // blobs
	RemovedBytes   int64 // on disk
	Kept           int   // blobs that were kept by Keep, a lease or the grace period though the store was too large
	StrayFiles     int   // leftovers of killed processes that were removed
	StrayFileBytes int64
}

// Usage is what a store holds.
type Usage struct {
	Blobs  int
	Bytes  int64 // on disk, executable twins and blobs moved aside included
	Leases int   // that are alive
}

// object is a blob as GC sees it.
type object struct {
	name     string // below objects
	bytes    int64  // on disk, with its twin
	accessed int64  // of the blob or its twin, nanoseconds since 1970
}

// GC removes the blobs that were used longest ago until the store is within its budget. It never
// removes what Keep yields, what was used since the oldest live lease of any process began, or
// within the grace period. One collection runs at a time; others of this machine wait for it.
// Blobs are only ever removed here (and by Fsck, corrupt ones); who holds a path from File without
// a lease may find it gone.
func (l *Local) GC(ctx context.Context, opts GCOptions) (GCReport, error) {
	if l.readOnly {
		return GCReport{}, fmt.Errorf("collect garbage: %w", writeError(unix.EROFS))
	}
	unlock, err := fsx.Lock(ctx, filepath.Join(l.dir, "gc.lock"))
	if err != nil {
		return GCReport{}, fmt.Errorf("collect garbage: %w", writeError(err))
	}
	defer unlock()
	report, err := l.collect(ctx, opts.withDefaults(l.now))
	if err != nil {
		return report, fmt.Errorf("collect garbage: %w", writeError(err))
	}
	return report, nil
}

func (o GCOptions) withDefaults(now func() time.Time) GCOptions {
	if o.Now == nil {
		o.Now = now
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.LowWater == 0 || o.LowWater > o.BudgetBytes {
		o.LowWater = o.BudgetBytes / 100 * lowWaterPercent
	}
	return o
}

func (l *Local) collect(ctx context.Context, opts GCOptions) (GCReport, error) {
	now := opts.Now()
	keep := map[string]bool{}
	if opts.Keep != nil {
		opts.Keep(func(d digest.Digest) bool {
			if !d.IsZero() {
				keep[objectName(d)] = true
			}
			return ctx.Err() == nil
		})
	}
	lease, live, err := l.oldestLease()
	if err != nil {
		return GCReport{}, err
	}
	objects, err := l.scan(ctx)
	if err != nil {
		return GCReport{}, err
	}
	var report GCReport
	report.Before = total(objects, live)
	l.removeStrays(now, &report)
	report.Before.Bytes += l.corruptBytes() + report.StrayFileBytes
	report.After = report.Before
	report.After.Bytes -= report.StrayFileBytes
	if report.After.Bytes <= opts.BudgetBytes {
		return report, nil
	}
	// What was used at or after this instant stays. A second for clocks that are read apart.
	limit := min(lease-int64(time.Second), now.UnixNano()-int64(max(opts.Grace, 0)))
	slices.SortFunc(objects, func(a, b object) int { return int(min(max(a.accessed-b.accessed, -1), 1)) })
	for _, o := range objects {
		if report.After.Bytes <= opts.LowWater {
			break
		}
		if err := ctx.Err(); err != nil {
			return report, err
		}
		if keep[o.name] || o.accessed >= limit {
			report.Kept++
			continue
		}
		if err := l.evict(ctx, o, limit, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

func total(objects []object, leases int) Usage {
	u := Usage{Blobs: len(objects), Leases: leases}
	for _, o := range objects {
		u.Bytes += o.bytes
	}
	return u
}

// evict removes one blob, unless it has been used since it was looked at. It is first moved out,
// then looked at again: who touches it before the move is seen here, who comes after finds it
// missing. Readers that miss a blob wait for trash.lock before they say so.
func (l *Local) evict(ctx context.Context, o object, limit int64, report *GCReport) error {
	unlock, err := fsx.Lock(ctx, filepath.Join(l.dir, "trash.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if st, err := l.stat(o.name + execSuffix); err == nil && st.Atim.Nano() >= limit {
		return nil
	}
	trash := trashName(o.name)
	if err := unix.Renameat(l.objects, o.name, l.tmp, trash); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	if err := l.step("trashed"); err != nil {
		return err
	}
	var st unix.Stat_t
	err = unix.Fstatat(l.tmp, trash, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Atim.Nano() >= limit {
		report.Kept++
		return unix.Renameat(l.tmp, trash, l.objects, o.name)
	}
	unix.Unlinkat(l.objects, o.name+execSuffix, 0)
	if err := unix.Unlinkat(l.tmp, trash, 0); err != nil {
		return err
	}
	report.Removed++
	report.RemovedBytes += o.bytes
	report.After.Blobs--
	report.After.Bytes -= o.bytes
	return nil
}

func (l *Local) stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(l.objects, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// scan returns all blobs; a twin counts with its blob, one without a blob on its own.
func (l *Local) scan(ctx context.Context) ([]object, error) {
	var objects []object
	err := l.eachFolder(ctx, func(folder string, names []string) error {
		at := map[string]int{}
		for _, name := range names {
			st, err := l.stat(folder + "/" + name)
			if err != nil {
				continue // gone meanwhile
			}
			blob := strings.TrimSuffix(name, execSuffix)
			i, ok := at[blob]
			if !ok {
				i = len(objects)
				at[blob] = i
				objects = append(objects, object{name: folder + "/" + blob})
			}
			objects[i].bytes += onDisk(&st)
			objects[i].accessed = max(objects[i].accessed, st.Atim.Nano())
		}
		return nil
	})
	return objects, err
}

// eachFolder calls visit for the folders below objects with the names in each.
func (l *Local) eachFolder(ctx context.Context, visit func(folder string, names []string) error) error {
	folders, err := os.ReadDir(filepath.Join(l.dir, "objects"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := os.ReadDir(filepath.Join(l.dir, "objects", folder.Name()))
		if err != nil {
			return err
		}
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name()
		}
		if err := visit(folder.Name(), names); err != nil {
			return err
		}
	}
	return nil
}

func onDisk(st *unix.Stat_t) int64 {
	if st.Blocks == 0 {
		return st.Size // held in the inode, or not written out yet
	}
	return st.Blocks * 512
}

// removeStrays removes what killed processes left in tmp, and old blobs moved aside.
func (l *Local) removeStrays(now time.Time, report *GCReport) {
	for _, dir := range []string{"tmp", "corrupt"} {
		path := filepath.Join(l.dir, dir)
		entries, err := os.ReadDir(path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			var st unix.Stat_t
			file := filepath.Join(path, e.Name())
			// ctime: blobs have a fixed mtime, and a rename renews ctime.
			if unix.Lstat(file, &st) != nil || now.UnixNano()-ctime(&st) < int64(strayAge) {
				continue
			}
			if os.Remove(file) == nil {
				report.StrayFiles++
				report.StrayFileBytes += onDisk(&st)
			}
		}
	}
}

func (l *Local) corruptBytes() int64 {
	entries, err := os.ReadDir(filepath.Join(l.dir, "corrupt"))
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// Usage counts what the store holds. It reads no content.
func (l *Local) Usage(ctx context.Context) (Usage, error) {
	objects, err := l.scan(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("measure the store: %w", err)
	}
	_, live, err := l.oldestLease()
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return Usage{}, fmt.Errorf("measure the store: %w", err)
	}
	u := total(objects, live)
	u.Bytes += l.corruptBytes()
	return u, nil
}
