package keys_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/keys"
)

// TestOpaqueKinds: a kind that is code of the project, of an unknown release, or of another package, is
// loaded, says why it has no key, and neither it nor what depends on it gets one.
func TestOpaqueKinds(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{
		"project.conf": `name: t
min-version: 2.0
plugins:
- {origin: local, path: p, elements: [mine], sources: [fetch]}
- {origin: pip, package-name: someone-else, elements: [meson]}
- {origin: junction, junction: sub.bst, elements: [make]}
`,
		"p/mine.py": "", "p/mine.yaml": "config: {extra: 1}\n", "p/fetch.py": "",
		"sub.bst":          "kind: junction\nsources: [{kind: local, path: sub}]\n",
		"sub/project.conf": "name: buildstream-plugins\nmin-version: 2.0\nplugins:\n- {origin: local, path: e, elements: [make]}\n",
		"sub/e/make.py":    "# another release\n", "sub/e/make.yaml": "{}\n",
		"mine.bst":   "kind: mine\nconfig: {any: thing}\nbuild-depends: [plain.bst]\n",
		"meson.bst":  "kind: meson\n",
		"make.bst":   "kind: make\n",
		"fetch.bst":  "kind: import\nsources: [{kind: fetch, what: ever}]\n",
		"plain.bst":  "kind: manual\n",
		"above.bst":  "kind: stack\ndepends: [mine.bst, plain.bst]\n",
		"target.bst": "kind: stack\ndepends: [above.bst, meson.bst, make.bst, fetch.bst]\n",
	}
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{"target.bst"}})
	if err != nil {
		t.Fatal(err)
	}
	names, err := keys.Resolve(p.Order, func(e *project.Element) ([]source.Identity, error) {
		return source.Identify(context.Background(), source.Env{}, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	opaque := map[string]string{"mine.bst": "p/mine.py", "meson.bst": "someone-else", "make.bst": "sub.bst:e/make.py"}
	for e, n := range names {
		if known := e.Name == "plain.bst"; (n.Strict != "") != known {
			t.Errorf("%s: key %q", e.Name, n.Strict)
		}
		if why := opaque[e.Name]; (e.Opaque != "") != (why != "") || !strings.Contains(e.Opaque, why) {
			t.Errorf("%s: opaque because %q, want %q", e.Name, e.Opaque, why)
		}
		if e.Name == "fetch.bst" && !strings.Contains(e.Sources[0].Opaque, "p/fetch.py") {
			t.Errorf("source of fetch.bst is opaque because %q", e.Sources[0].Opaque)
		}
	}
}
