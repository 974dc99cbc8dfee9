package bsttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// ErrInjected is the error of a Faulty store that was told no other.
var ErrInjected = errors.New("injected fault")

// Method names a method of a Store.
type Method string

// The methods of a Store.
const (
	MissingMethod Method = "Missing"
	OpenMethod    Method = "Open"
	PutMethod     Method = "Put"
)

// Faulty is a store that does what another does, until it is told otherwise. Tell it before it is
// used; it may then be used by several goroutines.
type Faulty struct {
	store  cas.Store
	mu     sync.Mutex
	calls  map[Method]int
	faults map[Method][]fault
}

type fault struct {
	from, to int // calls, from 1; both included
	run      func(arg any) error
}

// NewFaulty returns a store without faults over s.
func NewFaulty(s cas.Store) *Faulty {
	return &Faulty{store: s, calls: map[Method]int{}, faults: map[Method][]fault{}}
}

// Fail makes the nth call of m (from 1) fail with ErrInjected, without the store being asked.
func (f *Faulty) Fail(m Method, n int) *Faulty { return f.FailWith(m, n, ErrInjected) }

// FailWith is Fail with another error.
func (f *Faulty) FailWith(m Method, n int, err error) *Faulty {
	return f.Call(m, n, func(any) error { return err })
}

// FullDisk makes every Put from the nth on fail as on a full disk.
func (f *Faulty) FullDisk(n int) *Faulty {
	f.faults[PutMethod] = append(f.faults[PutMethod], fault{n, int(^uint(0) >> 1), func(any) error {
		return fmt.Errorf("put blob: %w: %w", cas.ErrNoSpace, syscall.ENOSPC)
	}})
	return f
}

// ShortWrite makes the nth Put lose what it was given, and say so.
func (f *Faulty) ShortWrite(n int) *Faulty { return f.FailWith(PutMethod, n, io.ErrShortWrite) }

// Call calls run in the nth call of m, before the store is asked; its error, if any, is the call's.
// arg is the digest (Open), the digests (Missing), or nil (Put).
func (f *Faulty) Call(m Method, n int, run func(arg any) error) *Faulty {
	f.faults[m] = append(f.faults[m], fault{n, n, run})
	return f
}

// Calls returns how often m was called.
func (f *Faulty) Calls(m Method) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[m]
}

func (f *Faulty) enter(m Method, arg any) error {
	f.mu.Lock()
	f.calls[m]++
	n := f.calls[m]
	f.mu.Unlock()
	for _, fault := range f.faults[m] {
		if fault.from <= n && n <= fault.to {
			if err := fault.run(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

// Missing implements cas.Store.
func (f *Faulty) Missing(ctx context.Context, digests []digest.Digest) ([]digest.Digest, error) {
	if err := f.enter(MissingMethod, digests); err != nil {
		return nil, err
	}
	return f.store.Missing(ctx, digests)
}

// Open implements cas.Store.
func (f *Faulty) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if err := f.enter(OpenMethod, d); err != nil {
		return nil, err
	}
	return f.store.Open(ctx, d)
}

// Put implements cas.Store.
func (f *Faulty) Put(ctx context.Context, r io.Reader) (digest.Digest, error) {
	if err := f.enter(PutMethod, nil); err != nil {
		return digest.Digest{}, err
	}
	return f.store.Put(ctx, r)
}

func newCancelled(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// EachPut runs do with a store whose first Put fails, then with one whose second does, and so on,
// until do succeeds. Every failure must be the injected one, for its Put was the only thing wrong.
func EachPut(t *testing.T, open func(t *testing.T) cas.Store, do func(s cas.Store) error) {
	t.Helper()
	for n := 1; ; n++ {
		err := do(NewFaulty(open(t)).Fail(PutMethod, n))
		if err == nil {
			if n == 1 {
				t.Error("nothing was put: the test tests nothing")
			}
			return
		}
		if !errors.Is(err, ErrInjected) {
			t.Errorf("Put %d failed: the error is %v", n, err)
			return
		}
	}
}

var _ cas.Store = (*Faulty)(nil)
