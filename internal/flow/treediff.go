package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/textdiff"
	"github.com/git-bst/git-bst/internal/tree"
)

// DiffRequest says what to compare, and how.
type DiffRequest struct {
	Old, New  string   // names as for Tree
	Paths     []string // what to look at; none: all
	NoRenames bool     // a rename is a deletion and an addition
	Lines     bool     // compare the texts: for Diffed.Text
}

// Diffed is one path, or one renamed pair, that differs.
type Diffed struct {
	tree.Change
	From       string // the old path of what was renamed; else ""
	Similarity int    // of what was renamed, percent
	Text       *Text  // with DiffRequest.Lines, for files and links
}

// Text is how the contents of files or links differ.
type Text struct {
	Binary         bool // one is no text
	Large          bool // one is longer than textdiff.MaxBytes
	Added, Deleted int  // lines
	Old, New       [][]byte
	Edits          []textdiff.Edit
}

// Diff compares two trees and calls yield for each path that differs, in order: one text at a time
// is in memory. Nothing of the project's is run.
func (s *Session) Diff(ctx context.Context, request DiffRequest, yield func(Diffed) error) error {
	old, err := s.Tree(ctx, request.Old)
	if err != nil {
		return err
	}
	next, err := s.Tree(ctx, request.New)
	if err != nil {
		return err
	}
	if err := s.diff(ctx, old, next, request, yield); err != nil {
		return fmt.Errorf("compare %s and %s: %w", request.Old, request.New, err)
	}
	return nil
}

// compareTrees compares two trees. Folders of git's that a collection took are made again.
func (s *Session) compareTrees(ctx context.Context, old, next NamedTree) ([]tree.Change, error) {
	changes, err := tree.Compare(ctx, s.cas, old.Root, next.Root)
	if !errors.Is(err, cas.ErrNotFound) {
		return changes, err
	}
	if err := errors.Join(s.ensure(ctx, old), s.ensure(ctx, next)); err != nil {
		return nil, err
	}
	if changes, err = tree.Compare(ctx, s.cas, old.Root, next.Root); errors.Is(err, cas.ErrNotFound) {
		return nil, fmt.Errorf("%w: a part was collected: %w", ErrNotCached, err)
	}
	return changes, err
}

func (s *Session) diff(ctx context.Context, old, next NamedTree, request DiffRequest, yield func(Diffed) error) error {
	changes, err := s.compareTrees(ctx, old, next)
	if err != nil {
		return err
	}
	changes = slices.DeleteFunc(changes, func(c tree.Change) bool { return !wanted(request.Paths, c.Path) })
	if err := s.ensureSides(ctx, old, next, toRead(changes, request)); err != nil {
		return err
	}
	diffed, err := s.paired(ctx, changes, request.NoRenames)
	if err != nil {
		return err
	}
	for _, d := range diffed {
		if request.Lines {
			if d.Text, err = s.compareTexts(ctx, d.Old, d.New); err != nil {
				return fmt.Errorf("%s: %w", d.Path, err)
			}
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a path is one of those asked for, or below one.
func wanted(paths []string, path string) bool {
	for _, p := range paths {
		if p = strings.Trim(p, "/"); p == "" || p == "." || path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return len(paths) == 0
}

// toRead returns the changes whose contents are looked at: all, or what may be renamed.
func toRead(changes []tree.Change, request DiffRequest) []tree.Change {
	if request.Lines {
		return changes
	}
	var moved []tree.Change
	added, deleted := false, false
	for _, c := range changes {
		if c.Op == tree.Added || c.Op == tree.Deleted {
			moved = append(moved, c)
		}
		added, deleted = added || c.Op == tree.Added, deleted || c.Op == tree.Deleted
	}
	if request.NoRenames || !added || !deleted {
		return nil
	}
	return moved
}

// ensureSides has the files that differ in the cache, and no others.
func (s *Session) ensureSides(ctx context.Context, old, next NamedTree, changes []tree.Change) error {
	for _, side := range []struct {
		tree  NamedTree
		entry func(tree.Change) tree.Entry
	}{{old, func(c tree.Change) tree.Entry { return c.Old }}, {next, func(c tree.Change) tree.Entry { return c.New }}} {
		if side.tree.snapshot == nil {
			continue
		}
		var files []tree.Change
		for _, c := range changes {
			if e := side.entry(c); e.Kind == tree.KindFile {
				files = append(files, tree.Change{Path: c.Path, Op: tree.Added, New: e})
			}
		}
		root, err := tree.Apply(ctx, s.cas, digest.Empty, files)
		if err == nil {
			err = side.tree.repo.Ensure(ctx, *side.tree.snapshot, root)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// paired returns changes with renames as one, sorted by the new paths.
func (s *Session) paired(ctx context.Context, changes []tree.Change, noRenames bool) ([]Diffed, error) {
	var renames []tree.Rename
	if !noRenames {
		var err error
		if renames, changes, err = tree.Renames(ctx, s.cas, changes); err != nil {
			return nil, err
		}
	}
	diffed := make([]Diffed, 0, len(changes)+len(renames))
	for _, c := range changes {
		diffed = append(diffed, Diffed{Change: c})
	}
	for _, r := range renames {
		diffed = append(diffed, Diffed{
			Change: tree.Change{Path: r.To.Path, Op: tree.Modified, Old: r.From.Old, New: r.To.New}, From: r.From.Path, Similarity: r.Similarity,
		})
	}
	slices.SortFunc(diffed, func(a, b Diffed) int { return strings.Compare(a.Path, b.Path) })
	return diffed, nil
}

// compareTexts compares what two entries hold; nil where neither is a file or link.
func (s *Session) compareTexts(ctx context.Context, old, next tree.Entry) (*Text, error) {
	if !readable(old) && !readable(next) {
		return nil, nil
	}
	text := &Text{}
	for _, side := range []struct {
		entry tree.Entry
		lines *[][]byte
	}{{old, &text.Old}, {next, &text.New}} {
		if side.entry.Kind == tree.KindFile && side.entry.Digest.Size() > textdiff.MaxBytes {
			text.Large = true
			continue
		}
		data, err := s.textOf(ctx, side.entry)
		if err != nil {
			return nil, err
		}
		text.Binary = text.Binary || textdiff.IsBinary(data)
		*side.lines = textdiff.Lines(data)
	}
	if text.Binary || text.Large {
		text.Old, text.New = nil, nil
		return text, nil
	}
	text.Edits = textdiff.Compare(text.Old, text.New)
	text.Added, text.Deleted = textdiff.Count(text.Edits)
	return text, nil
}

func readable(e tree.Entry) bool { return e.Kind == tree.KindFile || e.Kind == tree.KindSymlink }

// textOf is what a file holds, or where a link leads.
func (s *Session) textOf(ctx context.Context, e tree.Entry) ([]byte, error) {
	switch e.Kind {
	case tree.KindSymlink:
		return []byte(e.Target), nil
	case tree.KindFile:
		reader, err := s.cas.Open(ctx, e.Digest)
		if errors.Is(err, cas.ErrNotFound) {
			return nil, fmt.Errorf("%w: its content was collected", ErrNotCached)
		}
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		return io.ReadAll(io.LimitReader(reader, textdiff.MaxBytes+1))
	}
	return nil, nil
}
