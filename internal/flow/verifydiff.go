package flow

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/textdiff"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/workspace"
)

// differences lists where an artifact differs from a clean build, and of these where that differs
// from a second one. Both were made since began.
func (s *Session) differences(ctx context.Context, stored digest.Digest, first, second build.Rebuilt, began time.Time) ([]Difference, error) {
	made := first
	if first.Failure != nil {
		made = second
	}
	if made.Failure != nil {
		return nil, nil
	}
	changes, err := tree.Compare(ctx, s.cas, stored, made.Files)
	if err != nil {
		return nil, err
	}
	unstable := map[string]bool{}
	if first.Failure == nil && second.Failure == nil {
		between, err := tree.Compare(ctx, s.cas, first.Files, second.Files)
		if err != nil {
			return nil, err
		}
		for _, change := range between {
			unstable[change.Path] = true
		}
	}
	var list []Difference
	for _, change := range changes {
		kind, err := s.kindOf(ctx, change, began)
		if err != nil {
			return nil, err
		}
		list = append(list, Difference{Path: change.Path, Change: change.Op, Unstable: unstable[change.Path], Kind: kind})
	}
	return list, nil
}

// kindOf says what differs in a file that a clean build made since began.
func (s *Session) kindOf(ctx context.Context, change tree.Change, began time.Time) (textdiff.Kind, error) {
	if change.Op != tree.Modified || change.Old.Kind != tree.KindFile || max(change.Old.Digest.Size(), change.New.Digest.Size()) > textdiff.MaxBytes {
		return textdiff.Content, nil
	}
	older, err := cas.Get(ctx, s.cas, change.Old.Digest)
	if err != nil {
		return textdiff.Content, nil // it is damaged, which is a difference too
	}
	newer, err := cas.Get(ctx, s.cas, change.New.Digest)
	if err != nil {
		return "", err
	}
	return textdiff.Explain(older, newer, began, s.options.Now()), nil
}

// learn remembers of which source files a change was missed, of an artifact that is stale as it was
// continued: those that were changed since the last build that was not, without what only compilers read
// as far as there is anything else. They are configure's inputs from then on (rule 30).
func (s *Session) learn(ctx context.Context, stored artifact.Entry) ([]string, error) {
	changed := map[string]bool{}
	rec, err := s.env.Records.Get(ctx, stored.Record)
	for err == nil && rec.Trust.How == record.Continued && rec.Base != "" {
		var base record.Record
		if base, err = s.env.Records.Get(ctx, rec.Base); err != nil {
			break
		}
		changes, compareErr := tree.Compare(ctx, s.cas, base.Parts.Source, rec.Parts.Source)
		if errors.Is(compareErr, cas.ErrNotFound) {
			break // it was collected
		}
		if compareErr != nil {
			return nil, compareErr
		}
		for _, change := range changes {
			if change.Old.Kind != tree.KindDir && change.New.Kind != tree.KindDir {
				changed[change.Path] = true
			}
		}
		rec = base
	}
	paths := slices.Sorted(maps.Keys(changed))
	others := slices.DeleteFunc(slices.Clone(paths), plan.IsCompiled)
	if len(others) > 0 {
		paths = others
	}
	if len(paths) == 0 {
		return nil, nil
	}
	made, err := s.env.Records.Get(ctx, stored.Record)
	if err != nil {
		return nil, err
	}
	return paths, workspace.Learn(ctx, s.repo.CommonDir(), made.Project, made.Element, paths)
}
