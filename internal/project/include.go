package project

import (
	"path/filepath"
	"strings"
)

// includer reads included files, each once.
type includer struct {
	root  root
	files map[string]*Node // by path
	count int              // of includes that were followed
}

// maxIncludes bounds the includes that one load follows: a file that includes the next one twice, and
// so on, is 2^n of them. The largest projects known follow some ten thousand.
const maxIncludes = 200_000

// includeMode says which includes are followed and how.
type includeMode struct {
	localOnly bool     // skip what comes from other projects
	options   *options // resolve conditions with these first; nil leaves them
}

// process replaces all includes below n. What the includer says wins over what it includes.
func (in *includer) process(n *Node, mode includeMode) error {
	return in.enter(n, mode, map[string]bool{})
}

func (in *includer) enter(n *Node, mode includeMode, open map[string]bool) error {
	if mode.options != nil {
		if err := mode.options.resolve(n); err != nil {
			return err
		}
	}
	return in.walk(n, mode, open)
}

// walk follows the includes of n and below; open are the files that we are inside of.
func (in *includer) walk(n *Node, mode includeMode, open map[string]bool) error {
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
			if err := in.include(n, names[i], mode, open); err != nil {
				return err
			}
		}
	}
	for _, item := range n.items {
		if err := in.walk(item, mode, open); err != nil {
			return err
		}
	}
	return nil
}

// include puts the file that name names below n.
func (in *includer) include(n, name *Node, mode includeMode, open map[string]bool) error {
	if err := name.expect(include, Scalar); err != nil {
		return err
	}
	if strings.Contains(name.value, ":") {
		if mode.localOnly {
			return nil
		}
		return fail(Unsupported, name.At(), "include of %s: files of other projects (junctions) are not supported yet", name.value)
	}
	path := filepath.Join(in.root.dir, filepath.FromSlash(name.value))
	if open[path] {
		return fail(RecursiveInclude, name.At(), "%s includes itself", name.value)
	}
	content, err := in.load(path, name)
	if err != nil {
		return err
	}
	if in.count++; in.count > maxIncludes {
		return fail(TooLarge, name.At(), "more than %d includes", maxIncludes)
	}
	content = content.Clone()
	open[path] = true
	defer delete(open, path)
	if len(open) > maxDepth {
		return fail(TooLarge, name.At(), "includes nested more than %d levels deep", maxDepth)
	}
	if err := in.enter(content, mode, open); err != nil {
		return err
	}
	return n.composeUnder(content)
}

func (in *includer) load(path string, name *Node) (*Node, error) {
	if content, ok := in.files[path]; ok {
		return content, nil
	}
	if err := in.root.checkInside(path, name); err != nil {
		return nil, err
	}
	content, err := readYAML(path, in.root.relative(path))
	if err != nil {
		if reason := ReasonOf(err); reason == MissingFile || reason == LoadingDirectory {
			return nil, &LoadError{Reason: reason, At: name.At(), Detail: "include", Err: err}
		}
		return nil, err
	}
	in.files[path] = content
	return content, nil
}
