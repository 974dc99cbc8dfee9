package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// Staged is the tree of an element's sources.
type Staged struct {
	Root digest.Digest // what a build is given
	// Source is Root without the .git that git_repo, and git with tags, add. It is the identity of
	// the source (rule 9); equal to Root where no kind adds one.
	Source digest.Digest
	// Warnings are lines for the user: members of archives that are not staged, and the like.
	Warnings []string
}

// Stage returns the tree of all sources of el; after it every blob of the tree is in the store.
// A source that is in no mirror is ErrNotFetched.
func Stage(ctx context.Context, e Env, el *project.Element) (digest.Digest, error) {
	staged, err := StageParts(ctx, e, el)
	return staged.Root, err
}

// StageParts is Stage that says more.
func StageParts(ctx context.Context, e Env, el *project.Element) (Staged, error) {
	root, err := tree.Save(ctx, e.Store, tree.Directory{})
	if err != nil {
		return Staged{}, fmt.Errorf("stage %s: %w", el.Name, err)
	}
	staged := Staged{Source: root}
	repositories := map[string]digest.Digest{}
	for _, src := range el.Sources {
		var added layer
		staged.Source, added, err = e.stageOver(ctx, staged.Source, el, src)
		if errors.Is(err, ErrNotFetched) {
			err = hint.Addf(err, "git bst source fetch %s", el.FullName())
		}
		if err != nil {
			return Staged{}, fmt.Errorf("stage %s: %w", describe(el, src), err)
		}
		for _, warning := range added.warnings {
			staged.Warnings = append(staged.Warnings, describe(el, src)+": "+warning)
		}
		if !added.git.IsZero() {
			repositories[path.Join(directory(src), ".git")] = added.git
		}
	}
	staged.Root = staged.Source
	for at, git := range repositories {
		if staged.Root, err = tree.Insert(ctx, e.Store, staged.Root, at, folderEntry(git)); err != nil {
			return Staged{}, fmt.Errorf("stage %s: %w", el.Name, err)
		}
	}
	return staged, nil
}

func folderEntry(d digest.Digest) tree.Entry { return tree.Entry{Kind: tree.KindDir, Digest: d} }

// directory is where a source is staged, relative, "" for the top.
func directory(src project.Source) string {
	return strings.TrimPrefix(path.Clean("/"+src.Directory), "/")
}

// stageOver stages one source over what base has.
func (e Env) stageOver(ctx context.Context, base digest.Digest, el *project.Element, src project.Source) (digest.Digest, layer, error) {
	if err := checkDirectory(src); err != nil {
		return base, layer{}, err
	}
	k, err := e.open(el, src)
	if err != nil {
		return base, layer{}, err
	}
	previous, err := e.subtree(ctx, base, directory(src))
	if err != nil {
		return base, layer{}, err
	}
	added, err := k.stage(ctx, previous)
	if err != nil {
		return base, layer{}, err
	}
	root := added.root
	if at := directory(src); at != "" {
		if added.replaces {
			root, err = tree.Insert(ctx, e.Store, base, at, folderEntry(root))
			return root, added, err
		}
		if root, err = tree.Insert(ctx, e.Store, digest.Empty, at, folderEntry(root)); err != nil {
			return base, layer{}, err
		}
	}
	if added.replaces {
		return root, added, nil
	}
	merged, err := tree.Merge(ctx, e.Store, base, root)
	return merged.Root, added, err
}

func checkDirectory(src project.Source) error {
	if !hasParentComponent(src.Directory) {
		return nil
	}
	return fmt.Errorf("directory %q leads outside", src.Directory)
}

// subtree returns the folder at a path, the empty one when there is none.
func (e Env) subtree(ctx context.Context, root digest.Digest, at string) (digest.Digest, error) {
	if at == "" {
		return root, nil
	}
	found, err := tree.Subtree(ctx, e.Store, root, at)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, tree.ErrNotFound) {
		return digest.Empty, nil
	}
	return found, err
}

// stagingVersion is part of what remember's keys are made from: raise it when the same mirror is
// staged to another tree.
const stagingVersion = "1"

// remember returns the tree that make returned when it was called for the same parts before, if
// the store still has all of it. parts must say everything that the tree follows from.
func (e Env) remember(ctx context.Context, parts []string, make func() (digest.Digest, error)) (digest.Digest, error) {
	sum := sha256.Sum256([]byte(stagingVersion + "\x00" + strings.Join(parts, "\x00")))
	file := filepath.Join(e.MirrorDir, "trees", hex.EncodeToString(sum[:]))
	if text, err := os.ReadFile(file); err == nil {
		root, err := digest.Parse(strings.TrimSpace(string(text)))
		if err == nil && e.whole(ctx, root) {
			return root, nil
		}
	}
	root, err := make()
	if err != nil {
		return digest.Digest{}, err
	}
	if err := e.Store.Sync(ctx); err != nil {
		return digest.Digest{}, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return digest.Digest{}, fmt.Errorf("remember tree: %w", err)
	}
	return root, fsx.WriteFile(file, []byte(root.String()+"\n"), 0o644)
}

func (e Env) whole(ctx context.Context, root digest.Digest) bool {
	missing, err := tree.Missing(ctx, e.Store, root)
	return err == nil && len(missing) == 0
}
