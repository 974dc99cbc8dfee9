package artifact_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// peer is a project of BuildStream's and a cache folder of its own.
type peer struct {
	t                  *testing.T
	bst, home, project string
}

// newPeer makes a project with an element of each name. GIT_BST_TEST_BST names BuildStream's bst;
// without it there is nobody to ask: that is a failure where CI is set.
func newPeer(t *testing.T, elements map[string]string) *peer {
	t.Helper()
	bst := os.Getenv("GIT_BST_TEST_BST")
	if bst == "" && os.Getenv("CI") != "" {
		t.Fatal("GIT_BST_TEST_BST does not name BuildStream's bst")
	}
	if bst == "" {
		t.Skip("SKIPPED: BuildStream was not asked whether it can read our artifacts; set GIT_BST_TEST_BST=/path/to/bst")
	}
	p := &peer{t: t, bst: bst, home: t.TempDir(), project: t.TempDir()}
	p.write("project.conf", "name: peer\nmin-version: 2.0\n")
	for name, text := range elements {
		p.write(name, text)
	}
	return p
}

func (p *peer) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.project, name), []byte(text), 0o666); err != nil {
		p.t.Fatal(err)
	}
}

// run returns what bst prints to standard output.
func (p *peer) run(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), p.bst, append([]string{"--no-colors", "--no-interactive"}, args...)...)
	cmd.Dir = p.project
	cmd.Env = []string{"HOME=" + p.home, "XDG_CACHE_HOME=" + p.home + "/cache", "XDG_CONFIG_HOME=" + p.home + "/config", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("bst %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// give puts the artifact and all its blobs into BuildStream's cache folder, as a Store does.
func (p *peer) give(blobs cas.Store, a artifact.Artifact, refs ...artifact.Ref) {
	p.t.Helper()
	err := artifact.Digests(p.t.Context(), blobs, a, func(d digest.Digest) bool {
		data, err := cas.Get(p.t.Context(), blobs, d)
		if err != nil {
			p.t.Fatal(err)
		}
		path := filepath.Join(p.home, "cache/buildstream/cas/objects", d.Hash()[:2], d.Hash()[2:])
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			p.t.Fatal(err)
		}
		return true
	})
	if err != nil {
		p.t.Fatal(err)
	}
	store := artifact.Open(filepath.Join(p.home, "cache/buildstream/artifacts"), blobs)
	if _, err := store.Put(p.t.Context(), refs, a, "20260131T235959.123456-89abcdef"); err != nil {
		p.t.Fatal(err)
	}
}

func TestBuildStreamReadsOurArtifacts(t *testing.T) {
	p := newPeer(t, map[string]string{
		"good.bst": "kind: manual\nconfig:\n  install-commands: [\"true\"]\n",
		"bad.bst":  "kind: manual\nconfig:\n  install-commands: [\"false\"]\n",
	})
	keys := map[string]string{}
	for line := range strings.Lines(p.run("show", "--deps", "none", "--format", "%{name} %{state} %{full-key}", "good.bst", "bad.bst")) {
		var name, state, key string
		if _, err := fmt.Sscan(line, &name, &state, &key); err != nil || state != "buildable" {
			t.Fatalf("show before: %q, %v", line, err)
		}
		keys[name] = key
	}

	blobs := cas.NewMemory()
	good := sample(t, blobs)
	good.StrongKey, good.StrictKey, good.BuildDeps = keys["good.bst"], keys["good.bst"], nil
	p.give(blobs, good, artifact.Ref{Project: "peer", Element: "good.bst", Key: keys["good.bst"]})
	bad := sample(t, blobs)
	bad.StrongKey, bad.StrictKey, bad.BuildDeps, bad.Files = keys["bad.bst"], keys["bad.bst"], nil, digest.Digest{}
	bad.BuildSuccess, bad.BuildError = false, "Command failed"
	p.give(blobs, bad, artifact.Ref{Project: "peer", Element: "bad.bst", Key: keys["bad.bst"]})

	if got, want := p.run("show", "--deps", "none", "--format", "%{name} %{state}", "good.bst", "bad.bst"), "good.bst cached\nbad.bst failed\n"; got != want {
		t.Errorf("show = %q, want %q", got, want)
	}
	for _, name := range []string{"good.bst", "peer/good/" + keys["good.bst"]} {
		if got := p.run("artifact", "list-contents", name); !strings.Contains(got, "usr/bin/hello") || !strings.Contains(got, "usr/share") {
			t.Errorf("list-contents %s = %q", name, got)
		}
	}
	if got := p.run("artifact", "log", "good.bst"); !strings.Contains(got, "made") {
		t.Errorf("log = %q", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	p.run("artifact", "checkout", "--deps", "none", "--directory", out, "good.bst")
	if data, err := os.ReadFile(filepath.Join(out, "usr/bin/hello")); err != nil || string(data) != "hello\n" {
		t.Errorf("checkout: %q, %v", data, err)
	}
}

// TestBuildStreamSplitsAlike: filter and compose elements, which BuildStream builds without any
// sandbox, give the trees that Select and Compose give.
func TestBuildStreamSplitsAlike(t *testing.T) {
	wants := map[string]artifact.Domains{
		"doc.bst":     {Include: []string{"doc"}},
		"orphans.bst": {Include: []string{"doc"}, Orphans: true},
		"exclude.bst": {Include: []string{"runtime"}, Exclude: []string{"devel"}},
		"without.bst": {Exclude: []string{"devel"}},
	}
	elements := map[string]string{
		"good.bst": "kind: manual\nconfig:\n  install-commands: [\"true\"]\n",
		"all.bst":  "kind: stack\ndepends: [composed.bst]\n",
		"composed.bst": "kind: compose\nbuild-depends: [good.bst]\nconfig:\n  integrate: false\n" +
			"  include: [doc, runtime]\n  exclude: [devel]\n  include-orphans: false\n",
	}
	for name, want := range wants {
		elements[name] = fmt.Sprintf("kind: filter\nbuild-depends: [good.bst]\nconfig:\n  include: [%s]\n  exclude: [%s]\n  include-orphans: %v\n",
			strings.Join(want.Include, ", "), strings.Join(want.Exclude, ", "), want.Orphans)
		elements["all.bst"] += "- " + name + "\n"
	}
	elements["all.bst"] = strings.Replace(elements["all.bst"], "[composed.bst]", "\n- composed.bst", 1)
	p := newPeer(t, elements)

	blobs := cas.NewMemory()
	good := sample(t, blobs)
	good.Files = plant(t, blobs, splitFiles)
	meta, err := artifact.PutMetadata(t.Context(), blobs, artifact.Metadata{
		Public:  map[string]any{"bst": map[string]any{"split-rules": map[string][]string(splitRules)}},
		Sandbox: map[string]any{"build-os": "linux", "build-arch": "x86-64"},
	})
	if err != nil {
		t.Fatal(err)
	}
	good.PublicData, good.LowDiversityMeta, good.HighDiversityMeta = meta.Public, meta.LowDiversity, meta.HighDiversity
	good.StrongKey = strings.TrimSpace(p.run("show", "--deps", "none", "--format", "%{full-key}", "good.bst"))
	good.StrictKey, good.BuildDeps = good.StrongKey, nil
	p.give(blobs, good, artifact.Ref{Project: "peer", Element: "good.bst", Key: good.StrictKey})
	p.run("build", "all.bst")

	compared := 0
	for line := range strings.Lines(p.run("show", "--format", "%{name} %{full-key}", "all.bst")) {
		name, key, _ := strings.Cut(strings.TrimSpace(line), " ")
		domains, isFilter := wants[name]
		want, err := artifact.Select(t.Context(), blobs, good.Files, splitRules, domains)
		if name == "composed.bst" {
			want, err = composed(t, blobs, good.Files)
		} else if !isFilter {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		message, err := os.ReadFile(filepath.Join(p.home, "cache/buildstream/artifacts/refs/peer", strings.TrimSuffix(name, ".bst"), key))
		if err != nil {
			t.Fatal(err)
		}
		got, err := artifact.Decode(message)
		if err != nil || got.Files != want {
			t.Errorf("%s: BuildStream makes %s, %v, we %s", name, got.Files, err, want)
		}
		compared++
	}
	if compared != len(wants)+1 {
		t.Errorf("%d elements were compared", compared)
	}
}

// composed is what composed.bst makes of the tree of good.bst.
func composed(t *testing.T, blobs cas.Store, files digest.Digest) (digest.Digest, error) {
	t.Helper()
	want := artifact.Domains{Include: []string{"doc", "runtime"}, Exclude: []string{"devel"}}
	manifest, err := artifact.Manifest(t.Context(), blobs, files, splitRules, want)
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Compose(t.Context(), blobs, files, files, [][]string{manifest})
}

// TestBuildStreamReadsOurYAML: every text of the public data comes out as it went in.
func TestBuildStreamReadsOurYAML(t *testing.T) {
	p := newPeer(t, nil)
	texts := []string{"plain", "", "a: b # c", "- x", "{}", "[]", "quote \" and \\ and '", "line\nnext\ttab", "ü€𝄞", "x\u0085\u2028\ufeff\x01x", "yes", "0x10", "%{var}", "@x", "|"}
	text, err := artifact.YAML(map[string]any{"texts": texts, "map": map[string]string{"? odd: key": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	p.write("data.yaml", string(text))
	// bst's own Python, beside bst, has its YAML layer.
	python := filepath.Join(filepath.Dir(p.bst), "python3")
	script := `import sys
from buildstream import _yaml
d = _yaml.load(sys.argv[1], shortname="data.yaml").strip_node_info()
sys.stdout.write("\0".join(d["texts"] + [k + "=" + v for k, v in d["map"].items()]))`
	cmd := exec.CommandContext(t.Context(), python, "-W", "ignore", "-c", script, filepath.Join(p.project, "data.yaml"))
	cmd.Env = []string{"HOME=" + p.home, "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	got, err := cmd.Output()
	want := strings.Join(append(texts, "? odd: key=v"), "\x00")
	if err != nil || string(got) != want {
		t.Errorf("BuildStream reads %q, %v\nwant %q", got, err, want)
	}
}
