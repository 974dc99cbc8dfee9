package flow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
)

// junctionSources returns the folder with the sources of a junction, made below the cache when they
// are asked for first. Only commands that fetch sources fetch those of a junction.
func (s *Session) junctionSources(ctx context.Context, junction *project.Element) (string, error) {
	env := s.sourceEnv()
	ids, err := source.Identify(ctx, env, junction)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if !id.Resolved {
			err := &project.LoadError{Reason: project.SubprojectInconsistent, At: junction.At, Detail: "the " + id.Kind + " source of the junction has no ref"}
			return "", hint.Addf(err, "to find the newest one and write it: git bst source track %s", junction.FullName())
		}
	}
	if s.fetches && !source.Cached(ctx, env, junction) {
		env.Progress = func(line string) {
			s.env.Report(build.Event{Kind: build.EventNote, Element: junction.FullName(), Lines: []string{line}})
		}
		if err := source.Fetch(ctx, env, junction); err != nil {
			return "", hintFetch(err, junction.FullName())
		}
	}
	staged, err := source.StageParts(ctx, env, junction)
	if errors.Is(err, source.ErrNotFetched) {
		return "", &project.LoadError{Reason: project.SubprojectNotFetched, At: junction.At, Detail: "read the sources of the junction", Err: source.ErrNotFetched}
	}
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.config.Cache.Dir, "junctions", staged.Source.Hash())
	if _, err := os.Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	return dir, s.exportJunction(ctx, staged, dir)
}

// localName is the last part of an element's full name: what records have, beside the project.
func localName(full string) string { return full[strings.LastIndexByte(full, ':')+1:] }

// exportJunction writes the tree of a junction's sources to dir, whole or not at all. The .git that
// some kinds stage is not written (rule 39).
func (s *Session) exportJunction(ctx context.Context, staged source.Staged, dir string) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("stage junction: %w", err)
	}
	fresh, err := os.MkdirTemp(parent, "tmp-")
	if err != nil {
		return fmt.Errorf("stage junction: %w", err)
	}
	defer func() { _ = fsx.RemoveAll(fresh) }() // gone already when it was renamed
	if err := tree.Export(ctx, s.cas, staged.Source, fresh, tree.ExportOptions{Default: cas.FileTime}); err != nil {
		return fmt.Errorf("stage junction: %w", err)
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("stage junction: %w", err)
	}
	return nil
}

// withoutJunctions leaves out what cannot be built: targets that are junctions.
func (g *graph) withoutJunctions() error {
	var targets []*project.Element
	for _, target := range g.project.Targets {
		if target.Kind != "junction" {
			targets = append(targets, target)
		}
	}
	if len(targets) == 0 && len(g.project.Targets) > 0 {
		junction := g.project.Targets[0]
		err := &project.LoadError{Reason: project.InvalidData, At: junction.At, Element: junction.FullName(), Detail: "a junction cannot be built, only elements behind it"}
		return hint.Addf(err, "name one: %s:ELEMENT", junction.FullName())
	}
	g.project.Targets, g.project.Order = targets, project.Closure(targets)
	return nil
}
