package project

import "path/filepath"

// UnusedRef is the token of the warning that a ref in an element is not used, as refs are in a file.
const UnusedRef = "unused-ref"

// loadRefStorage reads where the project keeps the refs of its sources.
func (l *loader) loadRefStorage(pre *Node) error {
	storage, err := pre.Scalar("ref-storage")
	if err != nil {
		return err
	}
	switch storage.value {
	case "inline":
		return nil
	case "project.refs":
		l.refsInFile, l.project.refsInFile = true, true
		l.junctionRefs, err = l.readRefs("junction.refs", l.project.first.options)
		return err
	}
	return fail(InvalidData, storage.At(), "ref-storage must be inline or project.refs, not %q", storage.value)
}

// readRefs returns what a file of refs has for projects; a file that is not there has nothing.
func (l *loader) readRefs(name string, options *options) (*Node, error) {
	path := filepath.Join(l.root.dir, name)
	if err := l.root.checkInside(path, NewScalar(name)); err != nil {
		return nil, err
	}
	node, err := readYAML(path, l.root.relative(path))
	if ReasonOf(err) == MissingFile {
		return NewMapping(), nil
	}
	if err != nil {
		return nil, err
	}
	if err := options.resolve(node); err != nil {
		return nil, err
	}
	if err := node.checkComposed(); err != nil {
		return nil, err
	}
	if err := node.ValidateKeys("projects"); err != nil {
		return nil, err
	}
	return below(node, "projects")
}

// refsOf are the refs of junctions or of all other elements.
func (l *loader) refsOf(e *Element) *Node {
	if e.Kind == "junction" {
		return l.junctionRefs
	}
	return l.refs
}

// lookUpRef finds what a file of refs has for a source of e; nil is nothing.
func lookUpRef(refs *Node, e *Element, index int) *Node {
	elements := refs.Get(e.Project.Name)
	if elements == nil || elements.kind != Mapping {
		return nil
	}
	list := elements.Get(e.Name)
	if list == nil || list.kind != Sequence || index >= len(list.items) || list.items[index].kind != Mapping {
		return nil
	}
	return list.items[index]
}

// refKeys are what a ref is made of: tags belong to that of git.
var refKeys = []string{"ref", "tags"}

// loadRef takes the ref of a source from the file of the project that was asked for, or of its own
// project, where one of them keeps refs in a file. Then a ref in the element does not count.
func (l *loader) loadRef(e *Element, s *Source) error {
	if l != l.top && l.top.refsInFile {
		if found := lookUpRef(l.top.refsOf(e), e, s.Index); found != nil {
			s.setRef(found)
			return nil
		}
	}
	if !l.refsInFile {
		return nil
	}
	if old := s.Config.Get("ref"); old != nil {
		l.warn(Warning{Token: UnusedRef, At: old.At(), Element: e.FullName(), Text: "a ref in an element is not used: the project keeps refs in project.refs"})
	}
	found := lookUpRef(l.refsOf(e), e, s.Index)
	if found == nil {
		found = NewMapping()
	}
	s.setRef(found)
	return nil
}

// setRef replaces the ref of a source.
func (s *Source) setRef(found *Node) {
	for _, key := range refKeys {
		s.Config.Delete(key)
		if value := found.Get(key); value != nil {
			s.Config.Set(key, value.Clone())
		}
	}
}
