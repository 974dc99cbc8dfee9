package project

import (
	"maps"
	"slices"
)

// defaultsFile reads one of the built-in files.
func defaultsFile(name string) (*Node, error) {
	data, err := defaultFiles.ReadFile("defaults/" + name)
	if err != nil {
		return nil, err
	}
	node, err := ParseYAML(data, "")
	if err != nil {
		return nil, err
	}
	return node.Clone().forget(), nil
}

// forget drops the places below n.
func (n *Node) forget() *Node {
	n.file, n.line, n.column = nil, 0, 0
	for _, item := range n.items {
		item.forget()
	}
	return n
}

// defaultsKey names the defaults of a kind.
type defaultsKey struct {
	kind  string
	first bool // of the pass without other projects' files
}

// kindDefaults returns the defaults of a kind: the built-in ones, with split rules over the
// project's, and the project's overrides over them.
func (l *loader) kindDefaults(kind string, from plugin, conf *config) (*Node, error) {
	key := defaultsKey{kind, conf == l.project.first}
	if d, ok := l.defaults[key]; ok {
		return d, nil
	}
	d, err := from.defaults(kind)
	if err != nil {
		return nil, err
	}
	bst, err := below(d, "public", "bst")
	if err != nil {
		return nil, err
	}
	own, err := bst.Mapping("split-rules")
	if err != nil {
		return nil, err
	}
	splits := NewMapping()
	if conf.splits != nil {
		splits = conf.splits.Clone()
	}
	if err := splits.Compose(own); err != nil {
		return nil, err
	}
	bst.Set("split-rules", splits)
	overrides, err := mappingOf(conf.elements, kind)
	if err != nil {
		return nil, err
	}
	if err := d.Compose(overrides); err != nil {
		return nil, err
	}
	l.defaults[key] = d
	return d, nil
}

// below returns the mapping at the end of these keys, which are made where they are missing.
func below(n *Node, keys ...string) (*Node, error) {
	for _, key := range keys {
		next, err := n.Mapping(key)
		if err != nil {
			return nil, err
		}
		if next == nil {
			next = NewMapping()
			n.Set(key, next)
		}
		n = next
	}
	return n, nil
}

func mappingOf(n *Node, key string) (*Node, error) {
	if n == nil {
		return nil, nil
	}
	return n.Mapping(key)
}

// layers composes copies of what is under key in the given nodes, the later over the earlier.
func layers(key string, base *Node, over ...*Node) (*Node, error) {
	result := NewMapping()
	if base != nil {
		result = base.Clone()
	}
	for _, n := range over {
		part, err := mappingOf(n, key)
		if err != nil {
			return nil, err
		}
		if err := result.Compose(part); err != nil {
			return nil, err
		}
	}
	return result, result.checkComposed()
}

// maker holds what the steps of making an element share.
type maker struct {
	l        *loader
	e        *Element
	conf     *config // the pass over project.conf that counts for e
	node     *Node   // the element's file
	defaults *Node   // its kind's
	vars     *variables
}

// makeElement composes and expands one element, once. Its dependencies must have been made.
func (l *loader) makeElement(f *fileElement) (*Element, error) {
	if e := l.elements[f]; e != nil {
		return e, nil
	}
	e, err := l.newElement(f)
	if err != nil {
		return nil, inElement(err, f.fullName())
	}
	l.elements[f] = e
	return e, nil
}

func (l *loader) newElement(f *fileElement) (*Element, error) {
	kind := elementKinds[f.kind]
	e := &Element{Name: f.name, Kind: f.kind, Project: l.project, At: f.node.At(), Opaque: f.plugin.opaque, KindVersion: f.plugin.version}
	conf := l.project.conf
	if f.firstPass() {
		conf = l.project.first
	}
	defaults, err := l.kindDefaults(f.kind, f.plugin, conf)
	if err != nil {
		return nil, err
	}
	m := &maker{l: l, e: e, conf: conf, node: f.node, defaults: defaults}
	if e.Description, err = f.node.StrOr("description", ""); err != nil {
		return nil, err
	}
	steps := []func() error{m.variables, m.environment, m.public, m.config}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if kind.check != nil && e.Opaque == "" {
		if err := kind.check(e); err != nil {
			return nil, err
		}
	}
	if err := m.sandbox(); err != nil {
		return nil, err
	}
	if err := m.sources(); err != nil {
		return nil, err
	}
	if err := m.dependencies(f.deps, kind); err != nil {
		return nil, err
	}
	return e, checkEdges(e, kind)
}

// variables sets the element's variables. Every one must resolve, used or not.
func (m *maker) variables() error {
	node, err := layers("variables", m.conf.variables, m.defaults, m.node)
	if err != nil {
		return err
	}
	for _, name := range []string{"project-name", "element-name", "max-jobs"} {
		if v := node.Get(name); v != nil && !v.synthetic() {
			return fail(ProtectedVariableRedefined, v.At(), "variable %q is set by BuildStream and cannot be redefined", name)
		}
	}
	node.override("element-name", m.e.Name)
	for _, name := range slices.Sorted(maps.Keys(m.l.req.Variables)) {
		node.override(name, m.l.req.Variables[name])
	}
	if m.vars, err = newVariables(node); err != nil {
		return err
	}
	m.e.variableNames = node.keys
	if isFirstPass(m.e.Kind) {
		return m.someVariables(node)
	}
	m.e.Variables, err = m.vars.all()
	return err
}

// someVariables sets those variables that resolve. In the pass without other projects' files not all do.
func (m *maker) someVariables(node *Node) error {
	m.e.Variables = map[string]string{}
	for _, name := range node.keys {
		vars, err := newVariables(node)
		if err != nil {
			return err
		}
		if value, err := vars.get(name, Place{}, nil); err == nil {
			m.e.Variables[name] = value
		}
	}
	return nil
}

func (m *maker) environment() error {
	node, err := layers("environment", m.conf.environment, m.defaults, m.node)
	if err != nil {
		return err
	}
	if err := m.vars.expandNode(node); err != nil {
		return err
	}
	m.e.environmentNames = node.keys
	m.e.Environment = make(map[string]string, len(node.keys))
	for i, name := range node.keys {
		if err := node.items[i].expect(name, Scalar); err != nil {
			return err
		}
		m.e.Environment[name] = node.items[i].value
	}
	names := slices.Clone(m.conf.noCache)
	for _, n := range []*Node{m.defaults, m.node} {
		more, err := n.StrList("environment-nocache")
		if err != nil {
			return err
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	m.e.NoCache = slices.Compact(names)
	return nil
}

// public sets the element's own public data. Of what the kind and the project define only the split
// rules are there.
func (m *maker) public() error {
	base, err := mappingOf(m.defaults, "public")
	if err != nil {
		return err
	}
	base = base.Clone()
	bst, err := base.Mapping("bst")
	if err != nil {
		return err
	}
	splits, err := bst.Mapping("split-rules")
	if err != nil {
		return err
	}
	own, err := mappingOf(m.node, "public")
	if err != nil {
		return err
	}
	public := NewMapping()
	if own != nil {
		public = own.Clone()
	}
	ownBst, err := public.Mapping("bst")
	if err != nil {
		return err
	}
	if ownBst == nil {
		ownBst = NewMapping()
	}
	ownSplits, err := ownBst.Mapping("split-rules")
	if err != nil {
		return err
	}
	if err := splits.Compose(ownSplits); err != nil {
		return err
	}
	ownBst.Set("split-rules", splits)
	public.Set("bst", ownBst)
	if err := public.checkComposed(); err != nil {
		return err
	}
	m.e.Public = public
	return m.vars.expandNode(public)
}

func (m *maker) config() (err error) {
	if m.e.Config, err = layers("config", nil, m.defaults, m.node); err != nil {
		return err
	}
	return m.vars.expandNode(m.e.Config)
}

func (m *maker) sandbox() error {
	node, err := layers("sandbox", m.conf.sandbox, m.defaults, m.node)
	if err != nil {
		return err
	}
	if err := m.vars.expandNode(node); err != nil {
		return err
	}
	if err := node.ValidateKeys("build-uid", "build-gid", "build-os", "build-arch", "remote-apis-socket"); err != nil {
		return err
	}
	s := &m.e.Sandbox
	if err := m.platform(node, s); err != nil {
		return err
	}
	if s.UID, err = optionalInt(node, "build-uid"); err != nil {
		return err
	}
	if s.GID, err = optionalInt(node, "build-gid"); err != nil {
		return err
	}
	socket, err := node.Mapping("remote-apis-socket")
	if err != nil || socket == nil {
		return err
	}
	if err := socket.ValidateKeys("path", "action-cache-enable-update"); err != nil {
		return err
	}
	path, err := socket.Str("path")
	if err != nil {
		return err
	}
	s.RemoteAPIsSocket = &path
	s.ActionCacheEnableUpdate, err = socket.BoolOr("action-cache-enable-update", false)
	return err
}

// dependencies makes the edges and expands what they say to the kind.
func (m *maker) dependencies(deps []*fileDependency, kind elementKind) error {
	for _, d := range deps {
		dep := Dependency{
			Element: m.l.elements[d.element], Build: d.build, Runtime: d.runtime, Strict: d.strict,
			Name: d.path(), At: d.node.At(),
		}
		if d.build {
			for _, config := range d.config {
				if m.e.Opaque != "" && kind.dependencyConfig == nil {
					continue // what the code makes of it is not known
				}
				if kind.dependencyConfig == nil {
					return fail(InvalidDependencyConfig, config.At(), "dependencies of %s elements cannot have \"config\"", m.e.Kind)
				}
				if err := m.vars.expandNode(config); err != nil {
					return err
				}
				if err := config.ValidateKeys(kind.dependencyConfig...); err != nil {
					return err
				}
				for _, key := range kind.dependencyConfig {
					if _, err := config.StrOr(key, ""); err != nil {
						return err
					}
				}
			}
			dep.Config = d.config
		}
		m.e.Deps = append(m.e.Deps, dep)
	}
	return nil
}
