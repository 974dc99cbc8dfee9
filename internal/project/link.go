package project

import (
	"strings"
)

// link is a link element and what it leads to, both as paths in the project of the loader that has it.
type link struct{ path, target string }

// readLink reads the target of an element of kind link, which is all that one can have.
func (l *loader) readLink(f *fileElement) error {
	e, err := l.newElement(f)
	if err != nil {
		return err
	}
	deps, err := readDependencies(f.node)
	if err != nil {
		return err
	}
	if len(deps) > 0 {
		return fail(LinkForbiddenDependencies, deps[0].node.At(), "link elements cannot have dependencies")
	}
	if err := e.Config.ValidateKeys("target"); err != nil {
		return err
	}
	if f.link, err = e.Config.required("target"); err != nil {
		return err
	}
	return f.link.expect("target", Scalar)
}

// addLink makes a link known in its project and in those above, so that overrides can be named by it.
func (l *loader) addLink(f *fileElement) {
	from, to := f.name, f.link.value
	l.setLink(from, to)
	for at := l; at.parent != nil; at = at.parent {
		name := at.junction.element.Name
		from, to = name+":"+from, name+":"+to
		at.parent.setLink(from, to)
	}
}

func (l *loader) setLink(from, to string) {
	known := false
	for i := range l.links {
		if l.links[i].path == from {
			l.links[i].target, known = to, true
		}
	}
	if !known {
		l.links = append(l.links, link{from, to})
	}
	for i := range l.links {
		if l.expandLink(l.links[i].target) == from {
			l.links[i].target = to
		}
	}
}

// expandLink replaces the first known link that a path begins with by its target.
func (l *loader) expandLink(path string) string {
	for _, known := range l.links {
		if rest, ok := strings.CutPrefix(path, known.path); ok {
			return known.target + rest
		}
	}
	return path
}

// resolveName loads the file that an element's name stands for: that of the element, or what overrides
// it, or what a link leads to. When open is false no further project is opened, and the result may be
// nil.
func (l *loader) resolveName(name string, by *Node, open bool) (*fileElement, error) {
	f, err := l.loadFile(name, by, false)
	if err != nil || f.began {
		return f, err
	}
	if over := l.overrides(f.name); len(over) > 0 {
		last := over[len(over)-1]
		return last.of.follow(f, last.target, true)
	}
	if f.link == nil {
		return f, nil
	}
	return l.follow(f, f.link, open)
}

// follow loads what stands for f: what the target names in l's project. Coming back to f is an error.
func (l *loader) follow(f *fileElement, target *Node, open bool) (*fileElement, error) {
	if f.following {
		return nil, fail(CircularReference, target.At(), "%s leads back to itself", f.fullName())
	}
	f.following = true
	defer func() { f.following = false }()
	of, name, err := l.parseName(target.value, target, open)
	if err != nil || of == nil {
		return nil, err
	}
	return of.resolveName(name, target, open)
}

// parseName splits the name of an element into the loader of its project and its name there. The loader
// may be nil when open is false.
func (l *loader) parseName(name string, by *Node, open bool) (*loader, string, error) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return l, name, nil
	}
	of, err := l.find(name[:i], by, open)
	return of, name[i+1:], err
}
