package build

import (
	"context"
	"errors"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// sourceSet tells which files and links a source tree has. Of a large one most questions are about few
// folders, so no more than these are read. Who asks looks at err afterwards.
type sourceSet struct {
	ctx   context.Context
	store cas.Store
	root  digest.Digest
	paths *tree.Paths
	all   map[string]bool // what list returns; nil until it is called
	err   error           // the first
}

// sources is the set of one source tree, the same one each time.
func (c *chain) sources(ctx context.Context, root digest.Digest) *sourceSet {
	if c.sets == nil {
		c.sets = map[digest.Digest]*sourceSet{}
	}
	if c.sets[root] == nil {
		c.sets[root] = &sourceSet{ctx: ctx, store: c.env.CAS, root: root, paths: tree.NewPaths(c.env.CAS, root)}
	}
	return c.sets[root]
}

// has reports whether there is a file or link at path.
func (s *sourceSet) has(path string) bool {
	entry, err := s.paths.Lookup(s.ctx, path)
	if err != nil && !errors.Is(err, tree.ErrNotFound) && s.err == nil {
		s.err = err
	}
	return err == nil && entry.Kind != tree.KindDir
}

// list is Sources, once.
func (s *sourceSet) list() map[string]bool {
	if s.all == nil {
		var err error
		if s.all, err = Sources(s.ctx, s.store, s.root); s.err == nil {
			s.err = err
		}
	}
	return s.all
}

// Sources returns the paths in a source tree: whether each is a file or link, as opposed to a folder.
func Sources(ctx context.Context, store cas.Store, root digest.Digest) (map[string]bool, error) {
	sources := map[string]bool{}
	err := tree.Walk(ctx, store, root, func(path string, e tree.Entry) error {
		sources[path] = e.Kind != tree.KindDir
		return nil
	})
	return sources, err
}
