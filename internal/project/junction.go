package project

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// Limits of this loader, against junctions that lead to themselves for ever: real projects have some
// ten subprojects, three deep.
const (
	maxSubprojects   = 256
	maxJunctionDepth = 16
)

// junction is what an element of kind junction says of the project behind it.
type junction struct {
	element          *Element
	path             string // of the project, below the top of the sources
	options, aliases *Node  // nil is none
	overrides        []override
	identity         bool // aliases that are not mapped mean those of the project above
}

// override puts an element or junction of the project above in the place of one behind the junction.
type override struct {
	path   string // behind the junction
	target *Node
}

// overriding is an override with the loader whose project has its target.
type overriding struct {
	of     *loader
	target *Node
}

// newJunction reads the configuration of an element of kind junction.
func newJunction(e *Element) (*junction, error) {
	j := &junction{element: e}
	if err := e.Config.ValidateKeys("path", "options", "overrides", "aliases", "map-aliases"); err != nil {
		return nil, err
	}
	var err error
	if j.path, err = e.Config.StrOr("path", ""); err != nil {
		return nil, err
	}
	if j.options, err = e.Config.Mapping("options"); err != nil {
		return nil, err
	}
	overrides, err := e.Config.Mapping("overrides")
	if err != nil {
		return nil, err
	}
	for i, name := range overrides.Keys() {
		target := overrides.items[i]
		if err := target.expect(name, Scalar); err != nil {
			return nil, err
		}
		if target.value == e.Name {
			return nil, fail(OverrideWithSelf, target.At(), "junction %s cannot override %s behind itself", e.Name, name)
		}
		j.overrides = append(j.overrides, override{name, target})
	}
	if j.aliases, err = e.Config.Mapping("aliases"); err != nil {
		return nil, err
	}
	for i, alias := range j.aliases.Keys() {
		if err := j.aliases.items[i].expect(alias, Scalar); err != nil {
			return nil, err
		}
	}
	mapping, err := e.Config.StrOr("map-aliases", "none")
	if err != nil {
		return nil, err
	}
	if mapping != "none" && mapping != "identity" {
		return nil, fail(InvalidData, e.Config.Get("map-aliases").At(), "value of \"map-aliases\" must be none or identity, not %q", mapping)
	}
	j.identity = mapping == "identity"
	return j, nil
}

// find returns the loader of the project behind a junction, or behind several with colons between them.
// by is what names it, or nil. When open is false no project is opened, and nil is returned for one that
// is not open.
func (l *loader) find(name string, by *Node, open bool) (*loader, error) {
	if open && by != nil {
		if l.searching[name] {
			return nil, fail(CircularReference, by.At(), "to find the project behind %s, it is needed itself", name)
		}
		l.searching[name] = true
		defer delete(l.searching, name)
	}
	at := l
	for _, part := range strings.Split(name, ":") {
		var err error
		if at, err = at.child(part, by, open); err != nil || at == nil {
			return nil, err
		}
	}
	return at, nil
}

// child returns the loader of the project behind one junction of l's project.
func (l *loader) child(name string, by *Node, open bool) (*loader, error) {
	if c := l.children[name]; c != nil {
		return c, nil
	}
	c, err := l.overridden(name)
	if err != nil {
		return nil, err
	}
	if c == nil {
		c, err = l.openJunction(name, by, open)
	}
	return c, err
}

// openJunction returns the loader of a project whose junction is not overridden.
func (l *loader) openJunction(name string, by *Node, open bool) (*loader, error) {
	if _, err := l.resolveName(name, by, open); err != nil {
		return nil, err
	}
	f := l.files[path.Clean(name)]
	switch {
	case f == nil:
		return nil, fail(InvalidData, by.At(), "%s is no junction", name)
	case f.link != nil:
		of, target, err := l.parseName(f.link.value, f.link, open)
		if err != nil || of == nil {
			return nil, err
		}
		return of.find(target, f.link, open)
	case !open:
		return nil, nil
	case f.kind != "junction":
		return nil, fail(InvalidData, by.At(), "%s must be a junction to have elements behind it, its kind is %s", f.fullName(), f.kind)
	}
	deps, err := readDependencies(f.node)
	if err != nil {
		return nil, inElement(err, f.fullName())
	}
	if deps = append(deps, f.deps...); len(deps) > 0 {
		return nil, inElement(fail(InvalidJunction, deps[0].node.At(), "junctions cannot have dependencies"), f.fullName())
	}
	c, err := l.openProject(f, by)
	if err != nil {
		return nil, inElement(err, f.fullName())
	}
	l.children[name] = c
	for at := c; at.parent != nil; at = at.parent {
		if err := at.loadOverridden(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// openProject makes the loader of the project behind the junction f.
func (l *loader) openProject(f *fileElement, by *Node) (*loader, error) {
	e, err := l.makeElement(f)
	if err != nil {
		return nil, err
	}
	j, err := newJunction(e)
	if err != nil {
		return nil, err
	}
	depth := 0
	for at := l; at != nil; at = at.parent {
		depth++
	}
	if depth > maxJunctionDepth || len(l.loaders) > maxSubprojects {
		return nil, fail(TooLarge, e.At, "more than %d projects, or junctions nested more than %d levels deep", maxSubprojects, maxJunctionDepth)
	}
	dir, staged, err := l.sourcesOf(e)
	if err != nil {
		return nil, err
	}
	top, err := newRoot(dir)
	if err != nil {
		return nil, &LoadError{Reason: InvalidJunction, At: e.At, Detail: "open the sources of the junction", Err: err}
	}
	dir = filepath.Join(dir, filepath.FromSlash(j.path))
	if err := top.checkInside(dir, e.Config.Get("path")); err != nil {
		return nil, err
	}
	c, err := l.newLoader(dir)
	if err != nil {
		return nil, fail(InvalidJunction, e.At, "there is no folder %q in the sources of the junction", j.path)
	}
	c.parent, c.junction, c.by = l, j, by
	c.project.Junction, c.project.junction, c.project.Staged = e, j, staged || l.project.Staged
	c.root.prefix = e.FullName() + ":"
	err = c.loadProject()
	if ReasonOf(err) == MissingFile && strings.HasSuffix(placeOf(err).File, ":"+confName) {
		return nil, fail(InvalidJunction, e.At, "there is no %s at %q in the sources of the junction", confName, path.Clean("/" + j.path)[1:])
	}
	return c, err
}

// sourcesOf returns the folder with the sources of a junction. One that was made for us is staged.
func (l *loader) sourcesOf(e *Element) (dir string, staged bool, err error) {
	if len(e.Sources) == 1 && e.Sources[0].Kind == "local" {
		name, err := e.Sources[0].Config.Str("path")
		return filepath.Join(l.root.dir, filepath.FromSlash(name)), false, err
	}
	if l.req.Junction == nil {
		return "", false, fail(SubprojectNotFetched, e.At, "the sources of the junction are not here")
	}
	dir, err = l.req.Junction(l.ctx, e)
	if err != nil && ReasonOf(err) == "" {
		err = &LoadError{Reason: SubprojectNotFetched, At: e.At, Detail: "read the sources of the junction", Err: err}
	}
	if ReasonOf(err) == SubprojectNotFetched {
		err = hint.Addf(err, "to fetch them: git bst source fetch %s", e.FullName())
	}
	return dir, true, err
}

// overrides returns what stands for an element or junction of l's project, by the projects above: the
// nearest one first. The last one counts.
func (l *loader) overrides(name string) (found []overriding) {
	for at := l; at.parent != nil; at = at.parent {
		if target := at.overrideOf(name); target != nil {
			found = append(found, overriding{at.parent, target})
		}
		name = at.junction.element.Name + ":" + name
	}
	return found
}

// overrideOf returns what l's junction puts in the place of a path behind it. An override may be named
// by links.
func (l *loader) overrideOf(name string) *Node {
	for _, o := range l.junction.overrides {
		if o.path == name {
			return o.target
		}
	}
	for _, o := range l.junction.overrides {
		if l.expandLink(o.path) == name {
			return o.target
		}
	}
	return nil
}

// overridden returns the loader that a project above puts in the place of that behind a junction; nil
// is none.
func (l *loader) overridden(name string) (*loader, error) {
	found := l.overrides(name)
	if len(found) == 0 {
		return nil, nil
	}
	last := found[len(found)-1]
	c, err := last.of.find(last.target.value, last.target, true)
	if err != nil {
		return nil, err
	}
	if c != l {
		c.others = append(c.others, l)
	}
	for _, o := range found[:len(found)-1] {
		c.others = append(c.others, o.of)
	}
	l.children[name] = c
	return c, nil
}

// loadOverridden reads what l's junction overrides, so that links by which it is named are known.
func (l *loader) loadOverridden() error {
	for _, o := range l.junction.overrides {
		name, by := o.path, o.target
		for range maxJunctionDepth {
			next, nextBy, err := l.readIfLink(name, by)
			if err != nil {
				return err
			}
			if next == "" {
				break
			}
			name, by = next, nextBy
		}
	}
	return nil
}

// readIfLink returns the target of the link at a path; "" if it is none, or is in a project that is not
// open.
func (l *loader) readIfLink(name string, by *Node) (target string, at *Node, err error) {
	of, base, err := l.parseName(name, by, false)
	if err != nil || of == nil {
		return "", nil, err
	}
	f, err := of.loadFile(base, by, true)
	if err != nil || f == nil || f.link == nil {
		return "", nil, err
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		return name[:i] + ":" + f.link.value, f.link, nil
	}
	return f.link.value, f.link, nil
}

// warn keeps a warning once, with the project that was asked for.
func (l *loader) warn(w Warning) {
	list := &l.top.project.Warnings
	for _, old := range *list {
		if old.Text == w.Text && (old.At == w.At || w.Element == "") {
			return
		}
	}
	*list = append(*list, w)
}
