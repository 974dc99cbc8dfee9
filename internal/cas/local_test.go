package cas_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
)

func open(t testing.TB, dir string, opts cas.Options) *cas.Local {
	t.Helper()
	l, err := cas.OpenLocal(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func newLocal(t testing.TB) *cas.Local {
	return open(t, filepath.Join(t.TempDir(), "cache", "cas"), cas.Options{})
}

func put(t testing.TB, l *cas.Local, data []byte) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), l, data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func objectPath(l *cas.Local, d digest.Digest) string {
	return filepath.Join(l.Dir(), "objects", d.Hash()[:2], d.Hash()[2:])
}

// overwrite changes a blob behind the store's back.
func overwrite(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// leftovers returns the names in the store's tmp folder.
func leftovers(t testing.TB, l *cas.Local) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(l.Dir(), "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestContract(t *testing.T) {
	t.Run("Local", func(t *testing.T) {
		bsttest.StoreSuite(t, func(t *testing.T) cas.Store { return newLocal(t) })
	})
	t.Run("Memory", func(t *testing.T) {
		bsttest.StoreSuite(t, func(*testing.T) cas.Store { return cas.NewMemory() })
	})
}

func TestCorruptBlobIsReportedOnceAndMovedAside(t *testing.T) {
	good := bsttest.Blob(100_000, 1)
	for name, bad := range map[string][]byte{
		"changed":   append([]byte("X"), good[1:]...),
		"truncated": good[:50_000],
		"empty":     nil,
		"longer":    append(bytes.Clone(good), 'x'),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLocal(t)
			d := put(t, l, good)
			overwrite(t, objectPath(l, d), bad)
			r, err := l.Open(t.Context(), d)
			if err == nil {
				_, err = io.ReadAll(r)
				r.Close()
			}
			if !errors.Is(err, cas.ErrCorrupt) {
				t.Fatalf("want ErrCorrupt, got %v", err)
			}
			put(t, l, good)
			overwrite(t, objectPath(l, d), bad)
			if _, err := cas.Get(t.Context(), l, d); !errors.Is(err, cas.ErrCorrupt) {
				t.Fatalf("Get: want ErrCorrupt, got %v", err)
			}
			if _, err := cas.Get(t.Context(), l, d); !errors.Is(err, cas.ErrNotFound) {
				t.Errorf("the second time: want ErrNotFound, got %v", err)
			}
			if _, err := os.Stat(filepath.Join(l.Dir(), "corrupt", d.Hash())); err != nil {
				t.Error(err)
			}
			put(t, l, good)
			if got, err := cas.Get(t.Context(), l, d); err != nil || !bytes.Equal(got, good) {
				t.Errorf("after putting it again: %v", err)
			}
		})
	}
}

func TestFileModesAndTimes(t *testing.T) {
	l := newLocal(t)
	for _, data := range [][]byte{nil, []byte("#!/bin/sh\n")} {
		d := put(t, l, data)
		for mode, exec := range map[os.FileMode]bool{0o444: false, 0o555: true} {
			path, err := l.File(t.Context(), d, exec)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != mode || !info.ModTime().Equal(cas.FileTime) {
				t.Errorf("%s: %v, %v; want %v, %v", path, info.Mode(), info.ModTime(), mode, cas.FileTime)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s holds %q, %v", path, got, err)
			}
		}
	}
	if _, err := l.File(t.Context(), digest.Of([]byte("no")), true); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("File of what is not there: %v", err)
	}
}

func TestPutFile(t *testing.T) {
	l := newLocal(t)
	for _, size := range []int{0, 10, 1 << 20} {
		path := filepath.Join(t.TempDir(), "f")
		data := bsttest.Blob(size, 9)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := l.PutFile(t.Context(), path); err != nil || d != digest.Of(data) {
			t.Errorf("PutFile = %v, %v", d, err)
		}
	}
	if _, err := l.PutFile(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder became a blob")
	}
	if left := leftovers(t, l); len(left) > 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

func TestWritesThatFailLeaveNothing(t *testing.T) {
	disk := map[string]struct {
		write func(fd int, p []byte) (int, error)
		want  error
	}{
		"full disk": {func(int, []byte) (int, error) { return 0, syscall.ENOSPC }, cas.ErrNoSpace},
		"quota":     {func(int, []byte) (int, error) { return 0, syscall.EDQUOT }, cas.ErrNoSpace},
		"error":     {func(int, []byte) (int, error) { return 0, syscall.EIO }, syscall.EIO},
		"nothing":   {func(int, []byte) (int, error) { return 0, nil }, io.ErrShortWrite},
		"lost":      {func(_ int, p []byte) (int, error) { return len(p), nil }, io.ErrShortWrite},
		"part, then full": {func(fd int, p []byte) (int, error) {
			n, err := syscall.Write(fd, p[:len(p)/2])
			if len(p) < 3 {
				return 0, syscall.ENOSPC
			}
			return n, err
		}, cas.ErrNoSpace},
	}
	for name, fault := range disk {
		for _, size := range []int{100, 1 << 20} {
			l := newLocal(t)
			l.InjectWrite(fault.write)
			data := bsttest.Blob(size, 3)
			if _, err := l.Put(t.Context(), bytes.NewReader(data)); !errors.Is(err, fault.want) {
				t.Errorf("%s: Put = %v, want %v", name, err, fault.want)
			} else if fault.want == cas.ErrNoSpace && !strings.Contains(strings.Join(hint.Lines(err), " "), "git bst cache gc") {
				t.Errorf("%s: hints %q", name, hint.Lines(err))
			}
			if left := leftovers(t, l); len(left) > 0 {
				t.Errorf("%s: left in tmp: %q", name, left)
			}
			l.InjectWrite(nil)
			if m, err := l.Missing(t.Context(), []digest.Digest{digest.Of(data)}); err != nil || len(m) != 1 {
				t.Errorf("%s: a failed write made a blob: %v, %v", name, m, err)
			}
			put(t, l, data)
		}
	}
}

func TestShortWritesAreContinued(t *testing.T) {
	l := newLocal(t)
	l.InjectWrite(func(fd int, p []byte) (int, error) { return syscall.Write(fd, p[:min(len(p), 1000)]) })
	data := bsttest.Blob(400_000, 5)
	d, err := l.Put(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cas.Get(t.Context(), l, d); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
}

func TestNewerFormat(t *testing.T) {
	l := newLocal(t)
	for text, want := range map[string]error{"git-bst cas 2\n": cas.ErrNewerFormat, "git-bst cas 1\n": nil} {
		if err := os.WriteFile(filepath.Join(l.Dir(), "format"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := cas.OpenLocal(l.Dir(), cas.Options{})
		if !errors.Is(err, want) || (want != nil && len(hint.Lines(err)) == 0) {
			t.Errorf("%q: %v (hints %q)", text, err, hint.Lines(err))
		}
	}
	if err := os.WriteFile(filepath.Join(l.Dir(), "format"), []byte("my diary"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := cas.OpenLocal(l.Dir(), cas.Options{}); err == nil {
		t.Error("some other folder was opened as a store")
	}
}

func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cas")
	if _, err := cas.OpenLocal(dir, cas.Options{ReadOnly: true}); !errors.Is(err, cas.ErrReadOnly) {
		t.Errorf("opening what is not there: %v", err)
	}
	d := put(t, open(t, dir, cas.Options{}), []byte("x"))
	l := open(t, dir, cas.Options{ReadOnly: true})
	if got, err := cas.Get(t.Context(), l, d); err != nil || string(got) != "x" {
		t.Errorf("Get = %q, %v", got, err)
	}
	if _, err := cas.PutBytes(t.Context(), l, []byte("x")); err != nil {
		t.Errorf("putting what is there: %v", err)
	}
	_, putErr := cas.PutBytes(t.Context(), l, []byte("y"))
	_, streamErr := l.Put(t.Context(), bytes.NewReader(make([]byte, 1<<20)))
	_, twinErr := l.File(t.Context(), d, true)
	_, gcErr := l.GC(t.Context(), cas.GCOptions{})
	for name, err := range map[string]error{"Put": putErr, "stream": streamErr, "twin": twinErr, "GC": gcErr} {
		if !errors.Is(err, cas.ErrReadOnly) || len(hint.Lines(err)) == 0 {
			t.Errorf("%s: %v (hints %q)", name, err, hint.Lines(err))
		}
	}
	lease, err := l.Lease(t.Context())
	if err == nil {
		err = errors.Join(lease.Close(), l.Sync(t.Context()))
	}
	if err != nil {
		t.Error(err)
	}
}

func TestAfterACrashOfTheMachineBlobsAreReadBeforeTheyAreBelieved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cas")
	l := open(t, dir, cas.Options{})
	synced := put(t, l, []byte("synced"))
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost, kept := put(t, l, []byte("lost data")), put(t, l, []byte("kept data"))
	// What a crash does: the size is there, the content is not.
	overwrite(t, objectPath(l, lost), make([]byte, 9))
	if err := l.ForgetBoot(); err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		l := open(t, dir, cas.Options{ReadOnly: readOnly})
		m, err := l.Missing(t.Context(), []digest.Digest{synced, lost, kept})
		if err != nil || len(m) != 1 || m[0] != lost {
			t.Errorf("read-only %v: Missing = %v, %v", readOnly, m, err)
		}
		if _, err := l.File(t.Context(), kept, false); err != nil {
			t.Error(err)
		}
		if _, err := l.File(t.Context(), lost, false); err == nil {
			t.Errorf("read-only %v: a spoilt blob was handed out", readOnly)
		}
	}
	put(t, open(t, dir, cas.Options{}), []byte("lost data"))
	if got, err := cas.Get(t.Context(), l, lost); err != nil || string(got) != "lost data" {
		t.Errorf("after putting it again: %q, %v", got, err)
	}
}

func TestWithoutACrashNothingIsReadTwice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cas")
	d := put(t, open(t, dir, cas.Options{}), []byte("right"))
	l := open(t, dir, cas.Options{})
	overwrite(t, objectPath(l, d), []byte("wrong"))
	if m, err := l.Missing(t.Context(), []digest.Digest{d}); err != nil || len(m) != 0 {
		t.Errorf("Missing read the content: %v, %v", m, err)
	}
}

func TestFsck(t *testing.T) {
	l := newLocal(t)
	good, bad, twin := put(t, l, []byte("good")), put(t, l, []byte("bad")), put(t, l, []byte("twin"))
	path, err := l.File(t.Context(), twin, true)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, []byte("evil"))
	overwrite(t, objectPath(l, bad), []byte("BAD"))
	if err := os.Chmod(objectPath(l, good), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(objectPath(l, good)), "stray"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var found []string
	tell := func(p cas.Problem) { found = append(found, p.Path+": "+p.What) }
	if err := l.Fsck(t.Context(), tell); err != nil || len(found) != 4 {
		t.Fatalf("Fsck = %v, %q", err, found)
	}
	found = nil
	if err := l.Fsck(t.Context(), tell); err != nil || len(found) != 1 || !strings.Contains(found[0], "stray") {
		t.Errorf("the second Fsck = %v, %q", err, found)
	}
	if _, err := l.File(t.Context(), twin, true); err != nil {
		t.Errorf("the twin is not made again: %v", err)
	}
}

func TestSharedByTwo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cas")
	a, b := open(t, dir, cas.Options{}), open(t, dir, cas.Options{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	d := put(t, a, []byte("from a"))
	if got, err := cas.Get(t.Context(), b, d); err != nil || string(got) != "from a" {
		t.Errorf("Get = %q, %v", got, err)
	}
}
