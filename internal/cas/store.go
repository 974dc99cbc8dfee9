package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
)

// What callers of a Store test for with errors.Is.
var (
	ErrNotFound    = errors.New("not in the store")
	ErrCorrupt     = errors.New("corrupt blob")
	ErrReadOnly    = errors.New("the store is read-only")
	ErrNewerFormat = errors.New("the store has a newer format")
	ErrNoSpace     = errors.New("no space left for the store") // wraps ENOSPC and EDQUOT too
	ErrTooLarge    = errors.New("blob is larger than expected here")
)

// maxBlobInMemory bounds what Get reads at once. The largest things that are read whole are
// Directory messages and records; 256 MiB is far above any that is not an attack.
const maxBlobInMemory = 256 << 20

// A Store holds blobs by digest. All methods may be called by several goroutines at once.
// digest.Empty is in every store. The zero Digest is in none.
type Store interface {
	// Missing returns those of the digests that the store does not hold, in the order given,
	// each once. What it does not return can be opened, until a garbage collection.
	Missing(ctx context.Context, digests []digest.Digest) ([]digest.Digest, error)
	// Open returns the content of a blob, or ErrNotFound. The content is verified while it is
	// read: if its hash or size is not that of the digest, the Read that would end (or an
	// earlier one, or Open itself) returns ErrCorrupt instead of io.EOF. So only who has seen
	// io.EOF may believe what was read.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
	// Put stores all that r gives and returns its digest. After an error the store holds no new
	// blob. After success the blob can be opened at once, by everybody.
	Put(ctx context.Context, r io.Reader) (digest.Digest, error)
}

// bytesPutter is the upgrade of a Store that can skip work for content in memory.
type bytesPutter interface {
	putBytes(ctx context.Context, data []byte) (digest.Digest, error)
}

// bytesGetter is the upgrade of a Store that reads whole blobs faster than by Open.
type bytesGetter interface {
	getBytes(ctx context.Context, d digest.Digest) ([]byte, error)
}

// Get returns the whole content of a blob, verified: ErrNotFound, ErrCorrupt, or ErrTooLarge above
// 256 MiB.
func Get(ctx context.Context, s Store, d digest.Digest) ([]byte, error) {
	if d.Size() > maxBlobInMemory {
		return nil, fmt.Errorf("read blob %s: %w", d, ErrTooLarge)
	}
	if fast, ok := s.(bytesGetter); ok {
		return fast.getBytes(ctx, d)
	}
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, 0, d.Size()+bytes.MinRead)
	buf := bytes.NewBuffer(data)
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// PutBytes stores data and returns its digest; a blob that is there already is not sent or written.
func PutBytes(ctx context.Context, s Store, data []byte) (digest.Digest, error) {
	if fast, ok := s.(bytesPutter); ok {
		return fast.putBytes(ctx, data)
	}
	d := digest.Of(data)
	missing, err := s.Missing(ctx, []digest.Digest{d})
	if err != nil || len(missing) == 0 {
		return d, err
	}
	return s.Put(ctx, bytes.NewReader(data))
}

func notFound(d digest.Digest) error { return fmt.Errorf("%w: blob %s", ErrNotFound, d) }

func corrupt(d digest.Digest, why string) error {
	return fmt.Errorf("%w: blob %s: %s", ErrCorrupt, d, why)
}

// writeError gives the causes that a user can do something about their sentinel and hint.
func writeError(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrNoSpace), errors.Is(err, ErrReadOnly):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return hint.Add(fmt.Errorf("%w: %w", ErrNoSpace, err), "free some space, or shrink the cache: git bst cache gc")
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return hint.Add(fmt.Errorf("%w: %w", ErrReadOnly, err), "make the cache folder writable, or name another: GIT_BST_CACHE_DIR=DIR git bst ...")
	}
	return err
}
