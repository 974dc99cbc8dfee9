// Package digest names content. A Digest is the SHA-256 of some bytes together with their
// number, as in the Remote Execution API v2 (build.bazel.remote.execution.v2.Digest). Two blobs
// with the same Digest are the same blob; nothing else (time, name, place) enters it.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// ErrInvalid is returned for text that is not a digest.
var ErrInvalid = errors.New("not a digest")

// Digest is the SHA-256 and the size in bytes of a blob. It is comparable. The zero value names
// nothing: it is not the digest of the empty blob (that is Empty), and IsZero reports it.
type Digest struct {
	hash [sha256.Size]byte
	size int64
	set  bool
}

// Empty is the digest of the empty blob, and so of the empty REAPI Directory.
var Empty = Of(nil)

// Of returns the digest of data.
func Of(data []byte) Digest {
	return Digest{hash: sha256.Sum256(data), size: int64(len(data)), set: true}
}

// New returns the digest with this hash (64 lower-case hex digits) and size in bytes.
// Anything else is ErrInvalid.
func New(hexHash string, sizeBytes int64) (Digest, error) {
	if len(hexHash) != 2*sha256.Size || strings.ToLower(hexHash) != hexHash || sizeBytes < 0 {
		return Digest{}, fmt.Errorf("%w: %q with size %d", ErrInvalid, hexHash, sizeBytes)
	}
	d := Digest{size: sizeBytes, set: true}
	if _, err := hex.Decode(d.hash[:], []byte(hexHash)); err != nil {
		return Digest{}, fmt.Errorf("%w: %q", ErrInvalid, hexHash)
	}
	return d, nil
}

// Parse reads the form that String writes: "hash/size". Anything else is ErrInvalid.
func Parse(text string) (Digest, error) {
	hash, size, ok := strings.Cut(text, "/")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || strconv.FormatInt(n, 10) != size {
		return Digest{}, fmt.Errorf("%w: %q", ErrInvalid, text)
	}
	return New(hash, n)
}

// Hash returns the 64 lower-case hex digits of the SHA-256; "" for the zero Digest.
func (d Digest) Hash() string {
	if !d.set {
		return ""
	}
	return hex.EncodeToString(d.hash[:])
}

// Sum returns the 32 bytes of the SHA-256; zeroes for the zero Digest.
func (d Digest) Sum() [sha256.Size]byte { return d.hash }

// FromSum is New for the bytes of the hash.
func FromSum(sum [sha256.Size]byte, sizeBytes int64) (Digest, error) {
	if sizeBytes < 0 {
		return Digest{}, fmt.Errorf("%w: size %d", ErrInvalid, sizeBytes)
	}
	return Digest{hash: sum, size: sizeBytes, set: true}, nil
}

// Size returns the number of bytes.
func (d Digest) Size() int64 { return d.size }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return !d.set }

// String returns "hash/size", or "" for the zero Digest.
func (d Digest) String() string {
	if !d.set {
		return ""
	}
	return d.Hash() + "/" + strconv.FormatInt(d.size, 10)
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; empty text is the zero Digest.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Compare orders digests by hash, then size; the zero Digest comes first.
func (d Digest) Compare(other Digest) int { return strings.Compare(d.String(), other.String()) }

// A Hasher computes a Digest of all that is written to it. Its writes never fail.
type Hasher struct {
	sum  hash.Hash
	size int64
}

// NewHasher returns a Hasher to which nothing has been written.
func NewHasher() *Hasher { return &Hasher{sum: sha256.New()} }

// Write implements io.Writer.
func (h *Hasher) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	return h.sum.Write(p)
}

// Sum returns the digest of what has been written so far.
func (h *Hasher) Sum() Digest {
	d := Digest{size: h.size, set: true}
	h.sum.Sum(d.hash[:0])
	return d
}
