package cas

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/git-bst/git-bst/internal/digest"
)

// Memory is a Store in memory, for tests and for throwing away. Safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	blobs map[digest.Digest][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{blobs: map[digest.Digest][]byte{}} }

// Missing implements Store.
func (m *Memory) Missing(ctx context.Context, digests []digest.Digest) ([]digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var missing []digest.Digest
	seen := map[digest.Digest]bool{}
	for _, d := range digests {
		if _, ok := m.blobs[d]; !ok && !seen[d] && d != digest.Empty {
			missing = append(missing, d)
		}
		seen[d] = true
	}
	return missing, nil
}

// Open implements Store.
func (m *Memory) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[d]
	if !ok && d != digest.Empty {
		return nil, m.explain(d)
	}
	return io.NopCloser(&memoryReader{r: bytes.NewReader(data), data: data, want: d}), nil
}

// explain returns ErrCorrupt for a digest whose size lies, else ErrNotFound.
func (m *Memory) explain(d digest.Digest) error {
	for have := range m.blobs {
		if have.Hash() == d.Hash() && !d.IsZero() {
			return corrupt(d, fmt.Sprintf("the blob with this hash has %d bytes", have.Size()))
		}
	}
	return notFound(d)
}

type memoryReader struct {
	r    *bytes.Reader
	data []byte
	want digest.Digest
}

func (r *memoryReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == io.EOF && digest.Of(r.data) != r.want {
		err = corrupt(r.want, "its content has another digest")
	}
	return n, err
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, r io.Reader) (digest.Digest, error) {
	data, err := io.ReadAll(r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put blob: %w", err)
	}
	d := digest.Of(data)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d] = data
	return d, nil
}

// Corrupt replaces the content of a blob, for tests of readers.
func (m *Memory) Corrupt(d digest.Digest, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d] = data
}

// Remove makes the store forget a blob, for tests.
func (m *Memory) Remove(d digest.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, d)
}

// Len returns the number of blobs.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.blobs)
}
