package flow

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
)

// Deps says which dependencies of the targets a command is about.
type Deps string

// The selections, with BuildStream's words.
const (
	DepsNone  Deps = "none"  // the targets alone
	DepsRun   Deps = "run"   // with what they need at run time
	DepsBuild Deps = "build" // what they need to be built, without themselves
	DepsAll   Deps = "all"   // everything
)

// ErrExcept is for an element that can't be left out, as it is not in.
var ErrExcept = errors.New("--except")

// ParseDeps reads a selection.
func ParseDeps(text string) (Deps, error) {
	switch d := Deps(text); d {
	case DepsNone, DepsRun, DepsBuild, DepsAll:
		return d, nil
	}
	return "", fmt.Errorf("--deps %q: expected none, run, build or all", text)
}

// UnknownKey is shown where there is no key: as many question marks as a key has digits.
var UnknownKey = strings.Repeat("?", 64)

// ShowRequest is what to show.
type ShowRequest struct {
	Elements []string
	Deps     Deps
	Except   []string // leave these and what only they need out
	States   bool     // find out State and ArtifactDigest, which asks the caches
	Alpha    bool     // sorted by name instead of dependencies first
}

// Shown is one element for `show`, with everything that a format may ask for.
type Shown struct {
	Element *project.Element
	Strict  string // UnknownKey where there is none
	Weak    string
	Build   string // build key; "" while unknown or not asked for
	State   string // as BuildStream names it
	Files   string // digest of the artifact's files; "" when it is not here
	Sources string // YAML: kind, medium, address and version of each source
}

// Show describes elements without building anything.
func (s *Session) Show(ctx context.Context, request ShowRequest) ([]Shown, error) {
	g, err := s.load(ctx, request.Elements)
	if err != nil {
		return nil, err
	}
	selected, err := g.selected(request)
	if err != nil {
		return nil, err
	}
	if request.States {
		if err := s.states(ctx, g); err != nil {
			return nil, err
		}
	}
	var rows []Shown
	for _, e := range selected {
		rows = append(rows, g.nodes[e].shown())
	}
	if request.Alpha {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i].Element.FullName() < rows[j].Element.FullName() })
	}
	return rows, nil
}

func (n *node) shown() Shown {
	row := Shown{Element: n.element, Sources: sourceInfo(n.element), Strict: n.names.Strict, Weak: n.names.Weak, State: n.state, Build: n.buildKey}
	if row.Strict == "" {
		row.Strict = UnknownKey
	}
	if n.built != nil && !n.built.Files.IsZero() {
		row.Files = n.built.Files.String()
	}
	return row
}

// selected returns the elements that a request is about, dependencies first.
func (g *graph) selected(request ShowRequest) ([]*project.Element, error) {
	want := map[*project.Element]bool{}
	for _, target := range g.project.Targets {
		var list []*project.Element
		switch request.Deps {
		case DepsNone:
			list = []*project.Element{target}
		case DepsRun:
			list = target.RunScope()
		case DepsBuild:
			list = target.BuildScope()
		default:
			list = closure(target, nil)
		}
		for _, e := range list {
			want[e] = true
		}
	}
	if len(request.Except) > 0 {
		if err := g.except(request.Except, want); err != nil {
			return nil, err
		}
	}
	var list []*project.Element
	for _, e := range g.project.Order {
		if want[e] {
			list = append(list, e)
		}
	}
	return list, nil
}

// except takes the named elements out of want, and what nothing else in want needs.
func (g *graph) except(names []string, want map[*project.Element]bool) error {
	without := map[*project.Element]bool{}
	for _, name := range names {
		e := g.byName(name)
		if e == nil {
			return fmt.Errorf("%w %s: the targets do not depend on it", ErrExcept, name)
		}
		without[e] = true
	}
	kept := map[*project.Element]bool{}
	for _, target := range g.project.Targets {
		if without[target] {
			continue
		}
		for _, e := range closure(target, without) {
			kept[e] = true
		}
	}
	for e := range want {
		if !kept[e] {
			delete(want, e)
		}
	}
	return nil
}

func (g *graph) byName(name string) *project.Element {
	for _, e := range g.project.Order {
		if e.FullName() == name {
			return e
		}
	}
	return nil
}

// closure returns e and all that it depends on, without those of without and what is behind them.
func closure(e *project.Element, without map[*project.Element]bool) []*project.Element {
	var list []*project.Element
	seen := map[*project.Element]bool{}
	var visit func(*project.Element)
	visit = func(e *project.Element) {
		if seen[e] || without[e] {
			return
		}
		seen[e] = true
		for _, dep := range e.Deps {
			visit(dep.Element)
		}
		list = append(list, e)
	}
	visit(e)
	return list
}

// states finds out how far every element is, as BuildStream words it.
func (s *Session) states(ctx context.Context, g *graph) error {
	for _, e := range g.project.Order {
		n := g.nodes[e]
		if e.Kind == "junction" {
			n.state = "junction"
			continue
		}
		job, facts, err := s.resolve(ctx, g, n, Asked{})
		if err != nil {
			return fmt.Errorf("plan %s: %w", e.FullName(), err)
		}
		if n.buildKey, err = s.buildKey(ctx, g, n, job, facts); err != nil {
			return fmt.Errorf("plan %s: %w", e.FullName(), err)
		}
		n.state = stateOf(plan.Make(facts))
	}
	return nil
}

// buildKey returns n's build key, "" where an input of it is not here. resolve does not compute it for
// an artifact that it finds by its strict key.
func (s *Session) buildKey(ctx context.Context, g *graph, n *node, job build.Job, facts plan.Facts) (string, error) {
	if job.Chain.Build != "" || facts.Blocked != nil || s.blocked(ctx, g, n) != nil {
		return job.Chain.Build, nil
	}
	job, err := s.job(ctx, g, n)
	return job.Chain.Build, err
}

func stateOf(step plan.Step) string {
	switch step.Verdict {
	case plan.Skip, plan.Promote, plan.Same:
		return "cached"
	case plan.Failed:
		return "failed"
	case plan.Unknown:
		switch step.Reason.Code {
		case plan.CodeNoReference:
			return "no reference"
		case plan.CodeNotFetched:
			return "fetch needed"
		}
		return "waiting"
	default:
		return "buildable"
	}
}

// media says in BuildStream's words what kind of place a source comes from, and what its version is.
var media = map[string]struct{ medium, version string }{
	"local": {"local", "cas-digest"}, "patch": {"local", "sha256"}, "tar": {"remote-file", "sha256"},
	"remote": {"remote-file", "sha256"}, "git": {"git", "commit"}, "git_repo": {"git", "commit"},
}

// sourceInfo describes e's sources as YAML.
func sourceInfo(e *project.Element) string {
	list := project.NewSequence()
	for _, src := range e.Sources {
		row := project.NewMapping()
		row.Set("kind", project.NewScalar(src.Kind))
		address := src.Config.Get("url")
		if address == nil {
			address = src.Config.Get("path")
		}
		if address != nil {
			row.Set("url", project.NewScalar(address.Value()))
		}
		row.Set("medium", project.NewScalar(media[src.Kind].medium))
		if ref := src.Config.Get("ref"); ref != nil {
			row.Set("version-type", project.NewScalar(media[src.Kind].version))
			row.Set("version", project.NewScalar(ref.Value()))
		}
		list = project.NewSequence(append(list.Items(), row)...)
	}
	return project.DumpYAML(list)
}
