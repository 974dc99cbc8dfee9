package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Op says how a path differs.
type Op uint8

// The ways. There are no renames: a rename is one Deleted and one Added.
const (
	Added    Op = iota + 1 // there was nothing
	Deleted                // there is nothing
	Modified               // a file with other content, or a link with another target
	Type                   // of another kind: file, folder, link
	Mode                   // a file with the same content, whose executable bit changed
)

// String returns one letter, as git does: A, D, M, T; X for Mode.
func (o Op) String() string {
	if o < Added || o > Mode {
		return "?"
	}
	return string("?ADMTX"[o])
}

// Change is a path whose entry differs between two trees. A file whose content and executable bit
// both changed is Modified; look at Old and New.
type Change struct {
	Path     string
	Op       Op
	Old, New Entry // the zero Entry for nothing
}

// Compare returns how tree b differs from tree a, sorted by the bytes of the paths. Every path is
// listed: for a folder that came or went, itself and all below it. A folder in both trees is not
// listed itself. Subtrees with equal digests are not looked into.
func Compare(ctx context.Context, s cas.Store, a, b digest.Digest) ([]Change, error) {
	c := &comparer{ctx: ctx, store: s}
	dirA := Entry{Kind: KindDir, Digest: a}
	dirB := Entry{Kind: KindDir, Digest: b}
	if err := c.folders(dirA, dirB, "", 0); err != nil {
		return nil, fmt.Errorf("compare trees: %w", err)
	}
	slices.SortFunc(c.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return c.changes, nil
}

type comparer struct {
	ctx     context.Context
	store   cas.Store
	changes []Change
	count   int
	limit   int // of changes; 0 for all
}

// folders compares what is in two folders; what is no folder counts as an empty one.
func (c *comparer) folders(a, b Entry, prefix string, depth int) error {
	if a == b {
		return nil
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: more than %d folders deep", ErrInvalid, maxDepth)
	}
	dirA, err := c.load(a, prefix)
	if err != nil {
		return err
	}
	dirB, err := c.load(b, prefix)
	if err != nil {
		return err
	}
	for _, pair := range pairs(dirA, dirB) {
		if c.count++; c.count > 2*maxEntries {
			return fmt.Errorf("%w: more than %d entries", ErrInvalid, maxEntries)
		}
		c.note(prefix+pair.name, pair.a, pair.b)
		if c.limit > 0 && len(c.changes) >= c.limit {
			return errFar
		}
		if pair.a.Kind == KindDir || pair.b.Kind == KindDir {
			if err := c.folders(pair.a, pair.b, prefix+pair.name+"/", depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comparer) load(e Entry, prefix string) (Directory, error) {
	if e.Kind != KindDir {
		return Directory{}, nil
	}
	dir, err := Load(c.ctx, c.store, e.Digest)
	if err != nil {
		return Directory{}, inFolder(prefix, err)
	}
	return dir, nil
}

func (c *comparer) note(path string, a, b Entry) {
	if a == b || (a.Kind == KindDir && b.Kind == KindDir) {
		return
	}
	op := Modified
	switch {
	case a.Kind == KindNone:
		op = Added
	case b.Kind == KindNone:
		op = Deleted
	case a.Kind != b.Kind:
		op = Type
	case a.Kind == KindFile && a.Digest == b.Digest:
		op = Mode
	}
	c.changes = append(c.changes, Change{Path: path, Op: op, Old: a, New: b})
}

// pair is a name that is in at least one of two folders.
type pair struct {
	name string
	a, b Entry
}

// pairs gives the names of both folders, sorted.
func pairs(dirA, dirB Directory) []pair {
	byName := make(map[string]int)
	var all []pair
	for e := range dirA.entries() {
		byName[e.name] = len(all)
		all = append(all, pair{name: e.name, a: e.Entry})
	}
	for e := range dirB.entries() {
		if i, ok := byName[e.name]; ok {
			all[i].b = e.Entry
		} else {
			all = append(all, pair{name: e.name, b: e.Entry})
		}
	}
	slices.SortFunc(all, func(x, y pair) int { return strings.Compare(x.name, y.name) })
	return all
}
