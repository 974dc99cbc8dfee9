package tree_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/tree"
)

// settled is an index whose entries are all old enough to be believed.
func settled(x *tree.StatIndex) *tree.StatIndex {
	return &tree.StatIndex{Taken: time.Now().Add(time.Minute).UnixNano(), Stats: x.Stats, Folders: x.Folders}
}

// newest is the latest change of anything in an index.
func newest(x *tree.StatIndex) int64 {
	var latest int64
	for _, s := range x.Stats {
		latest = max(latest, s.CTime)
	}
	for _, f := range x.Folders {
		latest = max(latest, f.CTime)
	}
	return latest
}

func TestHolds(t *testing.T) {
	store, dir := openStore(t), sample(t)
	first := importWith(t, store, dir, nil)
	data, err := tree.EncodeIndex(first.Index)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := tree.DecodeIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, index := range map[string]*tree.StatIndex{"racy": kept, "settled": settled(kept)} {
		found, ok := tree.Holds(t.Context(), dir, index)
		if !ok || found.Root != first.Root || !slices.Equal(found.Times, first.Times) || !slices.Equal(found.Special(), first.Special()) ||
			found.Files != first.Files || found.Bytes != first.Bytes {
			t.Errorf("%s: ok %v, found %+v, want %+v", name, ok, found, first)
		}
	}
}

func TestHoldsSeesChanges(t *testing.T) {
	keepTime := func(path string, change func() error) error {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if err := change(); err != nil {
			return err
		}
		return os.Chtimes(path, info.ModTime(), info.ModTime())
	}
	for name, change := range map[string]func(dir string) error{
		"content, same size and time": func(dir string) error {
			return keepTime(dir+"/src/x.c", func() error { return os.WriteFile(dir+"/src/x.c", []byte("CONTENT of src/x.c"), 0) })
		},
		"mode":            func(dir string) error { return os.Chmod(dir+"/run", 0o644) },
		"folder's mode":   func(dir string) error { return os.Chmod(dir+"/src/deep", 0o700) },
		"file added":      func(dir string) error { return os.WriteFile(dir+"/src/deep/new", nil, 0o644) },
		"folder added":    func(dir string) error { return os.Mkdir(dir+"/empty/new", 0o755) },
		"file deleted":    func(dir string) error { return os.Remove(dir + "/src/deep/er/y") },
		"folder deleted":  func(dir string) error { return os.Remove(dir + "/empty") },
		"link deleted":    func(dir string) error { return os.Remove(dir + "/src/up") },
		"file renamed":    func(dir string) error { return os.Rename(dir+"/a", dir+"/b") },
		"link elsewhere":  func(dir string) error { return replaceLink(dir+"/src/up", "elsewhere") },
		"folder to link":  func(dir string) error { return moveAndLink(dir+"/src", dir+".moved") },
		"folder exchange": func(dir string) error { return os.Rename(dir+"/empty", dir+"/src/empty") },
	} {
		t.Run(name, func(t *testing.T) {
			store, dir := openStore(t), sample(t)
			index := importWith(t, store, dir, nil).Index
			// At once, in the same tick of the file system's clock, and later.
			for _, index := range []*tree.StatIndex{index, settled(index)} {
				if _, ok := tree.Holds(t.Context(), dir, index); !ok {
					t.Fatal("it holds before the change")
				}
			}
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir + ".moved") })
			if _, ok := tree.Holds(t.Context(), dir, index); ok {
				t.Error("not seen at once")
			}
			dir = sample(t)
			later := importWith(t, store, dir, nil).Index
			waitForTick(t, newest(later))
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir + ".moved") })
			if _, ok := tree.Holds(t.Context(), dir, settled(later)); ok {
				t.Error("not seen later")
			}
		})
	}
}

func replaceLink(path, target string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Symlink(target, path)
}

func moveAndLink(path, to string) error {
	if err := os.Rename(path, to); err != nil {
		return err
	}
	return os.Symlink(to, path)
}

// TestImportQuiet: folders in which nothing changed are taken from the index, and the result is that of
// an Import that looks at all.
func TestImportQuiet(t *testing.T) {
	store, dir := openStore(t), sample(t)
	for name, text := range map[string]string{"src.c": "sorts before what is in src", "src0": "and this behind", "src/a/one": "1", "src/z": "z"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	index := importWith(t, store, dir, nil).Index
	for _, path := range []string{"a", "src/a/one", "src/a/two"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte("another content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touched := map[string]bool{"src": true, "src/a": true}
	var asked []string
	got, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{Index: index, Held: true, Jobs: 1, Quiet: func(path string) bool {
		asked = append(asked, path)
		return !touched[path]
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := importWith(t, store, dir, nil)
	if got.Root != want.Root || !slices.Equal(got.Times, want.Times) || !slices.Equal(got.Special(), want.Special()) ||
		got.Files != want.Files || got.Bytes != want.Bytes || !slices.Equal(got.Index.Stats, want.Index.Stats) || !reflect.DeepEqual(got.Index.Folders, want.Index.Folders) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if slices.Sort(asked); !slices.Equal(asked, []string{"empty", "src", "src/a", "src/deep"}) {
		t.Errorf("asked about %q: below a quiet folder there is nothing to ask", asked)
	}
	if missing, err := tree.Missing(t.Context(), store, got.Root); err != nil || len(missing) > 0 {
		t.Errorf("Missing = %v, %v", missing, err)
	}
}
