package project

import "slices"

// pluginOrigin says where a project takes kinds from.
type pluginOrigin struct {
	origin            string // local, pip, junction
	from              *Node  // the path, the package or the junction
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
	o.from = node.Get(required)
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

// UnregisteredPlugin is the token of the warning that BuildStream itself would refuse a kind, because
// the project does not say which package it is from.
const UnregisteredPlugin = "unregistered-plugin"

// warnUnregistered warns once for each kind.
func (l *loader) warnUnregistered(what, kind, name string, at Place) {
	text := what + " kind " + kind + " is not among the plugins of project.conf, so BuildStream refuses it: it comes from " + name
	l.warn(Warning{Token: UnregisteredPlugin, At: at, Text: text})
}

// Registers reports whether the project names a plugin for a kind of sources that BuildStream itself does
// not have.
func (p *Project) Registers(kind string) bool {
	return slices.ContainsFunc(p.config(false).origins, func(o pluginOrigin) bool { return slices.Contains(o.sources, kind) })
}
