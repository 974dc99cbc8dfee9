package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/tree"
)

// assemble does the work of the kinds that run no phases, by digest alone: import, stack, filter
// and compose (whose integration is an action of its own).
func (e *Env) assemble(ctx context.Context, job Job, work string) (digest.Digest, error) {
	switch {
	case job.Recipe.Import != nil:
		return e.assembleImport(ctx, job, *job.Recipe.Import)
	case job.Recipe.Compose != nil:
		return e.assembleCompose(ctx, job, *job.Recipe.Compose, work)
	case job.Recipe.Filter != nil:
		return e.assembleFilter(ctx, job, *job.Recipe.Filter)
	default: // a stack, or commands that are all empty
		return tree.Save(ctx, e.CAS, tree.Directory{})
	}
}

func (e *Env) assembleImport(ctx context.Context, job Job, config recipe.Import) (digest.Digest, error) {
	from := strings.Trim(config.Source, "/")
	files := job.Source
	if from != "" {
		var err error
		if files, err = tree.Subtree(ctx, e.CAS, job.Source, from); err != nil {
			return digest.Digest{}, fmt.Errorf("import: source %q: %w", config.Source, err)
		}
	}
	empty, err := tree.Save(ctx, e.CAS, tree.Directory{})
	if err != nil {
		return digest.Digest{}, err
	}
	if files == empty || files.IsZero() {
		return digest.Digest{}, fmt.Errorf("import: no files were found inside %q", config.Source)
	}
	to := strings.Trim(config.Target, "/")
	if to == "" {
		return files, nil
	}
	return tree.Insert(ctx, e.CAS, empty, to, tree.Entry{Kind: tree.KindDir, Digest: files})
}

func (e *Env) assembleFilter(ctx context.Context, job Job, config recipe.Filter) (digest.Digest, error) {
	if len(job.Stack) == 0 {
		return digest.Digest{}, errors.New("internal error: filter: expected one build dependency")
	}
	dep := job.Stack[len(job.Stack)-1]
	want := artifact.Domains{Include: config.Include, Exclude: config.Exclude, Orphans: config.Orphans}
	if unknown := artifact.UnknownDomains(dep.SplitRules, want); len(unknown) > 0 {
		return digest.Digest{}, fmt.Errorf("filter %s: it has no split domain named %s", dep.Name, list(unknown))
	}
	return artifact.Select(ctx, e.CAS, dep.Files, dep.SplitRules, want)
}

// assembleCompose merges the dependencies, integrates them, and keeps what the split domains name
// in the dependencies' own files together with what integration added.
func (e *Env) assembleCompose(ctx context.Context, job Job, config recipe.Compose, work string) (digest.Digest, error) {
	merged, err := e.Merge(ctx, job)
	if err != nil {
		return digest.Digest{}, err
	}
	root := merged
	if config.Integrate {
		if root, err = e.integrate(ctx, job, merged, work); err != nil {
			return digest.Digest{}, err
		}
	}
	want := artifact.Domains{Include: config.Include, Exclude: config.Exclude, Orphans: config.Orphans}
	if want.Everything() {
		return root, nil
	}
	var manifests [][]string
	for _, placed := range job.Stack {
		paths, err := artifact.Manifest(ctx, e.CAS, placed.Files, placed.SplitRules, want)
		if err != nil {
			return digest.Digest{}, err
		}
		manifests = append(manifests, paths)
	}
	return artifact.Compose(ctx, e.CAS, merged, root, manifests)
}
