package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// depth is how far a folder is looked at.
type depth int

const (
	ifThere  depth = iota // all below, and no line if there is nothing
	oneLevel              // the folder's own entries
)

// folder adds a line with a digest of the names, kinds, modes, sizes, times and link targets of
// what is at and below a path. Folders' own times do not count, nor does what we may not read:
// the build may not either.
func (r *reader) folder(name string, d depth) error {
	w := walker{sum: sha256.New(), levels: 1}
	if d == ifThere {
		w.levels = 1 << 20
	}
	var st unix.Stat_t
	err := unix.Lstat(r.at(name), &st)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		if d == oneLevel {
			r.add("folder %s is not there", name)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	w.visit(unix.AT_FDCWD, r.at(name), "", &st, 0)
	note := ""
	if w.seen > maxEntries {
		note = fmt.Sprintf(", of files only the first %d", maxEntries)
	}
	r.add("folder %s: %d entries sha256:%s%s", name, w.seen, hex.EncodeToString(w.sum.Sum(nil)), note)
	return nil
}

// walker digests a tree of stats.
type walker struct {
	sum    hash.Hash
	seen   int
	levels int
	record []byte
}

// visit takes in one entry, which is called path from the folder at. Its name is what is digested.
func (w *walker) visit(at int, path, name string, st *unix.Stat_t, level int) {
	w.seen++
	dir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	w.record = binary.LittleEndian.AppendUint32(w.record[:0], st.Mode)
	if !dir || w.seen > maxEntries {
		w.record = binary.LittleEndian.AppendUint64(w.record, uint64(st.Size))
		w.record = binary.LittleEndian.AppendUint64(w.record, uint64(st.Mtim.Nano()))
	}
	w.record = append(append(w.record, name...), 0)
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		target := make([]byte, 4096)
		if n, err := unix.Readlinkat(at, path, target); err == nil {
			w.record = append(append(w.record, target[:n]...), 0)
		}
	}
	_, _ = w.sum.Write(w.record)
	if dir && level < w.levels {
		w.enter(at, path, level)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK && level == 0 && w.levels == 1 {
		w.enter(at, path, level) // a folder of PATH that is a link
	}
}

// enter takes in the entries of a folder, sorted.
func (w *walker) enter(at int, path string, level int) {
	fd, err := unix.Openat(at, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	folder := os.NewFile(uintptr(fd), path)
	defer folder.Close()
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		if w.seen > maxEntries && !entry.IsDir() {
			continue
		}
		var st unix.Stat_t
		if unix.Fstatat(fd, entry.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			w.visit(fd, entry.Name(), entry.Name(), &st, level+1)
		}
	}
	_, _ = w.sum.Write([]byte{0xff}) // the folder's end
}
