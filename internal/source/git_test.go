package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
)

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// repository is a git repository beside the project.
type repository struct {
	f   *fixture
	dir string
}

func (f *fixture) repository(name string) repository {
	f.Helper()
	dir := filepath.Join(f.TempDir(), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.Fatal(err)
	}
	f.git(dir, "init", "--quiet")
	return repository{f: f, dir: dir}
}

func (r repository) url() string { return "file://" + r.dir }

func (r repository) commit(files map[string]string) string {
	r.f.Helper()
	for name, content := range files {
		file := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.f.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			r.f.Fatal(err)
		}
	}
	r.f.git(r.dir, "add", "-A")
	r.f.git(r.dir, "commit", "--quiet", "--allow-empty", "-m", "c")
	return r.f.git(r.dir, "rev-parse", "HEAD")
}

func TestGitStagesWorkTree(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	if err := os.Symlink("a", filepath.Join(r.dir, "link")); err != nil {
		t.Fatal(err)
	}
	first := r.commit(map[string]string{"a": "1\n", "crlf.txt": "x\r\n", "x.low": "x\n", "v.id": "$Id$\n",
		".gitattributes": "*.txt text eol=crlf\n*.id ident\n*.low filter=up\n"})
	r.commit(map[string]string{"a": "2\n"})
	blob := f.git(r.dir, "rev-parse", first+":v.id")
	// Neither the user's configuration nor attributes outside the tree count.
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[core]\n\tautocrlf = true\n\teol = crlf\n[filter \"up\"]\n\tsmudge = tr x X\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.env.Git.Env = append(f.env.Git.Env, "GIT_CONFIG_GLOBAL="+config)
	for _, ref := range []string{first, "v1-0-g" + first} {
		f.wants(f.element("kind: git\nurl: "+r.url()+"\nref: "+ref),
			`.gitattributes "*.txt text eol=crlf\n*.id ident\n*.low filter=up\n"`, `a "1\n"`, `crlf.txt "x\r\n"`, "link -> a",
			`v.id "$Id: `+blob+` $\n"`, `x.low "x\n"`)
	}
}

func TestGitSubmodules(t *testing.T) {
	f := newFixture(t)
	inner, sub, top := f.repository("inner"), f.repository("sub"), f.repository("top")
	inner.commit(map[string]string{"i": "1"})
	f.git(sub.dir, "submodule", "--quiet", "add", inner.url(), "deep/inner")
	sub.commit(map[string]string{"s": "1"})
	f.git(top.dir, "submodule", "--quiet", "add", sub.url(), "sub")
	ref := top.commit(map[string]string{"t": "1"})
	common := "kind: git\nurl: " + top.url() + "\nref: " + ref + "\n"
	got, err := f.stage(f.element(common))
	if err != nil || !strings.Contains(got, `sub/deep/inner/i "1"`) || !strings.Contains(got, `sub/s "1"`) {
		t.Errorf("with submodules: %v\n%s", err, got)
	}
	if got, err = f.stage(f.element(common + "checkout-submodules: False")); err != nil || strings.Contains(got, "sub/s") || !strings.Contains(got, "sub/\n") {
		t.Errorf("without submodules: %v\n%s", err, got)
	}
	got, err = f.stage(f.element(common + "submodules:\n  sub/deep/inner:\n    checkout: False\n"))
	if err != nil || strings.Contains(got, "inner/i") || !strings.Contains(got, `sub/s "1"`) {
		t.Errorf("without the inner one: %v\n%s", err, got)
	}
	_, err = f.stage(f.element(common + "submodules:\n  sub:\n    url: file:///nowhere\n"))
	if err != nil {
		t.Logf("another url: %v", err)
	} else {
		t.Error("the url of a submodule is not overridden")
	}
}

func TestGitHostileSubmodules(t *testing.T) {
	for name, modules := range map[string]string{
		"parent":   "[submodule \"x\"]\n\tpath = ../../x\n\turl = file:///x\n",
		"absolute": "[submodule \"x\"]\n\tpath = /x\n\turl = file:///x\n",
		"git":      "[submodule \"x\"]\n\tpath = a/.GIT/b\n\turl = file:///x\n",
	} {
		f := newFixture(t)
		r := f.repository("r")
		ref := r.commit(map[string]string{".gitmodules": modules})
		if _, err := f.stage(f.element("kind: git\nurl: " + r.url() + "\nref: " + ref)); err == nil || !strings.Contains(err.Error(), "unsafe path") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestGitErrors(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	ref := r.commit(map[string]string{"a": "1"})
	other := strings.Repeat("0", 40)
	for name, test := range map[string]struct {
		text string
		is   error
		want string
	}{
		"no such commit": {"kind: git\nurl: " + r.url() + "\nref: " + other, source.ErrNoCommit, other},
		"no such tag":    {"kind: git_repo\nurl: " + r.url() + "\nref: v1-0-g" + ref, source.ErrNoCommit, "v1"},
		"no repository":  {"kind: git\nurl: file:///nowhere\nref: " + ref, source.ErrDownload, "nowhere"},
		"ext":            {"kind: git\nurl: ext::sh -c true\nref: " + ref, source.ErrUnsupported, "helper"},
		"branch as ref":  {"kind: git\nurl: " + r.url() + "\nref: main", nil, "40 digits"},
		"option as tag":  {"kind: git_repo\nurl: " + r.url() + "\nref: --upload-pack=x-0-g" + ref, nil, "not the name of a tag"},
		"nothing":        {"kind: git\nurl: " + r.url(), nil, "ref or track"},
		"not tracked":    {"kind: git_repo\nurl: " + r.url(), source.ErrNoRef, "ref"},
	} {
		_, err := f.stage(f.element(test.text))
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %v %q", name, err, test.is, test.want)
		}
	}
}

// exported writes a staged tree to a folder, where git may look at it.
func (f *fixture) exported(root digest.Digest) string {
	f.Helper()
	dir := filepath.Join(f.TempDir(), "out")
	if err := tree.Export(f.Context(), f.env.Store, root, dir, tree.ExportOptions{}); err != nil {
		f.Fatal(err)
	}
	return dir
}

func TestGitRepoStagesRepository(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	r.commit(map[string]string{"old": "0"})
	r.commit(map[string]string{"a": "1", "d/e": "1"})
	f.git(r.dir, "tag", "-a", "-m", "message", "v1/x")
	ref := r.commit(map[string]string{"a": "2"})
	el := f.element("kind: git_repo\ndirectory: below\nurl: " + r.url() + "\nref: v1/x-1-g" + ref)
	if err := source.Fetch(t.Context(), f.env, el); err != nil {
		t.Fatal(err)
	}
	staged, err := source.StageParts(t.Context(), f.env, el)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.exported(staged.Root), "below")
	for args, want := range map[string]string{
		"describe --tags --dirty":           "v1/x-1-g" + ref[:7],
		"log --format=%H -1":                ref,
		"status --porcelain":                "",
		"rev-parse --is-shallow-repository": "true",
		"rev-list --count HEAD":             "2",
		"log --format=%s -- d":              "c",
	} {
		if got := f.git(dir, strings.Fields(args)...); got != want {
			t.Errorf("git %s: got %q, want %q", args, got, want)
		}
	}
	if got := f.list(staged.Source); strings.Contains(got, ".git") || !strings.Contains(got, `below/a "2"`) {
		t.Errorf("the tree that is the source's identity:\n%s", got)
	}
	again := newFixture(t)
	again.elApart, again.dir = f.elApart, f.dir
	if err := source.Fetch(t.Context(), again.env, el); err != nil {
		t.Fatal(err)
	}
	if root, err := source.Stage(t.Context(), again.env, el); err != nil || root != staged.Root {
		t.Errorf("staged elsewhere: %v %v, want %v", root, err, staged.Root)
	}
}

func TestGitWithTagsStagesHistory(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	tagged := r.commit(map[string]string{"a": "1"})
	r.commit(map[string]string{"a": "2"})
	ref := r.commit(map[string]string{"a": "3"})
	for annotated, flag := range map[string]string{"true": "", "false": " --tags"} {
		el := f.element("kind: git\nurl: " + r.url() + "\nref: " + ref + "\ntags:\n- tag: v1\n  commit: " + tagged + "\n  annotated: " + annotated)
		if err := source.Fetch(t.Context(), f.env, el); err != nil {
			t.Fatal(err)
		}
		staged, err := source.StageParts(t.Context(), f.env, el)
		if err != nil {
			t.Fatal(err)
		}
		got := f.git(f.exported(staged.Root), strings.Fields("describe"+flag)...)
		if want := "v1-2-g" + ref[:7]; got != want {
			t.Errorf("git describe%s: got %q, want %q", flag, got, want)
		}
		if f.list(staged.Source) != "a \"3\"\n" {
			t.Errorf("staged\n%s", f.list(staged.Source))
		}
	}
}

func TestGitTrack(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	old := r.commit(map[string]string{"a": "1"})
	f.git(r.dir, "tag", "v1.9")
	f.git(r.dir, "tag", "-a", "-m", "m", "v1.10")
	f.git(r.dir, "tag", "v1.11.beta")
	f.git(r.dir, "tag", "v1.11.1")
	head := r.commit(map[string]string{"a": "2"})
	common := "url: " + r.url() + "\n"
	for text, want := range map[string]string{
		"kind: git\ntrack: main":                                                 head,
		"kind: git\ntrack: v1.10":                                                old,
		"kind: git\ntrack: main\nref-format: git-describe":                       "v1.10-1-g" + head,
		"kind: git_repo\ntrack: main":                                            head,
		"kind: git_repo\ntrack: v*":                                              old,
		"kind: git_repo\ntrack: v*\nref-format: git-describe":                    "v1.11.1-0-g" + old,
		"kind: git_repo\ntrack: v*\nexclude: [v1.11*]\nref-format: git-describe": "v1.10-0-g" + old,
		"kind: git_repo\ntrack: refs/tags/v1.*\nexclude: ['v1.11.1', v1.10, v1.9]\nref-format: git-describe": "v1.11.beta-0-g" + old,
	} {
		refs, err := source.Track(t.Context(), f.env, f.element(common+text))
		if err != nil || len(refs) != 1 || refs[0].Ref != want {
			t.Errorf("%s: got %v %v, want %s", text, refs, err, want)
		}
	}
	for _, text := range []string{"kind: git\ntrack: none", "kind: git_repo\ntrack: none", "kind: git\ntrack: --all"} {
		if _, err := source.Track(t.Context(), f.env, f.element(common+text)); !errors.Is(err, source.ErrNoCommit) {
			t.Errorf("%s: got %v, want ErrNoCommit", text, err)
		}
	}
}

// TestGitFetchedAgain: a commit stays when its branch is gone, and no server is asked for it.
func TestGitFetchedAgain(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	ref := r.commit(map[string]string{"a": "1"})
	el := f.element("kind: git\nurl: " + r.url() + "\nref: " + ref)
	if err := source.Fetch(t.Context(), f.env, el); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	f.wants(el, `a "1"`)
}

// TestGitAfterKill: what a killed git leaves does not stop the next one.
func TestGitAfterKill(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	ref := r.commit(map[string]string{"a": "1"})
	if _, err := f.stage(f.element("kind: git\nurl: " + r.url() + "\nref: " + ref)); err != nil {
		t.Fatal(err)
	}
	ref = r.commit(map[string]string{"a": "2"})
	mirrors, err := filepath.Glob(filepath.Join(f.env.MirrorDir, "git/*/HEAD"))
	if err != nil || len(mirrors) != 1 {
		t.Fatalf("mirrors: %v %v", mirrors, err)
	}
	mirror := filepath.Dir(mirrors[0])
	for _, name := range []string{"packed-refs.lock", "refs/bst/" + ref + ".lock", "objects/pack/tmp_pack_x"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(mirror, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mirror, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f.wants(f.element("kind: git\nurl: "+r.url()+"\nref: "+ref), `a "2"`)
}

// TestGitAllFetchedWhenCommitIsNotGiven: a server need not give commits by their names.
func TestGitAllFetchedWhenCommitIsNotGiven(t *testing.T) {
	f := newFixture(t)
	r := f.repository("r")
	ref := r.commit(map[string]string{"a": "1"})
	r.commit(map[string]string{"a": "2"})
	f.env.Git.Env = append(f.env.Git.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0")
	f.wants(f.element("kind: git\nurl: "+r.url()+"\nref: "+ref), `a "1"`)
}
