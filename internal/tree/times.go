package tree

import (
	"slices"
	"strings"
	"time"
)

// Time is the modification time of one regular file.
type Time struct {
	Path string
	Nano int64 // since 1970; int64, never a float: half a microsecond makes ninja rebuild
}

// Times are the modification times of a tree's regular files, sorted by path, a path once.
type Times []Time

// Lookup returns the time of path.
func (t Times) Lookup(path string) (nano int64, ok bool) {
	i, ok := slices.BinarySearchFunc(t, path, func(e Time, p string) int { return strings.Compare(e.Path, p) })
	if !ok {
		return 0, false
	}
	return t[i].Nano, true
}

// Newest returns the latest of the times; the zero time when there is none.
func (t Times) Newest() time.Time {
	if len(t) == 0 {
		return time.Time{}
	}
	newest := t[0].Nano
	for _, e := range t {
		newest = max(newest, e.Nano)
	}
	return time.Unix(0, newest)
}

const timesHeader = "git-bst times 1\n"

// EncodeTimes returns the canonical form of times that DecodeTimes reads:
//
//	"git-bst times 1\n"
//	uvarint   number of entries
//	then each entry, sorted by the bytes of the path:
//	  uvarint   how many bytes the path shares with the beginning of the one before (0 for the first)
//	  uvarint   number of the further bytes
//	  bytes     these
//	  varint    nanoseconds since 1970 less those of the entry before (less 0 for the first)
//
// where uvarint and varint are those of encoding/binary (base 128, low bits first; varint zigzag).
// ErrInvalid when t is not sorted or holds illegal paths.
func EncodeTimes(t Times) ([]byte, error) {
	w := newWriter(timesHeader, len(t))
	last := int64(0)
	for _, e := range t {
		if err := w.path(e.Path); err != nil {
			return nil, err
		}
		w.signed(e.Nano - last)
		last = e.Nano
	}
	return w.out, nil
}

// DecodeTimes reads what EncodeTimes wrote; anything else is ErrInvalid.
func DecodeTimes(data []byte) (Times, error) {
	r, n, err := newReader(timesHeader, data)
	if err != nil {
		return nil, err
	}
	t := make(Times, 0, n)
	last := int64(0)
	for range n {
		e := Time{Path: r.path(), Nano: last + r.signed()}
		last = e.Nano
		if r.err != nil {
			return nil, r.err
		}
		t = append(t, e)
	}
	return t, r.end()
}
