package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/tree"
)

// plainTime is the time of what has none of its own.
var plainTime = time.Unix(1_321_009_871, 0)

// stateOf captures a folder as a build's is.
func stateOf(t *testing.T, store *cas.Local, dir string) tree.State {
	t.Helper()
	got, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tree.State{Root: got.Root, Times: got.Times, Special: got.Special()}
}

// sameState says what differs between two states; "" for nothing.
func sameState(got, want tree.State) string {
	switch {
	case got.Root != want.Root:
		return fmt.Sprintf("tree %s, want %s", got.Root, want.Root)
	case !slices.Equal(got.Times, want.Times):
		return fmt.Sprintf("times %v, want %v", got.Times, want.Times)
	case !slices.Equal(got.Special, want.Special):
		return fmt.Sprintf("special %v, want %v", got.Special, want.Special)
	}
	return ""
}

// randomTree makes up to n entries in dir: files of few contents, links, hard links, folders, odd
// modes, times of all sorts. Names are few, so that two such trees have much in common.
func randomTree(t *testing.T, random *rand.Rand, dir string, n int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(dir, 0o755))
	folders, files := []string{dir}, []string{}
	modes := []os.FileMode{0o644, 0o644, 0o644, 0o755, 0o600, 0o444, 0o4755, 0o640}
	for range n {
		path := filepath.Join(folders[random.IntN(len(folders))], fmt.Sprint("n", random.IntN(6)))
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		switch kind := random.IntN(10); {
		case kind < 5:
			must(os.WriteFile(path, []byte(fmt.Sprint("content ", random.IntN(3))), 0o644))
			mode := modes[random.IntN(len(modes))]
			must(unix.Chmod(path, uint32(mode)))
			files = append(files, path)
		case kind < 7:
			must(os.Mkdir(path, 0o755))
			must(os.Chmod(path, []os.FileMode{0o755, 0o755, 0o700, 0o775}[random.IntN(4)]))
			folders = append(folders, path)
		case kind < 8:
			must(os.Symlink(fmt.Sprint("n", random.IntN(3)), path))
		case len(files) > 0:
			must(os.Link(files[random.IntN(len(files))], path))
		}
	}
	for _, path := range files {
		at := time.Unix(1_600_000_000+int64(random.IntN(2)), int64(random.IntN(3)))
		must(os.Chtimes(path, at, at))
	}
	for _, folder := range folders[1:] { // such as a build may leave to an ordinary user
		if random.IntN(4) == 0 {
			must(os.Chmod(folder, 0o555))
		}
	}
}

// TestUpdateIsExport: whatever two states are, the folder of one that is brought to the other is
// captured as the other is, to the nanosecond.
func TestUpdateIsExport(t *testing.T) {
	store, err := cas.OpenLocal(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	rounds := 60
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		dir := filepath.Join(t.TempDir(), "work")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		updateBetween(t, store, dir, uint64(seed))
		opened(t, dir)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzUpdate is TestUpdateIsExport for any seed.
func FuzzUpdate(f *testing.F) {
	store, err := cas.OpenLocal(filepath.Join(f.TempDir(), "cas"), cas.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close() })
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		dir := t.TempDir()
		updateBetween(t, store, dir, seed)
		opened(t, dir)
	})
}

// opened lets everything below a folder be removed.
func opened(t *testing.T, dir string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func updateBetween(t *testing.T, store *cas.Local, dir string, seed uint64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	randomTree(t, random, a, 5+random.IntN(40))
	if random.IntN(3) == 0 { // the same tree, with other times, modes and links
		random = rand.New(rand.NewPCG(seed, 7))
		random.Uint64()
	}
	randomTree(t, random, b, 5+random.IntN(40))
	from, to := stateOf(t, store, a), stateOf(t, store, b)
	for i, next := range []tree.State{to, from, to} {
		before := stateOf(t, store, a)
		done, err := tree.Update(t.Context(), store, a, before, next, plainTime)
		if err != nil {
			t.Errorf("update %d: %v", i, err)
			return
		}
		if diff := sameState(stateOf(t, store, a), next); diff != "" {
			t.Errorf("update %d of seed %d: %s", i, seed, diff)
			return
		}
		again, err := tree.Update(t.Context(), store, a, next, next, plainTime)
		if err != nil || again != (tree.Updated{}) {
			t.Errorf("updated what is right already: %+v, %v (before %+v)", again, err, done)
		}
	}
}

// TestUpdateLeavesTheRest: what is equal in both states is the same file afterwards, untouched; and
// what has no time gets the one without.
func TestUpdateLeavesTheRest(t *testing.T) {
	store, err := cas.OpenLocal(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	dir := filepath.Join(t.TempDir(), "w")
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("same", "1")
	write("deep/same", "2")
	write("deep/other", "3")
	from := stateOf(t, store, dir)
	kept := []os.FileInfo{lstat(t, dir, "same"), lstat(t, dir, "deep/same")}
	write("deep/other", "4")
	write("new", "5")
	to := stateOf(t, store, dir)
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	write("deep/other", "3")
	from.Times = stateOf(t, store, dir).Times
	to.Times = slices.DeleteFunc(slices.Clone(to.Times), func(e tree.Time) bool { return e.Path == "new" })
	done, err := tree.Update(t.Context(), store, dir, from, to, plainTime)
	if err != nil || done.Written != 2 || done.Timed != 0 {
		t.Fatalf("Update = %+v, %v", done, err)
	}
	for i, path := range []string{"same", "deep/same"} {
		if after := lstat(t, dir, path); !os.SameFile(kept[i], after) || !after.ModTime().Equal(kept[i].ModTime()) {
			t.Errorf("%s was touched", path)
		}
	}
	if at := lstat(t, dir, "new").ModTime(); !at.Equal(plainTime) {
		t.Errorf("new is of %v, want %v", at, plainTime)
	}
}

func lstat(t *testing.T, dir, name string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return info
}
