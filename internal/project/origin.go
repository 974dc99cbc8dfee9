package project

import (
	"slices"

	"github.com/git-bst/git-bst/internal/hint"
)

// pluginOrigin says where a project takes kinds from.
type pluginOrigin struct {
	origin            string // local, pip, junction
	at                Place
	elements, sources []string
}

// loadOrigins reads and checks the plugins of project.conf. Nothing is loaded from them: kinds are
// built in.
func (l *loader) loadOrigins(all *Node) ([]pluginOrigin, error) {
	list, err := all.Sequence("plugins")
	if err != nil {
		return nil, err
	}
	var origins []pluginOrigin
	for _, node := range list.Items() {
		o, err := l.loadOrigin(node)
		if err != nil {
			return nil, err
		}
		origins = append(origins, o)
	}
	return origins, nil
}

func (l *loader) loadOrigin(node *Node) (o pluginOrigin, err error) {
	if err := node.expect("plugins", Mapping); err != nil {
		return o, err
	}
	o.at = node.At()
	if o.origin, err = node.Str("origin"); err != nil {
		return o, err
	}
	required := map[string]string{"local": "path", "pip": "package-name", "junction": "junction"}[o.origin]
	if required == "" {
		return o, fail(InvalidData, node.Get("origin").At(), "origin %q must be one of: local, pip, junction", o.origin)
	}
	if err := node.ValidateKeys("origin", required, "elements", "sources", "source-mirrors", "allow-deprecated"); err != nil {
		return o, err
	}
	if _, err := node.Str(required); err != nil {
		return o, err
	}
	if o.origin == "local" {
		if _, err := l.root.path(node.Get("path"), DirPath); err != nil {
			return o, err
		}
	}
	if _, err := node.BoolOr("allow-deprecated", false); err != nil {
		return o, err
	}
	if o.elements, err = originKinds(node, "elements"); err != nil {
		return o, err
	}
	if o.sources, err = originKinds(node, "sources"); err != nil {
		return o, err
	}
	_, err = originKinds(node, "source-mirrors")
	return o, err
}

func originKinds(node *Node, key string) ([]string, error) {
	list, err := node.Sequence(key)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, item := range list.Items() {
		kind := item.value
		switch item.kind {
		case Sequence:
			return nil, fail(InvalidData, item.At(), "a plugin must be a string or a mapping, not a list")
		case Mapping:
			if err := item.ValidateKeys("kind", "allow-deprecated"); err != nil {
				return nil, err
			}
			if kind, err = item.Str("kind"); err != nil {
				return nil, err
			}
			if _, err := item.BoolOr("allow-deprecated", false); err != nil {
				return nil, err
			}
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// pluginDefaults returns a copy of what a kind of elements begins with.
func (l *loader) pluginDefaults(kind string) (*Node, error) {
	if name := elementKinds[kind].defaults; name != "" {
		return defaultsFile(name)
	}
	return NewMapping(), nil
}

// checkKind refuses a kind that is not built in, or that the project takes from code of its own.
func (l *loader) checkKind(what, kind string, known bool, at Place) error {
	registered := false
	for _, o := range l.project.first.origins {
		kinds := o.elements
		if what == "source" {
			kinds = o.sources
		}
		registered = registered || slices.Contains(kinds, kind)
		if slices.Contains(kinds, kind) && o.origin != "pip" {
			return fail(Unsupported, at, "%s kind %q is a %s plugin of this project (%s): such plugins are not supported", what, kind, o.origin, o.at)
		}
	}
	if known {
		if name := pluginPackages[kind]; name != "" && !registered {
			l.warnUnregistered(what, kind, name, at)
		}
		return nil
	}
	supported := ElementKinds()
	if what == "source" {
		supported = SourceKinds()
	}
	err := fail(Unsupported, at, "%s kind %q is not supported, expected one of: %v", what, kind, supported)
	if near := hint.Nearest(kind, supported); near != "" {
		return hint.Addf(err, "did you mean: kind: %s", near)
	}
	return err
}

// UnregisteredPlugin is the token of the warning that BuildStream itself would refuse a kind, because
// the project does not say which package it is from.
const UnregisteredPlugin = "unregistered-plugin"

// pluginPackages are the packages that kinds come from which BuildStream does not bring along.
var pluginPackages = map[string]string{
	"autotools": "buildstream-plugins", "cmake": "buildstream-plugins", "make": "buildstream-plugins", "meson": "buildstream-plugins",
	"git": "buildstream-plugins", "patch": "buildstream-plugins", "git_repo": "buildstream-plugins-community",
}

// warnUnregistered warns once for each kind.
func (l *loader) warnUnregistered(what, kind, name string, at Place) {
	text := what + " kind " + kind + " is not among the plugins of project.conf, so BuildStream refuses it: it comes from " + name
	l.warn(Warning{Token: UnregisteredPlugin, At: at, Text: text})
}

// Registers reports whether the project names a plugin for a kind of sources that BuildStream itself does
// not have.
func (p *Project) Registers(kind string) bool {
	return slices.ContainsFunc(p.conf.origins, func(o pluginOrigin) bool { return slices.Contains(o.sources, kind) })
}
