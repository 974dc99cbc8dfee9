package flow

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// inPlace returns the tree of a local source that holds the project itself (rule 7): the work tree
// below the source's folder, as it would be committed, less project.conf, the elements and our own
// settings, so that editing an element is a change of its recipe only.
func (s *Session) inPlace(ctx context.Context, element *project.Element, src project.Source) (digest.Digest, error) {
	snap, err := s.snapshot(ctx)
	if err != nil {
		return digest.Digest{}, err
	}
	return s.inPlaceAt(ctx, snap, element, src)
}

// localAt is the tree of a local source as it is in a snapshot: what a checkout of it would stage,
// without the files that git ignores and the folders that it does not keep.
func (s *Session) localAt(ctx context.Context, snap gitint.Snapshot, element *project.Element, src project.Source) (digest.Digest, error) {
	folder, err := src.Config.Str("path")
	if err != nil {
		return digest.Digest{}, err
	}
	file := filepath.Join(element.Project.Dir, filepath.FromSlash(folder))
	if file == filepath.Clean(element.Project.Dir) {
		return s.inPlaceAt(ctx, snap, element, src)
	}
	inside, err := relative(s.repo.TopLevel(), file)
	if err != nil {
		return digest.Digest{}, err
	}
	entry, err := tree.Lookup(ctx, s.cas, snap.Staged, inside)
	switch {
	case err != nil:
		return digest.Digest{}, fmt.Errorf("stage %s: %w", inside, err)
	case entry.Kind == tree.KindDir:
		return entry.Digest, nil
	case entry.Kind == tree.KindFile:
		name := path.Base(inside)
		return tree.Save(ctx, s.cas, tree.Directory{Files: []tree.File{{Name: name, Digest: entry.Digest, Executable: entry.Executable}}})
	}
	return digest.Digest{}, fmt.Errorf("stage %s: %w: it is a symbolic link", inside, tree.ErrNotFound)
}

// inPlaceAt is inPlace of one snapshot of the work tree or a commit.
func (s *Session) inPlaceAt(ctx context.Context, snap gitint.Snapshot, element *project.Element, src project.Source) (digest.Digest, error) {
	loaded := element.Project
	folder, err := src.Config.Str("path")
	if err != nil {
		return digest.Digest{}, err
	}
	dir := filepath.Join(loaded.Dir, filepath.FromSlash(folder))
	root := snap.Staged
	inside, err := relative(s.repo.TopLevel(), dir)
	if err != nil {
		return digest.Digest{}, err
	}
	if inside != "." {
		if root, err = tree.Subtree(ctx, s.cas, root, inside); err != nil {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", dir, err)
		}
	}
	at, err := relative(dir, loaded.Dir)
	if err != nil {
		return digest.Digest{}, err
	}
	for _, name := range notBuilt(loaded) {
		without, err := tree.Remove(ctx, s.cas, root, path.Join(at, name))
		if errors.Is(err, tree.ErrNotFound) {
			continue
		}
		if err != nil {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", dir, err)
		}
		root = without
	}
	return root, nil
}

// ofRepository reports whether an element is built from files of the repository where the user
// stands: in place, or from another local source there.
func (s *Session) ofRepository(element *project.Element) bool {
	if _, err := relative(s.repo.TopLevel(), element.Project.Dir); err != nil || element.Project.Staged {
		return false
	}
	return slices.ContainsFunc(element.Sources, func(src project.Source) bool { return src.Kind == "local" })
}

// fromWorkTree reports whether n's source is what the user is at work on, not one that is fetched.
func (n *node) fromWorkTree() bool { return n.inTree || n.work != nil }

// notBuilt are the paths of a project that are no part of what it builds, below its folder.
func notBuilt(loaded *project.Project) []string {
	names := []string{"project.conf", config.RepositoryFile}
	if loaded.ElementPath != "" && loaded.ElementPath != "." {
		return append(names, loaded.ElementPath)
	}
	for _, element := range loaded.Order {
		names = append(names, element.Name)
	}
	return names
}

// relative returns the slash-separated path of dir below base; both absolute.
func relative(base, dir string) (string, error) {
	rel, err := filepath.Rel(base, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("stage %s: it is not within %s", dir, base)
	}
	return filepath.ToSlash(rel), nil
}
