package project

import (
	"crypto/sha256"
	_ "embed" // for known-plugins.txt
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// Packages of plugins whose kinds this program has.
const (
	plugins   = "buildstream-plugins"
	community = "buildstream-plugins-community"
)

// PluginNotFound: a project does not have a kind that another one takes from it.
const PluginNotFound Reason = "junction-plugin-not-found"

// plugin is where a project takes a kind from.
type plugin struct {
	file    string // KIND.py, where it is a file of a project; "" for what is built in
	at      root   // the project that has the file
	opaque  string // why nothing is known of what the code does to keys; ""
	version int    // BST_ARTIFACT_VERSION of the file
	suffix  string // see Source.KeySuffix
}

// pluginType is what plugins are for.
type pluginType struct {
	name    string // element, source
	kinds   func(pluginOrigin) []string
	known   func(kind string) bool
	pack    func(kind string) string // the package of a known kind; "" is BuildStream
	all     func() []string
	pattern *regexp.Regexp // of what versions of the code differ in
}

var elementPlugins = pluginType{
	name:    "element",
	kinds:   func(o pluginOrigin) []string { return o.elements },
	known:   func(kind string) bool { _, ok := elementKinds[kind]; return ok },
	pack:    func(kind string) string { return elementKinds[kind].pack },
	all:     ElementKinds,
	pattern: regexp.MustCompile(`(?m)^\s+(?:BST_ARTIFACT_VERSION|key\["version"\]) = (\d+)`),
}

var sourcePlugins = pluginType{
	name:    "source",
	kinds:   func(o pluginOrigin) []string { return o.sources },
	known:   func(kind string) bool { return sourceKinds[kind] != nil },
	pack:    func(kind string) string { return sourcePackages[kind] },
	all:     SourceKinds,
	pattern: regexp.MustCompile(`(?m)^\s+"([a-z])",\n\s+\]$|"bugfix": (\d+)`),
}

// sourcePackages are the packages that have the kinds of sources that are not BuildStream's own.
var sourcePackages = map[string]string{
	"git": plugins, "patch": plugins, "cargo": plugins, "docker": plugins, "pip": plugins, "bzr": plugins,
	"git_repo": community, "patch_queue": community, "zip": community, "git_module": community, "cargo2": community,
	"go_module": community, "pypi": community, "cpan": community, "ostree": community, "gen_cargo_lock": community,
}

// plugin finds out where l's project takes a kind from, as named at a place.
func (l *loader) plugin(of pluginType, kind string, at Place) (plugin, error) {
	for _, o := range l.project.first.origins {
		if !slices.Contains(of.kinds(o), kind) {
			continue
		}
		switch o.origin {
		case "pip":
			return packaged(of, kind, o.from.value), nil
		case "local":
			return l.localPlugin(of, kind, o.from.value)
		}
		behind, err := l.find(o.from.value, o.from, true)
		if err != nil {
			return plugin{}, err
		}
		return behind.offered(of, kind, o)
	}
	if !of.known(kind) {
		err := fail(Unsupported, at, "%s kind %q is not supported, expected one of: %v", of.name, kind, of.all())
		if near := hint.Nearest(kind, of.all()); near != "" {
			return plugin{}, hint.Addf(err, "did you mean: kind: %s", near)
		}
		return plugin{}, err
	}
	if name := of.pack(kind); name != "" {
		l.warnUnregistered(of.name, kind, name, at)
		return packaged(of, kind, name), nil
	}
	return plugin{}, nil
}

// offered is plugin for another project: what is not among this one's plugins it does not have.
func (l *loader) offered(of pluginType, kind string, to pluginOrigin) (plugin, error) {
	for _, o := range l.project.first.origins {
		if slices.Contains(of.kinds(o), kind) {
			return l.plugin(of, kind, to.at)
		}
	}
	return plugin{}, fail(PluginNotFound, to.at, "the project behind junction %s has no %s plugin %q", l.project.Path(), of.name, kind)
}

// packaged is a kind of an installed package. Only what the newest release does is built in, and only
// of packages that are.
func packaged(of pluginType, kind, requirement string) plugin {
	name := strings.TrimSpace(requirement)
	if i := strings.IndexAny(name, "<>=!~[; "); i >= 0 {
		name = name[:i]
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch {
	case !of.known(kind) || of.pack(kind) != name:
		return plugin{opaque: of.name + " kind " + kind + " is code of the Python package " + name}
	case of.name == "element" && elementKinds[kind].defaults == "" || versioned[of.name+" "+kind]:
		return plugin{opaque: of.name + " kind " + kind + " differs between releases of the Python package " + name + ", and which one is installed is not known"}
	}
	return plugin{}
}

// versioned are the kinds whose keys differ between releases.
var versioned = map[string]bool{"source cargo2": true, "source go_module": true, "element flatpak_image": true}

// localPlugin is a kind of which l's project has the code. That of a release of a known package is what
// this program has too; all other code is not.
func (l *loader) localPlugin(of pluginType, kind, dir string) (plugin, error) {
	p := plugin{file: filepath.Join(l.root.dir, filepath.FromSlash(dir), kind+".py"), at: l.root}
	code := l.root.relative(p.file)
	if !of.known(kind) || of.pack(kind) == "" || of.pack(kind) != l.project.Name {
		p.opaque = of.name + " kind " + kind + " is code of the project: " + code
		return p, nil
	}
	if err := l.root.checkInside(p.file, NewScalar(code)); err != nil {
		return p, err
	}
	text, err := os.ReadFile(p.file)
	if err != nil {
		return p, &LoadError{Reason: MissingFile, At: Place{File: code}, Detail: "read plugin", Err: err}
	}
	if !knownCode(of.name, kind, text) {
		p.opaque = of.name + " kind " + kind + " is of a release of " + l.project.Name + " that is not known here: " + code
	}
	for _, match := range of.pattern.FindAllSubmatch(text, -1) {
		for _, group := range match[1:] {
			if value := string(group); value != "" {
				p.suffix = value
				p.version, _ = strconv.Atoi(value)
			}
		}
	}
	return p, nil
}

// knownPlugins has a line for each: element or source, kind, SHA-256 of its code.
//
//go:embed known-plugins.txt
var knownPlugins string

// knownCode reports whether the code of a plugin is of a release that was compared with.
func knownCode(what, kind string, text []byte) bool {
	sum := sha256.Sum256(text)
	return slices.Contains(strings.Split(knownPlugins, "\n"), what+" "+kind+" "+hex.EncodeToString(sum[:]))
}

// defaults returns a copy of what a kind of elements begins with: the file beside its code, else what is
// built in.
func (p plugin) defaults(kind string) (*Node, error) {
	if p.file == "" {
		if name := elementKinds[kind].defaults; name != "" && p.opaque == "" {
			return defaultsFile(name)
		}
		return NewMapping(), nil
	}
	path := strings.TrimSuffix(p.file, ".py") + ".yaml"
	if err := p.at.checkInside(path, nil); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return NewMapping(), nil
	}
	return readYAML(path, p.at.relative(path))
}
