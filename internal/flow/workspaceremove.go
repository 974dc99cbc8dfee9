package flow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/workspace"
)

// RemoveWorkspaces closes the named workspaces and removes their work trees, where nothing would be
// lost with them; else nothing is done, the error is ErrRefused, and its hints say what there is.
func (s *Session) RemoveWorkspaces(ctx context.Context, name string) ([]workspace.Known, error) {
	found, err := s.FindWorkspaces(ctx, name)
	if err == nil {
		found, err = s.one(found, name)
	}
	if err != nil {
		return nil, fmt.Errorf("remove a workspace: %w", err)
	}
	for _, known := range found {
		if err := s.removable(ctx, known, found); err != nil {
			return nil, fmt.Errorf("remove the workspace %s: %w", known.Dir(), err)
		}
	}
	for i, known := range found {
		if i > 0 && known.Top == found[0].Top {
			err = workspace.Forget(ctx, known.Workspace) // its work tree is gone with the first
		} else {
			err = s.remove(ctx, known)
		}
		if err != nil {
			return nil, fmt.Errorf("remove the workspace %s: %w", known.Dir(), err)
		}
	}
	return found, nil
}

// removable refuses a workspace with which something would be lost.
func (s *Session) removable(ctx context.Context, known workspace.Known, closing []workspace.Known) error {
	if known.Status != workspace.Ready {
		err := fmt.Errorf("%w: it is %s", ErrRefused, known.Status)
		return hint.Add(err, "to forget it: git bst workspace close "+known.Dir())
	}
	if known.Origin == workspace.Attached {
		err := fmt.Errorf("%w: it was there before it was attached", ErrRefused)
		return hint.Addf(err, "to forget it: git bst workspace close %s; then remove it yourself, if it is not needed", known.Dir())
	}
	if inside, err := workspace.Below(known.Top, real(s.options.Dir)); err == nil {
		err := fmt.Errorf("%w: you are in it", ErrRefused)
		return hint.Addf(err, "go elsewhere first: cd %s && git bst workspace close --remove %s", s.dir, filepath.Join(known.Top, inside))
	}
	lost, err := s.wouldBeLost(ctx, known, closing)
	if err != nil || len(lost) == 0 {
		return err
	}
	err = fmt.Errorf("%w: this would be lost: %s", ErrRefused, strings.Join(shorten(lost), "; "))
	return hint.Addf(err, "commit and push it, or move it elsewhere; to forget the workspace and keep all that: git bst workspace close %s", known.Dir())
}

// shorten cuts a long list.
func shorten(list []string) []string {
	const most = 20
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}

// wouldBeLost lists what is nowhere but in a workspace's work tree and repository.
func (s *Session) wouldBeLost(ctx context.Context, known workspace.Known, closing []workspace.Known) ([]string, error) {
	repo, err := gitint.Open(ctx, known.Top, s.gitOptions(nil))
	if err != nil {
		return nil, err
	}
	lost, err := s.filesLost(ctx, repo, "")
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, other := range closing {
		ids[other.ID] = true
	}
	others, err := workspace.In(workspace.Place{Top: known.Top, GitDir: known.GitDir})
	if err != nil {
		return nil, err
	}
	for _, other := range others {
		if !ids[other.ID] {
			lost = append(lost, "the workspace of "+other.Element)
		}
	}
	if known.Origin == workspace.Worktree {
		count, err := countCommits(ctx, repo, "HEAD", "--branches", "--tags", "--remotes")
		if err != nil {
			return nil, err
		}
		if count > 0 {
			lost = append(lost, fmt.Sprintf("%d commits that are on no branch", count))
		}
	} else {
		refs, err := refsLost(ctx, repo, known.Commit, "")
		if err != nil {
			return nil, err
		}
		trees, err := worktreesOf(ctx, repo)
		if err != nil {
			return nil, err
		}
		lost = append(append(lost, refs...), trees...)
	}
	modules, err := s.modulesLost(ctx, repo)
	return append(lost, modules...), err
}

// filesLost lists files that are in no commit, those of submodules too. inside is where the repository
// is in the whole.
func (s *Session) filesLost(ctx context.Context, repo *gitint.Repo, inside string) ([]string, error) {
	w, done, err := freshIndex(ctx, repo, headOf(ctx, repo))
	if err != nil {
		return nil, err
	}
	defer done()
	differing, err := w.differing(ctx, ".")
	if err != nil {
		return nil, err
	}
	modules, err := w.modules(ctx, ".")
	if err != nil {
		return nil, err
	}
	var lost []string
	for _, f := range append(differing, strays(repo.TopLevel(), modules)...) {
		lost = append(lost, f.what+" "+filepath.ToSlash(filepath.Join(inside, f.path)))
	}
	staged, err := stagedOnly(ctx, repo)
	if err != nil {
		return nil, err
	}
	if staged && len(lost) == 0 {
		lost = append(lost, "what is staged in "+filepath.ToSlash(filepath.Join(inside, ".")))
	}
	for _, m := range modules {
		if !m.populated {
			continue
		}
		nested, err := gitint.Open(ctx, filepath.Join(repo.TopLevel(), filepath.FromSlash(m.path)), s.gitOptions(nil))
		if err != nil {
			return nil, err
		}
		at := filepath.ToSlash(filepath.Join(inside, m.path))
		more, err := s.filesLost(ctx, nested, at)
		if err == nil && isEmbedded(repo, nested) {
			lost = append(lost, more...)
			more, err = s.repositoryLost(ctx, nested, " in the submodule "+at)
		}
		if err != nil {
			return nil, err
		}
		lost = append(lost, more...)
	}
	return lost, nil
}

// isEmbedded reports whether a submodule's repository is in the work tree, and goes with it, not in the
// git directory of the repository that has the submodule.
func isEmbedded(repo, nested *gitint.Repo) bool {
	_, err := workspace.Below(repo.TopLevel(), nested.CommonDir())
	_, absorbed := workspace.Below(filepath.Join(repo.GitDir(), "modules"), nested.CommonDir())
	return err == nil && absorbed != nil
}

// repositoryLost lists what goes with a submodule's own repository.
func (s *Session) repositoryLost(ctx context.Context, nested *gitint.Repo, where string) ([]string, error) {
	refs, err := refsLost(ctx, nested, source.ClonedCommit(nested.CommonDir()), where)
	if err != nil {
		return nil, err
	}
	trees, err := worktreesOf(ctx, nested)
	if err != nil {
		return nil, err
	}
	modules, err := s.modulesLost(ctx, nested)
	return slices.Concat(refs, trees, modules), err
}

// stagedOnly reports whether the index has something that the commit has not.
func stagedOnly(ctx context.Context, repo *gitint.Repo) (bool, error) {
	_, err := gitOutput(ctx, repo, nil, "diff-index", "--cached", "--quiet", "--ignore-submodules=none", "HEAD", "--")
	var exit *gitint.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return true, nil
	}
	return false, err
}

// refsLost lists the refs of a repository with commits that no remote has, nor those that it began with.
func refsLost(ctx context.Context, repo *gitint.Repo, first, where string) ([]string, error) {
	out, err := gitOutput(ctx, repo, nil, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	known := source.ClonedTags(repo.CommonDir())
	not := []string{"--remotes"}
	if first != "" {
		not = append(not, first)
	}
	names := []string{}
	for line := range strings.Lines(out) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(ref, "refs/remotes/") || known[ref] == id {
			continue
		}
		names = append(names, ref)
	}
	if headOf(ctx, repo) != "" && branchOf(repo.GitDir()) == "" {
		names = append(names, "HEAD")
	}
	var lost []string
	for _, ref := range names {
		if ref == "refs/stash" {
			lost = append(lost, "stashes"+where)
			continue
		}
		count, err := countCommits(ctx, repo, ref, not...)
		switch {
		case err != nil: // no commit: a tag of something else, notes
			lost = append(lost, ref+where)
		case count > 0:
			commits := fmt.Sprintf("%d commits", count)
			if count == 1 {
				commits = "1 commit"
			}
			lost = append(lost, commits+" of "+strings.TrimPrefix(ref, "refs/heads/")+where)
		case strings.HasPrefix(ref, "refs/tags/"):
			lost = append(lost, ref+where)
		}
	}
	return lost, nil
}

// countCommits counts the commits of a ref that others do not have.
func countCommits(ctx context.Context, repo *gitint.Repo, ref string, not ...string) (int, error) {
	out, err := gitOutput(ctx, repo, nil, append([]string{"rev-list", "--count", ref, "--not"}, not...)...)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// worktreesOf lists the other work trees of a repository.
func worktreesOf(ctx context.Context, repo *gitint.Repo) ([]string, error) {
	out, err := gitOutput(ctx, repo, nil, "worktree", "list", "--porcelain")
	if err != nil {
		return nil, err
	}
	var lost []string
	for line := range strings.Lines(out) {
		dir, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "worktree ")
		if _, err := os.Lstat(dir); ok && err == nil && dir != repo.TopLevel() {
			lost = append(lost, "the repository of the work tree "+dir)
		}
	}
	return lost, nil
}

// modulesLost lists the commits of submodules that no remote has, those of submodules that are not
// checked out at the moment too.
func (s *Session) modulesLost(ctx context.Context, repo *gitint.Repo) ([]string, error) {
	var lost []string
	top := filepath.Join(repo.GitDir(), "modules")
	err := filepath.WalkDir(top, func(dir string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		if entry.Name() == "objects" || entry.Name() == "refs" {
			if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "HEAD")); err == nil {
				return fs.SkipDir
			}
		}
		if info, err := os.Lstat(filepath.Join(dir, "objects")); err != nil || !info.IsDir() {
			return nil
		}
		if _, err := os.Lstat(filepath.Join(dir, "HEAD")); err != nil {
			return nil
		}
		nested, err := gitint.OpenGitDir(ctx, dir, s.gitOptions(nil))
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(top, dir)
		refs, err := refsLost(ctx, nested, source.ClonedCommit(dir), " in the submodule "+filepath.ToSlash(name))
		lost = append(lost, refs...)
		return err
	})
	return lost, err
}

// remove takes the work tree away and forgets the workspace.
func (s *Session) remove(ctx context.Context, known workspace.Known) error {
	if known.Origin == workspace.Worktree {
		repo, err := gitint.OpenGitDir(ctx, known.GitDir, s.gitOptions(nil))
		if err != nil {
			return err
		}
		// Git itself refuses work trees with submodules: what they hold was looked at.
		remove := gitint.Command{Dir: repo.CommonDir(), Args: []string{"worktree", "remove", "--force", known.Top}}
		common, err := gitint.OpenGitDir(ctx, repo.CommonDir(), s.gitOptions(nil))
		if err != nil {
			return err
		}
		if err := common.Do(ctx, remove); err != nil {
			return err
		}
		return workspace.Forget(context.WithoutCancel(ctx), known.Workspace)
	}
	// Renamed first, so that nobody finds a half of it under its name.
	unlock, err := fsx.TryLock(known.Top)
	if err != nil {
		return err
	}
	defer unlock()
	gone := filepath.Join(filepath.Dir(known.Top), fsx.TempName("."+filepath.Base(known.Top)+removingMark))
	if err := os.Rename(known.Top, gone); err != nil {
		return err
	}
	if err := workspace.Forget(context.WithoutCancel(ctx), known.Workspace); err != nil {
		return err
	}
	return fsx.RemoveAll(gone)
}
