package flow

import (
	"context"
	"fmt"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
)

// StatusRow is the plan for one element, not carried out.
type StatusRow struct {
	Element string
	Kind    string
	Step    plan.Step
	Key     string // "" while unknown
	Strict  bool
	Phases  []plan.Phase
	Differs []string // from the nearest earlier build with other inputs
	// Workspace is the folder of the open workspace that the element is built from; "" without.
	Workspace string
	// Trees are the states of HEAD, the index and the work tree, as far as they were asked for.
	Trees []TreeState
}

// Where is one of the three trees that git tells apart in a work tree.
type Where string

// The trees.
const (
	WhereHead     Where = "head"
	WhereIndex    Where = "index"
	WhereWorkTree Where = "worktree"
)

// TreeState is what is known of an element's build from one of git's trees, with the recipe and the
// dependencies of now.
type TreeState struct {
	Where    Where
	Commit   string        // of HEAD
	Source   digest.Digest // what the element is built from; zero while it is not known
	BuildKey string        // "" while it is not known
	Key      string        // strict key, or the key of the artifact; "" while unknown
	Strict   bool
	Step     plan.Step // Reason says why a tree has no state
}

// TreesShown says of which elements Status tells the trees apart.
type TreesShown int

// The choices. Each tree costs about what git status does.
const (
	TreesNone    TreesShown = iota
	TreesChanged            // of those whose work tree differs from HEAD
	TreesAll                // of all that are built from a work tree
)

// Status plans elements and all that they need, and carries nothing out. What depends on an
// element that is to be built is unknown (rule 2).
func (s *Session) Status(ctx context.Context, elements []string, trees TreesShown) ([]StatusRow, error) {
	g, err := s.loadToPlan(ctx, elements)
	if err != nil {
		return nil, err
	}
	order, err := s.needed(ctx, g, Asked{})
	if err != nil {
		return nil, err
	}
	var rows []StatusRow
	for _, n := range order {
		job, facts, err := s.resolve(ctx, g, n, Asked{})
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", n.element.FullName(), err)
		}
		row := StatusRow{Element: n.element.FullName(), Kind: n.element.Kind, Step: plan.Make(facts), Key: job.Strict, Strict: job.Strict != "", Phases: facts.Phases, Workspace: n.workspaceDir()}
		if facts.Previous != nil && (row.Step.Verdict == plan.Clean || row.Step.Verdict == plan.Resume) {
			row.Differs = facts.Previous.Differs
		}
		if row.Key == "" && len(job.Refs) > 0 {
			row.Key = job.Refs[0].Key
		}
		rows = append(rows, row)
	}
	return rows, s.addTrees(ctx, g, order, rows, trees)
}

// addTrees adds the states of git's trees to the rows of elements that are built from a work tree.
func (s *Session) addTrees(ctx context.Context, g *graph, order []*node, rows []StatusRow, trees TreesShown) error {
	planned := false
	for i, n := range order {
		if trees == TreesNone || !n.mapped() {
			continue
		}
		if changed, err := s.workChanged(ctx, n); err != nil {
			return err
		} else if !changed && trees != TreesAll {
			continue
		}
		if !planned { // what an element needs that is up to date was not looked at
			if err := s.planAll(ctx, g); err != nil {
				return err
			}
			planned = true
		}
		var err error
		if rows[i].Trees, err = s.treeStates(ctx, g, n); err != nil {
			return fmt.Errorf("%s: %w", n.element.FullName(), err)
		}
	}
	return nil
}

// workChanged reports whether the work tree that n is built from differs from its HEAD.
func (s *Session) workChanged(ctx context.Context, n *node) (bool, error) {
	if n.work != nil {
		return n.work.snap.Dirty, nil
	}
	snap, err := s.snapshot(ctx)
	return snap.Dirty, err
}

// treeStates is what is known of n at HEAD, in the index and in the work tree.
func (s *Session) treeStates(ctx context.Context, g *graph, n *node) ([]TreeState, error) {
	repo := s.repoOf(n)
	var states []TreeState
	for _, where := range []Where{WhereHead, WhereIndex} {
		snap, why, err := whereSnapshot(ctx, repo, where)
		var state TreeState
		if err == nil && why.Text == "" {
			state, why, err = s.snapshotState(ctx, g, n, snap)
		}
		if err != nil {
			return nil, err
		}
		if why.Text != "" {
			state.Step = plan.Step{Verdict: plan.Unknown, Reason: why}
		}
		state.Where = where
		if where == WhereHead {
			state.Commit = snap.Commit
		}
		states = append(states, state)
	}
	state, err := s.treeState(ctx, g, n)
	state.Where = WhereWorkTree
	return append(states, state), err
}

// snapshotState plans n with a snapshot's content; why says, if it has a text, that this has none.
func (s *Session) snapshotState(ctx context.Context, g *graph, n *node, snap gitint.Snapshot) (state TreeState, why plan.Reason, err error) {
	at, atGraph, why, err := s.nodeAt(ctx, g, n, snap)
	if err != nil || at == nil {
		return state, why, err
	}
	if err := g.nameAt(at); err != nil {
		return state, why, err
	}
	state, err = s.treeState(ctx, atGraph, at)
	return state, why, err
}

// treeState plans n as it is.
func (s *Session) treeState(ctx context.Context, g *graph, n *node) (TreeState, error) {
	job, facts, err := s.resolve(ctx, g, n, Asked{})
	if err != nil {
		return TreeState{}, err
	}
	state := TreeState{Step: plan.Make(facts), Key: job.Strict, Strict: job.Strict != ""}
	if job.Chain.Build == "" && s.blocked(ctx, g, n) == nil { // it was found by its strict key
		if job, err = s.job(ctx, g, n); err != nil {
			return TreeState{}, err
		}
	}
	state.Source, state.BuildKey = job.Source, job.Chain.Build
	if state.Key == "" && len(job.Refs) > 0 {
		state.Key = job.Refs[0].Key
	}
	return state, nil
}
