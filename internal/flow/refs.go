package flow

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/hint"
)

// ArtifactRow is one artifact of the cache.
type ArtifactRow struct {
	Ref     artifact.Ref
	Used    time.Time
	Project string // "" where neither the reference nor a record tells it
	Element string // with its folder, where a record tells that
}

// Artifacts lists the artifacts whose reference, element or PROJECT/ELEMENT matches one of the
// patterns (all without patterns). In a pattern * and ? are as in a shell, and * takes slashes too.
func (s *Session) Artifacts(ctx context.Context, patterns []string) ([]ArtifactRow, error) {
	for _, pattern := range patterns {
		if _, err := path.Match(flat(pattern), ""); err != nil {
			return nil, fmt.Errorf("list artifacts: pattern %q: %w", pattern, err)
		}
	}
	listed, err := s.env.Artifacts.List(ctx)
	if err != nil {
		return nil, err
	}
	var rows []ArtifactRow
	for _, one := range listed {
		if row := s.row(ctx, one); matches(patterns, row) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// row finds out what a reference is of. A build key does not tell: the record of the build does.
func (s *Session) row(ctx context.Context, one artifact.Listed) ArtifactRow {
	row := ArtifactRow{Ref: one.Ref, Used: one.Used, Project: one.Ref.Project, Element: one.Ref.Element}
	entry, err := s.env.Artifacts.Peek(one.Ref)
	if err != nil {
		return row
	}
	if rec, err := s.env.Records.Get(ctx, entry.Record); err == nil {
		row.Project, row.Element = rec.Project, rec.Element
	}
	return row
}

// flat lets * of a pattern match slashes.
func flat(text string) string { return strings.ReplaceAll(text, "/", ":") }

func matches(patterns []string, row ArtifactRow) bool {
	names := []string{row.Ref.String(), row.Element, row.Project + "/" + row.Element}
	if !row.Ref.IsBuild() {
		names = append(names, artifact.NormalName(row.Ref.Element)+".bst")
	}
	for _, pattern := range patterns {
		for _, name := range names {
			if ok, err := path.Match(flat(pattern), flat(name)); err == nil && ok {
				return true
			}
		}
	}
	return len(patterns) == 0
}

var keyText = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// parseRef reads what Ref.String writes; ok is false for anything else.
func parseRef(text string) (ref artifact.Ref, ok bool) {
	parts := strings.Split(text, "/")
	if !keyText.MatchString(parts[len(parts)-1]) {
		return artifact.Ref{}, false
	}
	switch {
	case len(parts) == 2 && parts[0] == "build":
		return artifact.BuildRef(parts[1]), true
	case len(parts) == 3:
		return artifact.Ref{Project: parts[0], Element: parts[1] + ".bst", Key: parts[2]}, true
	}
	return artifact.Ref{}, false
}

// refLike is what only a reference or a part of one, or a pattern, can look like.
var refLike = regexp.MustCompile(`\A(?:build/[0-9a-f]*|[^/]+/[^/]+/[0-9a-f]{4,64}|[0-9a-f]{8,64})\z|[*?]`)

// keyLike is a key or the beginning of one: eight digits at least, as keys are shown.
var keyLike = regexp.MustCompile(`\A[0-9a-f]{8,64}\z`)

// findRef returns the reference that text names in full or by an unambiguous beginning; ok is false
// where text is an element's name.
func (s *Session) findRef(ctx context.Context, text string) (ref artifact.Ref, ok bool, err error) {
	if ref, ok := parseRef(text); ok {
		return ref, true, nil
	}
	if !refLike.MatchString(text) || strings.HasSuffix(text, ".bst") && !strings.ContainsAny(text, "*?") {
		return ref, false, nil
	}
	listed, err := s.env.Artifacts.List(ctx)
	if err != nil {
		return ref, false, err
	}
	var found []artifact.Ref
	for _, one := range listed {
		whole := one.Ref.String()
		if keyLike.MatchString(text) {
			whole = one.Ref.Key
		}
		if strings.HasPrefix(whole, text) && !strings.HasSuffix(text, "/") {
			found = append(found, one.Ref)
		}
	}
	switch len(found) {
	case 0:
		err := fmt.Errorf("%w: no such reference: %s", ErrNotCached, text)
		return ref, false, hint.Addf(err, "to see all: git bst artifact list; those of an element: git bst artifact list ELEMENT")
	case 1:
		return found[0], true, nil
	}
	err = fmt.Errorf("%s is the beginning of %d references", text, len(found))
	return ref, false, hint.Addf(err, "to see them: git bst artifact list '%s*'", text)
}
