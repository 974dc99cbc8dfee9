package ledger_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/ledger"
)

func TestFolder(t *testing.T) {
	f := ledger.Open(filepath.Join(t.TempDir(), "not", "there"))
	if _, err := f.Read("a/b"); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Read of nothing: %v", err)
	}
	if names, err := f.Names("a"); err != nil || names != nil {
		t.Errorf("Names of nothing: %q, %v", names, err)
	}
	for _, name := range []string{"b/2", "a/1", "a/2/x", "a/.hidden"} {
		if err := f.Write(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := f.Read("a/2/x"); err != nil || string(data) != "a/2/x" {
		t.Errorf("Read: %q, %v", data, err)
	}
	var all []string
	if err := f.Each(t.Context(), "a", func(name string) error { all = append(all, name); return nil }); err != nil || !slices.Equal(all, []string{"a/1", "a/2/x"}) {
		t.Errorf("Each: %q, %v", all, err)
	}
	if _, err := f.Read("a/1/x"); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Read below a file: %v", err)
	}
	if _, err := f.Read("a"); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("Read of a folder: %v", err)
	}
	if err := os.Symlink("1", f.Path("a/link")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("a/link"); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("Read of a link: %v", err)
	}
	if err := errors.Join(f.Remove("a/1"), f.Remove("a/1"), f.Remove("none/at/all")); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

func TestFaultsLeaveTheOldFile(t *testing.T) {
	for _, step := range []string{"mkdir", "write", "remove"} {
		for _, test := range []struct{ fault, want error }{
			{syscall.ENOSPC, cas.ErrNoSpace}, {syscall.EROFS, cas.ErrReadOnly}, {syscall.EACCES, cas.ErrReadOnly}, {syscall.EIO, syscall.EIO},
		} {
			f := ledger.Open(t.TempDir())
			if err := f.Write("a/b", []byte("old")); err != nil {
				t.Fatal(err)
			}
			f.Fault = func(at, name string) error {
				if at == step {
					return &fs.PathError{Op: at, Path: name, Err: test.fault}
				}
				return nil
			}
			err := f.Write("a/b", []byte("new"))
			if step == "remove" {
				err = f.Remove("a/b")
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%s with %v: %v", step, test.fault, err)
			}
			if test.want != test.fault && len(hint.Lines(err)) == 0 {
				t.Errorf("%s with %v: no hint", step, test.fault)
			}
			f.Fault = nil
			if data, err := f.Read("a/b"); step != "remove" && (err != nil || string(data) != "old") {
				t.Errorf("%s with %v: then %q, %v", step, test.fault, data, err)
			}
		}
	}
}

// TestWritersMeet: many writers of one name, some readers: every read is one whole write.
func TestWritersMeet(t *testing.T) {
	f := ledger.Open(t.TempDir())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 20 {
				text := strings.Repeat(fmt.Sprint(i), 5000)
				if err := f.Write("k/name", []byte(text)); err != nil {
					t.Error(err)
				}
				data, err := f.Read("k/name")
				if err != nil || len(data) != 5000 || strings.Trim(string(data), string(data[:1])) != "" {
					t.Errorf("Read gives a mixture of %d bytes, %v", len(data), err)
				}
			}
		})
	}
	wg.Wait()
	if left, _ := filepath.Glob(f.Path("k/.*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
}

func TestSweep(t *testing.T) {
	f, now := ledger.Open(t.TempDir()), time.Unix(2_000_000_000, 0)
	for name, age := range map[string]time.Duration{"a/.x.tmp": 48 * time.Hour, "a/.y.tmp": time.Minute, "a/z": 48 * time.Hour, "a/.lock": 48 * time.Hour} {
		if err := f.Write(name, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(f.Path(name), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sweep(t.Context(), now.Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(f.Path("a"))
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if !slices.Equal(left, []string{".lock", ".y.tmp", "z"}) {
		t.Errorf("Sweep leaves %q", left)
	}
}

type body struct {
	A string `json:"a"`
	N int    `json:"n,omitempty"`
}

func TestSeal(t *testing.T) {
	data, err := ledger.Seal("thing", 1, body{A: "<&> ü", N: 2})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"format":"thing","version":1,"sha256":"`; !strings.HasPrefix(string(data), want) || !strings.HasSuffix(string(data), `"body":{"a":"<&> ü","n":2}}`+"\n") {
		t.Errorf("Seal = %s", data)
	}
	var back body
	if err := ledger.Unseal("thing", 1, data, &back); err != nil || !reflect.DeepEqual(back, body{"<&> ü", 2}) {
		t.Errorf("Unseal = %+v, %v", back, err)
	}
	if err := ledger.Unseal("other", 1, data, &back); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("another format: %v", err)
	}
	later, _ := ledger.Seal("thing", 2, map[string]any{"a": 7})
	if err := ledger.Unseal("thing", 1, later, &back); !errors.Is(err, cas.ErrNewerFormat) {
		t.Errorf("a later version: %v", err)
	}
	more, _ := ledger.Seal("thing", 1, map[string]any{"a": "x", "later": true})
	if err := ledger.Unseal("thing", 1, more, &back); err != nil {
		t.Errorf("an unknown field: %v", err)
	}
	for i := range data {
		for _, bad := range [][]byte{data[:i], append(append(slices.Clone(data[:i]), data[i]^4), data[i+1:]...)} {
			var got body
			err := ledger.Unseal("thing", 1, bad, &got)
			if err == nil && !reflect.DeepEqual(got, body{"<&> ü", 2}) {
				t.Fatalf("a file damaged at %d is believed: %s", i, bad)
			}
			if err != nil && !errors.Is(err, cas.ErrCorrupt) && !errors.Is(err, cas.ErrNewerFormat) {
				t.Fatalf("damaged at %d: %v", i, err)
			}
		}
	}
}

func FuzzUnseal(f *testing.F) {
	data, _ := ledger.Seal("thing", 1, body{A: "x"})
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var got body
		err := ledger.Unseal("thing", 1, data, &got)
		if err != nil && !errors.Is(err, cas.ErrCorrupt) && !errors.Is(err, cas.ErrNewerFormat) {
			t.Fatal(err)
		}
	})
}
