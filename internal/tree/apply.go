package tree

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Apply returns base with the changes made, in any order, so that Apply(a, Compare(a, b)) is b.
// Base need not be the tree that the changes came from, and they may be a part of a comparison;
// only their New entries and the fact of deletion count:
//
//   - a file or link comes to be at its path, whatever was there; missing parents are made;
//   - a folder is made where there is none; its content comes by changes of its own (the digest of
//     such an entry is not looked at: use Insert for whole subtrees);
//   - what is deleted and not there is no error; a folder goes only when it is empty by then.
//
// ErrConflict when a parent is a file or link that no change turns into a folder. ErrInvalid for
// paths that are none or come twice, and for changes below what becomes a file.
func Apply(ctx context.Context, s cas.Store, base digest.Digest, changes []Change) (digest.Digest, error) {
	root := &edits{}
	for _, c := range changes {
		if err := root.insert(c); err != nil {
			return digest.Digest{}, fmt.Errorf("apply changes: %w", err)
		}
	}
	if len(changes) == 0 {
		return base, nil
	}
	d, err := applier{ctx, s}.folder(base, root)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("apply changes: %w", err)
	}
	return d, nil
}

// edits are the changes at a path and below it.
type edits struct {
	change *Change
	below  map[string]*edits
	adds   bool // some change at or below this makes something be there
}

func (n *edits) insert(c Change) error {
	parts, err := splitPath(c.Path)
	if err == nil && len(parts) == 0 {
		err = fmt.Errorf("%w: a change of the root", ErrInvalid)
	}
	if err == nil && c.New.Kind != KindNone {
		err = c.New.check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	n.adds = n.adds || c.New.Kind != KindNone
	for _, part := range parts {
		next := n.below[part]
		if next == nil {
			next = &edits{}
			if n.below == nil {
				n.below = map[string]*edits{}
			}
			n.below[part] = next
		}
		n = next
		n.adds = n.adds || c.New.Kind != KindNone
	}
	if n.change != nil {
		return fmt.Errorf("%w: %q is changed twice", ErrInvalid, c.Path)
	}
	n.change = &c
	return nil
}

func (n *edits) addsBelow() bool {
	for _, sub := range n.below {
		if sub.adds {
			return true
		}
	}
	return false
}

type applier struct {
	ctx   context.Context
	store cas.Store
}

// folder applies what is below n to the Directory d.
func (a applier) folder(d digest.Digest, n *edits) (digest.Digest, error) {
	if len(n.below) == 0 {
		return d, nil
	}
	dir, err := Load(a.ctx, a.store, d)
	if err != nil {
		return digest.Digest{}, err
	}
	entries := map[string]Entry{}
	for e := range dir.entries() {
		entries[e.name] = e.Entry
	}
	for _, name := range slices.Sorted(maps.Keys(n.below)) {
		e, err := a.entry(entries[name], n.below[name])
		if err != nil {
			return digest.Digest{}, inFolder(name, err)
		}
		entries[name] = e
	}
	return Save(a.ctx, a.store, fromEntries(entries))
}

func fromEntries(entries map[string]Entry) Directory {
	var dir Directory
	for _, name := range slices.SortedFunc(maps.Keys(entries), strings.Compare) {
		switch e := entries[name]; e.Kind {
		case KindFile:
			dir.Files = append(dir.Files, File{name, e.Digest, e.Executable})
		case KindDir:
			dir.Dirs = append(dir.Dirs, Dir{name, e.Digest})
		case KindSymlink:
			dir.Symlinks = append(dir.Symlinks, Symlink{name, e.Target})
		}
	}
	return dir
}

// entry returns what is at a path that now holds e after the changes n.
func (a applier) entry(e Entry, n *edits) (Entry, error) {
	switch {
	case n.change == nil:
		return a.inside(e, n)
	case n.change.New.Kind == KindNone:
		return a.delete(e, n)
	case n.change.New.Kind == KindDir:
		if e.Kind != KindDir {
			e = Entry{Kind: KindDir, Digest: digest.Empty}
		}
		return a.descend(e, n)
	case n.addsBelow():
		return Entry{}, fmt.Errorf("%w: something is added below what becomes a %s", ErrInvalid, n.change.New.Kind)
	}
	return n.change.New, nil
}

// inside is for a path that is not changed itself.
func (a applier) inside(e Entry, n *edits) (Entry, error) {
	switch {
	case e.Kind == KindDir:
		return a.descend(e, n)
	case !n.adds:
		return e, nil // what is to be deleted below is not there
	case e.Kind == KindNone:
		return a.descend(Entry{Kind: KindDir, Digest: digest.Empty}, n)
	}
	return Entry{}, fmt.Errorf("it is a %s: %w", e.Kind, ErrConflict)
}

func (a applier) delete(e Entry, n *edits) (Entry, error) {
	if n.addsBelow() {
		return Entry{}, fmt.Errorf("%w: something is added below what is deleted", ErrInvalid)
	}
	if e.Kind != KindDir {
		if n.change.Old.Kind == KindDir {
			return e, nil // the folder is gone already, this is something else
		}
		return Entry{}, nil
	}
	e, err := a.descend(e, n)
	if err != nil || e.Digest != digest.Empty {
		return e, err
	}
	return Entry{}, nil
}

func (a applier) descend(e Entry, n *edits) (Entry, error) {
	d, err := a.folder(e.Digest, n)
	if err != nil {
		return Entry{}, err
	}
	return Entry{Kind: KindDir, Digest: d}, nil
}
