package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/source"
)

// TestPatchQueue: all patches of the folder, by name; a .git is kept as it is.
func TestPatchQueue(t *testing.T) {
	f := newFixture(t)
	f.write("src/f", "one\n", 0o644)
	f.write("src/.git/config", "c", 0o644)
	f.write("queue/2.patch", strings.NewReplacer("-one", "-two", "+two", "+three").Replace(unified), 0o644)
	f.write("queue/1.patch", unified, 0o644)
	f.wants(f.element("kind: local\npath: src", "kind: patch_queue\npath: queue"), ".git/", `.git/config "c"`, `f "three\n"`)
}

func TestPatchQueueRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	for name, text := range map[string]string{
		"does not fit": strings.ReplaceAll(unified, "one", "three"),
		"no patch":     "hello\n",
		"parent":       strings.ReplaceAll(unified, "/f", "/../../f"),
		"symlink": "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+" + filepath.Dir(outside) + "\n\\ No newline at end of file\n" +
			"diff --git a/l/outside b/l/outside\nnew file mode 100644\n--- /dev/null\n+++ b/l/outside\n@@ -0,0 +1 @@\n+x\n",
		"git": "diff --git a/.git/config b/.git/config\nnew file mode 100644\n--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+x\n",
	} {
		f := newFixture(t)
		f.write("src/f", "one\n", 0o644)
		f.write("src/.git/config", "c", 0o644)
		f.write("queue/1.patch", text, 0o644)
		_, err := f.stage(f.element("kind: local\npath: src", "kind: patch_queue\npath: queue"))
		if !errors.Is(err, source.ErrPatch) {
			t.Errorf("%s: error %v, want ErrPatch", name, err)
		}
		if _, err := os.Lstat(outside); err == nil {
			t.Errorf("%s: wrote outside", name)
		}
	}
}
