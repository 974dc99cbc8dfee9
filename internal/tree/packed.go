package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/git-bst/git-bst/internal/digest"
)

// packedWriter writes lists that are sorted by path, in the form that EncodeTimes describes.
type packedWriter struct {
	out  []byte
	last string
	any  bool
}

func newWriter(header string, count int) *packedWriter {
	out := make([]byte, 0, len(header)+16*count)
	return &packedWriter{out: binary.AppendUvarint(append(out, header...), uint64(count))}
}

func (w *packedWriter) path(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if w.any && path <= w.last {
		return fmt.Errorf("%w: %q is not after %q", ErrInvalid, path, w.last)
	}
	shared := 0
	for shared < len(path) && shared < len(w.last) && path[shared] == w.last[shared] {
		shared++
	}
	w.unsigned(uint64(shared))
	w.unsigned(uint64(len(path) - shared))
	w.out = append(w.out, path[shared:]...)
	w.last, w.any = path, true
	return nil
}

// word writes a text with its length before it.
func (w *packedWriter) word(text string) {
	w.unsigned(uint64(len(text)))
	w.out = append(w.out, text...)
}

// digest writes what path holds.
func (w *packedWriter) digest(path string, d digest.Digest) error {
	if d.IsZero() {
		return fmt.Errorf("%w: %q has no digest", ErrInvalid, path)
	}
	w.unsigned(uint64(d.Size()))
	sum := d.Sum()
	w.out = append(w.out, sum[:]...)
	return nil
}

func (w *packedWriter) unsigned(v uint64) { w.out = binary.AppendUvarint(w.out, v) }
func (w *packedWriter) signed(v int64)    { w.out = binary.AppendVarint(w.out, v) }

// packedReader reads them; after an error everything it returns is zero.
type packedReader struct {
	in   []byte
	last string
	any  bool
	err  error
}

// newReader also returns the number of entries, which is at most that of the bytes.
func newReader(header string, data []byte) (*packedReader, int, error) {
	rest, ok := bytes.CutPrefix(data, []byte(header))
	if !ok {
		return nil, 0, fmt.Errorf("%w: does not begin with %q", ErrInvalid, header)
	}
	r := &packedReader{in: rest}
	n := r.count()
	return r, int(n), r.err
}

func (r *packedReader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrInvalid, why)
	}
	r.in = nil
}

func (r *packedReader) unsigned() uint64 {
	v, n := binary.Uvarint(r.in)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.in = r.in[n:]
	return v
}

func (r *packedReader) signed() int64 {
	v, n := binary.Varint(r.in)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.in = r.in[n:]
	return v
}

func (r *packedReader) bytes(n uint64) []byte {
	if n > uint64(len(r.in)) {
		r.fail("an entry is cut off")
		return nil
	}
	b := r.in[:n]
	r.in = r.in[n:]
	return b
}

func (r *packedReader) word() string { return string(r.bytes(r.unsigned())) }

// count reads a number of entries, which is at most that of the bytes.
func (r *packedReader) count() uint64 {
	n := r.unsigned()
	if n > uint64(len(r.in)) {
		r.fail("more entries than bytes")
		return 0
	}
	return n
}

func (r *packedReader) digest() digest.Digest {
	size, sum := r.unsigned(), r.bytes(sha256.Size)
	if r.err != nil {
		return digest.Digest{}
	}
	d, err := digest.FromSum([sha256.Size]byte(sum), int64(size))
	if err != nil {
		r.err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d
}

func (r *packedReader) path() string {
	shared := r.unsigned()
	rest := r.bytes(r.unsigned())
	if r.err != nil {
		return ""
	}
	if shared > uint64(len(r.last)) {
		r.fail("a path shares more than there is")
		return ""
	}
	path := r.last[:shared] + string(rest)
	if err := checkPath(path); err != nil {
		r.err = err
	} else if r.any && path <= r.last {
		r.fail("paths are not sorted")
	}
	r.last, r.any = path, true
	return path
}

// end returns the first error; bytes that are left over are one.
func (r *packedReader) end() error {
	if r.err == nil && len(r.in) > 0 {
		r.fail("bytes after the end")
	}
	return r.err
}
