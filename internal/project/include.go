package project

import (
	"path/filepath"
	"strings"
)

// includer reads what files include. A file is read once for each project from which it is named.
type includer struct {
	files map[includeKey]*Node
}

// includeKey is a file and the loader of the project that it is of.
type includeKey struct {
	of   *loader
	path string
}

// maxIncludes bounds the includes that one load follows: a file that includes the next one twice, and
// so on, is 2^n of them. The largest projects known follow some ten thousand.
const maxIncludes = 200_000

// includeMode says which includes are followed and how.
type includeMode struct {
	localOnly bool // skip what comes from other projects
	options   bool // resolve conditions first; what comes from other projects is resolved always
}

// process replaces all includes below n, which is of l's project. What the includer says wins over what
// it includes.
func (in *includer) process(l *loader, n *Node, mode includeMode) error {
	return in.enter(l, n, mode, map[string]bool{})
}

func (in *includer) enter(l *loader, n *Node, mode includeMode, open map[string]bool) error {
	if mode.options {
		if err := l.project.conf.options.resolve(n); err != nil {
			return err
		}
	}
	return in.walk(l, n, mode, open)
}

// walk follows the includes of n and below; open are the files that we are inside of.
func (in *includer) walk(l *loader, n *Node, mode includeMode, open map[string]bool) error {
	if n.kind == Scalar {
		return nil
	}
	if list := n.Get(include); n.kind == Mapping && list != nil {
		n.Delete(include)
		names := []*Node{list}
		if list.kind == Sequence {
			names = list.items
		}
		for i := len(names) - 1; i >= 0; i-- {
			if err := in.include(l, n, names[i], mode, open); err != nil {
				return err
			}
		}
	}
	for _, item := range n.items {
		if err := in.walk(l, item, mode, open); err != nil {
			return err
		}
	}
	return nil
}

// include puts the file that name names below n.
func (in *includer) include(l *loader, n, name *Node, mode includeMode, open map[string]bool) error {
	if err := name.expect(include, Scalar); err != nil {
		return err
	}
	of, file := l, name.value
	if i := strings.LastIndexByte(file, ':'); i >= 0 {
		if mode.localOnly {
			return nil
		}
		var err error
		if of, err = l.find(file[:i], name, true); err != nil {
			return err
		}
		if err := of.loadFully(); err != nil {
			return err
		}
		file = file[i+1:]
	}
	path := filepath.Join(of.root.dir, filepath.FromSlash(file))
	if open[path] {
		return fail(RecursiveInclude, name.At(), "%s includes itself", name.value)
	}
	content, err := in.load(l, of, path, name)
	if err != nil {
		return err
	}
	if l.included++; l.included > maxIncludes {
		return fail(TooLarge, name.At(), "more than %d includes", maxIncludes)
	}
	content = content.Clone()
	open[path] = true
	defer delete(open, path)
	if len(open) > maxDepth {
		return fail(TooLarge, name.At(), "includes nested more than %d levels deep", maxDepth)
	}
	mode.options = mode.options || of != l
	if err := in.enter(of, content, mode, open); err != nil {
		return err
	}
	return n.composeUnder(content)
}

// load reads a file of the project of one loader that a file of l's project names. What comes from
// another project is expanded with that one's variables. As in BuildStream a file that was read before
// is what it was then, whichever project named it.
func (in *includer) load(l, of *loader, path string, name *Node) (*Node, error) {
	key := includeKey{of, path}
	if content, ok := in.files[key]; ok {
		return content, nil
	}
	content, err := of.readIncluded(path, name)
	if err != nil {
		return nil, err
	}
	if of != l {
		vars, err := newVariables(of.project.conf.variables.Clone())
		if err != nil {
			return nil, err
		}
		content = content.Clone()
		if err := vars.expandNode(content); err != nil {
			return nil, err
		}
	}
	in.files[key] = content
	return content, nil
}

// readIncluded reads a file of l's project.
func (l *loader) readIncluded(path string, name *Node) (*Node, error) {
	key := l.root.relative(path)
	if content, ok := l.parsed[key]; ok {
		return content, nil
	}
	if err := l.root.checkInside(path, name); err != nil {
		return nil, err
	}
	content, err := readYAML(path, key)
	if err != nil {
		if reason := ReasonOf(err); reason == MissingFile || reason == LoadingDirectory {
			return nil, &LoadError{Reason: reason, At: name.At(), Detail: "include", Err: err}
		}
		return nil, err
	}
	l.parsed[key] = content
	return content, nil
}
