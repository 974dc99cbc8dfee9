package flow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// ApplyRequest says what difference is to be made, and where.
type ApplyRequest struct {
	Old, New string // names as for Tree
	To       string // absolute path of a folder; or
	Onto     string // the name of a tree, of which a new one is made
	Force    bool   // replace what is of neither side
	DryRun   bool   // only look
}

// Applied is what came of it.
type Applied struct {
	Changes []tree.Change
	// Conflicts are paths that hold neither the old nor the new version; with Force they were
	// replaced. Now KindDir: they stand where a folder is needed.
	Conflicts []tree.Replaced
	Root      digest.Digest // with Onto: the new tree
}

// ErrConflicts: what is there is of neither side of a difference.
var ErrConflicts = fmt.Errorf("%w: it was changed on both sides", ErrRefused)

// ApplyTree makes the difference between two trees in a folder or a tree, three-way: what neither side
// changed stays. With conflicts nothing is changed, and ErrConflicts comes with the list, unless
// they are to be replaced. In a folder links are never followed, so nothing outside is touched, and
// nothing is named .git.
func (s *Session) ApplyTree(ctx context.Context, request ApplyRequest) (Applied, error) {
	old, err := s.Tree(ctx, request.Old)
	if err != nil {
		return Applied{}, err
	}
	next, err := s.Tree(ctx, request.New)
	if err != nil {
		return Applied{}, err
	}
	var applied Applied
	if applied.Changes, err = s.compareTrees(ctx, old, next); err != nil {
		return applied, fmt.Errorf("compare %s and %s: %w", request.Old, request.New, err)
	}
	if err := s.ensureSides(ctx, NamedTree{}, next, applied.Changes); err != nil {
		return applied, fmt.Errorf("read %s: %w", request.New, err)
	}
	if request.To != "" {
		err = s.applyTo(ctx, request, &applied)
	} else {
		err = s.applyOnto(ctx, request, &applied)
	}
	if err != nil {
		return applied, fmt.Errorf("apply %s..%s: %w", request.Old, request.New, err)
	}
	return applied, nil
}

func (s *Session) applyTo(ctx context.Context, request ApplyRequest, applied *Applied) error {
	for _, c := range applied.Changes {
		if slices.ContainsFunc(strings.Split(c.Path, "/"), func(part string) bool { return strings.EqualFold(part, ".git") }) {
			return fmt.Errorf("%w: it changes %s, which git would obey there", ErrRefused, c.Path)
		}
	}
	switch info, err := os.Stat(request.To); {
	case errors.Is(err, fs.ErrNotExist):
		return hint.Add(err, "to begin with an empty folder, make it first")
	case err != nil:
		return err
	case !info.IsDir():
		return hint.Add(fmt.Errorf("%s is no folder", request.To), "--to names the folder in which the difference is made")
	}
	var err error
	if applied.Conflicts, err = tree.Conflicts(ctx, request.To, applied.Changes); err != nil {
		return err
	}
	if err := applied.judge(request); err != nil || request.DryRun {
		return err
	}
	patched, err := tree.Patch(ctx, s.cas, request.To, applied.Changes, tree.PatchOptions{})
	if err == nil {
		applied.Conflicts = patched.Replaced
	}
	return err
}

func (s *Session) applyOnto(ctx context.Context, request ApplyRequest, applied *Applied) error {
	base, err := s.Tree(ctx, request.Onto)
	if err != nil {
		return err
	}
	if applied.Conflicts, err = tree.Overwritten(ctx, s.cas, base.Root, applied.Changes); err != nil {
		return err
	}
	if err := applied.judge(request); err != nil || request.DryRun {
		return err
	}
	if err := s.ensure(ctx, base); err != nil { // what is made of it must be whole
		return err
	}
	applied.Root, err = tree.Apply(ctx, s.cas, base.Root, applied.Changes)
	if errors.Is(err, tree.ErrConflict) {
		return fmt.Errorf("%w: %w", ErrConflicts, err)
	}
	return err
}

// refused is the error that there are conflicts.
func (a *Applied) refused() error {
	paths := a.Conflicts[0].Path
	if more := len(a.Conflicts) - 1; more > 0 {
		paths += fmt.Sprintf(" and %d more", more)
	}
	err := fmt.Errorf("%w: %s", ErrConflicts, paths)
	if !slices.ContainsFunc(a.Conflicts, func(c tree.Replaced) bool { return c.Was != tree.KindNone }) {
		return hint.Add(err, "to have it there all the same: --force")
	}
	return hint.Add(err, "move what is there away, or, to have it replaced: --force")
}

// judge refuses conflicts that are not to be replaced, and those that can't be.
func (a *Applied) judge(request ApplyRequest) error {
	if len(a.Conflicts) == 0 {
		return nil
	}
	if !request.Force {
		return a.refused()
	}
	for _, c := range a.Conflicts {
		changed := slices.ContainsFunc(a.Changes, func(change tree.Change) bool { return change.Path == c.Path })
		if c.Now == tree.KindDir && !changed {
			return hint.Add(fmt.Errorf("%w: %s is where a folder is needed", ErrConflicts, c.Path), "move it away")
		}
	}
	return nil
}
