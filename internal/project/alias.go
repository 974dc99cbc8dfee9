package project

import (
	"slices"
	"strings"
)

// config returns the pass over project.conf that counts: the first one for junctions and links. A
// project that was not loaded has an empty one.
func (p *Project) config(first bool) *config {
	switch {
	case p.first == nil:
		return &config{}
	case first || p.conf == nil:
		return p.first
	}
	return p.conf
}

// parentAlias returns what an alias is called in the project above; "" without a mapping.
func (j *junction) parentAlias(alias string) string {
	if name := j.aliases.Get(alias); name != nil {
		return name.value
	}
	if j.identity {
		return alias
	}
	return ""
}

// aliasExists reports whether a URL at node may begin with an alias. Where the junction maps the alias
// it must be one of the project above.
func (p *Project) aliasExists(alias string, first bool, node *Node) (bool, error) {
	if p.Junction != nil {
		above := p.Junction.Project
		if mapped := p.junction.parentAlias(alias); mapped != "" {
			there, err := above.aliasExists(mapped, first, node)
			if err == nil && !there {
				err = fail(InvalidSourceAlias, node.At(), "junction %s maps alias %q to %q, which the project above does not define", p.Path(), alias, mapped)
			}
			return there, err
		}
		if above.noSubprojectURLs {
			return false, fail(MissingAliasMapping, node.At(), "junction %s does not map alias %q, and the project above disallows URLs of subprojects", p.Path(), alias)
		}
	}
	value, err := p.config(first).aliases.Scalar(alias)
	return value != nil, err
}

// ExpandURL returns the URL of one of e's sources with its alias replaced. What does not begin with an
// alias of the project is returned as it is.
func (e *Element) ExpandURL(address string) (string, error) {
	return e.Project.expandURL(address, isFirstPass(e.Kind))
}

func (p *Project) expandURL(address string, first bool) (string, error) {
	alias, rest, ok := strings.Cut(address, ":")
	if !ok {
		return address, nil
	}
	value, err := p.config(first).aliases.StrOr(alias, "")
	if err != nil || value == "" {
		return address, err
	}
	if p.Junction != nil {
		if mapped := p.junction.parentAlias(alias); mapped != "" {
			return p.Junction.Project.expandURL(mapped+":"+rest, first)
		}
	}
	return value + rest, nil
}

// MirrorURLs returns where else the project says that the URL of one of e's sources can be had.
func (e *Element) MirrorURLs(address string) []string {
	return e.Project.mirrorURLs(address, isFirstPass(e.Kind))
}

func (p *Project) mirrorURLs(address string, first bool) (urls []string) {
	alias, rest, ok := strings.Cut(address, ":")
	conf := p.config(first)
	if !ok || conf.aliases.Get(alias) == nil {
		return nil // only what is behind an alias has mirrors
	}
	if p.Junction != nil {
		if mapped := p.junction.parentAlias(alias); mapped != "" {
			return p.Junction.Project.mirrorURLs(mapped+":"+rest, first)
		}
	}
	for _, mirror := range conf.mirrors {
		for _, prefix := range mirror.Aliases[alias] {
			urls = append(urls, prefix+rest)
		}
	}
	return urls
}

// aliasOf returns the alias that a URL begins with, or "".
func aliasOf(address string) string {
	alias, _, ok := strings.Cut(address, ":")
	if !ok || slices.Contains(uriSchemes, strings.ToLower(alias)) {
		return ""
	}
	return alias
}
