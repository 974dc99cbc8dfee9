package gitint_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestErrors(t *testing.T) {
	ctx := context.Background()
	workTree := func(r *gitint.Repo) error { _, err := r.WorkTree(ctx); return err }
	index := func(r *gitint.Repo) error { _, err := r.Index(ctx); return err }
	commit := func(rev string) func(r *gitint.Repo) error {
		return func(r *gitint.Repo) error { _, err := r.Commit(ctx, rev); return err }
	}
	for _, test := range []struct {
		name  string
		setup func(w *world)
		call  func(r *gitint.Repo) error
		want  error
		says  string
	}{
		{"conflicted index", (*world).conflict, index, gitint.ErrConflicted, "a: "},
		{"nested without commit", func(w *world) { w.basic(); w.git("init", "-q", "inner"); w.write("inner/x", "x") }, workTree, gitint.ErrNested, "inner"},
		{"outside the sparse checkout", func(w *world) {
			w.basic()
			w.git("sparse-checkout", "set", "d")
			w.write("out/x", "x")
		}, workTree, gitint.ErrSparse, "out/x"},
		{"name not UTF-8", func(w *world) { w.basic(); w.write("d/caf\xe9", "x") }, workTree, gitint.ErrName, `d/caf\xe9`},
		{"target not UTF-8", func(w *world) { w.basic(); w.sh(`ln -s "$(printf 'x\351')" d/l`) }, workTree, gitint.ErrName, "d/l"},
		{"submodule not there", func(w *world) {
			w.submodule()
			w.git("submodule", "--quiet", "deinit", "-f", "sub")
			w.sh("rm -rf .git/modules")
		}, workTree, gitint.ErrSubmodule, "sub"},
		{"unborn HEAD", func(*world) {}, commit("HEAD"), gitint.ErrNoCommit, ""},
		{"unknown revision", func(w *world) { w.basic() }, commit("nonsense"), gitint.ErrUnknownRevision, "nonsense"},
		{"option as revision", func(w *world) { w.basic() }, commit("--all"), gitint.ErrUnknownRevision, "--all"},
		{"line break in revision", func(w *world) { w.basic() }, commit("HEAD\nHEAD"), gitint.ErrUnknownRevision, ""},
		{"blob as revision", func(w *world) { w.basic() }, commit("HEAD:a"), gitint.ErrUnknownRevision, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(w)
			err := test.call(w.open())
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error = %v, want %v naming %q", err, test.want, test.says)
			}
			if len(hint.Lines(err)) == 0 && !strings.Contains(test.name, "line break") && !strings.Contains(test.name, "target") {
				t.Errorf("no hint: %v", err)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.git("init", "-q", "--bare", "../bare.git")
	for _, test := range []struct {
		dir  string
		want error
	}{
		{w.home, gitint.ErrNoRepository},
		{filepath.Join(w.home, "absent"), gitint.ErrNoRepository},
		{filepath.Join(w.home, "bare.git"), gitint.ErrBare},
		{filepath.Join(w.repo, ".git"), gitint.ErrBare},
	} {
		if _, err := gitint.Open(ctx, test.dir, w.opts); !errors.Is(err, test.want) {
			t.Errorf("Open %s: %v, want %v", test.dir, err, test.want)
		}
	}
	w.write(".git/config", "[core\n")
	if _, err := gitint.Open(ctx, w.repo, w.opts); !errors.Is(err, gitint.ErrGit) {
		t.Errorf("Open with a broken configuration: %v", err)
	}
}

// TestFormatThatGitLacks stands for every repository of a newer git: the installed one may not
// know the extension (reftable is one such), and its refusal must come through clearly.
func TestFormatThatGitLacks(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.git("config", "core.repositoryFormatVersion", "1")
	w.git("config", "extensions.fromTheFuture", "true")
	_, err := gitint.Open(context.Background(), w.repo, w.opts)
	if !errors.Is(err, gitint.ErrGit) || !strings.Contains(err.Error(), "fromthefuture") {
		t.Errorf("Open = %v", err)
	}
}

func TestPlaces(t *testing.T) {
	w := newWorld(t)
	w.basic()
	r, err := gitint.Open(context.Background(), filepath.Join(w.repo, "e", "f"), w.opts)
	if err != nil {
		t.Fatal(err)
	}
	top, _ := filepath.EvalSymlinks(w.repo)
	if r.TopLevel() != top || r.Prefix() != "e/f" || r.GitDir() != filepath.Join(top, ".git") || r.CommonDir() != r.GitDir() {
		t.Errorf("%s %s %s %s", r.TopLevel(), r.Prefix(), r.GitDir(), r.CommonDir())
	}
	w.git("worktree", "add", "-q", "../other")
	other, err := gitint.Open(context.Background(), filepath.Join(w.home, "other"), w.opts)
	if err != nil || other.CommonDir() != r.GitDir() || other.GitDir() == r.GitDir() {
		t.Errorf("linked: %v, %v", other, err)
	}
}

func TestNoProgramOfTheRepositoryRuns(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.submodule()
	script := "#!/bin/sh\necho \"$0\" >> '" + filepath.Join(w.home, "ran") + "'\ncat\n"
	w.write("../prog", script)
	w.sh(`chmod +x ../prog; for h in post-index-change pre-commit post-checkout reference-transaction fsmonitor-watchman; do
for d in .git .git/modules/sub; do mkdir -p $d/hooks; cp ../prog $d/hooks/$h; done; done; mkdir ../hooks; cp ../prog ../hooks/post-index-change`)
	prog := filepath.Join(w.home, "prog")
	for _, dir := range []string{".", "sub"} {
		w.git("-C", dir, "config", "core.fsmonitor", prog)
		w.git("-C", dir, "config", "core.hooksPath", filepath.Join(w.home, "hooks"))
		w.git("-C", dir, "config", "hook.x.command", prog)
		w.git("-C", dir, "config", "hook.x.event", "post-index-change")
		w.git("-C", dir, "config", "filter.evil.clean", prog)
		w.git("-C", dir, "config", "filter.evil.smudge", prog)
		w.git("-C", dir, "config", "filter.evil.process", prog)
		w.git("-C", dir, "config", "filter.evil.required", "true")
		w.git("-C", dir, "config", "filter.lfs.process", prog)
		w.git("-C", dir, "config", "diff.external", prog)
		w.git("-C", dir, "config", "core.sshCommand", prog)
		w.git("-C", dir, "config", "core.askPass", prog)
		w.git("-C", dir, "config", "credential.helper", prog)
	}
	for _, dir := range []string{"", "sub/"} {
		w.write(dir+".gitattributes", "*.x filter=evil\n*.big filter=lfs\n*.txt eol=crlf\n")
		w.write(dir+"f.x", "x")
		w.write(dir+"g.big", "big")
		w.write(dir+"h.txt", "1\n")
	}
	w.sh("rm -f ../ran")
	before, sub := state(t, filepath.Join(w.repo, ".git")), w.ran()
	r := w.open()
	s, err := r.WorkTree(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Index(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(ctx, "HEAD"); err != nil {
		t.Fatal(err)
	}
	if err := r.Ensure(ctx, s, s.Staged); err != nil {
		t.Fatal(err)
	}
	sameState(t, "snapshots", before, state(t, filepath.Join(w.repo, ".git")))
	if got := w.ran(); got != sub {
		t.Errorf("ran:\n%s", got)
	}
	if !s.Dirty || len(s.Submodules) != 1 || !s.Submodules[0].Dirty || w.content(s.Staged, "sub/h.txt") != "1\r\n" {
		t.Errorf("snapshot %+v", s)
	}
}

func TestSubmodulePolicy(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.submodule()
	full, err := w.open().WorkTree(ctx)
	if err != nil || full.Dirty || len(full.Submodules) != 1 || full.Submodules[0].OID != w.git("rev-parse", "HEAD:sub") {
		t.Fatalf("%+v, %v", full, err)
	}
	w.opts.Submodules = gitint.SubmodulesEmpty
	empty, err := w.open().Commit(ctx, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := tree.Subtree(ctx, w.opts.Store, empty.Canonical, "sub"); err != nil || d != digest.Empty {
		t.Errorf("empty policy: %v, %v", d, err)
	}
	w.git("submodule", "--quiet", "deinit", "-f", "sub")
	w.opts.Submodules = gitint.SubmodulesExpand
	kept, err := w.open().WorkTree(ctx) // .git/modules still has it
	if err != nil || kept.Canonical != full.Canonical {
		t.Errorf("deinitialised: %+v, %v", kept, err)
	}
	if err := w.open().Ensure(ctx, kept, kept.Staged); err != nil {
		t.Error(err)
	}
	w.sh("rm -rf .git/modules")
	w.opts.Submodules = gitint.SubmodulesLoose
	loose, err := w.open().WorkTree(ctx)
	if err != nil || loose.Canonical != empty.Canonical {
		t.Errorf("loose policy: %+v, %v", loose, err)
	}
}

func TestIndexIsWhatWouldBeCommitted(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.basic()
	w.write("a", "staged")
	w.git("add", "a")
	w.write("a", "not staged")
	r := w.open()
	before := state(t, r.GitDir())
	s, err := r.Index(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, "Index", before, state(t, r.GitDir()))
	if err := r.Ensure(ctx, s, s.Canonical); err != nil || w.content(s.Canonical, "a") != "staged" {
		t.Errorf("%v: a = %q", err, w.content(s.Canonical, "a"))
	}
	w.git("commit", "-q", "-m", "m")
	if c, err := r.Commit(ctx, "HEAD"); err != nil || c.Canonical != s.Canonical {
		t.Errorf("commit %+v, %v", c, err)
	}
}

// TestGitDirThatCannotBeWritten has a file where our folder would be, which stops root too.
func TestGitDirThatCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.write("a", "changed")
	w.write(".git/bst", "in the way")
	s, err := w.open().WorkTree(context.Background())
	if err != nil || !s.Dirty {
		t.Errorf("%+v, %v", s, err)
	}
}
