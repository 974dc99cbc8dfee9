package tree

import (
	"crypto/sha256"
	"encoding/hex"
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

// StatIndex remembers the files of a folder, so that the next Import reads only what changed. It
// belongs to that folder at that place; on another machine or after a copy it is useless but does
// no harm.
type StatIndex struct {
	Taken int64  // file system time from before anything was looked at, nanoseconds since 1970
	Stats []Stat // sorted by path
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
	changed := max(old.MTime, old.CTime)
	margin := int64(racyTick)
	if old.CTime%1_000_000_000 == 0 {
		margin = racySecond
	}
	return changed < x.Taken-margin
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

const indexHeader = "git-bst stat index 1\n"

// EncodeIndex returns the form that DecodeIndex reads. Numbers and paths are as in EncodeTimes:
//
//	"git-bst stat index 1\n"
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
//	32 bytes  SHA-256 of all before it, since the file is not written with fsync
func EncodeIndex(x *StatIndex) ([]byte, error) {
	w := newWriter(indexHeader, len(x.Stats))
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
		w.unsigned(uint64(s.Digest.Size()))
		hash, err := hex.DecodeString(s.Digest.Hash())
		if err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("%w: %q has no digest", ErrInvalid, s.Path)
		}
		w.out = append(w.out, hash...)
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
		size := int64(r.unsigned())
		s.Digest, err = digest.New(hex.EncodeToString(r.bytes(sha256.Size)), size)
		if r.err != nil {
			return nil, r.err
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		x.Stats = append(x.Stats, s)
	}
	return x, r.end()
}
