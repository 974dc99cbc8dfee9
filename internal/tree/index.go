package tree

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
)

// Stat is what the file system said about a regular file, and its digest.
type Stat struct {
	Path   string
	MTime  int64 // nanoseconds since 1970
	CTime  int64 // nanoseconds since 1970
	Size   int64 // bytes
	Inode  uint64
	Mode   uint32 // type and permission bits
	Digest digest.Digest
}

// FolderStat is what the file system said about a folder, its tree, and the links in it. The times of a
// folder change with the names in it: while they are the same, so are these.
type FolderStat struct {
	Path   string // "" for the top
	MTime  int64  // nanoseconds since 1970
	CTime  int64  // nanoseconds since 1970
	Inode  uint64
	Mode   uint32 // type and permission bits
	Digest digest.Digest
	Links  []Symlink // sorted by name
}

// StatIndex remembers the files of a folder, so that the next Import reads only what changed. It
// belongs to that folder at that place; on another machine or after a copy it is useless but does
// no harm.
type StatIndex struct {
	Taken   int64        // file system time from before anything was looked at, nanoseconds since 1970
	Stats   []Stat       // sorted by path
	Folders []FolderStat // sorted by path, the top first
}

// The racy rule (as git's): a file that was changed at the very time of the snapshot may change
// again without its times showing it, so such entries are not believed. The kernel's clock for
// files ticks every 1-10 ms; where a time has no fraction, the file system may keep whole seconds
// only, or every second one (FAT).
const (
	racyTick   = 20_000_000
	racySecond = 2_000_000_000
)

// Changed yields all files with their change times, nanoseconds since 1970.
func (x *StatIndex) Changed(yield func(path string, nano int64) bool) {
	for _, s := range x.Stats {
		if !yield(s.Path, s.CTime) {
			return
		}
	}
}

func newStat(path string, st *unix.Stat_t) Stat {
	return Stat{Path: path, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Size: st.Size, Inode: st.Ino, Mode: uint32(st.Mode)}
}

// lookup returns the entry of path. A nil index has none.
func (x *StatIndex) lookup(path string) (Stat, bool) {
	if x == nil {
		return Stat{}, false
	}
	i, ok := slices.BinarySearchFunc(x.Stats, path, func(s Stat, p string) int { return strings.Compare(s.Path, p) })
	if !ok {
		return Stat{}, false
	}
	return x.Stats[i], true
}

// unchanged reports whether now (without digest) shows that old's digest still holds.
func (x *StatIndex) unchanged(old, now Stat) bool {
	now.Digest = old.Digest
	if old != now || now.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	return x.settled(old.MTime, old.CTime)
}

// settled reports whether what had these times can't have changed any more without their changing.
func (x *StatIndex) settled(mtime, ctime int64) bool {
	margin := int64(racyTick)
	if ctime%1_000_000_000 == 0 {
		margin = racySecond
	}
	return max(mtime, ctime) < x.Taken-margin
}

func newFolderStat(path string, st *unix.Stat_t) FolderStat {
	return FolderStat{Path: path, MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(), Inode: st.Ino, Mode: uint32(st.Mode)}
}

// folder returns the entry of a folder. A nil index has none.
func (x *StatIndex) folder(path string) (FolderStat, bool) {
	if x == nil {
		return FolderStat{}, false
	}
	i, ok := slices.BinarySearchFunc(x.Folders, path, func(f FolderStat, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return FolderStat{}, false
	}
	return x.Folders[i], true
}

// directly counts the files and folders in a folder.
func (x *StatIndex) directly(path string) int {
	files, folders := x.below(path)
	start, count := 0, 0
	if path != "" {
		start = len(path) + 1
	}
	for _, s := range files {
		if strings.IndexByte(s.Path[start:], '/') < 0 {
			count++
		}
	}
	for _, f := range folders {
		if strings.IndexByte(f.Path[start:], '/') < 0 {
			count++
		}
	}
	return count
}

// below returns the files and the folders below a folder, which are neighbours.
func (x *StatIndex) below(path string) ([]Stat, []FolderStat) {
	if path == "" {
		return x.Stats, x.Folders[min(1, len(x.Folders)):]
	}
	// What is below "a" lies between "a/" and "a0", as '0' comes after '/'.
	first, end := path+"/", path+"0"
	from, _ := slices.BinarySearchFunc(x.Stats, first, func(s Stat, p string) int { return strings.Compare(s.Path, p) })
	to, _ := slices.BinarySearchFunc(x.Stats, end, func(s Stat, p string) int { return strings.Compare(s.Path, p) })
	fromDir, _ := slices.BinarySearchFunc(x.Folders, first, func(f FolderStat, p string) int { return strings.Compare(f.Path, p) })
	toDir, _ := slices.BinarySearchFunc(x.Folders, end, func(f FolderStat, p string) int { return strings.Compare(f.Path, p) })
	return x.Stats[from:to], x.Folders[fromDir:toDir]
}

// indexTime returns a time of the file system's clock that is not after now: that of this file
// system cannot be asked without writing to it, but all take the kernel's coarse clock.
func indexTime() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts); err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return ts.Nano(), nil
}

const indexHeader = "git-bst stat index 2\n"

// EncodeIndex returns the form that DecodeIndex reads. Numbers and paths are as in EncodeTimes:
//
//	"git-bst stat index 2\n"
//	uvarint   number of entries
//	varint    Taken
//	then each entry, sorted by the bytes of the path:
//	  path      uvarint shared, uvarint further, bytes
//	  varint    mtime less Taken
//	  varint    ctime less mtime
//	  uvarint   size of the file by stat
//	  uvarint   inode
//	  uvarint   mode (st_mode)
//	  uvarint   size of the content that was hashed
//	  32 bytes  SHA-256 of the content
//	uvarint   number of folders
//	then each, sorted by the bytes of the path:
//	  path      as above; of the first, the top, 0
//	  mtime, ctime, inode, mode as above
//	  uvarint   size of the Directory message
//	  32 bytes  its SHA-256
//	  uvarint   number of links, then each, sorted by name: the number of bytes of its name, these; its target likewise
//	32 bytes  SHA-256 of all before it, since the file is not written with fsync
func EncodeIndex(x *StatIndex) ([]byte, error) {
	w := newWriter(indexHeader, len(x.Stats))
	w.out = slices.Grow(w.out, 80*(len(x.Stats)+len(x.Folders)))
	w.signed(x.Taken)
	for _, s := range x.Stats {
		if err := w.path(s.Path); err != nil {
			return nil, err
		}
		w.signed(s.MTime - x.Taken)
		w.signed(s.CTime - s.MTime)
		w.unsigned(uint64(s.Size))
		w.unsigned(s.Inode)
		w.unsigned(uint64(s.Mode))
		if err := w.digest(s.Path, s.Digest); err != nil {
			return nil, err
		}
	}
	w.unsigned(uint64(len(x.Folders)))
	w.last, w.any = "", false
	for i, f := range x.Folders {
		if i == 0 {
			w.word(f.Path)
		} else if err := w.path(f.Path); err != nil {
			return nil, err
		}
		w.signed(f.MTime - x.Taken)
		w.signed(f.CTime - f.MTime)
		w.unsigned(f.Inode)
		w.unsigned(uint64(f.Mode))
		if err := w.digest(f.Path, f.Digest); err != nil {
			return nil, err
		}
		w.unsigned(uint64(len(f.Links)))
		for _, link := range f.Links {
			w.word(link.Name)
			w.word(link.Target)
		}
	}
	sum := sha256.Sum256(w.out)
	return append(w.out, sum[:]...), nil
}

// DecodeIndex reads what EncodeIndex wrote; anything else is ErrInvalid, and then the caller does
// without an index.
func DecodeIndex(data []byte) (*StatIndex, error) {
	split := len(data) - sha256.Size
	if split < 0 || sha256.Sum256(data[:split]) != [sha256.Size]byte(data[split:]) {
		return nil, fmt.Errorf("%w: a stat index that is cut off or changed", ErrInvalid)
	}
	r, n, err := newReader(indexHeader, data[:split])
	if err != nil {
		return nil, err
	}
	x := &StatIndex{Taken: r.signed(), Stats: make([]Stat, 0, n)}
	for range n {
		s := Stat{Path: r.path()}
		s.MTime = x.Taken + r.signed()
		s.CTime = s.MTime + r.signed()
		s.Size = int64(r.unsigned())
		s.Inode = r.unsigned()
		s.Mode = uint32(r.unsigned())
		s.Digest = r.digest()
		if r.err != nil {
			return nil, r.err
		}
		x.Stats = append(x.Stats, s)
	}
	return x, r.folders(x)
}

// folders reads the part of an index that is about them.
func (r *packedReader) folders(x *StatIndex) error {
	n := r.count()
	r.last, r.any = "", false
	for i := range n {
		f := FolderStat{}
		if i > 0 {
			f.Path = r.path()
		} else if r.word() != "" {
			r.fail("the first folder is not the top")
		}
		f.MTime = x.Taken + r.signed()
		f.CTime = f.MTime + r.signed()
		f.Inode = r.unsigned()
		f.Mode = uint32(r.unsigned())
		f.Digest = r.digest()
		for range r.count() {
			link := Symlink{Name: r.word()}
			link.Target = r.word()
			f.Links = append(f.Links, link)
		}
		if r.err != nil {
			return r.err
		}
		x.Folders = append(x.Folders, f)
	}
	return r.end()
}
