package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/source"
)

const unified = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-one\n+two\n"

func TestPatch(t *testing.T) {
	for name, test := range map[string]struct{ text, more, want string }{
		"unified":     {unified, "", "d/\nd/g \"\"\nf \"two\\n\"\n"},
		"context":     {"*** a/f\n--- b/f\n***************\n*** 1 ****\n! one\n--- 1 ----\n! two\n", "", "d/\nd/g \"\"\nf \"two\\n\"\n"},
		"strip-level": {strings.ReplaceAll(unified, "/f", "/x/f"), "strip-level: 2", "d/\nd/g \"\"\nf \"two\\n\"\n"},
		"new file, mode and link": {"diff --git a/d/n b/d/n\nnew file mode 100755\n--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+new\n" +
			"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+f\n\\ No newline at end of file\n",
			"", "d/\nd/g \"\"\nd/n* \"new\\n\"\nf \"one\\n\"\nl -> f\n"},
		"deletion": {"--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", "", "d/\nd/g \"\"\n"},
		"rename":   {"diff --git a/f b/h\nsimilarity index 100%\nrename from f\nrename to h\n", "", "d/\nd/g \"\"\nh \"one\\n\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.write("src/f", "one\n", 0o644)
			f.write("src/d/g", "", 0o644)
			f.write("p.patch", test.text, 0o644)
			got, err := f.stage(f.element("kind: local\npath: src", "kind: patch\npath: p.patch\n"+test.more))
			if err != nil || got != test.want {
				t.Errorf("%v, staged\n%swant\n%s", err, got, test.want)
			}
		})
	}
}

// TestPatchBelow: only the patch's own directory changes, and a .git there is kept as it is.
func TestPatchBelow(t *testing.T) {
	f := newFixture(t)
	f.write("src/f", "one\n", 0o644)
	f.write("src/.git/config", "c", 0o644)
	f.write("p.patch", unified, 0o644)
	f.wants(f.element("kind: local\npath: src", "kind: local\npath: src\ndirectory: d", "kind: patch\npath: p.patch\ndirectory: d"),
		".git/", `.git/config "c"`, "d/", "d/.git/", `d/.git/config "c"`, `d/f "two\n"`, `f "one\n"`)
}

func TestPatchRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	for name, test := range map[string]struct{ text, want string }{
		"does not fit": {strings.ReplaceAll(unified, "one", "three"), "FAILED"},
		"no patch":     {"hello\n", "no change"},
		"ed":           {"--- a/f\n+++ b/f\n1d\n!touch " + outside + "\n.\nw\n", "no change"},
		"parent":       {strings.ReplaceAll(unified, "/f", "/../../f"), "ignored"},
		"absolute":     {"--- /dev/null\n+++ " + outside + "\n@@ -0,0 +1 @@\n+x\n", "dangerous"},
		"symlink": {"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+" + filepath.Dir(outside) + "\n\\ No newline at end of file\n" +
			"--- /dev/null\n+++ b/l/outside\n@@ -0,0 +1 @@\n+x\n", ""},
		"git": {"--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+x\n", ".git"},
	} {
		f := newFixture(t)
		f.write("src/f", "one\n", 0o644)
		f.write("src/.git/config", "c", 0o644)
		f.write("p.patch", test.text, 0o644)
		strip := ""
		if name == "absolute" {
			strip = "\nstrip-level: 0"
		}
		_, err := f.stage(f.element("kind: local\npath: src", "kind: patch\npath: p.patch"+strip))
		if !errors.Is(err, source.ErrPatch) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if _, err := os.Lstat(outside); err == nil {
			t.Fatalf("%s: the patch wrote outside", name)
		}
	}
}

func TestPatchNeeds(t *testing.T) {
	f := newFixture(t)
	f.write("p.patch", unified, 0o644)
	f.write("src/f", "one\n", 0o644)
	if _, err := f.stage(f.element("kind: patch\npath: p.patch")); !errors.Is(err, source.ErrPatch) {
		t.Errorf("nothing to patch: got %v", err)
	}
	f.env.Environ = []string{"PATH=/nowhere"}
	if _, err := f.stage(f.element("kind: local\npath: src", "kind: patch\npath: p.patch")); !errors.Is(err, source.ErrNoTool) {
		t.Errorf("no program: got %v", err)
	}
}
