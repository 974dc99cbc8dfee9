package tree_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

func openStore(t testing.TB) *cas.Local {
	t.Helper()
	store, err := cas.OpenLocal(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// sample makes a folder with one of each thing that a tree can hold.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"empty", "src/deep/er"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"a": 0o644, "run": 0o755, "src/x.c": 0o600, "src/deep/er/y": 0o444} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("content of "+name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(1_700_000_000, int64(len(name))*1001)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"abs": "/etc/passwd", "src/up": "../../..", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImportExportRoundTrip(t *testing.T) {
	store := openStore(t)
	first, err := tree.Import(t.Context(), store, sample(t), tree.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Files != 4 || len(first.Times) != 4 || first.Hashed != 4 || len(first.Skipped) != 0 {
		t.Fatalf("Import = %+v", first)
	}
	for _, link := range []bool{false, true} {
		dest := filepath.Join(t.TempDir(), "out")
		err := tree.Export(t.Context(), store, first.Root, dest, tree.ExportOptions{Times: first.Times, Link: link})
		if err != nil {
			t.Fatal(err)
		}
		again, err := tree.Import(t.Context(), store, dest, tree.ImportOptions{HashOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if again.Root != first.Root {
			t.Errorf("link %v: root %v became %v", link, first.Root, again.Root)
		}
		for i, want := range first.Times {
			if again.Times[i] != want {
				t.Errorf("link %v: time %v became %v", link, want, again.Times[i])
			}
		}
	}
	missing, err := tree.Missing(t.Context(), store, first.Root)
	if err != nil || len(missing) != 0 {
		t.Errorf("Missing = %v, %v", missing, err)
	}
	if _, err := tree.Load(t.Context(), store, digest.Empty); err != nil {
		t.Error(err)
	}
}
