package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/workspace"
)

// OpenRequest is a workspace to be opened.
type OpenRequest struct {
	Element    string
	Dir        string // absolute
	Branch     string // made in it and checked out; "" for a detached HEAD
	WorktreeOf string // an existing clone, to which Dir is added as a work tree; absolute; "" for a repository of its own
	Attach     bool   // Dir is there already
	// FromScratch has the first build use nothing of earlier ones.
	FromScratch bool
	Options     map[string]string // of the project, for builds from within
}

// OpenedWorkspace is a workspace that was opened.
type OpenedWorkspace struct {
	workspace.Workspace
	Branch string // "" for a detached HEAD
	// Failed is the record of a failed build whose build tree the first build here may go on from; ""
	// where there is none.
	Failed string
}

// OpenWorkspace opens a workspace. After an error nothing half-made is left, and nothing that was
// there has changed.
func (s *Session) OpenWorkspace(ctx context.Context, request OpenRequest) (OpenedWorkspace, error) {
	opened, err := s.openWorkspace(ctx, request)
	if err != nil {
		return opened, fmt.Errorf("open a workspace of %s: %w", request.Element, err)
	}
	return opened, nil
}

func (s *Session) openWorkspace(ctx context.Context, request OpenRequest) (OpenedWorkspace, error) {
	s.fetches = true
	g, err := s.load(ctx, []string{request.Element})
	if err != nil {
		return OpenedWorkspace{}, err
	}
	n := g.nodes[g.project.Targets[0]]
	if err := s.openable(n.element, request); err != nil {
		return OpenedWorkspace{}, err
	}
	w := workspace.Workspace{
		ID: workspace.NewID(), Project: n.element.Project.Name, Element: n.element.FullName(), Options: request.Options, Folder: ".",
		Opened: s.options.Now().UTC(), ProjectDir: s.home().Dir, ProjectGit: s.home().GitDir,
	}
	if request.FromScratch {
		w.SoftReset = workspace.NewID()
	}
	if request.Attach {
		err = s.attach(ctx, request, &w)
	} else if err = s.checkFree(ctx, request.Element, request.Dir); err == nil {
		if err = s.fetchFor(ctx, g, n); err == nil {
			err = s.makeWorkspace(ctx, g, n, request, &w)
		}
	}
	opened := OpenedWorkspace{Workspace: w}
	if err != nil {
		return opened, err
	}
	opened.Branch = branchOf(w.GitDir)
	if !request.FromScratch {
		opened.Failed = s.failedTree(ctx, w)
	}
	return opened, nil
}

// openable refuses elements for which a workspace has no sense.
func (s *Session) openable(e *project.Element, request OpenRequest) error {
	if e.Kind == "junction" {
		err := fmt.Errorf("%w: %s is a junction", ErrRefused, e.FullName())
		return hint.Add(err, "to work in that project: make its source a folder of this repository (kind: local)")
	}
	if len(e.Sources) == 0 {
		err := fmt.Errorf("%w: it has no sources", ErrRefused)
		return hint.Add(err, "open one of an element that it depends on: git bst show "+e.FullName())
	}
	if request.Attach {
		return nil
	}
	local := !e.Project.Staged
	for _, src := range e.Sources {
		local = local && src.Kind == "local"
	}
	if local {
		at, _ := e.Sources[0].Config.StrOr("path", ".")
		err := fmt.Errorf("%w: its source is a folder of this repository, and is built as it stands there", ErrRefused)
		return hint.Addf(err, "edit %s and build: git bst build %s", filepath.Join(e.Project.Dir, at), e.FullName())
	}
	if request.WorktreeOf != "" && !source.Cloneable(e) {
		err := fmt.Errorf("%w: its source is no git repository, or not that alone", ErrRefused)
		return hint.Add(err, "leave --worktree-of out: then it gets a repository of its own, with the staged source as its first commit")
	}
	return nil
}

// checkFree refuses a folder that has something in it, or that git would take for a part of another
// work tree.
func (s *Session) checkFree(ctx context.Context, element, dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		err := fmt.Errorf("%w: %s is not empty", ErrRefused, dir)
		return hint.Addf(err, "name a folder that is empty or not there yet; to take what is there: git bst workspace open --attach %s %s", element, dir)
	case err == nil && real(dir) == real(s.options.Dir):
		err := fmt.Errorf("%w: you are in %s, which is to be replaced", ErrRefused, dir)
		return hint.Addf(err, "go to another folder first: cd %s", filepath.Dir(dir))
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	parent := real(filepath.Dir(dir))
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		err := fmt.Errorf("%s is no folder", filepath.Dir(dir))
		return hint.Addf(err, "to make it: mkdir -p %s", filepath.Dir(dir))
	}
	if inside, seen := s.inWorkTree(ctx, workTreeTop(parent), filepath.Join(parent, filepath.Base(dir))); seen {
		err := fmt.Errorf("%w: %s is in a work tree that does not ignore it, which would take it for a part of itself", ErrRefused, dir)
		return hint.Add(err, "name a folder elsewhere, such as ../"+filepath.Base(dir), "or have git ignore it: "+ignoreCommand(inside))
	}
	return nil
}

// fetchFor brings n's sources into the cache when they are not there.
func (s *Session) fetchFor(ctx context.Context, g *graph, n *node) error {
	if source.Cached(ctx, g.sources, n.element) {
		return nil
	}
	if err := source.Fetch(ctx, s.telling(g, n), n.element); err != nil {
		return hintFetch(fmt.Errorf("fetch the sources of %s: %w", n.element.FullName(), err), n.element.FullName())
	}
	return nil
}

// makeWorkspace makes the work tree of a workspace and registers it.
func (s *Session) makeWorkspace(ctx context.Context, g *graph, n *node, request OpenRequest, w *workspace.Workspace) error {
	final := filepath.Join(real(filepath.Dir(request.Dir)), filepath.Base(request.Dir))
	if request.WorktreeOf != "" {
		return s.addWorktree(ctx, g, n, request, final, w)
	}
	sweepBeside(final)
	temp := filepath.Join(filepath.Dir(final), fsx.TempName("."+filepath.Base(final)+openingMark))
	defer os.RemoveAll(temp) // what is left after a failure; nothing after success
	if err := os.Mkdir(temp, 0o777); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	unlock, err := fsx.TryLock(temp)
	if err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	defer unlock()
	if source.Cloneable(n.element) {
		w.Origin = workspace.Clone
		w.Commit, err = source.Clone(ctx, g.sources, n.element, source.Checkout{Dir: temp, Branch: request.Branch})
	} else {
		w.Origin = workspace.Fresh
		err = s.makeFresh(ctx, g, n, temp, request.Branch, w)
	}
	if err != nil {
		return err
	}
	w.Top, w.GitDir = temp, filepath.Join(temp, ".git")
	if err := workspace.Write(ctx, *w); err != nil {
		return err
	}
	// The registry is first: whoever is killed between the two leaves an entry whose folder is not there.
	w.Top, w.GitDir = final, filepath.Join(final, ".git")
	opening, err := workspace.LockOpening(ctx, s.home())
	if err != nil {
		return err
	}
	defer opening()
	if err := s.checkFree(ctx, request.Element, final); err != nil {
		return err // somebody was quicker
	}
	if err := workspace.Register(ctx, s.home(), *w, workspace.Place{Top: w.Top, GitDir: w.GitDir}); err != nil {
		return err
	}
	if err := unix.Rename(temp, final); err != nil { // os.Rename takes no empty folder's place
		return errors.Join(fmt.Errorf("make the folder: %w", err), workspace.Forget(context.WithoutCancel(ctx), *w))
	}
	return nil
}

// What the names of folders have that are being made, or removed, beside the one that is meant.
const (
	openingMark  = "-opening-"
	removingMark = "-removing-"
)

// sweepBeside removes what somebody left beside a folder who was killed while making or removing it.
// Who is still at it holds a lock.
func sweepBeside(final string) {
	entries, _ := os.ReadDir(filepath.Dir(final)) // what can't be listed can't be swept
	for _, entry := range entries {
		name := entry.Name()
		left := strings.HasPrefix(name, "."+filepath.Base(final)+openingMark) || strings.HasPrefix(name, "."+filepath.Base(final)+removingMark)
		if !left || !entry.IsDir() || !strings.HasSuffix(name, ".tmp") {
			continue
		}
		dir := filepath.Join(filepath.Dir(final), name)
		if unlock, err := fsx.TryLock(dir); err == nil {
			_ = fsx.RemoveAll(dir)
			unlock()
		}
	}
}

// addWorktree has git add a work tree to a clone of the user's.
func (s *Session) addWorktree(ctx context.Context, g *graph, n *node, request OpenRequest, final string, w *workspace.Workspace) (err error) {
	clone, err := gitint.Open(ctx, request.WorktreeOf, s.gitOptions(nil))
	if errors.Is(err, gitint.ErrBare) { // a bare repository may have work trees too
		clone, err = gitint.OpenGitDir(ctx, request.WorktreeOf, s.gitOptions(nil))
	}
	if err != nil {
		return err
	}
	mirror, commit, err := source.Mirror(ctx, g.sources, n.element)
	if err != nil {
		return err
	}
	if clone.Do(ctx, gitint.Command{Args: []string{"cat-file", "-e", commit + "^{commit}"}}) != nil {
		fetch := gitint.Command{Args: []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--", mirror, commit},
			Env: []string{"GIT_ALLOW_PROTOCOL=file"}}
		if err := clone.Do(ctx, fetch); err != nil {
			return fmt.Errorf("bring commit %s into %s: %w", commit, request.WorktreeOf, err)
		}
	}
	args := []string{"worktree", "add", "--no-checkout", "--detach", final, commit}
	if request.Branch != "" {
		args = []string{"worktree", "add", "--no-checkout", "-b", request.Branch, final, commit}
	}
	if err := clone.Do(ctx, gitint.Command{Args: args}); err != nil {
		err = fmt.Errorf("add a work tree to %s: %w", request.WorktreeOf, err)
		if request.Branch != "" && clone.Do(ctx, gitint.Command{Args: []string{"rev-parse", "--verify", "--quiet", "refs/heads/" + request.Branch}}) == nil {
			err = hint.Addf(err, "name another branch; to build from this one: git -C %s worktree add %s %s, then git bst workspace open --attach %s %s",
				request.WorktreeOf, final, request.Branch, request.Element, final)
		}
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		undo := context.WithoutCancel(ctx)
		_ = clone.Do(undo, gitint.Command{Args: []string{"worktree", "remove", "--force", "--force", final}})
		if request.Branch != "" {
			_ = clone.Do(undo, gitint.Command{Args: []string{"branch", "-D", "--", request.Branch}})
		}
	}()
	added, err := gitint.Open(ctx, final, s.gitOptions(nil))
	if err != nil {
		return err
	}
	if err := added.Do(ctx, gitint.Command{Args: []string{"read-tree", "--reset", "-u", "HEAD"}}); err != nil {
		return fmt.Errorf("check out %s: %w", final, err)
	}
	if err := source.CloneSubmodules(ctx, g.sources, n.element, added.GitDir(), final); err != nil {
		return err
	}
	w.Origin, w.Commit, w.Top, w.GitDir = workspace.Worktree, commit, added.TopLevel(), added.GitDir()
	return s.writeBoth(ctx, *w)
}

// writeBoth puts both sides of a workspace down.
func (s *Session) writeBoth(ctx context.Context, w workspace.Workspace) error {
	unlock, err := workspace.LockOpening(ctx, s.home())
	if err != nil {
		return err
	}
	defer unlock()
	if err := workspace.Register(ctx, s.home(), w, workspace.Place{Top: w.Top, GitDir: w.GitDir}); err != nil {
		return err
	}
	if err := workspace.Write(ctx, w); err != nil {
		return errors.Join(err, workspace.Forget(context.WithoutCancel(ctx), w))
	}
	return nil
}

// attach takes a folder of a work tree that is there.
func (s *Session) attach(ctx context.Context, request OpenRequest, w *workspace.Workspace) error {
	repo, err := gitint.Open(ctx, request.Dir, s.gitOptions(nil))
	if err != nil {
		return err
	}
	w.Origin, w.Top, w.GitDir = workspace.Attached, repo.TopLevel(), repo.GitDir()
	if repo.Prefix() != "" {
		w.Folder = repo.Prefix()
	}
	head, err := repo.Commit(ctx, "HEAD")
	switch {
	case errors.Is(err, gitint.ErrNoCommit):
	case err != nil && head.Commit == "":
		return err
	}
	w.Commit = head.Commit
	if w.Dir() == w.ProjectDir {
		err := fmt.Errorf("%w: %s is the project's own folder", ErrRefused, w.Dir())
		return hint.Add(err, "an element with a source of kind local and path . is built from it without a workspace")
	}
	return s.writeBoth(ctx, *w)
}

// branchOf returns the branch that is checked out; "" for none.
func branchOf(gitDir string) string {
	text, err := os.ReadFile(filepath.Join(gitDir, "HEAD"))
	if err != nil {
		return ""
	}
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: refs/heads/")
	if !ok {
		return ""
	}
	return branch
}

// failedTree returns the record of an element's newest build, if that failed and left a build tree.
func (s *Session) failedTree(ctx context.Context, w workspace.Workspace) string {
	rec, err := s.env.Records.Latest(ctx, record.Filter{Project: w.Project, Element: localName(w.Element)})
	if err != nil || rec.Result == record.Success || rec.BuildTree.IsZero() {
		return ""
	}
	if missing, err := tree.Missing(ctx, s.cas, rec.BuildTree); err != nil || len(missing) > 0 {
		return ""
	}
	return rec.ID
}
