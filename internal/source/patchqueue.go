package source

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// queue is a folder of patches that are applied by name, with git as BuildStream's plugin does.
type queue struct {
	static
	patch
	files []string // absolute
}

func (e Env) openPatchQueue(el *project.Element, src project.Source) (kind, error) {
	files, err := patchQueue(el, src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.At, err)
	}
	name, err := src.Config.Str("path")
	return queue{patch: patch{env: e, name: name}, files: files}, err
}

func (q queue) cached(ctx context.Context) bool           { return q.static.cached(ctx) }
func (q queue) fetch(ctx context.Context) error           { return q.static.fetch(ctx) }
func (q queue) track(ctx context.Context) (string, error) { return q.static.track(ctx) }

// stage applies the patches to a copy of previous, as patch.stage does one.
func (q queue) stage(ctx context.Context, previous digest.Digest) (layer, error) {
	visible, hidden, err := q.hideGit(ctx, previous)
	if err != nil {
		return layer{}, err
	}
	dir, remove, err := q.env.temporary("patch")
	if err != nil {
		return layer{}, err
	}
	defer remove()
	work := filepath.Join(dir, "tree")
	if err := tree.Export(ctx, q.env.Store, visible, work, tree.ExportOptions{Default: arbitraryTime}); err != nil {
		return layer{}, err
	}
	for _, file := range q.files {
		// A repository that is not there keeps git from looking for one above.
		_, err := q.env.Git.Run(ctx, work, "--git-dir="+filepath.Join(dir, "none"), "--work-tree="+work, "apply", "--", file)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s: %w", ErrPatch, filepath.Base(file), err)
			return layer{}, hint.Add(err, "does the patch fit the version that ref names?")
		}
		if err != nil {
			return layer{}, err
		}
	}
	imported, err := tree.Import(ctx, q.env.Store, work, tree.ImportOptions{})
	if err != nil {
		return layer{}, err
	}
	root, err := q.restoreGit(ctx, imported.Root, hidden)
	return layer{root: root, replaces: true}, err
}
