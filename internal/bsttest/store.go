// Package bsttest holds what tests of several packages share: the contract that every cas.Store
// keeps (StoreSuite) and a store that fails when it is told to (Faulty).
package bsttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// StoreSuite runs the contract of cas.Store over the stores that open returns; each call must
// return an empty one.
func StoreSuite(t *testing.T, open func(t *testing.T) cas.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s cas.Store)
	}{
		{"RoundTrip", roundTrip},
		{"EmptyBlobIsAlwaysThere", emptyBlob},
		{"ZeroDigestIsNeverThere", zeroDigest},
		{"NotFound", notFound},
		{"SizeLies", sizeLies},
		{"FailedReaderLeavesNothing", failedReader},
		{"MissingKeepsOrder", missingOrder},
		{"SmallReads", smallReads},
		{"PutTwice", putTwice},
		{"Concurrent", concurrent},
		{"CancelledContext", cancelled},
		{"Helpers", helpers},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Blob returns n bytes that depend on seed, for tests that need content.
func Blob(n int, seed byte) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7+i>>8) ^ seed
	}
	return data
}

func put(t *testing.T, s cas.Store, data []byte) digest.Digest {
	t.Helper()
	d, err := s.Put(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	if want := digest.Of(data); d != want {
		t.Fatalf("Put = %v, want %v", d, want)
	}
	return d
}

// read returns what Open gives up to its error; io.EOF is nil.
func read(t *testing.T, s cas.Store, d digest.Digest) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func missing(t *testing.T, s cas.Store, digests ...digest.Digest) []digest.Digest {
	t.Helper()
	out, err := s.Missing(t.Context(), digests)
	if err != nil {
		t.Fatalf("Missing: %v", err)
	}
	return out
}

func roundTrip(t *testing.T, s cas.Store) {
	// Around the sizes where stores change their way: one byte, pages, buffers, streams.
	for _, size := range []int{0, 1, 4095, 4096, 128<<10 - 1, 256 << 10, 256<<10 + 1, 3<<20 + 17} {
		data := Blob(size, 1)
		if size > 0 && len(missing(t, s, digest.Of(data))) != 1 {
			t.Errorf("%d bytes: there before they were put", size)
		}
		d := put(t, s, data)
		if got, err := read(t, s, d); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: read back %d bytes, %v", size, len(got), err)
		}
		if m := missing(t, s, d); len(m) != 0 {
			t.Errorf("%d bytes: missing after Put", size)
		}
	}
}

func emptyBlob(t *testing.T, s cas.Store) {
	if m := missing(t, s, digest.Empty); len(m) != 0 {
		t.Error("the empty blob is missing")
	}
	if data, err := read(t, s, digest.Empty); err != nil || len(data) != 0 {
		t.Errorf("the empty blob is %q, %v", data, err)
	}
}

func zeroDigest(t *testing.T, s cas.Store) {
	if m := missing(t, s, digest.Digest{}); len(m) != 1 {
		t.Error("the zero digest is said to be there")
	}
	if _, err := read(t, s, digest.Digest{}); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("opening the zero digest: %v", err)
	}
}

func notFound(t *testing.T, s cas.Store) {
	if _, err := read(t, s, digest.Of([]byte("nobody put this"))); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
}

func sizeLies(t *testing.T, s cas.Store) {
	d := put(t, s, []byte("four"))
	for _, size := range []int64{0, 3, 5, 1 << 40} {
		lie, err := digest.New(d.Hash(), size)
		if err != nil {
			t.Fatal(err)
		}
		if m := missing(t, s, lie); len(m) != 1 {
			t.Errorf("a digest that lies about the size (%d) is said to be there", size)
		}
		if _, err := read(t, s, lie); !errors.Is(err, cas.ErrCorrupt) && !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("size %d: want an error, got %v", size, err)
		}
	}
	if data, err := read(t, s, d); err != nil || string(data) != "four" {
		t.Errorf("the lies have harmed the blob: %q, %v", data, err)
	}
}

func failedReader(t *testing.T, s cas.Store) {
	for _, size := range []int{10, 1 << 20} {
		data := Blob(size, 2)
		broken := errors.New("the line broke")
		_, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("Put = %v, want the reader's error", err)
		}
		if m := missing(t, s, digest.Of(data)); len(m) != 1 {
			t.Errorf("%d bytes of a broken stream became a blob", size)
		}
	}
}

func missingOrder(t *testing.T, s cas.Store) {
	a, b, c := digest.Of([]byte("a")), digest.Of([]byte("b")), digest.Of([]byte("c"))
	put(t, s, []byte("b"))
	if got, want := missing(t, s, c, b, a, c, b, a), []digest.Digest{c, a}; !slices.Equal(got, want) {
		t.Errorf("Missing = %v, want %v", got, want)
	}
	if got := missing(t, s); len(got) != 0 {
		t.Errorf("Missing of nothing = %v", got)
	}
}

func smallReads(t *testing.T, s cas.Store) {
	data := Blob(5000, 3)
	d, err := s.Put(t.Context(), iotest.OneByteReader(bytes.NewReader(data)))
	if err != nil || d != digest.Of(data) {
		t.Fatalf("Put = %v, %v", d, err)
	}
	r, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(iotest.OneByteReader(r)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("Read after the end = %d, %v", n, err)
	}
}

func putTwice(t *testing.T, s cas.Store) {
	data := Blob(300<<10, 4)
	first, second := put(t, s, data), put(t, s, data)
	if first != second {
		t.Error("two digests of the same content")
	}
}

func concurrent(t *testing.T, s cas.Store) {
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				// Every blob is put by several goroutines at once.
				data := Blob(1000+(i+j)%10, byte(j))
				d, err := cas.PutBytes(t.Context(), s, data)
				if err == nil {
					var got []byte
					if got, err = cas.Get(t.Context(), s, d); err == nil && !bytes.Equal(got, data) {
						err = fmt.Errorf("blob %v came back changed", d)
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func cancelled(t *testing.T, s cas.Store) {
	d := put(t, s, []byte("x"))
	ctx, cancel := newCancelled(t)
	defer cancel()
	if _, err := s.Put(ctx, bytes.NewReader(Blob(1<<20, 5))); err == nil {
		t.Error("Put goes on after the context has ended")
	}
	if _, err := s.Open(ctx, d); err == nil {
		t.Error("Open works after the context has ended")
	}
	if _, err := s.Missing(ctx, []digest.Digest{d}); err == nil {
		t.Error("Missing works after the context has ended")
	}
}

func helpers(t *testing.T, s cas.Store) {
	data := Blob(100, 6)
	for range 2 {
		if d, err := cas.PutBytes(t.Context(), s, data); err != nil || d != digest.Of(data) {
			t.Errorf("PutBytes = %v, %v", d, err)
		}
	}
	if got, err := cas.Get(t.Context(), s, digest.Of(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Get = %q, %v", got, err)
	}
	if _, err := cas.Get(t.Context(), s, digest.Of([]byte("not there"))); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Get of what is not there: %v", err)
	}
	huge, err := digest.New(digest.Of(data).Hash(), 1<<50)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cas.Get(t.Context(), s, huge); err == nil {
		t.Error("Get of a blob that says it has 2^50 bytes")
	}
}
