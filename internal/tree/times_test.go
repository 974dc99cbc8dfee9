package tree_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestTimes(t *testing.T) {
	times := tree.Times{{Path: "a", Nano: 1_700_000_000_123_456_789}, {Path: "a/b", Nano: -5}, {Path: "a/bc", Nano: 1<<63 - 1}, {Path: "ü", Nano: 0}}
	data, err := tree.EncodeTimes(times)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := tree.DecodeTimes(data); err != nil || !slices.Equal(back, times) {
		t.Errorf("round trip: %v, %v", back, err)
	}
	if n, ok := times.Lookup("a/b"); !ok || n != -5 {
		t.Errorf("Lookup = %d, %v", n, ok)
	}
	if _, ok := times.Lookup("b"); ok {
		t.Error("a time of what is not there")
	}
	if !times.Newest().Equal(time.Unix(0, 1<<63-1)) || !(tree.Times{}).Newest().IsZero() {
		t.Error("Newest")
	}
	for _, bad := range []tree.Times{{{Path: "b"}, {Path: "a"}}, {{Path: "a"}, {Path: "a"}}, {{Path: "../a"}}, {{Path: ""}}, {{Path: "/a"}}} {
		if _, err := tree.EncodeTimes(bad); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%v was encoded: %v", bad, err)
		}
	}
	for i := range data {
		if _, err := tree.DecodeTimes(data[:i]); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("cut off at %d: %v", i, err)
		}
	}
	if _, err := tree.DecodeTimes(append(data, 0)); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("a byte too many: %v", err)
	}
}

func FuzzDecodeTimes(f *testing.F) {
	data, _ := tree.EncodeTimes(tree.Times{{Path: "a", Nano: 1}, {Path: "a/b", Nano: 2}})
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		times, err := tree.DecodeTimes(data)
		if err != nil {
			return
		}
		again, err := tree.EncodeTimes(times)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := tree.DecodeTimes(again); err != nil || !slices.Equal(back, times) {
			t.Fatalf("round trip: %v, %v", back, err)
		}
	})
}

// old makes the index believe what it has seen.
func old(x *tree.StatIndex) *tree.StatIndex {
	return &tree.StatIndex{Taken: time.Now().Add(time.Minute).UnixNano(), Stats: x.Stats}
}

// waitForTick returns when files that are changed get a later time than after.
func waitForTick(t *testing.T, after int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe")
	for {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil {
			t.Fatal(err)
		} else if info.ModTime().UnixNano() > after {
			return
		}
	}
}

func importWith(t *testing.T, store *cas.Local, dir string, x *tree.StatIndex) tree.Imported {
	t.Helper()
	im, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{Index: x})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestStatIndex(t *testing.T) {
	store, dir := openStore(t), sample(t)
	first := importWith(t, store, dir, nil)
	if im := importWith(t, store, dir, first.Index); im.Hashed != 4 || im.Root != first.Root {
		t.Errorf("%d of 4 racy files were read", im.Hashed)
	}
	if im := importWith(t, store, dir, old(first.Index)); im.Hashed != 0 || im.Root != first.Root || !slices.Equal(im.Times, first.Times) {
		t.Errorf("unchanged: %d files were read, root %v, want %v", im.Hashed, im.Root, first.Root)
	}
	data, err := tree.EncodeIndex(first.Index)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := tree.DecodeIndex(data); err != nil || !reflect.DeepEqual(back, first.Index) {
		t.Errorf("round trip: %+v, %v", back, err)
	}
	data[len(data)/2] ^= 1
	if _, err := tree.DecodeIndex(data); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("a changed index: %v", err)
	}
}

func TestStatIndexSeesChanges(t *testing.T) {
	const text = "content of x"
	for name, change := range map[string]func(path string) error{
		"content, same size and time": func(path string) error {
			info, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte("CONTENT of x"), 0o644), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"mode": func(path string) error { return os.Chmod(path, 0o755) },
		"another file moved there": func(path string) error {
			info, err := os.Stat(path)
			other := path + ".new"
			return errors.Join(err, os.WriteFile(other, []byte("CONTENT of x"), 0o644), os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, path))
		},
	} {
		store, dir := openStore(t), t.TempDir()
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		first := importWith(t, store, dir, nil)
		index := old(first.Index)
		waitForTick(t, index.Stats[0].CTime)
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		if im := importWith(t, store, dir, index); im.Hashed != 1 || im.Root == first.Root {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestStatIndexIsNotBelievedWithoutTheBlob(t *testing.T) {
	store, dir := openStore(t), sample(t)
	first := importWith(t, store, dir, nil)
	d := digest.Of([]byte("content of a"))
	if err := os.Remove(filepath.Join(store.Dir(), "objects", d.Hash()[:2], d.Hash()[2:])); err != nil {
		t.Fatal(err)
	}
	if im := importWith(t, store, dir, old(first.Index)); im.Hashed != 1 {
		t.Errorf("%d files were read, want the one whose blob is gone", im.Hashed)
	}
	if missing, err := tree.Missing(t.Context(), store, first.Root); err != nil || len(missing) != 0 {
		t.Errorf("Missing = %v, %v", missing, err)
	}
}

func TestExportTimesAndModes(t *testing.T) {
	store := openStore(t)
	root := build(t, store, "d/x 1", "d/run* 1", "l -> d", "e/")
	want := time.Unix(1_600_000_000, 123_456_789)
	special := time.Unix(1_650_000_000, 1)
	times := tree.Times{{Path: "d/x", Nano: special.UnixNano()}}
	for _, link := range []bool{false, true} {
		dest := filepath.Join(t.TempDir(), "out")
		if err := tree.Export(t.Context(), store, root, dest, tree.ExportOptions{Times: times, Default: want, Link: link}); err != nil {
			t.Fatal(err)
		}
		modes := map[string]os.FileMode{"": 0o755, "d": 0o755, "e": 0o755, "l": 0o777, "d/x": 0o644, "d/run": 0o755}
		if link {
			modes["d/x"], modes["d/run"] = 0o444, 0o555
		}
		for path, mode := range modes {
			info, err := os.Lstat(filepath.Join(dest, path))
			if err != nil {
				t.Fatal(err)
			}
			at := want
			if path == "d/x" {
				at = special
			}
			if info.Mode().Perm() != mode || !info.ModTime().Equal(at) {
				t.Errorf("link %v: %q has %v and %v, want %v and %v", link, path, info.Mode(), info.ModTime(), mode, at)
			}
		}
	}
}

func TestExportLinks(t *testing.T) {
	store := openStore(t)
	root := build(t, store, "x 1", "run* 2")
	dest := filepath.Join(t.TempDir(), "out")
	if err := tree.Export(t.Context(), store, root, dest, tree.ExportOptions{Link: true}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"x": "1", "run": "2"} {
		blob, err := store.File(t.Context(), digest.Of([]byte(content)), name == "run")
		if err != nil {
			t.Fatal(err)
		}
		one, err1 := os.Stat(blob)
		two, err2 := os.Stat(filepath.Join(dest, name))
		if err1 != nil || err2 != nil || !os.SameFile(one, two) {
			t.Errorf("%s is no hard link: %v, %v", name, err1, err2)
		}
	}
}
