package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/workspace"
)

// Reset is what became of a workspace that was reset.
type Reset struct {
	workspace.Workspace
	Aside string   // the folder in which everything is that was moved; "" when nothing was
	Moved int      // files and folders that were moved
	Refs  []string // under which commits and the index were kept, in the work tree's repository
	Left  string   // the branch that is no longer checked out; "" when HEAD stayed where it was
}

// ResetWorkspace brings a workspace back to the content that it was opened with. Everything that is not
// as it was, ignored files and what is in submodules too, is renamed into a folder beside the work tree
// before anything else is written; commits and what was staged get refs. So nothing is ever lost,
// whenever it is ended; asked for again, it goes on. Branches and stashes stay as they are.
func (s *Session) ResetWorkspace(ctx context.Context, name string) (Reset, error) {
	found, err := s.FindWorkspaces(ctx, name)
	if err == nil {
		found, err = s.one(found, name)
	}
	if err != nil {
		return Reset{}, fmt.Errorf("reset a workspace: %w", err)
	}
	w := found[0].Workspace
	for _, known := range found {
		if known.Status != workspace.Ready {
			return Reset{}, fmt.Errorf("reset the workspace of %s: %s is %s", known.Element, known.Dir(), known.Status)
		}
		if known.Folder == "." {
			w = known.Workspace // of several on one work tree that which has all of it
		}
	}
	reset, err := s.resetWorkspace(ctx, w)
	if err != nil {
		err = fmt.Errorf("reset the workspace of %s: %w", w.Element, err)
		if reset.Aside != "" {
			err = hint.Addf(err, "nothing is lost: what was changed so far is in %s", reset.Aside)
		}
	}
	return reset, err
}

func (s *Session) resetWorkspace(ctx context.Context, w workspace.Workspace) (Reset, error) {
	reset := Reset{Workspace: w}
	repo, err := gitint.Open(ctx, w.Top, s.gitOptions(nil))
	if err != nil {
		return reset, err
	}
	if w.Commit == "" {
		err := fmt.Errorf("%w: there was no commit when it was opened", ErrRefused)
		return reset, hint.Add(err, "to have only the next build start clean: git bst workspace reset --soft")
	}
	stamp := s.options.Now().UTC().Format("20060102T150405Z")
	r := resetter{session: s, stamp: stamp, aside: asideFolder(repo, stamp), reset: &reset}
	if w.Folder == "." {
		err = r.whole(ctx, repo, w.Commit, "")
	} else {
		err = r.files(ctx, repo, w.Commit, w.Folder, "")
	}
	for _, folder := range w.Empty {
		if err == nil {
			err = os.MkdirAll(filepath.Join(w.Dir(), filepath.FromSlash(folder)), 0o777)
		}
	}
	return reset, err
}

// asideFolder is where things are moved: beside the work tree, or, where that is another file system or
// can't be written, in the git directory.
func asideFolder(repo *gitint.Repo, stamp string) string {
	beside := repo.TopLevel() + ".reset-" + stamp
	var parent, top syscall.Stat_t
	if syscall.Stat(filepath.Dir(beside), &parent) == nil && syscall.Stat(repo.TopLevel(), &top) == nil && parent.Dev == top.Dev &&
		syscall.Access(filepath.Dir(beside), 2) == nil { // 2: to write
		return beside
	}
	return filepath.Join(repo.GitDir(), "bst", "reset-"+stamp)
}

// resetter resets one work tree with its submodules.
type resetter struct {
	session *Session
	stamp   string
	aside   string
	reset   *Reset
}

// whole resets a repository, which is at inside in the whole, to a commit.
func (r resetter) whole(ctx context.Context, repo *gitint.Repo, commit, inside string) error {
	if err := checkIdle(repo); err != nil {
		return err
	}
	head := headOf(ctx, repo)
	if err := r.keepCommits(ctx, repo, head, commit, inside); err != nil {
		return err
	}
	if err := r.files(ctx, repo, commit, ".", inside); err != nil {
		return err
	}
	if head != commit {
		branch := branchOf(repo.GitDir())
		if _, err := gitOutput(ctx, repo, nil, "update-ref", "--no-deref", "-m", "git bst workspace reset", "HEAD", commit); err != nil {
			return err
		}
		if inside == "" {
			r.reset.Left = branch
		}
	}
	if _, err := gitOutput(ctx, repo, nil, "read-tree", "--reset", commit); err != nil {
		return err
	}
	_, _ = gitOutput(ctx, repo, nil, "update-index", "-q", "--refresh") // a help for the next git status
	return nil
}

// keepCommits gives refs to the commit that is checked out and to what is staged, as far as these are
// not what the repository is reset to.
func (r resetter) keepCommits(ctx context.Context, repo *gitint.Repo, head, commit, inside string) error {
	if head != "" && head != commit {
		if err := r.keep(ctx, repo, "head", head, inside); err != nil {
			return err
		}
	}
	tree, err := gitOutput(ctx, repo, nil, "write-tree")
	if err != nil {
		tree, err = r.conflicts(ctx, repo)
	}
	if err != nil {
		return fmt.Errorf("keep what is staged: %w", err)
	}
	tree = strings.TrimSpace(tree)
	committed, _ := gitOutput(ctx, repo, nil, "rev-parse", "--verify", "--quiet", "HEAD^{tree}")
	if tree == strings.TrimSpace(committed) {
		return nil
	}
	args := []string{"commit-tree", tree, "-m", "What was staged before git bst workspace reset"}
	if head != "" {
		args = append(args, "-p", head)
	}
	kept, err := gitOutput(ctx, repo, freshEnv, args...)
	if err != nil {
		return fmt.Errorf("keep what is staged: %w", err)
	}
	return r.keep(ctx, repo, "index", strings.TrimSpace(kept), inside)
}

// conflicts returns a tree with all versions of an index that has unmerged files, by their ids.
func (r resetter) conflicts(ctx context.Context, repo *gitint.Repo) (string, error) {
	staged, err := gitOutput(ctx, repo, nil, "ls-files", "--stage", "-z")
	if err != nil {
		return "", err
	}
	var input bytes.Buffer
	seen := map[string]bool{}
	for record := range strings.SplitSeq(staged, "\x00") {
		fields := strings.Fields(record)
		if len(fields) >= 3 && fields[0] != "160000" && !seen[fields[1]] {
			seen[fields[1]] = true
			fmt.Fprintf(&input, "100644 blob %s\t%s\n", fields[1], fields[1])
		}
	}
	var out bytes.Buffer
	err = repo.Do(ctx, gitint.Command{Args: []string{"mktree"}, Stdin: &input, Stdout: &out})
	return out.String(), err
}

func (r resetter) keep(ctx context.Context, repo *gitint.Repo, what, commit, inside string) error {
	ref := "refs/bst/reset/" + r.stamp + "/" + what
	if _, err := gitOutput(ctx, repo, nil, "update-ref", ref, commit); err != nil {
		return fmt.Errorf("keep commit %s: %w", commit, err)
	}
	if inside != "" {
		ref += " (in " + inside + ")"
	}
	r.reset.Refs = append(r.reset.Refs, ref)
	return nil
}

// files moves all files below a folder aside that are not those of a commit, and then writes those that
// are missing. It never writes over a file. The index and HEAD stay as they are.
func (r resetter) files(ctx context.Context, repo *gitint.Repo, commit, folder, inside string) error {
	w, done, err := freshIndex(ctx, repo, commit)
	if err != nil {
		return err
	}
	defer done()
	modules, err := w.modules(ctx, folder)
	if err != nil {
		return err
	}
	differing, err := w.differing(ctx, folder)
	if err != nil {
		return err
	}
	for _, f := range append(differing, strays(repo.TopLevel(), modules)...) {
		if f.empty {
			continue
		}
		if err := r.move(repo.TopLevel(), f.path, inside); err != nil {
			return err
		}
	}
	for _, m := range modules {
		if err := r.module(ctx, repo, m, inside); err != nil {
			return fmt.Errorf("submodule %s: %w", m.path, err)
		}
	}
	names, err := w.run(ctx, "ls-files", "-z", "--", ":(literal)"+folder)
	if err != nil {
		return err
	}
	err = repo.Do(ctx, gitint.Command{Args: []string{"checkout-index", "-q", "-z", "--stdin"}, Stdin: strings.NewReader(names), Env: []string{"GIT_INDEX_FILE=" + w.index}})
	var exit *gitint.ExitError
	if errors.As(err, &exit) { // it says so of every file that is there, too: what counts is what is missing now
		left, listErr := w.differing(ctx, folder)
		if listErr == nil && len(left) == 0 {
			return nil
		}
	}
	return err
}

// module resets a submodule to the commit that its parent names. One that does not have that commit is
// moved as a whole.
func (r resetter) module(ctx context.Context, repo *gitint.Repo, m module, inside string) error {
	if !m.populated {
		return nil
	}
	dir := filepath.Join(repo.TopLevel(), filepath.FromSlash(m.path))
	at := filepath.ToSlash(filepath.Join(inside, m.path))
	nested, err := gitint.Open(ctx, dir, r.session.gitOptions(nil))
	if err != nil {
		return err
	}
	if nested.TopLevel() != dir {
		return fmt.Errorf("its work tree is %s", nested.TopLevel())
	}
	if _, err := gitOutput(ctx, nested, nil, "cat-file", "-e", m.commit+"^{commit}"); err != nil {
		return r.move(repo.TopLevel(), m.path, inside)
	}
	return r.whole(ctx, nested, m.commit, at)
}

// move renames a path of a work tree into the folder aside, where it keeps its place.
func (r resetter) move(top, path, inside string) error {
	from := filepath.Join(top, filepath.FromSlash(path))
	to := filepath.Join(r.aside, filepath.FromSlash(inside), filepath.FromSlash(path))
	if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fmt.Errorf("move %s aside: %w", path, err)
	}
	if _, err := os.Lstat(to); err == nil { // from a reset in the same second
		to += "." + fsx.TempName("")
	}
	r.reset.Aside = r.aside
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("move %s aside: %w", path, err)
	}
	r.reset.Moved++
	return nil
}
