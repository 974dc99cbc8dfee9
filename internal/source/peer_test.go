package source_test

import (
	"fmt"
	"maps"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
)

// peer is BuildStream in the project of a fixture.
type peer struct {
	*fixture
	bst  string
	home string
}

// newPeer needs a bst 2.8 with buildstream-plugins and buildstream-plugins-community.
func newPeer(t *testing.T) *peer {
	t.Helper()
	bst := os.Getenv("GIT_BST_TEST_BST")
	if bst == "" && os.Getenv("CI") != "" {
		t.Fatal("GIT_BST_TEST_BST names no bst: nothing is compared with BuildStream")
	}
	if bst == "" {
		t.Skip("NOT COMPARED WITH BUILDSTREAM: set GIT_BST_TEST_BST to a bst 2.8 with its plugins")
	}
	p := &peer{fixture: newFixture(t), bst: bst, home: t.TempDir()}
	p.write("project.conf", `name: peer
min-version: 2.0
element-path: elements
aliases:
  here: file://`+p.dir+`/
plugins:
- origin: pip
  package-name: buildstream-plugins
  elements: []
  sources: [git, patch]
- origin: pip
  package-name: buildstream-plugins-community
  sources: [git_repo]
`, 0o644)
	return p
}

func (p *peer) run(args ...string) (string, error) {
	cmd := exec.CommandContext(p.Context(), p.bst, append([]string{"--no-interactive", "--no-colors"}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(p.env.Environ, "XDG_CACHE_HOME="+p.home, "XDG_CONFIG_HOME="+p.home, "LC_ALL=C.UTF-8")
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("bst %v: %w\n%s", args, err, errors.String())
	}
	return string(out), nil
}

// importElement writes an element that is its sources.
func (p *peer) importElement(name string, sources []string) {
	text := "kind: import\nsources:\n"
	for _, src := range sources {
		text += "- " + strings.ReplaceAll(strings.TrimSpace(src), "\n", "\n  ") + "\n"
	}
	p.write("elements/"+name, text, 0o644)
}

// load returns the elements by their names.
func (p *peer) load(names []string) map[string]*project.Element {
	p.Helper()
	loaded, err := project.Load(p.Context(), project.Request{Dir: p.dir, Targets: names, MaxJobs: 1, HostArch: "x86_64", HostOS: "linux"})
	if err != nil {
		p.Fatal(err)
	}
	elements := map[string]*project.Element{}
	for _, el := range loaded.Order {
		elements[el.Name] = el
	}
	return elements
}

// TestPeerStagesTheSameTrees compares the trees of many sources with those that BuildStream builds
// import elements from.
func TestPeerStagesTheSameTrees(t *testing.T) {
	p := newPeer(t)
	all := p.peerElements()
	names := slices.Sorted(maps.Keys(all))
	for _, name := range names {
		p.importElement(name, all[name])
	}
	if out, err := p.run(append([]string{"--on-error", "continue", "build"}, names...)...); err != nil {
		t.Error(err, out)
	}
	out, err := p.run(append([]string{"show", "--deps", "none", "--format", "%{name} %{artifact-cas-digest}"}, names...)...)
	if err != nil {
		t.Fatal(err)
	}
	elements := p.load(names)
	for line := range strings.Lines(out) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		el := elements[name]
		if err := source.Fetch(t.Context(), p.env, el); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		staged, err := source.StageParts(t.Context(), p.env, el)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := staged.Source
		if strings.HasPrefix(name, "dotgit") {
			want = p.checkoutWithoutGit(name)
		}
		if got.String() != want {
			t.Errorf("%s: staged %s, BuildStream %s\n%s", name, got, want, p.list(got))
		}
		delete(all, name)
	}
	if len(all) > 0 {
		t.Errorf("not compared: %v", slices.Sorted(maps.Keys(all)))
	}
}

// checkoutWithoutGit is the tree of an element of BuildStream's without .git.
func (p *peer) checkoutWithoutGit(name string) string {
	p.Helper()
	dir := filepath.Join(p.TempDir(), "out")
	if _, err := p.run("artifact", "checkout", "--deps", "none", "--directory", dir, name); err != nil {
		p.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		p.Errorf("%s: BuildStream stages no .git", name)
	}
	imported, err := tree.Import(p.Context(), p.env.Store, dir, tree.ImportOptions{
		Exclude: func(path string, _ bool) bool { return path == ".git" }})
	if err != nil {
		p.Fatal(err)
	}
	return imported.Root.String()
}

// peerElements are the sources to compare, by the names of their elements.
func (p *peer) peerElements() map[string][]string {
	p.Helper()
	all := map[string][]string{}
	p.localElements(all)
	p.tarElements(all)
	p.gitElements(all)
	p.patchElements(all)
	return all
}

func (p *peer) localElements(all map[string][]string) {
	p.write("src/f", "one\n", 0o644)
	p.write("src/d/x", "", 0o755)
	p.write("src/d/.git/config", "", 0o600)
	for _, dir := range []string{"src/empty", "layer/d"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o755); err != nil {
			p.Fatal(err)
		}
	}
	p.write("layer/d/x", "other", 0o644)
	p.write("layer/f/below", "", 0o644)
	for link, target := range map[string]string{"src/l": "/abs", "src/dl": "d", "layer/empty": "f"} {
		if err := os.Symlink(target, filepath.Join(p.dir, link)); err != nil {
			p.Fatal(err)
		}
	}
	local := func(path string, more ...string) string {
		return "kind: local\npath: " + path + "\n" + strings.Join(more, "\n")
	}
	all["local-dir.bst"] = []string{local("src")}
	all["local-file.bst"] = []string{local("src/d/x", "directory: a/b")}
	all["local-over.bst"] = []string{local("src"), local("layer/d", "directory: /d")}
	all["local-order.bst"] = []string{local("layer/d", "directory: d"), local("src")}
	remote := "kind: remote\nurl: here:src/f\nref: " + sha([]byte("one\n")) + "\n"
	all["remote.bst"] = []string{remote}
	all["remote-named.bst"] = []string{remote + "filename: g\nexecutable: true\ndirectory: d\n"}
}

func (p *peer) tarElements(all map[string][]string) {
	for name, entries := range map[string][]string{
		"plain":     {"p/", "p/a=1", "p/b*=2", "p/d/", "p/e/f=3", "p/l->a", "p/abs->/etc", "p/up->../../x"},
		"implied":   {"p/a=1", "q/b=2"},
		"dot":       {"./p/a=1", "./p/h=>./p/a"},
		"dotmember": {"./", "./p/", "./p/a=1"},
		"hidden":    {".hidden/a=1", "z/b=2"},
		"modes":     {"p/a*=1", "p/b=>p/a", "p/c=1", "p/d=>p/c"},
		"links":     {"p/d/", "p/l->d", "p/l/a=1", "p/m->l", "p/m/b=2", "p/n->old", "p/n->new", "p/w->target", "p/w=through"},
		"linkdir":   {"p/d/", "p/l->d", "p/l/", "p/l/a=1"},
		"hardout":   {"o/a=1", "p/b=>o/a"},
		"hardsym":   {"p/s->a", "p/a=1", "p/h=>p/s"},
		"overwrite": {"p/a=1", "p/b=>p/a", "p/a=2", "p/b*=3"},
		"hardtwice": {"p/a=1", "p/c=2", "p/b=>p/a", "p/b=>p/c"},
		"devices":   {"p/a=1", "device", "fifo"},
		"git":       {"p/.git/config=1", "p/a=1"},
		"unicode":   {"p/ä=1", "p/" + strings.Repeat("long/", 30) + "x=1"},
	} {
		data := makeTar(p.T, entries...)
		p.write("tars/"+name+".tar", string(data), 0o644)
		for suffix, base := range map[string]string{"": "", "-whole": "\nbase-dir: ''", "-glob": "\nbase-dir: '[oqz]*'"} {
			if suffix == "-glob" && !slices.Contains([]string{"implied", "hardout", "hidden"}, name) {
				continue
			}
			if name+suffix == "hidden" {
				continue // nothing is staged, which import refuses
			}
			all["tar-"+name+suffix+".bst"] = []string{"kind: tar\nurl: here:tars/" + name + ".tar\nref: " + sha(data) + base}
		}
	}
	for _, tool := range []string{"gzip", "bzip2", "xz"} {
		file := filepath.Join(p.dir, "tars/plain."+tool)
		if out, err := exec.CommandContext(p.Context(), "sh", "-c", tool+" < "+p.dir+"/tars/plain.tar > "+file).CombinedOutput(); err != nil {
			p.Logf("not compared: %s: %s", tool, out)
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			p.Fatal(err)
		}
		all["tar-"+tool+".bst"] = []string{"kind: tar\nurl: here:tars/plain." + tool + "\nref: " + sha(data)}
	}
}

// serve gives the repositories below dir over HTTP, which is all that git_repo can fetch from.
func (p *peer) serve(dir string) string {
	p.Helper()
	backend := filepath.Join(p.git(dir, "--exec-path"), "git-http-backend")
	server := httptest.NewServer(&cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}})
	p.Cleanup(server.Close)
	return server.URL
}

func (p *peer) gitElements(all map[string][]string) {
	inner, r := p.repository("inner"), p.repository("r")
	address := p.serve(filepath.Dir(r.dir)) + "/r/.git"
	inner.commit(map[string]string{"i": "1"})
	if err := os.Symlink("a", filepath.Join(r.dir, "link")); err != nil {
		p.Fatal(err)
	}
	base := r.commit(map[string]string{"a": "1\n", "crlf.txt": "x\r\n", "lf.txt": "x\n",
		".gitattributes": "crlf.txt text eol=crlf\nlf.txt text\n*.id ident\nout export-ignore\n", "v.id": "$Id$\n", "out": "o", "d/x": "1"})
	p.git(r.dir, "tag", "-a", "-m", "m", "v1")
	if err := os.Chmod(filepath.Join(r.dir, "d/x"), 0o755); err != nil {
		p.Fatal(err)
	}
	ref := r.commit(map[string]string{"a": "2\n"})
	plain := "url: " + address + "\nref: "
	all["git-plain.bst"] = []string{"kind: git\n" + plain + ref}
	all["git-base.bst"] = []string{"kind: git\n" + plain + "v1-0-g" + base + "\ndirectory: d"}
	all["dotgit-repo.bst"] = []string{"kind: git_repo\n" + plain + ref}
	all["dotgit-described.bst"] = []string{"kind: git_repo\n" + plain + "v1-1-g" + ref}
	all["dotgit-tags.bst"] = []string{"kind: git\n" + plain + ref + "\ntags:\n- tag: v1\n  commit: " + base + "\n  annotated: true"}
	p.git(r.dir, "submodule", "--quiet", "add", p.serve(filepath.Dir(inner.dir))+"/inner/.git", "sub")
	with := r.commit(nil)
	all["git-sub.bst"] = []string{"kind: git\n" + plain + with}
	all["git-nosub.bst"] = []string{"kind: git\n" + plain + with + "\ncheckout-submodules: False"}
	all["dotgit-sub.bst"] = []string{"kind: git_repo\n" + plain + with}
}

func (p *peer) patchElements(all map[string][]string) {
	p.write("p.patch", unified, 0o644)
	p.write("offset.patch", "--- a/g\n+++ b/g\n@@ -3,3 +3,3 @@\n 3\n-4\n+four\n 5\n", 0o644)
	p.write("new.patch", "diff --git a/d/n b/d/n\nnew file mode 100755\n--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+new\n"+
		"--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", 0o644)
	p.write("psrc/g", "0\n0\n1\n2\n3\n4\n5\n", 0o644)
	src := "kind: local\npath: src"
	all["patch.bst"] = []string{src, "kind: patch\npath: p.patch"}
	all["patch-below.bst"] = []string{src, src + "\ndirectory: x", "kind: patch\npath: p.patch\ndirectory: x"}
	all["patch-new.bst"] = []string{src, "kind: patch\npath: new.patch"}
	all["patch-offset.bst"] = []string{"kind: local\npath: psrc", "kind: patch\npath: offset.patch"}
	all["patch-twice.bst"] = []string{src, "kind: patch\npath: p.patch", "kind: local\npath: layer/d"}
}
