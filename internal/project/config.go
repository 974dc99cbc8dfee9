package project

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	confName = "project.conf"
	// The version of BuildStream whose format this is: projects that need a newer one are refused.
	formatMajor = 2
	formatMinor = 8
)

// config is one pass over project.conf: composed with its includes, conditions resolved.
type config struct {
	options     *options
	variables   *Node // the base of every element's
	elements    *Node // overrides by kind of element
	sources     *Node // overrides by kind of source
	aliases     *Node // expanded
	mirrors     []Mirror
	environment *Node
	noCache     []string
	sandbox     *Node
	splits      *Node
	provenance  *Node // attributes that a source's provenance may have
	origins     []pluginOrigin
}

// Mirror is a place that has copies of what aliases stand for.
type Mirror struct {
	Name    string
	Kind    string              // "default", or a plugin's that is not supported
	Aliases map[string][]string // prefixes by alias
}

// Shell is what a project sets for interactive shells.
type Shell struct {
	Command     []string
	Environment map[string]string // as written: references to the user's environment are not expanded
	HostFiles   []HostFile
}

// HostFile is a file of the host that shells see.
type HostFile struct {
	Path, HostPath string // HostPath "" is Path
	Optional       bool
}

// topKeys are the keys that project.conf can have.
var topKeys = []string{
	"name", "min-version", "element-path", "variables", "environment", "environment-nocache", "split-rules",
	"elements", "sources", "plugins", "aliases", "mirrors", "artifacts", "source-caches", "options", "defaults",
	"shell", "fatal-warnings", "fail-on-overlap", "ref-storage", "sandbox", "junctions",
	"source-provenance-attributes", include, condition,
}

// rawOnly are the keys that are read before conditions are resolved, so none may set them.
var rawOnly = []string{"min-version", "name", "element-path", "junctions", "defaults", "fatal-warnings", "ref-storage", "options", "plugins"}

// loadProject reads project.conf as written, and makes the pass with this project's own includes, for
// junctions and links. The rest is loadFully's.
func (l *loader) loadProject() (err error) {
	if err := l.root.checkInside(l.root.dir+"/"+confName, NewScalar(confName)); err != nil {
		return err
	}
	if l.written, err = readYAML(l.root.dir+"/"+confName, l.root.prefix+confName); err != nil {
		return err
	}
	pre, err := l.loadRaw(l.written)
	if err != nil {
		return err
	}
	first := l.written.Clone()
	if err := l.confIncludes.process(l, first, includeMode{localOnly: true}); err != nil {
		return err
	}
	all := l.builtin.Clone()
	if err := all.Compose(first); err != nil {
		return err
	}
	l.project.first = &config{}
	if l.project.first.origins, err = l.loadOrigins(all); err != nil {
		return err
	}
	if err = l.loadPass(all, l.project.first); err != nil {
		return err
	}
	return l.loadRefStorage(pre)
}

// loadFully makes the pass with all includes, for all but junctions and links; that of the project
// above comes before it. Later calls do nothing.
func (l *loader) loadFully() error {
	if l.full {
		return nil
	}
	if l.junction != nil {
		if err := l.parent.loadFully(); err != nil || l.full {
			return err
		}
	}
	l.full = true
	second := l.written.Clone()
	if err := l.confIncludes.process(l, second, includeMode{}); err != nil {
		return err
	}
	all := l.builtin.Clone()
	if err := all.Compose(second); err != nil {
		return err
	}
	conf := &config{origins: l.project.first.origins}
	if err := l.loadPass(all, conf); err != nil {
		return err
	}
	l.project.conf = conf
	if err := l.loadSecond(all); err != nil {
		return err
	}
	for _, p := range l.provenances {
		if err := l.checkProvenance(p); err != nil {
			return err
		}
	}
	if !l.refsInFile {
		return nil
	}
	var err error
	l.refs, err = l.readRefs("project.refs", conf.options)
	return err
}

// loadRaw reads what cannot be included nor depend on conditions.
func (l *loader) loadRaw(conf *Node) (pre *Node, err error) {
	pre = l.builtin.Clone()
	if err := pre.Compose(conf); err != nil {
		return nil, err
	}
	p := l.project
	if err := checkMinVersion(pre); err != nil {
		return nil, err
	}
	p.MinVersion = pre.Get("min-version").value
	if err := pre.ValidateKeys(topKeys...); err != nil {
		return nil, err
	}
	if p.Name, err = conf.Str("name"); err != nil {
		return nil, err
	}
	if err := checkSymbol(p.Name, "project name", conf.Get("name"), true); err != nil {
		return nil, err
	}
	path, err := pre.Scalar("element-path")
	if err != nil {
		return nil, err
	}
	if p.ElementPath, err = l.root.path(path, DirPath); err != nil {
		return nil, err
	}
	return pre, l.loadRawRest(pre)
}

func (l *loader) loadRawRest(pre *Node) error {
	p := l.project
	defaults, err := pre.Mapping("defaults")
	if err != nil {
		return err
	}
	if err := defaults.ValidateKeys("targets"); err != nil {
		return err
	}
	if p.Defaults, err = defaults.StrList("targets"); err != nil {
		return err
	}
	if p.FatalWarnings, err = pre.StrList("fatal-warnings"); err != nil {
		return err
	}
	p.FatalWarnings = slices.Clone(p.FatalWarnings)
	junctions, err := pre.Mapping("junctions")
	if err != nil {
		return err
	}
	if err := junctions.ValidateKeys("duplicates", "internal", "disallow-subproject-uris"); err != nil {
		return err
	}
	if l.duplicates, err = junctions.Mapping("duplicates"); err != nil {
		return err
	}
	if l.internal, err = junctions.Sequence("internal"); err != nil {
		return err
	}
	if p.noSubprojectURLs, err = junctions.BoolOr("disallow-subproject-uris", false); err != nil {
		return err
	}
	if p.Junction != nil && p.Junction.Project.noSubprojectURLs {
		p.noSubprojectURLs = true
		if !p.IsFatal(string(UnaliasedURL)) {
			p.FatalWarnings = append(p.FatalWarnings, string(UnaliasedURL))
		}
	}
	return nil
}

func checkMinVersion(pre *Node) error {
	node, err := pre.Scalar("min-version")
	if err != nil {
		return err
	}
	if node == nil {
		return fail(InvalidData, pre.At(), "key \"min-version\" is missing; a project of BuildStream 1 must be converted first")
	}
	parts := append(strings.Split(node.value, "."), "")
	major, okMajor := parseInt(trim(parts[0]))
	minor, okMinor := parseInt(trim(parts[1]))
	switch {
	case !okMajor || !okMinor:
		return fail(InvalidData, node.At(), "min-version must be MAJOR.MINOR, not %q", node.value)
	case major != formatMajor:
		return fail(UnsupportedProject, node.At(), "the project is for BuildStream %d, expected %d", major, formatMajor)
	case minor > formatMinor:
		return fail(UnsupportedProject, node.At(), "the project needs BuildStream %d.%d, this reads the format of %d.%d", major, minor, formatMajor, formatMinor)
	}
	return nil
}

// loadPass resolves the conditions of a project.conf that is composed over the defaults, and takes what
// both passes have.
func (l *loader) loadPass(all *Node, out *config) (err error) {
	definitions, err := all.Mapping("options")
	if err != nil {
		return err
	}
	if out.options, err = loadOptions(definitions, l.host, l.allElements); err != nil {
		return err
	}
	if l.junction != nil {
		err = out.options.setNodes(l.junction.options)
	} else {
		err = out.options.set(l.req.Options, out == l.project.first)
	}
	if err != nil {
		return err
	}
	if err := out.options.settle(); err != nil {
		return err
	}
	for _, opt := range out.options.list {
		l.project.Options[opt.name] = opt.text()
	}
	if err := out.options.resolve(all, rawOnly...); err != nil {
		return err
	}
	if out.elements, err = all.Mapping("elements"); err != nil {
		return err
	}
	if out.sources, err = all.Mapping("sources"); err != nil {
		return err
	}
	all.Delete("elements")
	all.Delete("sources")
	if err := all.checkComposed(); err != nil {
		return err
	}
	return l.loadVariables(all, out)
}

// loadVariables sets the base variables and, with them, what they are used for in project.conf.
func (l *loader) loadVariables(all *Node, out *config) (err error) {
	if out.variables, err = all.Mapping("variables"); err != nil {
		return err
	}
	out.variables.override("project-name", l.project.Name)
	out.variables.override("max-jobs", strconv.Itoa(l.req.MaxJobs))
	out.options.export(out.variables)

	own := out.variables.Clone()
	for _, place := range []struct{ name, dir string }{{"project-root", l.root.real}, {"toplevel-root", l.top.root.real}} {
		own.override(place.name, place.dir)
		own.override(place.name+"-uri", (&url.URL{Scheme: "file", Path: place.dir}).String())
	}
	vars, err := newVariables(own)
	if err != nil {
		return err
	}
	if out.mirrors, err = loadMirrors(all, vars); err != nil {
		return err
	}
	if out.aliases, err = all.Mapping("aliases"); err != nil || out.aliases == nil {
		out.aliases = NewMapping()
		return err
	}
	return vars.expandNode(out.aliases)
}

func loadMirrors(all *Node, vars *variables) ([]Mirror, error) {
	list, err := all.Sequence("mirrors")
	if err != nil || list == nil {
		return nil, err
	}
	if err := vars.expandNode(list); err != nil {
		return nil, err
	}
	var mirrors []Mirror
	for _, node := range list.items {
		m, err := loadMirror(node)
		if err != nil {
			return nil, err
		}
		mirrors = append(mirrors, m)
	}
	return mirrors, nil
}

func loadMirror(node *Node) (m Mirror, err error) {
	if err := node.expect("mirrors", Mapping); err != nil {
		return m, err
	}
	if m.Name, err = node.Str("name"); err != nil {
		return m, err
	}
	if m.Kind, err = node.StrOr("kind", "default"); err != nil || m.Kind != "default" {
		return m, err
	}
	if err := node.ValidateKeys("name", "kind", "aliases"); err != nil {
		return m, err
	}
	aliases, err := node.required("aliases")
	if err != nil {
		return m, err
	}
	if err := aliases.expect("aliases", Mapping); err != nil {
		return m, err
	}
	m.Aliases = map[string][]string{}
	for i, alias := range aliases.keys {
		if err := aliases.items[i].expect(alias, Sequence); err != nil {
			return m, err
		}
		if m.Aliases[alias], err = aliases.items[i].Strings(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// loadSecond reads the rest of the pass with all includes.
func (l *loader) loadSecond(all *Node) (err error) {
	out := l.project.conf
	if err := l.checkTop(all); err != nil {
		return err
	}
	if out.environment, err = all.Mapping("environment"); err != nil {
		return err
	}
	if out.noCache, err = all.StrList("environment-nocache"); err != nil {
		return err
	}
	if out.sandbox, err = all.Mapping("sandbox"); err != nil {
		return err
	}
	if out.splits, err = all.Mapping("split-rules"); err != nil {
		return err
	}
	if out.provenance, err = all.Mapping("source-provenance-attributes"); err != nil {
		return err
	}
	overlap, err := all.BoolOr("fail-on-overlap", false)
	if err != nil {
		return err
	}
	if p := l.project; overlap && !slices.Contains(p.FatalWarnings, "overlaps") {
		p.FatalWarnings = append(p.FatalWarnings, "overlaps")
	}
	return l.loadShell(all)
}

// checkTop refuses unknown keys, and keys that an included file may not set.
func (l *loader) checkTop(all *Node) error {
	if err := all.ValidateKeys(topKeys...); err != nil {
		return err
	}
	for _, key := range []string{"name", "element-path", "min-version", "plugins"} {
		if at := all.Get(key).At(); at.File != "" && at.File != l.root.prefix+confName {
			return fail(InvalidData, at, "unexpected key %q: it can only be set in %s itself", key, confName)
		}
	}
	for _, key := range []string{"artifacts", "source-caches"} {
		list, err := all.Sequence(key)
		if err != nil {
			return err
		}
		for _, item := range list.Items() {
			if err := item.expect(key, Mapping); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) loadShell(all *Node) error {
	node, err := all.Mapping("shell")
	if err != nil {
		return err
	}
	if err := node.ValidateKeys("command", "environment", "host-files"); err != nil {
		return err
	}
	shell := &l.project.Shell
	if shell.Command, err = node.StrList("command"); err != nil {
		return err
	}
	env, err := node.Mapping("environment")
	if err != nil {
		return err
	}
	shell.Environment = map[string]string{}
	for _, key := range env.Keys() {
		if shell.Environment[key], err = env.Str(key); err != nil {
			return err
		}
	}
	files, err := node.Sequence("host-files")
	if err != nil {
		return err
	}
	for _, item := range files.Items() {
		file, err := loadHostFile(item)
		if err != nil {
			return err
		}
		shell.HostFiles = append(shell.HostFiles, file)
	}
	return nil
}

func loadHostFile(node *Node) (f HostFile, err error) {
	if node.kind == Scalar {
		return HostFile{Path: node.value}, nil
	}
	if err := node.expect("host-files", Mapping); err != nil {
		return f, err
	}
	if err := node.ValidateKeys("path", "host_path", "optional"); err != nil {
		return f, err
	}
	if f.Path, err = node.Str("path"); err != nil {
		return f, err
	}
	if f.HostPath, err = node.StrOr("host_path", ""); err != nil {
		return f, err
	}
	f.Optional, err = node.BoolOr("optional", false)
	return f, err
}
