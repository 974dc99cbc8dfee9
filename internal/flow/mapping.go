package flow

import (
	"context"
	"errors"
	"slices"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// mapped reports whether commits tell what n is built from: its workspace's, or those of the
// repository where the user stands.
func (n *node) mapped() bool { return n.work != nil || n.inTree }

// repoOf is the repository whose commits tell what n, which is mapped, is built from.
func (s *Session) repoOf(n *node) *gitint.Repo {
	if n.work != nil {
		return n.work.repo
	}
	return s.repo
}

// whereSnapshot reads HEAD or the index; why says what is in the way, without text when nothing is.
func whereSnapshot(ctx context.Context, repo *gitint.Repo, where Where) (snap gitint.Snapshot, why plan.Reason, err error) {
	if where == WhereHead {
		snap, err = repo.Commit(ctx, "HEAD")
	} else {
		snap, err = repo.Index(ctx)
	}
	switch {
	case errors.Is(err, gitint.ErrNoCommit):
		return snap, plan.Reason{Code: plan.CodeNoTree, Text: "there is no commit yet"}, nil
	case errors.Is(err, gitint.ErrConflicted):
		return snap, plan.Reason{Code: plan.CodeNoTree, Text: "there are unmerged files"}, nil
	}
	return snap, why, err
}

// nodeAt is n, which is mapped, with a snapshot's content as its source and without a name of
// BuildStream's; see nameAt. Without a node the reason says why it can't be built from that.
func (s *Session) nodeAt(ctx context.Context, g *graph, n *node, snap gitint.Snapshot) (*node, *graph, plan.Reason, error) {
	at := *n
	at.built, at.names = nil, keys.Names{}
	if n.work == nil {
		atGraph, err := s.localsAt(ctx, g, &at, snap)
		if errors.Is(err, tree.ErrNotFound) {
			return nil, nil, plan.Reason{Code: plan.CodeNoTree, Text: "what it is built from is not there"}, nil
		}
		return &at, atGraph, plan.Reason{}, err
	}
	err := s.workAt(ctx, g, &at, snap)
	return &at, g, plan.Reason{}, err
}

// workAt gives at, which is built from a workspace, a snapshot of it.
func (s *Session) workAt(ctx context.Context, g *graph, at *node, snap gitint.Snapshot) error {
	work := *at.work
	work.snap, work.differs = snap, false
	var err error
	if work.root, err = s.commitRoot(ctx, g, at, snap); err != nil {
		return err
	}
	at.work, at.sources = &work, at.own
	err = s.compareWork(ctx, g, at, source.Cloneable(at.element))
	if work.differs {
		at.sources = []source.Identity{{Kind: "workspace"}}
	}
	return err
}

// commitRoot is what n, which is built from a workspace, sees of a snapshot of it, without a .git.
func (s *Session) commitRoot(ctx context.Context, g *graph, n *node, snap gitint.Snapshot) (digest.Digest, error) {
	work := *n.work
	work.snap = snap
	wanted := func(string) bool { return true }
	if source.Cloneable(n.element) {
		if all, none, some, err := source.Submodules(g.sources, n.element); err != nil {
			return digest.Digest{}, err
		} else if !all && !none {
			wanted = some
		}
	}
	return s.workRoot(ctx, &work, wanted)
}

// nameAt gives at, which nodeAt made, the names that its sources lead to.
func (g *graph) nameAt(at *node) error {
	names, err := keys.Resolve(g.project.Order, func(e *project.Element) ([]source.Identity, error) {
		if e == at.element {
			return at.sources, nil
		}
		return g.nodes[e].sources, nil
	})
	at.names = names[at.element]
	return err
}

// localsAt gives at, whose local sources are of the repository, those of a snapshot.
// Error: tree.ErrNotFound where the snapshot lacks one.
func (s *Session) localsAt(ctx context.Context, g *graph, at *node, snap gitint.Snapshot) (*graph, error) {
	atGraph := &graph{project: g.project, nodes: g.nodes, sources: g.sources}
	atGraph.sources.Local = func(ctx context.Context, element *project.Element, src project.Source) (digest.Digest, error) {
		return s.localAt(ctx, snap, element, src)
	}
	at.sources = slices.Clone(at.sources)
	for i, id := range at.sources {
		if id.Kind != "local" {
			continue
		}
		root, err := s.localAt(ctx, snap, at.element, at.element.Sources[i])
		if err != nil {
			return nil, err
		}
		if !id.InPlace {
			at.sources[i].Key = root.Hash()
		}
	}
	return atGraph, nil
}
