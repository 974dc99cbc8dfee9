package project

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// fileElement is an element's file, with its includes and conditions resolved.
type fileElement struct {
	loader    *loader
	name      string
	kind      string
	plugin    plugin
	link      *Node // the target of a link; nil for others
	following bool  // what stands for it is being loaded
	node      *Node
	deps      []*fileDependency
	id        int  // its place in the order of postorder
	began     bool // its dependencies were looked at
}

// fileDependency is an edge as files have it.
type fileDependency struct {
	element        *fileElement
	build, runtime bool
	strict         bool
	name           string // as written
	junction       string // as written, or ""
	config         []*Node
	node           *Node
}

// fullName names the element from the project that was asked for.
func (f *fileElement) fullName() string { return f.loader.project.inside(f.name) }

// firstPass: the element is read with what project.conf says without other projects' files.
func (f *fileElement) firstPass() bool { return isFirstPass(f.kind) }

func isFirstPass(kind string) bool { return kind == "junction" || kind == "link" }

// path is the dependency as written, with its junction.
func (d *fileDependency) path() string {
	if d.junction != "" {
		return d.junction + ":" + d.name
	}
	return d.name
}

func (d *fileDependency) merge(other *fileDependency) {
	d.build = d.build || other.build
	d.runtime = d.runtime || other.runtime
	d.strict = d.strict || other.strict
	d.config = append(d.config, other.config...)
}

var elementKeys = []string{
	"kind", "depends", "build-depends", "runtime-depends", "sources", "sandbox", "variables", "environment",
	"environment-nocache", "config", "public", "description",
}

// loadGraph loads an element's file and those of all that it needs. Links and overrides are followed.
func (l *loader) loadGraph(name string) (*fileElement, error) {
	top, err := l.resolveName(name, nil, true)
	if err != nil || top.began {
		return top, err
	}
	type frame struct {
		element *fileElement
		pending []*fileDependency
		have    map[*fileElement]*fileDependency
	}
	enter := func(f *fileElement) (frame, error) {
		f.began = true
		deps, err := readDependencies(f.node)
		return frame{f, deps, map[*fileElement]*fileDependency{}}, inElement(err, f.fullName())
	}
	first, err := enter(top)
	if err != nil {
		return nil, err
	}
	stack := []frame{first}
	for len(stack) > 0 {
		if err := l.ctx.Err(); err != nil {
			return nil, err
		}
		at := &stack[len(stack)-1]
		if len(at.pending) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		dep := at.pending[0]
		at.pending = at.pending[1:]
		target, err := at.element.loader.loadDependency(dep)
		if err != nil {
			return nil, inElement(err, at.element.fullName())
		}
		if old := at.have[target]; old != nil {
			old.merge(dep)
		} else {
			dep.element = target
			at.have[target] = dep
			at.element.deps = append(at.element.deps, dep)
		}
		if !target.began {
			next, err := enter(target)
			if err != nil {
				return nil, err
			}
			stack = append(stack, next)
		}
	}
	return top, nil
}

// loadDependency loads the file of what dep names.
func (l *loader) loadDependency(dep *fileDependency) (*fileElement, error) {
	of, err := l, error(nil)
	if dep.junction != "" {
		of, err = l.find(dep.junction, dep.node, true)
	}
	var target *fileElement
	if err == nil {
		target, err = of.resolveName(dep.name, dep.node, true)
	}
	if err == nil && target.kind == "junction" {
		return nil, fail(InvalidData, dep.node.At(), "%s is a junction: an element cannot depend on it, only on elements behind it", dep.path())
	}
	return target, err
}

// loadFile loads one element's file without its dependencies, and follows nothing. by is what names
// it, or nil. When only is true, nil is returned for what is neither a junction nor a link.
func (l *loader) loadFile(written string, by *Node, only bool) (*fileElement, error) {
	name := path.Clean(written)
	if f, ok := l.files[name]; ok {
		return f, nil
	}
	if err := checkElementName(name, by.At()); err != nil {
		return nil, l.hintName(err, name)
	}
	full := filepath.Join(l.elementDir(), filepath.FromSlash(name))
	if strings.HasPrefix(name, "/") || !within(l.root.dir, full) {
		return nil, fail(ProjPathInvalid, by.At(), "element %q is outside of the project", written)
	}
	if err := l.root.checkInside(full, by); err != nil {
		return nil, err
	}
	node, err := readYAML(full, l.root.relative(full))
	if ReasonOf(err) == MissingFile {
		err := fail(MissingFile, by.At(), "there is no element %q below %s%s", name, l.project.ElementPath, l.behind())
		return nil, l.hintName(err, name)
	}
	if err != nil {
		return nil, inElement(err, l.project.inside(name))
	}
	f := &fileElement{loader: l, name: name, node: node}
	if kind := node.Get("kind"); !only && (kind == nil || !isFirstPass(kind.value)) {
		if err := l.loadFully(); err != nil {
			return nil, err
		}
	}
	if err := l.resolveFile(f, only); err != nil {
		return nil, inElement(err, f.fullName())
	}
	if f.kind == "" {
		return nil, nil
	}
	l.files[name] = f
	if f.link != nil {
		l.addLink(f)
	}
	return f, nil
}

// behind says of which project a name is, for errors.
func (l *loader) behind() string {
	if l.junction == nil {
		return ""
	}
	return " in the project behind the junction " + l.project.Path()
}

// hintName adds to err the element that a wrong name was most likely meant to be, if there is one.
func (l *loader) hintName(err error, name string) error {
	names, listErr := l.allElements()
	if listErr != nil {
		return err
	}
	below := strings.TrimPrefix(name, strings.TrimSuffix(l.project.ElementPath, "/")+"/") // a file's path
	for _, meant := range []string{below, below + ".bst", hint.Nearest(name, names)} {
		if meant != "" && slices.Contains(names, meant) {
			return hint.Addf(err, "did you mean: %s", meant)
		}
	}
	return err
}

// resolveFile resolves conditions and includes of f and checks its keys and kind. Where only junctions
// and links are wanted, f.kind stays "" for others.
func (l *loader) resolveFile(f *fileElement, only bool) (err error) {
	kind, err := f.node.Str("kind")
	if err != nil {
		return err
	}
	at := f.node.Get("kind").At()
	switch {
	case isFirstPass(kind):
		err = l.project.first.options.resolve(f.node)
	case only:
		return nil
	default:
		err = l.elementIncludes.process(l, f.node, includeMode{options: true})
	}
	if err != nil {
		return err
	}
	if err := f.node.ValidateKeys(elementKeys...); err != nil {
		return err
	}
	if kind, err = f.node.Str("kind"); err != nil {
		return err
	}
	if _, err := f.node.StrOr("description", ""); err != nil {
		return err
	}
	if f.plugin, err = l.plugin(elementPlugins, kind, at); err != nil {
		return err
	}
	if f.kind = kind; kind == "link" {
		return l.readLink(f)
	}
	return nil
}

// checkElementName refuses names that do not end in .bst or have characters that are not allowed.
func checkElementName(name string, at Place) error {
	if !strings.HasSuffix(name, ".bst") {
		return fail(BadElementSuffix, at, "element name %q must end in .bst", name)
	}
	for _, r := range name {
		if r < 32 || r > 126 || strings.ContainsRune(`<>"|?*`, r) {
			return fail(BadCharactersInName, at, "element name %q has a character that is not allowed: %q", name, r)
		}
	}
	return nil
}

// readDependencies takes the dependencies out of an element's node, in BuildStream's order of
// reading: build, runtime, both. The same name twice is one dependency.
func readDependencies(node *Node) ([]*fileDependency, error) {
	var list []*fileDependency
	have := map[string]*fileDependency{}
	for _, group := range []struct {
		key            string
		build, runtime bool
	}{{"build-depends", true, false}, {"runtime-depends", false, true}, {"depends", false, false}} {
		items, err := node.Sequence(group.key)
		if err != nil {
			return nil, err
		}
		for _, item := range items.Items() {
			deps, err := readDependency(item, group.build, group.runtime)
			if err != nil {
				return nil, err
			}
			for _, dep := range deps {
				if old := have[dep.path()]; old != nil {
					old.merge(dep)
					continue
				}
				have[dep.path()] = dep
				list = append(list, dep)
			}
		}
		node.Delete(group.key)
	}
	return list, nil
}

// readDependency reads one item of a list of dependencies, which may name several elements. build
// and runtime are given by the list, or both false where the item says.
func readDependency(item *Node, build, runtime bool) ([]*fileDependency, error) {
	template := fileDependency{node: item, build: build, runtime: runtime}
	typed := build || runtime
	switch item.kind {
	case Scalar:
		if !typed {
			template.build, template.runtime = true, true
		}
		return nameDependencies(template, nil, item)
	case Sequence:
		return nil, fail(InvalidData, item.At(), "a dependency must be a string or a mapping, not a list")
	}
	junction, err := item.Scalar("junction")
	if err != nil {
		return nil, err
	}
	filename, err := item.required("filename")
	if err != nil {
		return nil, err
	}
	names := []*Node{filename}
	switch filename.kind {
	case Mapping:
		return nil, fail(InvalidData, filename.At(), "value of \"filename\" must be a string or a list, not a mapping")
	case Sequence:
		names = filename.items
	}
	deps, err := nameDependencies(template, junction, names...)
	if err != nil {
		return nil, err
	}
	for _, dep := range deps {
		if err := dep.readOptions(item, typed); err != nil {
			return nil, err
		}
	}
	return deps, nil
}

func nameDependencies(template fileDependency, junction *Node, names ...*Node) ([]*fileDependency, error) {
	var deps []*fileDependency
	for _, node := range names {
		if node.kind != Scalar {
			return nil, fail(InvalidData, node.At(), "names of dependencies must be strings")
		}
		dep := template
		dep.name = node.value
		colon := strings.LastIndexByte(node.value, ':')
		switch {
		case junction != nil && colon >= 0:
			return nil, fail(InvalidData, node.At(), "dependency %q cannot have a colon beside the key \"junction\"", node.value)
		case junction != nil:
			dep.junction = junction.value
		case colon >= 0:
			dep.junction, dep.name = node.value[:colon], node.value[colon+1:]
		}
		deps = append(deps, &dep)
	}
	return deps, nil
}

// readOptions reads what a dependency's mapping says beside its name.
func (d *fileDependency) readOptions(item *Node, typed bool) error {
	keys := []string{"filename", "junction", "strict", "config"}
	if !typed {
		keys = append(keys, "type")
	}
	if err := item.ValidateKeys(keys...); err != nil {
		return err
	}
	if !typed {
		kind, err := item.StrOr("type", "all")
		if err != nil {
			return err
		}
		d.build = kind == "build" || kind == "all"
		d.runtime = kind == "runtime" || kind == "all"
		if !d.build && !d.runtime {
			return fail(InvalidData, item.Get("type").At(), "dependency type %q must be build, runtime or all", kind)
		}
	}
	strict, err := item.BoolOr("strict", false)
	if err != nil {
		return err
	}
	config, err := item.Mapping("config")
	if err != nil {
		return err
	}
	d.strict = strict
	if config != nil {
		d.config = []*Node{config}
	}
	switch {
	case config != nil && !d.build:
		return fail(InvalidData, config.At(), "a runtime dependency cannot have \"config\"")
	case !strict && item.Get("strict") != nil:
		return fail(InvalidData, item.Get("strict").At(), "\"strict\" can only be True")
	case strict && !d.build:
		return fail(InvalidData, item.At(), "runtime dependency %s cannot be strict", d.path())
	}
	return nil
}
