package flow

import (
	"context"
	"fmt"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/workspace"
)

// history is a repository whose commits stand for the work tree that an element is built from.
type history struct {
	repo     *gitint.Repo
	standing *workspace.Standing // the workspace whose history it is; nil: the project's own repository
	project  *project.Project    // as it was read; recipes and dependencies are those of now at every commit
	element  string
}

// historyOf finds the history of what an element is built from: that of the workspace in which the user
// stands, else of the element's own, else the project's. ErrNoHistory when no commit changes anything.
func (s *Session) historyOf(g *graph, n *node) (history, error) {
	h := history{repo: s.repo, standing: s.options.Standing, project: g.project, element: n.element.FullName()}
	if h.standing == nil && n.work != nil {
		h.standing = &workspace.Standing{Dir: n.work.Dir(), ProjectDir: s.dir, Workspaces: []workspace.Workspace{n.work.Workspace}}
	}
	for _, one := range g.nodes {
		switch {
		case h.standing == nil && one.work == nil && one.inTree:
			return h, nil
		case h.standing != nil && one.work != nil && stands(h.standing, one.work.ID):
			h.repo = one.work.repo
			return h, nil
		}
	}
	return h, hintNoHistory([]*project.Element{n.element})
}

func stands(standing *workspace.Standing, id string) bool {
	for _, w := range standing.Workspaces {
		if w.ID == id {
			return true
		}
	}
	return false
}

// at returns a session for which a commit's content stands for the work tree's; "" for the work tree
// itself. It shares s's stores and lease: it is not closed, and s is closed last. Builds of it leave the
// work tree's warm build folder alone.
func (s *Session) at(h history, commit string) *Session {
	s.hostMu.Lock()
	defer s.hostMu.Unlock()
	options := s.options
	options.Revision, options.Standing = commit, h.standing
	return &Session{
		options: options, config: s.config, repo: s.repo, cas: s.cas, lease: s.lease, env: s.env, dir: s.dir,
		hostSeen: s.hostSeen, loaded: h.project, apart: commit != "",
	}
}

// localOf is the tree of a local source at the session's commit. source.ErrAsItIs for one that is not of
// the repository.
func (s *Session) localOf(ctx context.Context, element *project.Element, src project.Source) (digest.Digest, error) {
	if !s.ofRepository(element) {
		return digest.Digest{}, source.ErrAsItIs
	}
	snap, err := s.snapshot(ctx)
	if err != nil {
		return digest.Digest{}, err
	}
	return s.localAt(ctx, snap, element, src)
}

// elementAt plans a history's element, and all that it needs, at a commit.
func (s *Session) elementAt(ctx context.Context, h history) (*graph, *node, error) {
	g, n, err := s.element(ctx, h.element)
	if err != nil {
		return nil, nil, err
	}
	order, err := s.needed(ctx, g, Asked{})
	if err != nil {
		return nil, nil, err
	}
	for _, other := range order {
		if other == n {
			continue
		}
		if _, _, err := s.resolve(ctx, g, other, Asked{}); err != nil {
			return nil, nil, fmt.Errorf("plan %s: %w", other.element.FullName(), err)
		}
	}
	return g, n, nil
}
