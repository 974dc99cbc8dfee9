package gitint_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
)

// world is a home folder, a store and a memo of one test, and a repository in it.
type world struct {
	t    testing.TB
	home string // also HOME
	repo string
	env  []string
	opts gitint.Options
}

// newWorld makes an empty repository "r". Nothing of the machine's configuration is seen.
func newWorld(t testing.TB) *world {
	t.Helper()
	home := t.TempDir()
	w := &world{t: t, home: home, repo: filepath.Join(home, "r")}
	w.env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org",
	}
	w.write("../.gitconfig", "[protocol \"file\"]\n\tallow = always\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n")
	store, err := cas.OpenLocal(filepath.Join(home, "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w.opts = gitint.Options{Store: store, MemoDir: filepath.Join(home, "memo"), Env: w.env}
	w.git("init", "-q", ".")
	return w
}

// git runs the real git as a user would, in the repository, and returns its output.
func (w *world) git(args ...string) string {
	w.t.Helper()
	out, err := w.tryGit(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (w *world) tryGit(args ...string) (string, error) {
	if err := os.MkdirAll(w.repo, 0o777); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = w.repo, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sh runs a shell script in the repository.
func (w *world) sh(script string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Dir, cmd.Env = w.repo, w.env
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("sh: %v\n%s\n%s", err, script, out)
	}
}

// write makes a file below the repository.
func (w *world) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.repo, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() *gitint.Repo {
	w.t.Helper()
	r, err := gitint.Open(context.Background(), w.repo, w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// state is all of a git directory but ours: names, modes, times and content.
func state(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if entry.IsDir() && entry.Name() == "bst" {
			return filepath.SkipDir
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[rel] = info.Mode().String() + info.ModTime().String() + string(content)
		default: // a folder's time changes when git locks something in it, or "bst" is made
			found[rel] = info.Mode().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func sameState(t testing.TB, what string, before, after map[string]string) {
	t.Helper()
	for name, content := range before {
		if after[name] != content {
			t.Errorf("%s changed the user's git directory: %s", what, name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s left %s in the user's git directory", what, name)
		}
	}
}
