package cas_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// aged returns a store with blobs of 8 KiB, put an hour apart, and the hour after the last.
func aged(t *testing.T, n int) (*cas.Local, *clock, []digest.Digest) {
	t.Helper()
	c := &clock{now: time.Unix(1_800_000_000, 0)}
	l := open(t, filepath.Join(t.TempDir(), "cas"), cas.Options{Now: c.Now})
	var blobs []digest.Digest
	for i := range n {
		blobs = append(blobs, put(t, l, bsttest.Blob(8<<10, byte(i+1))))
		c.advance(time.Hour)
	}
	return l, c, blobs
}

func present(t *testing.T, l *cas.Local, blobs []digest.Digest) []bool {
	t.Helper()
	out := make([]bool, len(blobs))
	for i, d := range blobs {
		_, err := os.Stat(objectPath(l, d))
		out[i] = err == nil
	}
	return out
}

func wantPresent(t *testing.T, l *cas.Local, blobs []digest.Digest, want ...bool) {
	t.Helper()
	for i, there := range present(t, l, blobs) {
		if there != want[i] {
			t.Errorf("blob %d: there is %v, want %v", i, there, want[i])
		}
	}
}

func TestGCRemovesWhatWasUsedLongestAgo(t *testing.T) {
	l, c, blobs := aged(t, 4)
	if _, err := cas.Get(t.Context(), l, blobs[0]); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	report, err := l.GC(t.Context(), cas.GCOptions{BudgetBytes: 30 << 10, LowWater: 17 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if report.Removed != 2 || report.Before.Blobs != 4 || report.After.Blobs != 2 || report.After.Bytes > 17<<10 {
		t.Errorf("report %+v", report)
	}
	wantPresent(t, l, blobs, true, false, false, true)
}

func TestGCWithinBudgetRemovesNothing(t *testing.T) {
	l, _, blobs := aged(t, 3)
	report, err := l.GC(t.Context(), cas.GCOptions{BudgetBytes: 1 << 20})
	if err != nil || report.Removed != 0 {
		t.Errorf("GC = %+v, %v", report, err)
	}
	wantPresent(t, l, blobs, true, true, true)
}

func TestGCKeepsWhatItMust(t *testing.T) {
	l, c, blobs := aged(t, 4)
	other := open(t, l.Dir(), cas.Options{Now: c.Now}) // as another process has it
	lease, err := other.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Missing(t.Context(), blobs[:1]); err != nil {
		t.Fatal(err)
	}
	c.advance(24 * time.Hour)
	fresh := put(t, l, []byte("fresh"))
	keep := func(yield func(digest.Digest) bool) { yield(blobs[1]) }
	if _, err := l.GC(t.Context(), cas.GCOptions{Keep: keep}); err != nil {
		t.Fatal(err)
	}
	wantPresent(t, l, append(blobs, fresh), true, true, false, false, true)
	if err := lease.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	if _, err := l.GC(t.Context(), cas.GCOptions{Keep: keep}); err != nil {
		t.Fatal(err)
	}
	wantPresent(t, l, append(blobs, fresh), false, true, false, false, false)
}

func TestANewLeaseRenewsWhatAnOldOneUsed(t *testing.T) {
	l, c, blobs := aged(t, 1)
	first, err := l.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	use := func() {
		if m, err := l.Missing(t.Context(), blobs); err != nil || len(m) > 0 {
			t.Fatal(m, err)
		}
	}
	use()
	c.advance(2 * time.Second)
	second, err := l.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	use() // within the touch interval, but before the second lease
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	if _, err := l.GC(t.Context(), cas.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	wantPresent(t, l, blobs, true)
	if err := errors.Join(second.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

func TestGCLooksAgainBeforeItRemoves(t *testing.T) {
	l, c, blobs := aged(t, 1)
	other := open(t, l.Dir(), cas.Options{Now: c.Now})
	l.InjectSteps(func(name string) error {
		if name == "trashed" {
			// Someone who found it just before it was moved touches the file that is moved now.
			trash := filepath.Join(l.Dir(), "tmp", "trash-"+blobs[0].Hash())
			return os.Chtimes(trash, c.now, cas.FileTime)
		}
		return nil
	})
	report, err := l.GC(t.Context(), cas.GCOptions{})
	if err != nil || report.Removed != 0 {
		t.Errorf("GC = %+v, %v", report, err)
	}
	if _, err := cas.Get(t.Context(), other, blobs[0]); err != nil {
		t.Error(err)
	}
}

func TestABlobOfAKilledGCComesBack(t *testing.T) {
	l, _, blobs := aged(t, 1)
	killed := errors.New("killed")
	l.InjectSteps(func(name string) error { return killed })
	if _, err := l.GC(t.Context(), cas.GCOptions{}); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	wantPresent(t, l, blobs, false)
	if _, err := cas.Get(t.Context(), l, blobs[0]); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, l); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

func TestGCRemovesTwinsAndStrays(t *testing.T) {
	l, c, blobs := aged(t, 1)
	twin, err := l.File(t.Context(), blobs[0], true)
	if err != nil {
		t.Fatal(err)
	}
	stray := filepath.Join(l.Dir(), "tmp", "left")
	if err := os.WriteFile(stray, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(l.Dir(), "leases", "dead")
	if err := os.WriteFile(dead, []byte("git-bst lease 1\nstart 0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.now = time.Now().Add(48 * time.Hour).Add(c.now.Sub(time.Unix(1_800_000_000, 0)))
	c.now = c.now.Add(time.Since(time.Unix(0, 0))) // later than any time on disk
	report, err := l.GC(t.Context(), cas.GCOptions{})
	if err != nil || report.StrayFiles != 1 || report.Removed != 1 {
		t.Errorf("GC = %+v, %v", report, err)
	}
	for _, path := range []string{twin, stray, dead} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if u, err := l.Usage(t.Context()); err != nil || u != (cas.Usage{}) {
		t.Errorf("Usage = %+v, %v", u, err)
	}
}
