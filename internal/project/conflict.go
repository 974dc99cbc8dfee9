package project

import (
	"slices"
	"strings"
)

// checkConflicts refuses a project that was loaded more than once, unless all but one are internal to a
// project above or all are declared duplicates by one.
func (l *loader) checkConflicts() error {
	var names []string
	byName := map[string][]*loader{}
	for _, one := range l.loaders {
		if name := one.project.Name; byName[name] == nil {
			names = append(names, name)
		}
		byName[one.project.Name] = append(byName[one.project.Name], one)
	}
	for _, name := range names {
		if err := checkInstances(name, byName[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkInstances(name string, instances []*loader) error {
	primary, duplicates := 0, 0
	var paths []string
	for _, one := range instances {
		duplicate, internal, err := one.declared(name)
		if err != nil {
			return err
		}
		if duplicate {
			duplicates++
		}
		if !duplicate && !internal {
			primary++
		}
		path := one.project.Path()
		if path == "" {
			path = "the project itself"
		}
		paths = append(paths, path)
	}
	if primary > 1 || primary > 0 && duplicates > 0 {
		last := instances[len(instances)-1]
		return fail(ConflictingJunction, last.by.At(), "project %q is loaded more than once: %s; all but one must be internal to a project, or all declared duplicates (project.conf, junctions)", name, strings.Join(paths, ", "))
	}
	return nil
}

// declared reports whether a project above says of l's that it is a duplicate, or internal to it.
func (l *loader) declared(name string) (duplicate, internal bool, err error) {
	for _, above := range l.ancestors() {
		var list *Node
		if above.duplicates != nil {
			list = above.duplicates.Get(name)
		}
		is, err := above.lists(list, l)
		if err != nil {
			return false, false, err
		}
		duplicate = duplicate || is
		if is, err = above.lists(above.internal, l); err != nil {
			return false, false, err
		}
		internal = internal || is
	}
	return duplicate, internal, nil
}

// lists reports whether one of the junctions that are named in a list leads to a project.
func (l *loader) lists(list *Node, to *loader) (bool, error) {
	for _, item := range list.Items() {
		if err := item.expect("junctions", Scalar); err != nil {
			return false, err
		}
		found, err := l.find(item.value, item, false)
		if err != nil || found == to {
			return err == nil, err
		}
	}
	return false, nil
}

// ancestors returns the loaders from which l's project can be reached.
func (l *loader) ancestors() (list []*loader) {
	for _, start := range append([]*loader{l.parent}, l.others...) {
		for at := start; at != nil && !slices.Contains(list, at); at = at.parent {
			list = append(list, at)
		}
	}
	return list
}
