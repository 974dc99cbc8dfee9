package source_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
)

// identifyOne loads an element with one source and returns its identity.
func identifyOne(t *testing.T, text string) source.Identity {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"project.conf":    "name: t\nmin-version: 2.0\nelement-path: elements\naliases: {up: 'https://up.example.org/d/'}\n",
		"elements/a.bst":  "kind: manual\nsources:\n- " + text,
		"files/tree/file": "x", "fix.patch": "p",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{"a.bst"}})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := source.Identify(context.Background(), source.Env{}, p.Targets[0])
	if err != nil || len(ids) != 1 {
		t.Fatalf("%d identities, %v", len(ids), err)
	}
	return ids[0]
}

func TestIdentify(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	tests := map[string]struct {
		text string
		want source.Identity
	}{
		"tar": {"{kind: tar, url: 'up:a.tar', ref: r, directory: d}",
			source.Identity{Kind: "tar", Directory: "d", Resolved: true, Key: []any{"up:a.tar", "r", "*"}}},
		"tar version": {"{kind: tar, url: 'up:a.tar', ref: r, version: 2.50, version-guess-pattern: x, base-dir: ''}",
			source.Identity{Kind: "tar", Resolved: true, Key: []any{"up:a.tar", "r", "2.50", ""}}},
		"remote's name is that of the whole URL": {"{kind: remote, url: 'up:', ref: r}",
			source.Identity{Kind: "remote", Resolved: true, Key: []any{"up:", "r", "", false}}},
		"remote": {"{kind: remote, url: 'up:x', ref: r, executable: true}",
			source.Identity{Kind: "remote", Resolved: true, Key: []any{"up:x", "r", "x", true}}},
		"git": {"{kind: git, url: 'up:r', ref: v1-2-g" + commit + ", checkout-submodules: false}",
			source.Identity{Kind: "git", Resolved: true, Key: []any{"up:r", commit, map[string]any{"checkout_submodules": false}}}},
		"git_repo": {"{kind: git_repo, url: 'up:r', ref: v1-2-g" + commit + ", version: 3}",
			source.Identity{Kind: "git_repo", Resolved: true, Key: map[string]any{"ref": "v1-2-g" + commit, "bugfix": 1, "version": "3"}}},
		"patch": {"{kind: patch, path: fix.patch}",
			source.Identity{Kind: "patch", Resolved: true, Key: []any{"fix.patch", "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940", int64(1)}}},
		"the project itself": {"{kind: local, path: .}", source.Identity{Kind: "local", InPlace: true}},
	}
	for name, test := range tests {
		if got := identifyOne(t, test.text); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestIdentifyUnresolved(t *testing.T) {
	for _, text := range []string{"{kind: tar, url: 'up:a.tar'}", "{kind: git, url: 'up:r', track: main}", "{kind: git_repo, url: 'up:r'}"} {
		if id := identifyOne(t, text); id.Resolved {
			t.Errorf("%s is resolved", text)
		}
	}
}
