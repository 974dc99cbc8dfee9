package gitint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestMirrorHasCommitsOnly(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.write(".gitattributes", "a eol=crlf\n")
	w.basic()
	want, err := w.open().Commit(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	w.git("clone", "-q", "--mirror", ".", "../mirror.git")
	w.opts.MemoDir = filepath.Join(w.home, "memo2")
	r, err := gitint.OpenGitDir(ctx, filepath.Join(w.home, "mirror.git"), w.opts)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Commit(ctx, "refs/heads/main")
	if err != nil || got.Staged != want.Staged || got.Commit != want.Commit {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if err := r.Ensure(ctx, got, got.Staged); err != nil {
		t.Error(err)
	}
	if _, err := r.WorkTree(ctx); !errors.Is(err, gitint.ErrBare) {
		t.Errorf("WorkTree = %v", err)
	}
}

// TestForeignOwner asks git to take the repository for another user's.
func TestForeignOwner(t *testing.T) {
	w := newWorld(t)
	w.write("../git", "#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec git \"$@\"\n")
	w.sh("chmod +x ../git")
	w.opts.Git = filepath.Join(w.home, "git")
	_, err := gitint.Open(context.Background(), w.repo, w.opts)
	if !errors.Is(err, gitint.ErrUnsafe) || !strings.Contains(strings.Join(hint.Lines(err), ""), "safe.directory") {
		t.Errorf("%v, hints %q", err, hint.Lines(err))
	}
}

// TestKeptIndexDoesNotRemember changes what git add -A would do between two snapshots; what the
// first one learned must not show in the second.
func TestKeptIndexDoesNotRemember(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct{ name, first, second string }{
		{"untracked, then ignored", "echo n > n", "echo n > .gitignore"},
		{"untracked, then excluded", "echo n > n", "echo n > .git/info/exclude"},
		{"touched, then other configuration", "printf '1\\r\\n' > a; git add a; git commit -qm m; touch a", "git config core.autocrlf input; touch a"},
		{"attributes", "printf '1\\r\\n' > x", "echo 'x text' > .gitattributes"},
		{"removed, then back and ignored", "rm c", "echo c > .gitignore; echo back > c"},
		{"staged", "touch a; git status", "echo s > a; git add a; rm a"},
		{"attributes on a touched file", "echo '*.txt text' > .gitattributes; echo one > a.txt; git add -A; git commit -qm t; printf 'one\\r\\n' > a.txt; touch -d 2001-01-01 a.txt", "echo '*.txt -text' > .gitattributes"},
		{"attributes of a folder", "mkdir f; echo '*.txt text' > f/.gitattributes; echo one > f/a.txt; git add -A; git commit -qm t; printf 'one\\r\\n' > f/a.txt; touch -d 2001-01-01 f/a.txt", "rm f/.gitattributes"},
		{"attributes in info", "mkdir -p f .git/info; echo '*.txt text' > .git/info/attributes; echo one > f/a.txt; git add -A; git commit -qm t; printf 'one\\r\\n' > f/a.txt; touch -d 2001-01-01 f/a.txt", "rm .git/info/attributes"},
		{"attributes of the user", "mkdir -p f $HOME/.config/git; echo '*.txt text' > $HOME/.config/git/attributes; echo one > f/a.txt; git add -A; git commit -qm t; printf 'one\\r\\n' > f/a.txt; touch -d 2001-01-01 f/a.txt", "echo > $HOME/.config/git/attributes"},
		{"attributes named by configuration", "git config core.attributesFile ~/attrs; mkdir f; echo '*.txt text' > ~/attrs; echo one > f/a.txt; git add -A; git commit -qm t; printf 'one\\r\\n' > f/a.txt; touch -d 2001-01-01 f/a.txt", "rm ~/attrs"},
		{"attributes, racy file", "echo '*.txt text' > .gitattributes; printf 'one\\r\\n' > a.txt; git add -A; git commit -qm t", "echo '*.txt -text' > .gitattributes"},
		{"reset", "echo 2 > a; git commit -qam 2; touch a", "git reset -q --soft HEAD~1; echo 3 > c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.basic()
			w.sh(test.first)
			r := w.open()
			for range 2 {
				if _, err := r.WorkTree(ctx); err != nil {
					t.Fatal(err)
				}
			}
			w.sh(test.second)
			s, err := w.open().WorkTree(ctx)
			if err != nil {
				t.Fatal(err)
			}
			w.commit()
			if c, err := r.Commit(ctx, "HEAD"); err != nil || c.OID != s.OID || c.Canonical != s.Canonical {
				t.Errorf("work tree %s, commit %s, %v", s.OID, c.OID, err)
			}
		})
	}
}

func TestTouchedFilesAreReadOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.write(".gitattributes", "* text\n")
	w.basic()
	w.sh("find . -path ./.git -prune -o -exec touch -h -d 2001-01-01 {} +") // older than any index
	r := w.open()
	if _, err := r.WorkTree(ctx); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(r.GitDir(), "bst", "base")
	first, err := os.Stat(kept)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.WorkTree(ctx); err != nil || s.Dirty {
		t.Fatalf("%+v, %v", s, err)
	}
	if second, err := os.Stat(kept); err != nil || !os.SameFile(first, second) {
		t.Errorf("the index was written again: %v", err)
	}
}

// TestForeignFolder has something in the place of our folder, as an unpacked archive may. Nothing
// is done outside, and snapshots work.
func TestForeignFolder(t *testing.T) {
	ctx := context.Background()
	for _, setup := range []string{
		"ln -s ../../precious .git/bst",
		"touch .git/bst",
		"mkfifo .git/bst",
		"ln -s ../../absent .git/bst",
		"mkdir .git/bst; ln -s ../../../precious/new .git/bst/scratch.lock",
		"mkdir .git/bst; ln -s ../../../precious/base .git/bst/base; ln -s ../../../precious/new .git/bst/base.lock; mkfifo .git/bst/base.state",
		"mkdir -p .git/bst/base/x .git/bst/base.state .git/bst/base.lock; ln -s ../../../precious .git/bst/tmp-x",
	} {
		t.Run(setup, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.basic()
			w.write("../precious/tmp-thesis/text", "years of work")
			w.write("../precious/base", "mine")
			w.sh(setup)
			before := state(t, filepath.Join(w.home, "precious"))
			w.write("a", "new")
			for range 2 {
				if s, err := w.open().WorkTree(ctx); err != nil || !s.Dirty {
					t.Fatalf("%+v, %v", s, err)
				}
				w.sh("git add a; touch c")
			}
			sameState(t, "a snapshot", before, state(t, filepath.Join(w.home, "precious")))
			if _, err := os.Lstat(filepath.Join(w.home, "absent")); err == nil {
				t.Error("a folder was made where the link leads")
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.basic()
	w.write("a", "changed")
	want, err := w.open().WorkTree(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			r, err := gitint.Open(ctx, w.repo, w.opts)
			if err != nil {
				t.Error(err)
				return
			}
			if s, err := r.WorkTree(ctx); err != nil || s.Canonical != want.Canonical {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	group.Wait()
	left, _ := filepath.Glob(filepath.Join(w.repo, ".git", "bst", "tmp-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestKilledSnapshotIsCleanedUp(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.write(".git/bst/tmp-killed/objects/ab/cd", "rest")
	if _, err := w.open().WorkTree(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(w.repo, ".git/bst/tmp-killed")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestStoreLost empties the store under a memo that knows everything.
func TestStoreLost(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.write(".gitattributes", "c eol=crlf\n")
	w.basic()
	w.write("a", "dirty")
	first, err := w.open().WorkTree(ctx)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cas.OpenLocal(filepath.Join(w.home, "cas2"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	w.opts.Store = store
	r := w.open()
	s, err := r.WorkTree(ctx)
	if err != nil || s.Staged != first.Staged {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := r.Ensure(ctx, s, s.Staged); err != nil {
		t.Fatal(err)
	}
	if got := w.content(s.Staged, "a") + w.content(s.Staged, "c"); got != "dirtythree\r\n" {
		t.Errorf("%q", got)
	}
}

func TestEmptyRepository(t *testing.T) {
	w := newWorld(t)
	s, err := w.open().WorkTree(context.Background())
	if err != nil || s.Canonical != digest.Empty || s.Staged != digest.Empty || s.Dirty || s.Commit != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUnmergedFilesAreNamed(t *testing.T) {
	w := newWorld(t)
	w.conflict()
	s, err := w.open().WorkTree(context.Background())
	if err != nil || len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], "a: unmerged") || !s.Dirty {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDirty(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.submodule()
	r := w.open()
	for _, test := range []struct {
		change     string
		dirty, sub bool
	}{
		{":", false, false},
		{"touch a", false, false},
		{"echo i > sub/ignored; echo ignored > .git/modules/sub/info/exclude", false, false},
		{"echo new > sub/s", true, true},
		{"git -C sub commit -qam new", true, false},
		{"git add -A; git commit -qm new", false, false},
		{"echo n > n", true, false},
	} {
		w.sh(test.change)
		s, err := r.WorkTree(ctx)
		if err != nil || s.Dirty != test.dirty || len(s.Submodules) != 1 || s.Submodules[0].Dirty != test.sub {
			t.Errorf("after %q: %+v, %v", test.change, s, err)
		}
	}
}

// TestFoldersLost takes folders below the root out of the store, as a garbage collection would.
func TestFoldersLost(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.basic()
	for _, dirty := range []string{"", "changed"} {
		if dirty != "" {
			w.write("e/f/g", dirty)
		}
		s, err := w.open().WorkTree(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"d", "e/f"} {
			d, err := tree.Subtree(ctx, w.opts.Store, s.Staged, path)
			if err != nil {
				t.Fatal(err)
			}
			w.sh("rm ../cas/objects/" + d.Hash()[:2] + "/" + d.Hash()[2:])
		}
		r := w.open()
		if s, err = r.WorkTree(ctx); err != nil {
			t.Fatal(err)
		}
		if err := r.Ensure(ctx, s, s.Staged); err != nil {
			t.Errorf("%q: %v", dirty, err)
		}
	}
}

// TestManyObjects has more folders and files than are read one by one.
func TestManyObjects(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	for i := range 250 {
		w.write(fmt.Sprintf("d%d/f", i), fmt.Sprint(i))
	}
	w.commit()
	roots := map[digest.Digest]bool{}
	for _, backend := range []string{"git", "go-git"} {
		w.opts.MemoDir = filepath.Join(w.home, "memo-"+backend)
		r := gitint.WithBackend(w.open(), backend)
		s, err := r.Commit(ctx, "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Ensure(ctx, s, s.Staged); err != nil {
			t.Fatal(err)
		}
		roots[s.Staged] = true
	}
	if len(roots) != 1 {
		t.Errorf("backends differ: %v", roots)
	}
}

func TestBranch(t *testing.T) {
	w := newWorld(t)
	w.git("checkout", "--quiet", "-b", "topic/one") // before the first commit
	if got := w.open().Branch(); got != "topic/one" {
		t.Errorf("Branch = %q before the first commit", got)
	}
	w.basic()
	w.commit()
	w.git("checkout", "--quiet", "--detach")
	if got := w.open().Branch(); got != "" {
		t.Errorf("Branch = %q, detached", got)
	}
}
