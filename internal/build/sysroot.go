package build

import (
	"context"
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// Merge returns the tree that staging a job's stack gives, without integration, in order, each at
// its location, as BuildStream does. Overlaps are warnings, or a *StagingError where the project
// says so.
func (e *Env) Merge(ctx context.Context, job Job) (digest.Digest, error) {
	root, err := tree.Save(ctx, e.CAS, tree.Directory{})
	if err != nil {
		return digest.Digest{}, err
	}
	var sessions []artifact.Session
	for i, placed := range job.Stack {
		if i == 0 || placed.Location != job.Stack[i-1].Location {
			sessions = append(sessions, artifact.Session{Location: placed.Location})
		}
		if placed.Files.IsZero() {
			continue
		}
		content, err := e.at(ctx, placed)
		if err != nil {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", placed.Name, err)
		}
		merged, err := tree.Merge(ctx, e.CAS, root, content)
		if err != nil {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", placed.Name, err)
		}
		root = merged.Root
		session := &sessions[len(sessions)-1]
		session.Layers = append(session.Layers, e.layer(ctx, placed, merged))
	}
	return root, e.judge(job, sessions)
}

// at returns the tree that has placed's files at its location.
func (e *Env) at(ctx context.Context, placed Placed) (digest.Digest, error) {
	where := strings.Trim(placed.Location, "/")
	if where == "" {
		return placed.Files, nil
	}
	empty, err := tree.Save(ctx, e.CAS, tree.Directory{})
	if err != nil {
		return digest.Digest{}, err
	}
	return tree.Insert(ctx, e.CAS, empty, where, tree.Entry{Kind: tree.KindDir, Digest: placed.Files})
}

// layer describes what staging one dependency replaced or left out, with paths below its location.
func (e *Env) layer(ctx context.Context, placed Placed, merged tree.Merged) artifact.Layer {
	prefix := strings.TrimPrefix(strings.TrimSuffix(placed.Location, "/")+"/", "/")
	layer := artifact.Layer{Element: placed.Name, Whitelist: placed.Whitelist}
	for _, overlap := range merged.Overlaps {
		if overlap.Old.Kind != tree.KindDir { // an empty folder in a file's place is no overlap
			layer.Overlaps = append(layer.Overlaps, strings.TrimPrefix(overlap.Path, prefix))
		}
	}
	for _, path := range merged.Unstaged {
		layer.Unstaged = append(layer.Unstaged, strings.TrimPrefix(path, prefix))
	}
	layer.Has = func(path string) bool {
		entry, err := tree.Lookup(ctx, e.CAS, placed.Files, path)
		return err == nil && entry.Kind != tree.KindDir
	}
	return layer
}

// judge turns overlaps into notes or an error.
func (e *Env) judge(job Job, sessions []artifact.Session) error {
	warnings, err := artifact.Warnings(sessions, job.FatalWarnings)
	if err != nil {
		return fmt.Errorf("stage the dependencies of %s: %w", job.Name, err)
	}
	for _, warning := range warnings {
		text := warning.Text + ": " + list(warning.Detail)
		if warning.Fatal {
			return &StagingError{Element: job.Name, Token: warning.Token, Detail: text}
		}
		e.note(job.Name, text)
	}
	return nil
}

// StagingError is a staging warning that the project's fatal-warnings make an error.
type StagingError struct{ Element, Token, Detail string }

// Error implements error.
func (e *StagingError) Error() string {
	return fmt.Sprintf("stage the dependencies of %s: %s (fatal-warnings has %q)", e.Element, e.Detail, e.Token)
}

// list names at most five of these.
func list(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
