package tree

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Conflicts looks where a folder holds neither the old nor the new state of the changes, so that
// Patch would take something away that is of neither: paths that would be replaced (Was is what is
// there), those inside folders that would become files among them; and, with Now KindDir, files and
// links that stand where a folder is needed, on which Patch gives up. Sorted by path. Nothing is changed, no
// link is followed. Special files are of KindNone.
func Conflicts(ctx context.Context, dir string, changes []Change) ([]Replaced, error) {
	root := &edits{}
	for _, c := range changes {
		if err := root.insert(c); err != nil {
			return nil, fmt.Errorf("compare with %s: %w", dir, err)
		}
	}
	var open folders
	defer open.close()
	top, err := open.openRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("compare with the folder: %w", err)
	}
	p := &patcher{ctx: ctx, w: &worker{buf: make([]byte, workerBuffer)}}
	if err := p.inspect(top, root); err != nil {
		return nil, fmt.Errorf("compare with %s: %w", dir, err)
	}
	slices.SortFunc(p.replaced, func(a, b Replaced) int { return strings.Compare(a.Path, b.Path) })
	return p.replaced, nil
}

// inspect is folder, but only looks.
func (p *patcher) inspect(f *folder, n *edits) error {
	for _, name := range slices.Sorted(maps.Keys(n.below)) {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := p.inspectEntry(f, name, n.below[name]); err != nil {
			return inFolder(name, err)
		}
	}
	return nil
}

func (p *patcher) inspectEntry(f *folder, name string, n *edits) error {
	at, err := p.look(f, name)
	if err != nil {
		return err
	}
	if c := n.change; c != nil {
		before := len(p.replaced)
		if err := p.note(f, name, at, c); err != nil {
			return err
		}
		if len(p.replaced) > before {
			return nil // all that is below it goes with it
		}
		if at.kind == KindDir && c.Old.Kind == KindDir && c.New.Kind != KindDir && c.New.Kind != KindNone {
			return p.inspectLost(f, name, n)
		}
	}
	switch {
	case at.kind == KindDir:
		return p.inspectBelow(f, name, n)
	case n.change == nil && n.adds && at.here:
		p.replaced = append(p.replaced, Replaced{f.join(name), at.kind, KindDir})
	case !at.here:
		p.inspectGone(f.join(name), n)
	}
	return nil
}

// inspectGone is inspectBelow for a folder that is not there: all that was in it was deleted.
func (p *patcher) inspectGone(path string, n *edits) {
	for name, below := range n.below {
		at := path + "/" + name
		if c := below.change; c != nil && replaces(Entry{}, *c) {
			p.replaced = append(p.replaced, Replaced{at, KindNone, c.New.Kind})
		}
		p.inspectGone(at, below)
	}
}

func (p *patcher) inspectBelow(f *folder, name string, n *edits) error {
	if len(n.below) == 0 {
		return nil
	}
	sub, err := f.open(name)
	if err != nil {
		return err
	}
	defer sub.release()
	return p.inspect(sub, n)
}

// inspectLost looks for what would go with a folder that becomes a file: all that is not deleted by
// a change of its own.
func (p *patcher) inspectLost(f *folder, name string, n *edits) error {
	sub, err := f.open(name)
	if err != nil {
		return err
	}
	defer sub.release()
	names, err := sub.list(p.w.buf)
	if err != nil {
		return err
	}
	for _, e := range names {
		below, at := n.below[e.name], found{}
		if at, err = p.look(sub, e.name); err != nil {
			return err
		}
		switch {
		case at.kind == KindDir && below != nil:
			err = p.inspectLost(sub, e.name, below)
		case below == nil || below.change == nil:
			p.replaced = append(p.replaced, Replaced{sub.join(e.name), at.kind, KindNone})
		default:
			err = p.note(sub, e.name, at, below.change)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
