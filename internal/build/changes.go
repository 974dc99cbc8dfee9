package build

import (
	"context"
	"fmt"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/tree"
)

// Changes returns what plan asks about the changes from a base's source to the wanted one. built is
// the base's captured build tree, to see what the build made of the changed files.
func Changes(ctx context.Context, store cas.Store, built digest.Digest, changes []tree.Change) ([]plan.Change, error) {
	over, err := tree.Overwritten(ctx, store, built, changes)
	if err != nil {
		return nil, err
	}
	rewritten := make(map[string]bool, len(over))
	for _, r := range over {
		rewritten[r.Path] = true
	}
	asked := make([]plan.Change, 0, len(changes))
	for _, c := range changes {
		change := planned(c)
		change.Rewritten = rewritten[c.Path]
		asked = append(asked, change)
	}
	return asked, nil
}

// planned translates one change.
func planned(c tree.Change) plan.Change {
	change := plan.Change{Path: c.Path, Op: op(c), Folder: c.Old.Kind == tree.KindDir || c.New.Kind == tree.KindDir}
	for _, side := range []struct {
		entry tree.Entry
		name  *string
	}{{c.Old, &change.Was}, {c.New, &change.Is}} {
		if side.entry.Kind == tree.KindFile {
			*side.name = side.entry.Digest.String()
			change.Empty = change.Empty || side.entry.Digest == digest.Empty
		}
	}
	return change
}

func op(c tree.Change) plan.Op {
	switch c.Op {
	case tree.Added:
		return plan.Added
	case tree.Deleted:
		return plan.Deleted
	case tree.Type:
		return plan.Type
	case tree.Mode:
		return plan.Mode
	}
	switch {
	case c.New.Kind == tree.KindSymlink:
		return plan.Link
	case c.Old.Executable != c.New.Executable:
		return plan.Mode // of both, that which no trace shows
	}
	return plan.Content
}

// MarkCopied sets Copied where the old content is also in the artifact's files, or in the build
// tree under another path (rule 18). It reads all folders of both trees: only where
// plan.Case.Unread says that it matters. index, if not nil, is one of the build tree, and read in its place.
func MarkCopied(ctx context.Context, store cas.Store, files, built digest.Digest, index *tree.StatIndex, changes []plan.Change) error {
	asked := make(map[digest.Digest][]int, len(changes))
	for i, c := range changes {
		if was, err := digest.Parse(c.Was); err == nil {
			asked[was] = append(asked[was], i)
		}
	}
	found := func(isBuild bool, path string, d digest.Digest) {
		for _, i := range asked[d] {
			changes[i].Copied = changes[i].Copied || !isBuild || changes[i].Path != path
		}
	}
	mark := func(isBuild bool) func(string, tree.Entry) error {
		return func(path string, e tree.Entry) error {
			if e.Kind == tree.KindFile {
				found(isBuild, path, e.Digest)
			}
			return nil
		}
	}
	if err := tree.Walk(ctx, store, files, mark(false)); err != nil {
		return fmt.Errorf("look for copies in the artifact: %w", err)
	}
	if index != nil {
		for _, s := range index.Stats {
			found(true, s.Path, s.Digest)
		}
		return nil
	}
	if err := tree.Walk(ctx, store, built, mark(true)); err != nil {
		return fmt.Errorf("look for copies in the build tree: %w", err)
	}
	return nil
}
