package tree_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// names returns all paths below dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestHostileTreesNeverLeaveTheDestination(t *testing.T) {
	store := openStore(t)
	file, err := cas.PutBytes(t.Context(), store, []byte("evil"))
	if err != nil {
		t.Fatal(err)
	}
	sub := saveRaw(t, store, tree.Directory{Files: []tree.File{{Name: "x", Digest: file}}})
	hostile := map[string]tree.Directory{
		"through a link of the same name": {Dirs: []tree.Dir{{Name: "l", Digest: sub}}, Symlinks: []tree.Symlink{{Name: "l", Target: ".."}}},
		"file after link":                 {Files: []tree.File{{Name: "l", Digest: file}}, Symlinks: []tree.Symlink{{Name: "l", Target: "../victim"}}},
	}
	for _, name := range append(hostileNames, "../victim", "/tmp/victim") {
		hostile["file "+name] = tree.Directory{Files: []tree.File{{Name: name, Digest: file}}}
		hostile["folder "+name] = tree.Directory{Dirs: []tree.Dir{{Name: name, Digest: sub}}}
		hostile["link "+name] = tree.Directory{Symlinks: []tree.Symlink{{Name: name, Target: "x"}}}
	}
	for what, dir := range hostile {
		parent := t.TempDir()
		if err := os.WriteFile(filepath.Join(parent, "victim"), []byte("safe"), 0o644); err != nil {
			t.Fatal(err)
		}
		nested := saveRaw(t, store, tree.Directory{Dirs: []tree.Dir{{Name: "d", Digest: saveRaw(t, store, dir)}}})
		err := tree.Export(t.Context(), store, nested, filepath.Join(parent, "out"), tree.ExportOptions{})
		if !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%q: Export = %v", what, err)
		}
		if got := names(t, parent); !slices.Equal(got, []string{"out", "out/d", "victim"}) {
			t.Errorf("%q: there is now %q", what, got)
		}
		visit := func(string, tree.Entry) error { return nil }
		if err := tree.Walk(t.Context(), store, nested, visit); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%q: Walk = %v", what, err)
		}
	}
}

func TestExportRefusesAFullDestinationAndALink(t *testing.T) {
	store := openStore(t)
	root := build(t, store, "x 1")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tree.Export(t.Context(), store, root, dir, tree.ExportOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("into a folder with a file: %v", err)
	}
	empty := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	if err := tree.Export(t.Context(), store, root, link, tree.ExportOptions{}); err == nil {
		t.Error("the destination is a symbolic link and was followed")
	}
	if err := tree.Export(t.Context(), store, root, filepath.Join(dir, "no", "parent"), tree.ExportOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a parent: %v", err)
	}
}

func TestExportOfCorruptOrMissingBlobs(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"corrupt": func(path string) error {
			return errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte("texT"), 0o444))
		},
		"missing": os.Remove,
	} {
		store := openStore(t)
		root := build(t, store, "a/x text")
		d := digest.Of([]byte("text"))
		if err := damage(filepath.Join(store.Dir(), "objects", d.Hash()[:2], d.Hash()[2:])); err != nil {
			t.Fatal(err)
		}
		err := tree.Export(t.Context(), store, root, filepath.Join(t.TempDir(), "out"), tree.ExportOptions{})
		want := cas.ErrCorrupt
		if name == "missing" {
			want = cas.ErrNotFound
		}
		if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), "a/x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRepeatedSubtreesAndDepthAreBounded(t *testing.T) {
	s := cas.NewMemory()
	// 30 levels of 10 times the same folder are 10^30 entries in 30 messages.
	bomb := digest.Empty
	for range 30 {
		var dir tree.Directory
		for i := range 10 {
			dir.Dirs = append(dir.Dirs, tree.Dir{Name: fmt.Sprint(i), Digest: bomb})
		}
		bomb = saveRaw(t, s, dir)
	}
	if missing, err := tree.Missing(t.Context(), s, bomb); err != nil || len(missing) != 0 {
		t.Errorf("Missing = %v, %v", missing, err)
	}
	other := build(t, s, "0/0/x 1")
	if changes, err := tree.Compare(t.Context(), s, bomb, bomb); err != nil || len(changes) != 0 {
		t.Errorf("Compare with itself = %v, %v", changes, err)
	}
	if m, err := tree.Merge(t.Context(), s, bomb, other); err != nil || m.Root == bomb {
		t.Errorf("Merge = %+v, %v", m, err)
	}
	deep := digest.Empty
	for range 5000 {
		deep = saveRaw(t, s, tree.Directory{Dirs: []tree.Dir{{Name: "d", Digest: deep}}})
	}
	visit := func(string, tree.Entry) error { return nil }
	if err := tree.Walk(t.Context(), s, deep, visit); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Walk of 5000 levels: %v", err)
	}
	if _, err := tree.Missing(t.Context(), s, deep); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Missing of 5000 levels: %v", err)
	}
	if _, err := tree.Compare(t.Context(), s, deep, digest.Empty); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Compare of 5000 levels: %v", err)
	}
}

func TestACycleCannotBeFollowed(t *testing.T) {
	// A cycle of digests would need a hash that contains itself; a store that lies gives one.
	s := cas.NewMemory()
	a := saveRaw(t, s, tree.Directory{Dirs: []tree.Dir{{Name: "x", Digest: blobA}}})
	s.Corrupt(blobA, rawDirectory(tree.Directory{Dirs: []tree.Dir{{Name: "y", Digest: a}}}))
	visit := func(string, tree.Entry) error { return nil }
	if err := tree.Walk(t.Context(), s, a, visit); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("Walk = %v", err)
	}
}

func TestImportSkipsWhatATreeCannotHold(t *testing.T) {
	store, dir := openStore(t), t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ok", "bad\xff", "excluded"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("bad\xff", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	im, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{Exclude: func(path string, _ bool) bool { return path == "excluded" }})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bad\uFFFD", "fifo", "link"}; !slices.Equal(im.Skipped, want) {
		t.Errorf("Skipped = %q, want %q", im.Skipped, want)
	}
	wantTree(t, store, im.Root, "ok ")
}

func TestImportFollowsNoLink(t *testing.T) {
	store, dir, outside := openStore(t), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	im, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, store, im.Root, "out -> "+outside)
}

func TestLargeFolders(t *testing.T) {
	store, dir := openStore(t), t.TempDir()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(fmt.Sprint(i%7)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	im, err := tree.Import(t.Context(), store, dir, tree.ImportOptions{Jobs: 4})
	if err != nil || im.Files != 1000 {
		t.Fatalf("Import = %d files, %v", im.Files, err)
	}
	dest := filepath.Join(t.TempDir(), "out")
	if err := tree.Export(t.Context(), store, im.Root, dest, tree.ExportOptions{Jobs: 4, Times: im.Times}); err != nil {
		t.Fatal(err)
	}
	again, err := tree.Import(t.Context(), nil, dest, tree.ImportOptions{HashOnly: true, Jobs: 1})
	if err != nil || again.Root != im.Root || !slices.Equal(again.Times, im.Times) {
		t.Errorf("round trip: %v, %v", again.Root, err)
	}
}
