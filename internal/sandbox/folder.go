package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// maxEntries is how many files a fingerprint looks at in one area; beyond them only folders are,
// whose times change with names in them. Only machine images for CI have more.
const maxEntries = 50_000

// maxContent is how many bytes of one area are read; in a bigger one files count by their times,
// and its line says so.
// Reading 1 GiB takes a second, once, and again for each file that changes.
const maxContent = 1 << 30

// allLevels is deeper than any path can be.
const allLevels = 1 << 12

// counting says how the files of an area are looked at. Folders count with the names in them.
type counting struct {
	name   string // in the memory of areas
	levels int    // how many levels of folders are entered: 1 is the area's own entries
	// Of files, by is what they count by. Only what a package owns counts otherwise than by content.
	by byWhat
	// all looks at every file each time. Else only at those that no package owns: the others are
	// seen to change when a name in their folder does, as it does with all that is installed.
	all bool
}

// byWhat is what a file counts by.
type byWhat int

const (
	byContent byWhat = iota // and permissions
	byOwner                 // by content what no package owns, by size and time what one does
	byTime                  // size and time, and only when a name in the folder changes
)

// The ways of counting. A new one, or a change, needs another name and another version of the list.
var (
	wholly   = counting{name: "whole", levels: allLevels, by: byContent, all: true}
	searched = counting{name: "searched", levels: allLevels, by: byOwner}
	oneLevel = counting{name: "level", levels: 1, by: byOwner, all: true}
	names    = counting{name: "names", levels: allLevels, by: byTime}
	fewNames = counting{name: "few names", levels: 3, by: byTime}
)

// area is a file or folder of the host with all that counts below it. It has one line.
type area struct {
	name string // as the host calls it
	path string // below the root that is looked at
	how  counting
}

// key is that of the area's memory.
func (a area) key() string { return a.path + "\x00" + a.how.name }

// entry is what was found in an area. Folders come before their files, and these before the
// folders in them.
type entry struct {
	path  string // as the area's
	name  string // below the area
	link  string
	stat  unix.Stat_t
	by    byWhat
	watch bool // a file that is looked at each time
	shut  bool // a folder that is not entered
}

func (e *entry) kind() uint32 { return e.stat.Mode & unix.S_IFMT }

// walker collects what is in an area.
type walker struct {
	area    area
	owns    func(path string) (owned, known bool)
	entries []entry
	files   int
}

// walk lists an area. What we may not read is left out: the build may not either.
func (r *reader) walk(a area) (*walker, error) {
	w := &walker{area: a, owns: r.owners.owns}
	var st unix.Stat_t
	if err := unix.Lstat(a.path, &st); err != nil {
		return nil, fmt.Errorf("look at %s: %w", a.name, err)
	}
	w.add(entry{path: a.path, stat: st}, unix.AT_FDCWD, a.path)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		w.enter(unix.AT_FDCWD, a.path, a.path, "", 1)
	}
	return w, nil
}

// add takes in one entry, which is called name from the folder at.
func (w *walker) add(e entry, at int, name string) {
	if e.kind() == unix.S_IFLNK {
		target := make([]byte, unix.PathMax)
		if n, err := unix.Readlinkat(at, name, target); err == nil {
			e.link = string(target[:n])
		}
	}
	how := w.area.how
	e.by, e.watch = how.by, how.all
	if how.by == byOwner {
		owned, known := w.owns(filepath.Join(w.area.name, e.name))
		e.watch = how.all || !owned || !known
		e.by = byTime
		if known && !owned {
			e.by = byContent
		}
	}
	if e.kind() != unix.S_IFREG && e.by == byContent {
		e.by = byTime
	}
	w.entries = append(w.entries, e)
}

// enter takes in the entries of a folder, sorted.
func (w *walker) enter(at int, path, full, name string, level int) {
	fd, err := unix.Openat(at, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	folder := os.NewFile(uintptr(fd), full)
	defer folder.Close()
	list, err := folder.Readdirnames(-1)
	if err != nil {
		return
	}
	slices.Sort(list)
	var folders []entry
	for _, child := range list {
		e := entry{path: full + "/" + child, name: join(name, child)}
		if unix.Fstatat(fd, child, &e.stat, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if e.kind() == unix.S_IFDIR {
			if w.area.how.by != byTime || child != "__pycache__" { // made from the modules, when they are first used
				folders = append(folders, e)
			}
		} else if w.files++; w.files <= maxEntries {
			w.add(e, fd, child)
		}
	}
	for _, e := range folders {
		child := filepath.Base(e.path)
		if level < w.area.how.levels {
			w.entries = append(w.entries, e)
			w.enter(fd, child, e.path, e.name, level+1)
		} else {
			e.shut = true
			w.entries = append(w.entries, e)
		}
	}
}

func join(folder, name string) string {
	if folder == "" {
		return name
	}
	return folder + "/" + name
}

// line digests what was found: names, kinds, permissions, links' targets, and of files the
// content or size and time. Folders' own times do not count, so that equal folders of two
// machines are equal.
func (w *walker) line(c *contents) string {
	var total int64
	for i := range w.entries {
		if w.entries[i].by == byContent {
			total += w.entries[i].stat.Size
		}
	}
	sum, record, note := sha256.New(), []byte(nil), ""
	for i := range w.entries {
		e := &w.entries[i]
		record = binary.LittleEndian.AppendUint32(record[:0], e.stat.Mode)
		record = append(append(record, e.name...), 0)
		record = append(append(record, e.link...), 0)
		if e.kind() != unix.S_IFDIR && e.kind() != unix.S_IFLNK {
			record = w.value(record, e, c, total <= c.limit)
		}
		_, _ = sum.Write(record)
	}
	if total > c.limit {
		note = fmt.Sprintf(", by time, as it is bigger than %d MiB", c.limit>>20)
	}
	if w.files > maxEntries {
		note += fmt.Sprintf(", of files only the first %d", maxEntries)
	}
	return fmt.Sprintf("folder %s: %d entries sha256:%s%s", w.area.name, len(w.entries), hex.EncodeToString(sum.Sum(nil)), note)
}

// value appends what a file counts by.
func (w *walker) value(record []byte, e *entry, c *contents, read bool) []byte {
	record = binary.LittleEndian.AppendUint64(record, uint64(e.stat.Size))
	if e.by == byContent && read {
		if sum, err := c.hash(e.path, &e.stat); err == nil {
			return append(append(record, 'c'), sum...)
		}
	}
	record = binary.LittleEndian.AppendUint64(append(record, 't'), uint64(e.stat.Mtim.Nano()))
	if e.by == byContent && !read { // a change that keeps size and time
		record = binary.LittleEndian.AppendUint64(record, uint64(e.stat.Ctim.Nano()))
	}
	return record
}

// settled reports whether what was found is all older than now by so much that a change after
// it would show.
func (w *walker) settled(now time.Time) bool {
	limit := now.Add(-racy).Unix()
	return !slices.ContainsFunc(w.entries, func(e entry) bool { return !e.shut && e.stat.Ctim.Sec > limit })
}

// present reports whether there is anything of that name.
func present(path string) (bool, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}
