package project_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

func TestWriteRef(t *testing.T) {
	const old, ref = "1111111111111111111111111111111111111111111111111111111111111111", "2222222222222222222222222222222222222222222222222222222222222222"
	tests := map[string]struct{ before, after string }{
		"plain":         {"kind: import\nsources:\n- kind: tar # c\n  url: https://x.example.org/a\n  ref: OLD\n", "kind: import\nsources:\n- kind: tar # c\n  url: https://x.example.org/a\n  ref: NEW\n"},
		"comment":       {"kind: import\nsources:\n- kind: tar\n  ref: OLD   # keep me\n  url: https://x.example.org/a\n", "kind: import\nsources:\n- kind: tar\n  ref: NEW   # keep me\n  url: https://x.example.org/a\n"},
		"double quotes": {"kind: import\nsources:\n- kind: tar\n  ref: \"OLD\" # c\n  url: https://x.example.org/a\n", "kind: import\nsources:\n- kind: tar\n  ref: \"NEW\" # c\n  url: https://x.example.org/a\n"},
		"flow":          {"kind: import\nsources: [{kind: tar, ref: 'OLD', url: 'https://x.example.org/a'}]\n", "kind: import\nsources: [{kind: tar, ref: 'NEW', url: 'https://x.example.org/a'}]\n"},
		"flow plain":    {"kind: import\nsources: [{kind: tar, ref: OLD, url: 'https://x.example.org/a'}]\n", "kind: import\nsources: [{kind: tar, ref: NEW, url: 'https://x.example.org/a'}]\n"},
		"absent":        {"kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a # c\n\nconfig: {target: /x}\n", "kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a # c\n  ref: NEW\n\nconfig: {target: /x}\n"},
		"absent at end": {"kind: import\nsources:\n  - kind: tar\n    url: https://x.example.org/a", "kind: import\nsources:\n  - kind: tar\n    url: https://x.example.org/a\n    ref: NEW\n"},
		"absent flow":   {"kind: import\nsources: [{kind: tar, url: 'https://x.example.org/a'}]\n", "kind: import\nsources: [{ref: NEW, kind: tar, url: 'https://x.example.org/a'}]\n"},
		"carriage":      {"kind: import\r\nsources:\r\n- kind: tar\r\n  ref: OLD\r\n  url: https://x.example.org/a\r\n", "kind: import\r\nsources:\r\n- kind: tar\r\n  ref: NEW\r\n  url: https://x.example.org/a\r\n"},
		"not ASCII":     {"kind: import\nsources: [{'directory': 'é中', kind: tar, ref: OLD, url: 'https://x.example.org/a'}]\n", "kind: import\nsources: [{'directory': 'é中', kind: tar, ref: NEW, url: 'https://x.example.org/a'}]\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"a.bst": strings.ReplaceAll(test.before, "OLD", old)})
			e := loadElement(t, dir)
			if err := project.WriteRef(e, 0, ref); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(dir, "a.bst"))
			if want := strings.ReplaceAll(test.after, "NEW", ref); err != nil || string(got) != want {
				t.Errorf("got:\n%s\nwant:\n%s (%v)", got, want, err)
			}
			if again := loadElement(t, dir); again.Sources[0].Config.Get("ref").Value() != ref {
				t.Errorf("ref is %q when loaded again", again.Sources[0].Config.Get("ref").Value())
			}
		})
	}
}

// A ref that an included file defines is edited there; one that spans lines is left alone.
func TestWriteRefElsewhere(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.bst":   "kind: import\nsources:\n- kind: tar\n  (@): inc.yml\n",
		"inc.yml": "url: https://x.example.org/a\nref: abc\n",
	})
	if err := project.WriteRef(loadElement(t, dir), 0, "def"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "inc.yml")); string(got) != "url: https://x.example.org/a\nref: def\n" {
		t.Errorf("included file is %q", got)
	}
	text := "kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n  ref: >\n    abc\n    def\n"
	dir = writeFiles(t, map[string]string{"a.bst": text})
	if err := project.WriteRef(loadElement(t, dir), 0, "x"); !errors.Is(err, project.ErrNotEditable) {
		t.Errorf("error %v, want ErrNotEditable", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a.bst")); string(got) != text {
		t.Errorf("file was changed to %q", got)
	}
}

// Who edits the file at the same time loses nothing, and no other source gets the ref.
func TestWriteRefMeanwhile(t *testing.T) {
	const one = "kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n  ref: abc\n"
	const two = "- kind: tar\n  url: https://x.example.org/b\n"
	for name, test := range map[string]struct {
		before, after string
		index         int
	}{
		"a comment above":   {one, "# mine\n" + one, 0},
		"a source in front": {one + two + "  ref: def\n", strings.Replace(one, "- kind", two+"  ref: def\n- kind", 1), 0},
		"another source":    {one + two, strings.Replace(one, "a\n  ref: abc", "a", 1) + "\n" + strings.Replace(two, "/b", "/c", 1), 1},
	} {
		dir := writeFiles(t, map[string]string{"a.bst": test.before})
		e, path := loadElement(t, dir), filepath.Join(dir, "a.bst")
		edit, err := project.EditRef(e, test.index, "new")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(test.after), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := edit.Write(); !errors.Is(err, project.ErrChanged) {
			t.Errorf("%s: Write: %v, want ErrChanged", name, err)
		}
		if err := project.WriteRef(e, test.index, "new"); !errors.Is(err, project.ErrChanged) {
			t.Errorf("%s: WriteRef: %v, want ErrChanged", name, err)
		}
		if got, _ := os.ReadFile(path); string(got) != test.after {
			t.Errorf("%s: file was changed to %q", name, got)
		}
	}
	text := "kind: import\nvariables: {v: abc}\nsources:\n- kind: tar\n  url: https://x.example.org/a\n  ref: '%{v}'\n"
	dir := writeFiles(t, map[string]string{"a.bst": text})
	if err := project.WriteRef(loadElement(t, dir), 0, "new"); !errors.Is(err, project.ErrNotEditable) {
		t.Errorf("a ref in a variable: %v, want ErrNotEditable", err)
	}
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	if files["project.conf"] == "" {
		files["project.conf"] = "name: t\nmin-version: 2.0\n"
	}
	return errorCase{files: files}.write(t)
}

func loadElement(t *testing.T, dir string) *project.Element {
	t.Helper()
	p, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{"a.bst"}, HostArch: "x86_64", HostOS: "Linux"})
	if err != nil {
		t.Fatal(err)
	}
	return p.Targets[0]
}

func TestAddPatch(t *testing.T) {
	for name, test := range map[string]struct{ before, after string }{
		"last":    {"kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n  ref: abc # c\n", "kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n  ref: abc # c\n- kind: patch\n  path: patches/a.patch\n"},
		"no end":  {"kind: import\nsources:\n  - kind: tar\n    url: https://x.example.org/a", "kind: import\nsources:\n  - kind: tar\n    url: https://x.example.org/a\n  - kind: patch\n    path: patches/a.patch\n"},
		"between": {"kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n\n# config\nconfig: {target: /x}\n", "kind: import\nsources:\n- kind: tar\n  url: https://x.example.org/a\n- kind: patch\n  path: patches/a.patch\n\n# config\nconfig: {target: /x}\n"},
		"two":     {"sources:\n- kind: tar\n  url: https://x.example.org/a\n- kind: remote\n  url: https://x.example.org/b\nkind: import\n", "sources:\n- kind: tar\n  url: https://x.example.org/a\n- kind: remote\n  url: https://x.example.org/b\n- kind: patch\n  path: patches/a.patch\nkind: import\n"},
		"flow":    {"kind: import\nsources: [{kind: tar, url: 'https://x.example.org/a'}]\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"a.bst": test.before})
			edit, err := project.AddPatch(loadElement(t, dir), "patches/a.patch")
			if test.after == "" {
				if !errors.Is(err, project.ErrNotEditable) {
					t.Errorf("added to a list in brackets: %v", err)
				}
				return
			}
			if err != nil || edit.Text != test.after {
				t.Errorf("got:\n%s\nwant:\n%s (%v)", edit.Text, test.after, err)
			}
			if now, err := os.ReadFile(filepath.Join(dir, "a.bst")); err != nil || string(now) != test.before {
				t.Errorf("it was written already: %q, %v", now, err)
			}
		})
	}
}
