package flow

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
)

// FetchSources brings the sources of elements into the cache. It returns those that were not here.
func (s *Session) FetchSources(ctx context.Context, elements []string, deps Deps) ([]string, error) {
	g, selected, err := s.selectedElements(ctx, elements, deps)
	if err != nil {
		return nil, err
	}
	var missing []*project.Element
	var names []string
	for _, e := range selected {
		if len(e.Sources) > 0 && !source.Cached(ctx, g.sources, e) {
			missing, names = append(missing, e), append(names, e.FullName())
		}
	}
	env := g.sources
	env.Progress = func(line string) {
		s.env.Report(build.Event{Kind: build.EventNote, Element: "fetch", Lines: []string{line}})
	}
	return names, source.Fetch(ctx, env, missing...)
}

// TrackSources looks for the newest refs of elements' sources and writes them into their files,
// where nothing but the ref's own text changes. It returns the refs that are new, and how many sources
// have a ref at all.
func (s *Session) TrackSources(ctx context.Context, elements []string, deps Deps) (changed []source.NewRef, tracked int, err error) {
	g, selected, err := s.selectedElements(ctx, elements, deps)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range selected {
		if e.Project != g.project && !g.isTarget(e) {
			continue // its project keeps its refs
		}
		if e.Project != g.project {
			err := fmt.Errorf("track %s: it is in the project behind a junction", e.FullName())
			return changed, tracked, hint.Addf(err, "to take a newer version of that project: git bst source track %s", e.Project.Path())
		}
		refs, err := source.Track(ctx, g.sources, e)
		if err != nil {
			return changed, tracked, fmt.Errorf("track %s: %w", e.FullName(), err)
		}
		tracked += len(refs)
		written, err := writeRefs(e, refs)
		changed = append(changed, written...)
		if err != nil {
			return changed, tracked, fmt.Errorf("write the ref of %s: %w", e.FullName(), err)
		}
	}
	return changed, tracked, nil
}

// writeRefs writes those of an element's refs that are new, the last in the file first, as each moves
// what stands behind it. It returns what was written, as the sources are ordered.
func writeRefs(e *project.Element, refs []source.NewRef) (written []source.NewRef, err error) {
	refs = slices.DeleteFunc(slices.Clone(refs), func(ref source.NewRef) bool { return ref.Ref == ref.Old })
	slices.SortFunc(refs, func(a, b source.NewRef) int {
		at, than := e.Sources[a.Index].At, e.Sources[b.Index].At
		return cmp.Or(cmp.Compare(than.Line, at.Line), cmp.Compare(than.Column, at.Column))
	})
	for _, ref := range refs {
		if err = project.WriteRef(e, ref.Index, ref.Ref); err != nil {
			break
		}
		written = append(written, ref)
	}
	slices.SortFunc(written, func(a, b source.NewRef) int { return cmp.Compare(a.Index, b.Index) })
	return written, err
}

func (s *Session) selectedElements(ctx context.Context, elements []string, deps Deps) (*graph, []*project.Element, error) {
	s.fetches = true
	g, err := s.load(ctx, elements)
	if err != nil {
		return nil, nil, err
	}
	selected, err := g.selected(ShowRequest{Deps: deps})
	return g, selected, err
}
