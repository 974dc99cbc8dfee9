package flow

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
)

// candidate is an element with the commit that its source is to be.
type candidate struct {
	commit   string
	ref, old string
	edit     *project.RefEdit // nil where the element's file stays as it is
	patch    string           // the patch that was written, as the project names it; "" without
	undo     func()           // removes that patch; nil without
}

// takeBack removes what was written for a candidate that is not promoted.
func (c *candidate) takeBack() {
	if c != nil && c.undo != nil {
		c.undo()
	}
}

// commitOf finds the commit that is to be the source of an element with a workspace, and gives the
// element that source: from here on it is as if its ref was written.
func (s *Session) commitOf(ctx context.Context, g *graph, n *node, request PromoteRequest) (*candidate, error) {
	w := n.work
	if !request.AsPatch {
		if err := refuseSources(n); err != nil {
			return nil, err
		}
	}
	if request.Revision == "" && w.snap.Dirty {
		err := fmt.Errorf("%w: its work tree %s has changes that are in no commit", ErrRefused, w.Dir())
		return nil, hint.Addf(err, "commit them; or promote the last commit without them: git bst promote HEAD %s", n.element.FullName())
	}
	snap := w.snap
	if request.Revision != "" {
		var err error
		if snap, err = w.repo.Commit(ctx, request.Revision); err != nil {
			return nil, err
		}
	}
	if snap.Commit == "" {
		return nil, hint.Addf(fmt.Errorf("%w: %w", ErrNothing, gitint.ErrNoCommit), "to make the first one: git -C %s commit", w.Dir())
	}
	if request.AsPatch {
		c, err := s.patchTo(ctx, g, n, snap, request)
		if err == nil {
			if err = s.stageCommit(ctx, g, n, snap); err != nil {
				c.takeBack()
			}
		}
		return c, err
	}
	c, err := s.writeable(ctx, g, n, source.Commit{ID: snap.Commit, GitDir: w.repo.CommonDir(), Repo: w.repo}, request)
	if err != nil {
		return nil, err
	}
	return c, s.stageCommit(ctx, g, n, snap)
}

// refuseSources refuses elements of which one ref does not say all.
func refuseSources(n *node) error {
	if source.Cloneable(n.element) {
		return nil
	}
	var kinds []string
	for _, src := range n.element.Sources {
		kinds = append(kinds, src.Kind)
	}
	err := fmt.Errorf("%w: its sources (%s) are not one git repository, so no ref can name a commit of its work tree", ErrRefused, strings.Join(kinds, ", "))
	return hint.Addf(err, "to add what differs as a patch to the project: git bst promote --as-patch %s", n.element.FullName())
}

// writeable makes n's ref in memory that of a commit, after it was found out that the file may be edited
// and that the commit can be fetched.
func (s *Session) writeable(ctx context.Context, g *graph, n *node, commit source.Commit, request PromoteRequest) (*candidate, error) {
	src := n.element.Sources[0]
	c := &candidate{commit: commit.ID}
	var err error
	if c.old, err = src.Config.StrOr("ref", ""); err != nil {
		return nil, err
	}
	if c.ref, err = source.RefTo(ctx, g.sources, n.element, commit); err != nil {
		return nil, err
	}
	if c.ref != c.old && !request.StoreOnly {
		if request.Revision == "" && source.IsBefore(ctx, g.sources, n.element, commit) {
			err := fmt.Errorf("%w: its work tree %s is at %s, which lies before the present ref %s", ErrRefused, n.work.Dir(), commit.ID[:12], c.old)
			return nil, hint.Addf(err, "to go back to it all the same: git bst promote HEAD %s", n.element.FullName())
		}
		edit, err := project.EditRef(n.element, 0, c.ref)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if err := s.checkUntouched(ctx, edit); err != nil {
			return nil, err
		}
		if err := s.checkUnshared(ctx, n, edit); err != nil {
			return nil, err
		}
		c.edit = &edit
	}
	if c.ref != c.old {
		n.element.Sources[0].Config = src.Config.Clone()
		n.element.Sources[0].Config.Set("ref", project.NewScalar(c.ref))
	}
	if request.Local || request.StoreOnly {
		return c, source.Lend(ctx, g.sources, n.element, commit)
	}
	err = source.Publish(ctx, g.sources, n.element, commit)
	if errors.Is(err, source.ErrNoCommit) || errors.Is(err, source.ErrDownload) {
		n.element.Sources[0] = src
		err = fmt.Errorf("%w: commit %s exists only here: %w", ErrRefused, commit.ID[:12], err)
		err = hint.Addf(err, "push it: git -C %s push origin %s:refs/heads/BRANCH; or promote it for this machine alone: git bst promote --local %s; or as a patch of the project: git bst promote --as-patch %s",
			n.work.Dir(), commit.ID[:12], n.element.FullName(), n.element.FullName())
	}
	return c, err
}

// stageCommit makes what n's sources stage from now on the source of n.
func (s *Session) stageCommit(ctx context.Context, g *graph, n *node, snap gitint.Snapshot) error {
	var err error
	if n.sources, err = source.Identify(ctx, g.sources, n.element); err != nil {
		return err
	}
	n.own = n.sources
	staged, err := source.StageParts(ctx, g.sources, n.element)
	if err != nil {
		return err
	}
	work := *n.work
	work.snap, work.root, work.differs, work.hasGit = snap, staged.Root, false, false
	n.work, n.softReset = &work, ""
	return nil
}

// checkUntouched refuses a file with edits that are in no commit (rule 36), but for refs.
func (s *Session) checkUntouched(ctx context.Context, edit project.RefEdit) error {
	inside, err := relative(real(s.repo.TopLevel()), edit.Path)
	if err != nil {
		return fmt.Errorf("%w: %s is not in the project's work tree", ErrRefused, edit.Path)
	}
	out, err := gitOutput(ctx, s.repo, nil, "--no-optional-locks", "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored=matching", "--", ":(literal)"+inside)
	if err != nil {
		return fmt.Errorf("look for edits of %s: %w", edit.At.File, err)
	}
	if out == "" {
		return nil
	}
	state := out[:2]
	dir, name := filepath.Dir(edit.Path), filepath.Base(edit.Path)
	switch {
	case slices.Contains([]string{"DD", "AU", "UD", "UA", "DU", "AA", "UU"}, state):
		err := fmt.Errorf("%w: %s has conflicts of a merge", ErrRefused, edit.At.File)
		return hint.Addf(err, "resolve them: git -C %s status", dir)
	case s.onlyRefs(ctx, edit, inside):
		return nil
	}
	err = fmt.Errorf("%w: %s has edits that are in no commit", ErrRefused, edit.At.File)
	return hint.Addf(err, "commit them first: git -C %s add %s && git -C %s commit; or put them aside: git -C %s stash", dir, name, dir, dir)
}

// checkUnshared refuses a ref that other elements have too, from a file that they include: theirs would
// change with it.
func (s *Session) checkUnshared(ctx context.Context, n *node, edit project.RefEdit) error {
	of := n.element.Project
	if edit.At.File == path.Join(of.ElementPath, n.element.Name) {
		return nil
	}
	names, err := of.ElementNames()
	if err != nil {
		return err
	}
	all, err := s.read(ctx, names)
	if err != nil {
		return fmt.Errorf("look for who else has the ref in %s: %w", edit.At.File, err)
	}
	for _, other := range all.Order {
		for _, src := range other.Sources {
			if other.Name == n.element.Name || edit.At != src.At && edit.At != src.Config.Get("ref").At() {
				continue
			}
			err := fmt.Errorf("%w: the ref in %s is that of %s too", ErrRefused, edit.At, other.Name)
			return hint.Addf(err, "give %s a ref of its own in its own file; or change it for both: ref: %s", n.element.Name, edit.Ref())
		}
	}
	return nil
}

// onlyRefs reports whether a file differs from the last commit's in nothing but the ref that is to be
// written: an earlier promotion wrote it.
func (s *Session) onlyRefs(ctx context.Context, edit project.RefEdit, inside string) bool {
	committed, err := gitOutput(ctx, s.repo, nil, "cat-file", "blob", "HEAD:"+inside)
	return err == nil && edit.OnlyRef(committed)
}
