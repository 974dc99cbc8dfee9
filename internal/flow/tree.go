package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// OpenTrees opens the cache, and the repository if there is one, for commands about trees. It needs
// no project.
func OpenTrees(ctx context.Context, options Options) (*Session, error) {
	s, err := OpenStores(ctx, options)
	if err != nil {
		return nil, err
	}
	s.repo, err = gitint.Open(ctx, options.Dir, s.gitOptions(options.Found))
	if err != nil && !errors.Is(err, gitint.ErrNoRepository) {
		s.Close()
		return nil, err
	}
	return s, nil
}

// List calls yield for everything below a path of the tree: all of it, or one level.
func (s *Session) List(ctx context.Context, t NamedTree, path string, all bool, yield func(string, tree.Entry) error) error {
	entry, err := tree.Lookup(ctx, s.cas, t.Root, path)
	if err == nil && entry.Kind != tree.KindDir {
		err = wrongKind(entry, "folder", "to print it: git bst tree cat "+t.Name+" "+path, "")
	}
	if err != nil {
		return fmt.Errorf("list %s in %s: %w", path, t.Name, err)
	}
	err = tree.Walk(ctx, s.cas, entry.Digest, func(name string, e tree.Entry) error {
		if name == "" || name == "." {
			return nil
		}
		if err := yield(name, e); err != nil {
			return err
		}
		if !all && e.Kind == tree.KindDir {
			return tree.ErrSkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", t.Name, err)
	}
	return nil
}

// Cat writes the content of a file of the tree. What is no regular file is ErrInvalid of tree.
func (s *Session) Cat(ctx context.Context, t NamedTree, path string, to io.Writer) error {
	entry, err := tree.Lookup(ctx, s.cas, t.Root, path)
	if err == nil && entry.Kind != tree.KindFile {
		err = wrongKind(entry, "file", "", "to list it: git bst tree ls "+t.Name+" "+path)
	}
	if err == nil {
		err = s.ensure(ctx, t)
	}
	if err != nil {
		return fmt.Errorf("read %s in %s: %w", path, t.Name, err)
	}
	blob, err := s.cas.Open(ctx, entry.Digest)
	if err != nil {
		return fmt.Errorf("read %s in %s: %w", path, t.Name, err)
	}
	defer blob.Close()
	if _, err := io.Copy(to, blob); err != nil {
		return fmt.Errorf("read %s in %s: %w", path, t.Name, err)
	}
	return nil
}

// wrongKind says what an entry is in place of what was asked for, and what can be done with it.
func wrongKind(entry tree.Entry, wanted, ifFile, ifDir string) error {
	switch entry.Kind {
	case tree.KindFile:
		return hint.Add(fmt.Errorf("%w: it is a file, not a %s", tree.ErrInvalid, wanted), ifFile)
	case tree.KindDir:
		return hint.Add(fmt.Errorf("%w: it is a folder, not a %s", tree.ErrInvalid, wanted), ifDir)
	}
	return fmt.Errorf("%w: it is a symbolic link to %q, not a %s", tree.ErrInvalid, entry.Target, wanted)
}

// hereRepo returns the repository where the user stands: in a workspace that is not the project's.
func (s *Session) hereRepo(ctx context.Context) (*gitint.Repo, error) {
	if s.options.Standing == nil {
		return s.repo, nil
	}
	return gitint.Open(ctx, s.options.Dir, s.gitOptions(nil))
}

// ensure has the tree's files in the cache: git's are fetched into it only when they are needed.
func (s *Session) ensure(ctx context.Context, t NamedTree) error {
	if t.snapshot == nil {
		return nil
	}
	return t.repo.Ensure(ctx, *t.snapshot, t.Root)
}

// CheckOut writes a tree into a folder that is empty or does not exist; withGit as for artifacts.
func (s *Session) CheckOut(ctx context.Context, t NamedTree, dir string, withGit bool) error {
	if err := s.ensure(ctx, t); err != nil {
		return fmt.Errorf("check out %s: %w", t.Name, err)
	}
	return s.export(ctx, t.Root, dir, withGit, tree.ExportOptions{Default: time.Unix(build.SourceTime, 0)})
}
