package gitint_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
)

// TestIndexNames compares the names in an index with what git lists.
func TestIndexNames(t *testing.T) {
	for _, version := range []string{"2", "3", "4"} {
		for _, format := range []string{"sha1", "sha256"} {
			w := newWorld(t)
			w.sh("rm -rf .git; git init -q --object-format=" + format)
			w.git("config", "index.version", version)
			for i := range 30 {
				w.write(fmt.Sprintf("d%d/%s", i/7, strings.Repeat("n", i)+"x"), fmt.Sprint(i))
			}
			w.write(strings.Repeat("longer/", 10)+"f", "deep")
			w.commit()
			w.git("update-index", "--skip-worktree", "d0/x")
			w.write("new", "n")
			w.git("add", "-N", "new")
			names, err := gitint.IndexNames(filepath.Join(w.repo, ".git/index"), format)
			if want := w.git("ls-files"); err != nil || strings.Join(names, "\n") != want {
				t.Errorf("version %s, %s: %v\n%q\n%q", version, format, err, names, want)
			}
		}
	}
}

// FuzzIndex reads indexes that are damaged: any answer will do, but there must be one.
func FuzzIndex(f *testing.F) {
	w := newWorld(f)
	w.basic()
	data, err := os.ReadFile(filepath.Join(w.repo, ".git/index"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-30])
	f.Add([]byte("DIRC\x00\x00\x00\x04\xff\xff\xff\xff" + strings.Repeat("\x00", 200)))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "index")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, _ = gitint.IndexNames(path, "sha1")
	})
}

// TestDamagedIndex is refused by git, not by a crash of ours.
func TestDamagedIndex(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.write(".git/index", "DIRC\x00\x00\x00\x02\x00\x00\x10\x00"+strings.Repeat("x", 300))
	if s, err := w.open().WorkTree(context.Background()); err == nil {
		t.Errorf("%+v", s)
	}
}
