package source_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
)

// fixture is a project's folder with a store and mirrors of its own.
type fixture struct {
	*testing.T
	env     source.Env
	dir     string // of the project
	talk    []string
	elApart *project.Project
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store, err := cas.OpenLocal(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	f := &fixture{T: t, dir: t.TempDir()}
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull}
	f.elApart = &project.Project{Name: "test", Dir: f.dir}
	f.env = source.Env{
		Store: store, MirrorDir: filepath.Join(t.TempDir(), "sources"),
		Git: gitint.Git{Env: environ}, Environ: environ, Jobs: 1,
		Progress: func(line string) { f.talk = append(f.talk, line) },
		Now:      func() time.Time { return time.Unix(2e9, 0) },
	}
	return f
}

// element has a source for each text, which is "kind: K" with its configuration in YAML.
func (f *fixture) element(sources ...string) *project.Element {
	f.Helper()
	el := &project.Element{Name: "e.bst", Project: f.elApart}
	for i, text := range sources {
		node, err := project.ParseYAML([]byte(text), "e.bst")
		if err != nil {
			f.Fatal(err)
		}
		src := project.Source{Index: i, Config: node}
		if src.Kind, err = node.Str("kind"); err != nil {
			f.Fatal(err)
		}
		if src.Directory, err = node.StrOr("directory", ""); err != nil {
			f.Fatal(err)
		}
		node.Delete("kind")
		node.Delete("directory")
		el.Sources = append(el.Sources, src)
	}
	return el
}

func (f *fixture) write(name, content string, mode os.FileMode) string {
	f.Helper()
	file := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		f.Fatal(err)
	}
	return file
}

// stage fetches and stages, and lists the tree: a line for each entry.
func (f *fixture) stage(el *project.Element) (string, error) {
	f.Helper()
	if err := source.Fetch(f.Context(), f.env, el); err != nil {
		return "", err
	}
	root, err := source.Stage(f.Context(), f.env, el)
	if err != nil {
		return "", err
	}
	return f.list(root), nil
}

func (f *fixture) list(root digest.Digest) string {
	f.Helper()
	var b strings.Builder
	err := tree.Walk(f.Context(), f.env.Store, root, func(path string, e tree.Entry) error {
		switch e.Kind {
		case tree.KindDir:
			fmt.Fprintf(&b, "%s/\n", path)
		case tree.KindSymlink:
			fmt.Fprintf(&b, "%s -> %s\n", path, e.Target)
		default:
			content, err := cas.Get(f.Context(), f.env.Store, e.Digest)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s%s %q\n", path, map[bool]string{true: "*"}[e.Executable], content)
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return strings.TrimPrefix(b.String(), "/\n")
}

func (f *fixture) wants(el *project.Element, lines ...string) {
	f.Helper()
	got, err := f.stage(el)
	if err != nil {
		f.Fatal(err)
	}
	if want := strings.Join(lines, "\n") + "\n"; got != want {
		f.Fatalf("staged\n%swant\n%s", got, want)
	}
}

// tarEntry makes a header: "dir/", "name=content", "name*=content" (executable), "name->target",
// "name=>hardlink".
func tarEntry(text string) (*tar.Header, string) {
	if name, target, ok := strings.Cut(text, "->"); ok {
		return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}, ""
	}
	if name, target, ok := strings.Cut(text, "=>"); ok {
		return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, ""
	}
	if strings.HasSuffix(text, "/") {
		return &tar.Header{Typeflag: tar.TypeDir, Name: text, Mode: 0o700}, ""
	}
	name, content, _ := strings.Cut(text, "=")
	name, executable := strings.CutSuffix(name, "*")
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o640}
	if executable {
		header.Mode = 0o4711
	}
	return header, content
}

func makeTar(t *testing.T, entries ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, text := range entries {
		header, content := tarEntry(text)
		switch text {
		case "device":
			header = &tar.Header{Typeflag: tar.TypeChar, Name: "p/null", Devmajor: 1, Devminor: 3}
			content = ""
		case "fifo":
			header = &tar.Header{Typeflag: tar.TypeFifo, Name: "p/fifo"}
			content = ""
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// tarball writes an archive and returns the lines of a tar source for it.
func (f *fixture) tarball(data []byte, more ...string) string {
	f.Helper()
	file := f.write("files/a.tar", string(data), 0o644)
	return "kind: tar\nurl: file://" + file + "\nref: " + sha(data) + "\n" + strings.Join(more, "\n")
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestLocalStagesRawFolder(t *testing.T) {
	f := newFixture(t)
	f.write("files/src/a", "1", 0o644)
	f.write("files/src/run", "2", 0o755)
	f.write("files/src/.git/config", "3", 0o644)
	if err := os.MkdirAll(filepath.Join(f.dir, "files/src/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(f.dir, "files/src/link")); err != nil {
		t.Fatal(err)
	}
	f.wants(f.element("kind: local\npath: files/src"),
		".git/", `.git/config "3"`, `a "1"`, "empty/", "link -> /etc", `run* "2"`)
	f.wants(f.element("kind: local\npath: files/src/run\ndirectory: /x/y"), "x/", "x/y/", `x/y/run* "2"`)
}

// TestLocalStagedAgain: what is remembered of a folder does not hide a change.
func TestLocalStagedAgain(t *testing.T) {
	f := newFixture(t)
	el := f.element("kind: local\npath: src")
	for _, content := range []string{"1", "2", "2", "3"} {
		f.write("src/a", content, 0o644)
		f.wants(el, fmt.Sprintf("a %q", content))
	}
}

func TestLocalRefuses(t *testing.T) {
	f := newFixture(t)
	f.write("a", "1", 0o644)
	for name, target := range map[string]string{"top": "a", "outside": "/etc"} {
		if err := os.Symlink(target, filepath.Join(f.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"../x": "not a path in the project", "/etc": "not a path in the project", "none": "no such file",
		"top": "neither a file nor a folder", "outside/passwd": "leads out of the project", ".": "not supported",
	} {
		_, err := f.stage(f.element("kind: local\npath: " + path))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("path %s: got %v, want %q", path, err, want)
		}
	}
}

func TestLocalInPlaceIsTheCallers(t *testing.T) {
	f := newFixture(t)
	f.env.InPlace = func(ctx context.Context, el *project.Element, src project.Source) (digest.Digest, error) {
		return tree.Save(ctx, f.env.Store, tree.Directory{Symlinks: []tree.Symlink{{Name: "in", Target: "place"}}})
	}
	f.wants(f.element("kind: local\npath: ."), "in -> place")
}

func TestSourcesMergeInOrder(t *testing.T) {
	f := newFixture(t)
	f.write("one/d/a", "1", 0o644)
	f.write("one/d/b", "1", 0o644)
	f.write("two/b", "2", 0o644)
	f.wants(f.element("kind: local\npath: one", "kind: local\npath: two\ndirectory: d"), "d/", `d/a "1"`, `d/b "2"`)
	if _, err := f.stage(f.element("kind: local\npath: one\ndirectory: ../x")); err == nil {
		t.Error("a directory outside is taken")
	}
}

func TestRemote(t *testing.T) {
	f := newFixture(t)
	file := f.write("files/one.bin", "content", 0o600)
	common := "kind: remote\nurl: file://" + file + "\nref: " + sha([]byte("content")) + "\n"
	f.wants(f.element(common), `one.bin "content"`)
	f.wants(f.element(common+"filename: two\nexecutable: true"), `two* "content"`)
	for _, name := range []string{"a/b", "..", "."} {
		if _, err := f.stage(f.element(common + "filename: " + name)); err == nil {
			t.Errorf("filename %q is taken", name)
		}
	}
}

func TestStageWithoutFetch(t *testing.T) {
	f := newFixture(t)
	el := f.element(f.tarball(makeTar(t, "p/a=1")))
	if source.Cached(t.Context(), f.env, el) {
		t.Error("cached before it is fetched")
	}
	if _, err := source.Stage(t.Context(), f.env, el); !errors.Is(err, source.ErrNotFetched) {
		t.Errorf("got %v, want ErrNotFetched", err)
	}
	if _, err := f.stage(el); err != nil || !source.Cached(t.Context(), f.env, el) {
		t.Errorf("not cached after it was fetched: %v", err)
	}
}

// TestDamagedMirror: what a mirror holds is not believed.
func TestDamagedMirror(t *testing.T) {
	f := newFixture(t)
	el := f.element(f.tarball(makeTar(t, "p/a=1")))
	if err := source.Fetch(t.Context(), f.env, el); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(f.env.MirrorDir, "downloads/*/*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no mirror", err)
	}
	for _, file := range files {
		if !strings.Contains(filepath.Base(file), ".") {
			if err := os.WriteFile(file, makeTar(t, "p/a=2"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := source.Stage(t.Context(), f.env, el); !errors.Is(err, source.ErrNotFetched) {
		t.Errorf("got %v, want ErrNotFetched", err)
	}
	f.wants(el, `a "1"`)
}

func TestUnknownKind(t *testing.T) {
	f := newFixture(t)
	if _, err := f.stage(f.element("kind: ostree")); !errors.Is(err, source.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}

// git runs git to make the repositories of a test.
func (f *fixture) git(dir string, args ...string) string {
	f.Helper()
	cmd := exec.CommandContext(f.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(f.env.Environ, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@b", "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=protocol.file.allow", "GIT_CONFIG_VALUE_0=always",
		"GIT_CONFIG_KEY_1=init.defaultBranch", "GIT_CONFIG_VALUE_1=main")
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
