package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// gitWork is a work tree whose content is asked for with no regard to what its index says: files that
// are marked as unchanged or left out there are compared too.
type gitWork struct {
	*gitint.Repo
	index string // a file of our own
}

// freshIndex returns the work tree of a repository with an index that was made from a commit; "" is an
// empty one. close must be called.
func freshIndex(ctx context.Context, repo *gitint.Repo, commit string) (w gitWork, closeIt func(), err error) {
	dir := filepath.Join(repo.GitDir(), "bst")
	if err := fsx.OwnDir(dir); err != nil {
		return w, nil, err
	}
	w = gitWork{Repo: repo, index: filepath.Join(dir, fsx.TempName("index-"))}
	closeIt = func() { _ = os.Remove(w.index) }
	tree := "--empty"
	if commit != "" {
		tree = commit
	}
	if _, err := w.run(ctx, "read-tree", tree); err != nil {
		closeIt()
		return w, nil, fmt.Errorf("read commit %s: %w", commit, err)
	}
	return w, closeIt, nil
}

// run runs git with the index of our own.
func (w gitWork) run(ctx context.Context, args ...string) (string, error) {
	return gitOutput(ctx, w.Repo, []string{"GIT_INDEX_FILE=" + w.index}, args...)
}

// gitOutput runs git on a repository and returns what it prints.
func gitOutput(ctx context.Context, repo *gitint.Repo, env []string, args ...string) (string, error) {
	var out bytes.Buffer
	err := repo.Do(ctx, gitint.Command{Args: args, Env: env, Stdout: &out})
	return out.String(), err
}

// found is a file or folder of a work tree that is not as in the commit.
type found struct {
	path  string // slash-separated, below the top
	what  string // changed, deleted, untracked or ignored
	empty bool   // there is nothing to be lost: it was deleted
}

// differing lists what is below a folder of the work tree and not in the commit that the index was made
// from, ignored files too; folders as a whole where git knows nothing in them. What is in submodules is
// not among it.
func (w gitWork) differing(ctx context.Context, folder string) ([]found, error) {
	out, err := w.run(ctx, "-c", "core.quotePath=false", "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal",
		"--ignored=traditional", "--ignore-submodules=all", "--", ":(literal)"+folder)
	if err != nil {
		return nil, fmt.Errorf("compare the work tree: %w", err)
	}
	var list []found
	for record := range strings.SplitSeq(out, "\x00") {
		if len(record) < 4 {
			continue
		}
		at := strings.TrimSuffix(record[3:], "/")
		switch {
		case record[:2] == "??":
			list = append(list, found{path: at, what: "untracked"})
		case record[:2] == "!!":
			list = append(list, found{path: at, what: "ignored"})
		case record[1] == 'D':
			list = append(list, found{path: at, what: "deleted", empty: true})
		case record[1] != ' ':
			list = append(list, found{path: at, what: "changed"})
		}
	}
	return list, nil
}

// module is a submodule that the index names.
type module struct {
	path      string
	commit    string
	populated bool // it has a repository; else what is there belongs to nobody
}

// modules lists the submodules below a folder.
func (w gitWork) modules(ctx context.Context, folder string) ([]module, error) {
	out, err := w.run(ctx, "ls-files", "--stage", "-z", "--", ":(literal)"+folder)
	if err != nil {
		return nil, fmt.Errorf("list submodules: %w", err)
	}
	var list []module
	for record := range strings.SplitSeq(out, "\x00") {
		head, at, ok := strings.Cut(record, "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 || fields[0] != "160000" {
			continue
		}
		_, err := os.Lstat(filepath.Join(w.TopLevel(), filepath.FromSlash(at), ".git"))
		list = append(list, module{path: at, commit: fields[1], populated: err == nil && linkAt(w.TopLevel(), at) == ""})
	}
	return list, nil
}

// linkAt returns the first part of a path below top that is a symbolic link; "" when none is.
func linkAt(top, name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		if info, err := os.Lstat(filepath.Join(top, filepath.FromSlash(at))); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at
		}
	}
	return ""
}

// strays lists what is in the folders of submodules that have no repository there.
func strays(top string, modules []module) []found {
	var list []found
	for _, m := range modules {
		if m.populated {
			continue
		}
		if link := linkAt(top, m.path); link != "" { // git says nothing of it; what is behind it is not ours
			list = append(list, found{path: link, what: "changed"})
			continue
		}
		entries, err := os.ReadDir(filepath.Join(top, filepath.FromSlash(m.path)))
		for _, entry := range entries {
			list = append(list, found{path: path.Join(m.path, entry.Name()), what: "untracked"})
		}
		if info, statErr := os.Lstat(filepath.Join(top, filepath.FromSlash(m.path))); err != nil && statErr == nil && !info.IsDir() {
			list = append(list, found{path: m.path, what: "changed"})
		}
	}
	return list
}

// busyFiles are what git leaves in its folder while something of several steps is going on.
var busyFiles = []struct{ name, what, end string }{
	{"rebase-merge", "a rebase", "git rebase --abort"},
	{"rebase-apply", "a rebase or git am", "git rebase --abort, or git am --abort"},
	{"MERGE_HEAD", "a merge", "git merge --abort"},
	{"CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --abort"},
	{"REVERT_HEAD", "a revert", "git revert --abort"},
	{"BISECT_LOG", "a bisection", "git bisect reset"},
}

// checkIdle refuses a work tree in which git is in the middle of something.
func checkIdle(repo *gitint.Repo) error {
	for _, busy := range busyFiles {
		if _, err := os.Lstat(filepath.Join(repo.GitDir(), busy.name)); !errors.Is(err, fs.ErrNotExist) {
			err := fmt.Errorf("%w: %s is going on in %s", ErrRefused, busy.what, repo.TopLevel())
			return hint.Add(err, "end it first: "+busy.end)
		}
	}
	return nil
}

// headOf returns the commit that is checked out; "" before the first.
func headOf(ctx context.Context, repo *gitint.Repo) string {
	out, err := gitOutput(ctx, repo, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
