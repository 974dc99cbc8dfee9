package keys_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

// TestPeerPlugins compares the keys of all kinds of the packages of plugins that are installed with
// BuildStream, taken from there through junctions, as real projects take them from their releases.
func TestPeerPlugins(t *testing.T) {
	p := newPeer(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "plugins"))); err != nil {
		t.Fatal(err)
	}
	packages := map[string]string{"apache": "buildstream-plugins", "community": "buildstream-plugins-community"}
	for folder, name := range packages {
		found, err := filepath.Glob(filepath.Join(filepath.Dir(p.bst), "..", "lib", "python3*", "site-packages", strings.ReplaceAll(name, "-", "_")))
		if err != nil || len(found) != 1 {
			t.Fatalf("package %s beside %s: %v (%v)", name, p.bst, found, err)
		}
		to := filepath.Join(dir, "packages", folder)
		if err := os.CopyFS(to, os.DirFS(found[0])); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "project.conf"), []byte(pluginConf(t, to, name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, stderr, err := p.show(dir, nil, "all.bst")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	got, err := strictKeys(t, project.Request{Dir: dir, Targets: []string{"all.bst"}, MaxJobs: peerJobs})
	if err != nil {
		t.Fatal(err)
	}
	compareKeys(t, got, parseKeys(t, want))
}

// pluginConf is the project.conf of a package: all that it has is a plugin.
func pluginConf(t *testing.T, dir, name string) string {
	text := fmt.Sprintf("name: %s\nmin-version: 2.0\nplugins:\n", name)
	for _, what := range []string{"elements", "sources"} {
		files, err := filepath.Glob(filepath.Join(dir, what, "[a-z]*.py"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in %s (%v)", what, dir, err)
		}
		text += fmt.Sprintf("- origin: local\n  path: %s\n  %s:\n", what, what)
		for _, file := range files {
			text += "  - " + strings.TrimSuffix(filepath.Base(file), ".py") + "\n"
		}
	}
	return text
}
