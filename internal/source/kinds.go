package source

import (
	"context"
	"fmt"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
)

// kind is one source, read by what its kind knows.
type kind interface {
	cached(ctx context.Context) bool
	fetch(ctx context.Context) error
	// track returns the newest ref, "" when there is nothing to track.
	track(ctx context.Context) (ref string, err error)
	// stage returns the source's tree. previous is what earlier sources staged at its directory.
	stage(ctx context.Context, previous digest.Digest) (layer, error)
}

// layer is the tree of one source.
type layer struct {
	root     digest.Digest
	replaces bool          // root takes the place of what was staged before; else it is merged over it
	git      digest.Digest // of the .git that belongs at the top; zero is none
	warnings []string
}

// open reads a source's configuration.
func (e Env) open(el *project.Element, src project.Source) (kind, error) {
	switch src.Kind {
	case "local":
		return e.openLocal(el, src)
	case "tar":
		return e.openTar(el, src)
	case "remote":
		return e.openRemote(el, src)
	case "git":
		return e.openGit(el, src)
	case "git_repo":
		return e.openGitRepo(el, src)
	case "patch":
		return e.openPatch(el, src)
	case "patch_queue":
		return e.openPatchQueue(el, src)
	}
	err := fmt.Errorf("%s: %w: source kind %q", src.At, ErrUnsupported, src.Kind)
	return nil, hint.Add(err, "known kinds: local, tar, remote, git, git_repo, patch, patch_queue")
}

// static are the kinds that are part of the project: nothing to fetch, nothing to track.
type static struct{}

func (static) cached(context.Context) bool           { return true }
func (static) fetch(context.Context) error           { return nil }
func (static) track(context.Context) (string, error) { return "", nil }
