package gitint_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/gitint"
)

// cases are the work trees of which reference tables say that cheap schemes fail. Each starts
// from an empty repository; setup ends with uncommitted changes.
var cases = []struct {
	name  string
	setup func(w *world)
}{
	{"unborn", func(w *world) { w.write("a", "1"); w.write("d/b", "2") }},
	{"unborn with index", func(w *world) { w.write("a", "1"); w.git("add", "a"); w.write("a", "22") }},
	{"clean", func(w *world) { w.basic() }},
	{"modified, deleted, untracked", func(w *world) {
		w.basic()
		w.write("a", "changed")
		w.write("new/x", "x")
		w.sh("rm d/b; mkdir -p empty/er; chmod +x c; ln -s a link; mkfifo fifo")
	}},
	{"file to folder and back", func(w *world) { w.basic(); w.sh("rm a; mkdir a; echo x > a/x; rm -r d; echo y > d") }},
	{"folder replaced by a link", func(w *world) { w.basic(); w.sh("mv d e; ln -s e d") }},
	{"ignored and forced", func(w *world) {
		w.basic()
		w.write(".gitignore", "*.o\nout/\n")
		w.write("x.o", "o")
		w.write("out/y", "o")
		w.write("z.o", "o")
		w.git("add", "-f", "z.o")
	}},
	{"intent to add", func(w *world) { w.basic(); w.write("n", "n"); w.git("add", "-N", "n") }},
	{"staged, then changed", func(w *world) { w.basic(); w.write("a", "s1"); w.git("add", "a"); w.write("a", "s22") }},
	{"sort order", func(w *world) {
		w.write("a.b", "1")
		w.write("a/x", "2")
		w.write("a0", "3")
		w.write("a-", "4")
		w.write("s.b/x", "5")
		w.write("s/x", "6")
	}},
	{"odd names", func(w *world) {
		w.write("tab\there", "1")
		w.write("line\nbreak", "2")
		w.write("quote\"back\\slash", "3")
		w.write("é/ü", "4")
		w.write(" lead", "5")
		w.write("-dash", "6")
		w.write("aux", "7")
		w.write(":(glob)x", "8")
	}},
	{"autocrlf", func(w *world) {
		w.basic()
		w.git("config", "core.autocrlf", "true")
		w.write("dos", "1\r\n2\r\n")
		w.write("a", "1\r\n")
	}},
	{"autocrlf with CRLF in the index", func(w *world) {
		w.write("dos", "1\r\n")
		w.commit()
		w.git("config", "core.autocrlf", "true")
		w.write("dos", "1\r\n2\r\n")
	}},
	{"eol and ident", func(w *world) {
		w.write(".gitattributes", "*.txt text eol=crlf\n*.id ident\n*.u16 text working-tree-encoding=UTF-16LE\n")
		w.write("a.txt", "1\r\n2\r\n")
		w.write("b.id", "$Id$\n")
		w.write("c.u16", "h\x00i\x00\n\x00")
		w.write("d/raw.bin", "1\r\n")
		w.commit()
		w.write("a.txt", "1\r\n2\r\n3\r\n")
	}},
	{"no file modes", func(w *world) { w.basic(); w.git("config", "core.fileMode", "false"); w.sh("chmod +x a; chmod -x exe") }},
	{"no symlinks", func(w *world) { w.basic(); w.git("config", "core.symlinks", "false"); w.sh("rm ln; printf other > ln") }},
	{"skip-worktree", func(w *world) {
		w.basic()
		w.git("update-index", "--skip-worktree", "a")
		w.write("a", "mine")
		w.write("c", "new")
	}},
	{"assume-unchanged", func(w *world) { w.basic(); w.git("update-index", "--assume-unchanged", "a"); w.write("a", "mine") }},
	{"sparse checkout", func(w *world) { w.basic(); w.git("sparse-checkout", "set", "d"); w.write("d/b", "new") }},
	{"sparse index", func(w *world) {
		w.basic()
		w.git("sparse-checkout", "set", "--cone", "--sparse-index", "e")
		w.write("e/n", "new")
	}},
	{"split index", func(w *world) {
		w.basic()
		w.git("update-index", "--split-index")
		w.write("a", "new")
		w.write("n", "n")
	}},
	{"many files", func(w *world) { w.git("config", "feature.manyFiles", "true"); w.basic(); w.write("a", "new") }},
	{"linked work tree", func(w *world) {
		w.basic()
		w.git("worktree", "add", "-q", "../other")
		w.repo = filepath.Join(w.home, "other")
		w.write("a", "in other")
		w.write("n", "n")
	}},
	{"worktree config", func(w *world) { w.basic(); w.git("config", "extensions.worktreeConfig", "true"); w.write("a", "x") }},
	{"sha256", func(w *world) {
		w.sh("rm -rf .git")
		w.git("init", "-q", "--object-format=sha256")
		w.basic()
		w.write("a", "x")
	}},
	{"alternates", func(w *world) {
		w.basic()
		w.git("clone", "-q", "--shared", ".", "../shared")
		w.repo = filepath.Join(w.home, "shared")
		w.write("a", "x")
	}},
	{"relative alternates", func(w *world) {
		w.basic()
		w.git("clone", "-q", "--shared", ".", "../shared")
		w.repo = filepath.Join(w.home, "shared")
		w.write(".git/objects/info/alternates", "../../../r/.git/objects\n")
		w.write("a", "x")
	}},
	{"replaced commit", func(w *world) {
		w.basic()
		w.write("a", "second")
		w.commit()
		w.git("replace", "HEAD", "HEAD~1")
		w.write("c", "x")
	}},
	{"shallow", func(w *world) {
		w.basic()
		w.git("clone", "-q", "--depth=1", "file://"+w.repo, "../shallow")
		w.repo = filepath.Join(w.home, "shallow")
		w.write("a", "x")
	}},
	{"partial clone", func(w *world) {
		w.basic()
		w.git("config", "uploadpack.allowFilter", "true")
		w.git("clone", "-q", "--filter=blob:none", "file://"+w.repo, "../partial")
		w.repo = filepath.Join(w.home, "partial")
		w.write("a", "x")
	}},
	{"packed", func(w *world) { w.basic(); w.git("gc", "-q"); w.write("a", "x") }},
	{"separate git dir", func(w *world) {
		w.basic()
		w.git("init", "-q", "--separate-git-dir", "../apart:dir")
		w.write("a", "x")
	}},
	{"conflict", (*world).conflict},
	{"nested repository", func(w *world) {
		w.basic()
		w.sh("git init -q inner; cd inner; echo i > i; git add i; git commit -q -m i")
	}},
	{"submodule", func(w *world) { w.submodule(); w.write("a", "x") }},
	{"submodule with a new commit", func(w *world) { w.submodule(); w.sh("cd sub; echo 2 > s; git commit -q -a -m 2") }},
	{"submodule is gone", func(w *world) { w.submodule(); w.sh("rm -rf sub") }},
	{"submodule is a file", func(w *world) { w.submodule(); w.sh("rm -rf sub; echo x > sub") }},
	{"submodule behind a link", func(w *world) {
		w.submodule()
		w.sh("mkdir p; git mv sub p/sub; git commit -qam m; mv p q; ln -s q p")
		w.sh("rm q/sub/.git; git init -q q/sub; git -C q/sub add .; git -C q/sub commit -qm s") // its own git folder again
	}},
	{"submodule in a large index", func(w *world) {
		w.submodule()
		w.git("config", "index.version", "4")
		w.git("config", "index.recordOffsetTable", "true")
		w.sh("git rm -q --cached a; cd sub; echo 2 > s; git commit -q -a -m 2")
	}},
	{"submodule and a version 4 index", func(w *world) {
		w.submodule()
		w.git("update-index", "--index-version", "4")
		w.sh("echo a2 > a; cd sub; echo 2 > s; git commit -q -a -m 2")
	}},
	{"submodule and a split index", func(w *world) {
		w.submodule()
		w.git("update-index", "--split-index")
		w.sh("echo a2 > a; cd sub; echo 2 > s; git commit -q -a -m 2")
	}},
	{"submodule and a sparse checkout", func(w *world) {
		w.submodule()
		w.git("sparse-checkout", "set", "d")
		w.sh("cd sub; echo 2 > s; git commit -q -a -m 2")
	}},
	{"submodules in conflict", func(w *world) {
		w.submodule()
		w.sh("git checkout -qb side; echo 2 > sub/s; git -C sub commit -qam 2; git commit -qam 2; git checkout -q main; git -C sub checkout -q HEAD~1; echo 3 > sub/s; git -C sub commit -qam 3; git commit -qam 3; git merge side || true")
	}},
	{"two submodules, odd names", func(w *world) {
		w.submodule()
		w.git("submodule", "--quiet", "add", filepath.Join(w.home, "s"), "d/:(top)*[x]")
		w.write("d/x", "x")
		w.sh("cd d/:*; echo 2 > s; git commit -q -a -m 2")
	}},
	{"touched", func(w *world) { w.basic(); w.sh("touch -d '2001-01-01' a c d/b; rm ln; ln -s a ln") }},
	{"same size, same time", func(w *world) { w.basic(); w.sh("touch -r a ../ref; printf 2 > a; touch -r ../ref a") }},
	{"index lock held", func(w *world) { w.basic(); w.write("a", "x"); w.write(".git/index.lock", "") }},
	{"info/exclude", func(w *world) {
		w.basic()
		w.write(".git/info/exclude", "*.tmp\n")
		w.write("x.tmp", "x")
		w.write("n", "n")
	}},
}

// basic commits some files.
func (w *world) basic() {
	w.write("a", "1")
	w.write("c", "three\n")
	w.write("d/b", "2")
	w.write("e/f/g", "deep")
	w.write("exe", "#!/bin/sh\n")
	w.write("nothing", "")
	w.sh("chmod +x exe; ln -s d/b ln")
	w.commit()
}

func (w *world) commit() {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", "m")
}

// conflict ends in the middle of a merge that both sides changed a in.
func (w *world) conflict() {
	w.basic()
	w.git("checkout", "-q", "-b", "side")
	w.write("a", "side")
	w.commit()
	w.git("checkout", "-q", "main")
	w.write("a", "main")
	w.commit()
	if out, err := w.tryGit("merge", "side"); err == nil {
		w.t.Fatalf("the merge has no conflict: %s", out)
	}
}

func (w *world) submodule() {
	w.basic()
	w.sh("git init -q ../s; cd ../s; mkdir d; echo s > s; echo t > d/t; git add .; git commit -q -m s")
	w.git("submodule", "--quiet", "add", filepath.Join(w.home, "s"), "sub")
	w.commit()
}

func TestWorkTreeEqualsCommit(t *testing.T) {
	ctx := context.Background()
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.setup(w)
			r := w.open()
			before := state(t, r.CommonDir())
			dirty, err := r.WorkTree(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := r.WorkTree(ctx); err != nil || again.Staged != dirty.Staged || again.Canonical != dirty.Canonical {
				t.Errorf("second snapshot: %+v, %v; first %+v", again, err, dirty)
			}
			sameState(t, "WorkTree", before, state(t, r.CommonDir()))
			w.sh("rm -f .git/index.lock || true")
			w.commit()
			before = state(t, r.CommonDir())
			committed, err := r.Commit(ctx, "HEAD")
			if err != nil {
				t.Fatal(err)
			}
			sameState(t, "Commit", before, state(t, r.CommonDir()))
			if dirty.OID != committed.OID || dirty.Canonical != committed.Canonical || dirty.Staged != committed.Staged {
				t.Errorf("work tree %s %v\n   commit %s %v", dirty.OID, dirty.Canonical, committed.OID, committed.Canonical)
			}
			w.bothBackends(committed)
			if err := r.Ensure(ctx, dirty, dirty.Canonical); err != nil {
				t.Error(err)
			}
			if err := r.Ensure(ctx, dirty, dirty.Staged); err != nil {
				t.Error(err)
			}
		})
	}
}

// bothBackends makes the snapshot of HEAD again, from nothing, with each backend and without the
// work tree's help.
func (w *world) bothBackends(want gitint.Snapshot) {
	w.t.Helper()
	ctx := context.Background()
	for _, backend := range []string{"git", "go-git"} {
		opts := w.opts
		opts.MemoDir = filepath.Join(w.t.TempDir(), "memo")
		r, err := gitint.Open(ctx, w.repo, opts)
		if err != nil {
			w.t.Fatal(err)
		}
		got, err := gitint.WithBackend(r, backend).Commit(ctx, "HEAD")
		if err != nil || got.Canonical != want.Canonical || got.Staged != want.Staged {
			w.t.Errorf("by %s: %v, %v; want %v", backend, got.Canonical, err, want.Canonical)
		}
	}
}
