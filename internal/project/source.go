package project

import (
	"regexp"
	"strings"
)

// uriSchemes are what a URL may begin with that is not an alias.
var uriSchemes = []string{"http", "https", "ftp", "file", "git", "sftp", "ssh"}

// gitRepoRef is a reference of a git_repo source: a commit, or what "git describe" prints with one.
var gitRepoRef = regexp.MustCompile(`^(?:.*-\d+-g)?[0-9a-f]{40}`)

// sourceKinds check the configuration of the kinds of sources that can be loaded.
var sourceKinds = map[string]func(m *maker, s *Source) error{
	"local": checkLocal, "tar": checkTar, "remote": checkRemote,
	"git": checkGit, "git_repo": checkGitRepo, "patch": checkPatch,
	"patch_queue": checkPatchQueue, "zip": checkTar, "git_module": checkGitModule, "cargo2": checkCargo2, "cargo": checkCargo,
	"go_module": checkGoModule, "pypi": checkPyPI, "cpan": checkCPAN, "docker": checkDocker, "ostree": checkOSTree,
	"gen_cargo_lock": checkGenCargoLock, "pip": checkPip, "bzr": checkBzr,
}

// SourceKinds returns the names of the kinds of sources that can be loaded, sorted.
func SourceKinds() []string { return sortedKeys(sourceKinds) }

var (
	commonSourceKeys   = []string{"kind", "directory", "provenance"}
	downloadSourceKeys = append([]string{"url", "ref", "version-guess-pattern", "version"}, commonSourceKeys...)
)

// sources sets the element's sources.
func (m *maker) sources() error {
	list, err := m.node.Sequence("sources")
	if err != nil {
		return err
	}
	for i, node := range list.Items() {
		if node.kind != Mapping {
			return fail(InvalidData, node.At(), "a source must be a mapping, not a %s", node.kind)
		}
		s, err := m.source(node, i)
		if err != nil {
			return err
		}
		m.e.Sources = append(m.e.Sources, s)
	}
	return nil
}

func (m *maker) source(node *Node, index int) (s Source, err error) {
	s.Index, s.At = index, node.At()
	if s.Kind, err = node.Str("kind"); err != nil {
		return s, err
	}
	at := node.Get("kind").At()
	if s.Kind == "workspace" {
		return s, fail(InvalidData, at, "source kind \"workspace\" cannot be written in an element")
	}
	node.Delete("kind")
	if s.Directory, err = node.StrOr("directory", ""); err != nil {
		return s, err
	}
	if s.Directory != "" {
		node.Delete("directory")
	}
	if err := m.provenance(node); err != nil {
		return s, err
	}
	from, err := m.l.plugin(sourcePlugins, s.Kind, at)
	if err != nil {
		return s, err
	}
	s.Opaque, s.KeySuffix = from.opaque, from.suffix
	defaults, err := mappingOf(m.conf.sources, s.Kind)
	if err != nil {
		return s, err
	}
	config := NewMapping()
	config.file, config.line, config.column = node.file, node.line, node.column
	base, err := mappingOf(defaults, "config")
	if err != nil {
		return s, err
	}
	if base != nil {
		config = base.Clone()
	}
	if err := config.Compose(node); err != nil {
		return s, err
	}
	if err := config.checkComposed(); err != nil {
		return s, err
	}
	s.Config = config
	if err := m.vars.expandNode(config); err != nil {
		return s, err
	}
	if check := sourceKinds[s.Kind]; check != nil && s.Opaque == "" {
		if err := check(m, &s); err != nil {
			return s, err
		}
	}
	return s, m.l.loadRef(m.e, &s)
}

// provenance takes a source's provenance out: notes for people, no part of any key.
func (m *maker) provenance(node *Node) error {
	p, err := node.Mapping("provenance")
	if err != nil || p == nil {
		return err
	}
	node.Delete("provenance")
	if m.l.project.conf == nil { // a junction's: which attributes there are is known later
		m.l.provenances = append(m.l.provenances, p)
	} else if err := m.l.checkProvenance(p); err != nil {
		return err
	}
	for i, key := range p.keys {
		if err := p.items[i].expect(key, Scalar); err != nil {
			return err
		}
	}
	return nil
}

// checkProvenance refuses attributes that the project does not define.
func (l *loader) checkProvenance(p *Node) error {
	for i, key := range p.keys {
		if l.project.conf.provenance.Get(key) == nil {
			return fail(UndefinedProvenanceAttibute, p.items[i].At(), "provenance attribute %q is not one of the project's source-provenance-attributes", key)
		}
	}
	return nil
}

func checkLocal(m *maker, s *Source) error {
	if err := s.Config.ValidateKeys(append([]string{"path"}, commonSourceKeys...)...); err != nil {
		return err
	}
	return m.path(s, AnyPath)
}

func (m *maker) path(s *Source, kind PathKind) error {
	if _, err := s.Config.Str("path"); err != nil {
		return err
	}
	_, err := m.l.root.path(s.Config.Get("path"), kind)
	return err
}

func checkPatch(m *maker, s *Source) error {
	if err := s.Config.ValidateKeys(append([]string{"path", "strip-level"}, commonSourceKeys...)...); err != nil {
		return err
	}
	if err := m.path(s, FilePath); err != nil {
		return err
	}
	_, err := s.Config.IntOr("strip-level", 1)
	return err
}

func (m *maker) download(s *Source) error {
	address, err := s.Config.Str("url")
	if err != nil {
		return err
	}
	for _, key := range []string{"ref", "version-guess-pattern", "version"} {
		if _, err := s.Config.StrOr(key, ""); err != nil {
			return err
		}
	}
	return m.markURL(address, s.Config.Get("url"))
}

func checkTar(m *maker, s *Source) error {
	if err := m.download(s); err != nil {
		return err
	}
	if _, err := s.Config.StrOr("base-dir", "*"); err != nil {
		return err
	}
	return s.Config.ValidateKeys(append([]string{"base-dir"}, downloadSourceKeys...)...)
}

func checkRemote(m *maker, s *Source) error {
	if err := m.download(s); err != nil {
		return err
	}
	name, err := s.Config.StrOr("filename", "")
	if err != nil {
		return err
	}
	if _, err := s.Config.BoolOr("executable", false); err != nil {
		return err
	}
	if strings.Contains(name, "/") {
		return fail(FilenameWithDirectory, s.Config.Get("filename").At(), "filename %q cannot have a directory", name)
	}
	return s.Config.ValidateKeys(append([]string{"filename", "executable"}, downloadSourceKeys...)...)
}

func checkGitRepo(m *maker, s *Source) error {
	keys := []string{"ref", "url", "track", "exclude", "ref-format", "version", "version-guess-pattern"}
	if err := s.Config.ValidateKeys(append(keys, commonSourceKeys...)...); err != nil {
		return err
	}
	if ref := s.Config.Get("ref"); ref != nil {
		if err := ref.expect("ref", Scalar); err != nil {
			return err
		}
		if !gitRepoRef.MatchString(ref.value) {
			return fail(InvalidRef, ref.At(), "ref %q must be a commit of 40 hexadecimal digits", ref.value)
		}
	}
	address, err := s.Config.Str("url")
	if err != nil {
		return err
	}
	if err := m.markURL(address, s.Config.Get("url")); err != nil {
		return err
	}
	if err := checkLists(s.Config, "exclude"); err != nil {
		return err
	}
	return checkScalars(s.Config, "track", "version", "version-guess-pattern")
}

func checkScalars(config *Node, keys ...string) error {
	if format := config.Get("ref-format"); format != nil {
		if format.kind != Scalar || format.value != "sha1" && format.value != "git-describe" {
			return fail(InvalidData, format.At(), "value of \"ref-format\" must be sha1 or git-describe")
		}
	}
	for _, key := range keys {
		if _, err := config.StrOr(key, ""); err != nil {
			return err
		}
	}
	return nil
}

func checkGit(m *maker, s *Source) error {
	keys := []string{"url", "track", "ref", "submodules", "checkout-submodules", "ref-format", "track-tags", "tags", "version", "version-guess-pattern"}
	if err := s.Config.ValidateKeys(append(keys, commonSourceKeys...)...); err != nil {
		return err
	}
	if err := checkScalars(s.Config, "ref", "track", "version", "version-guess-pattern"); err != nil {
		return err
	}
	if err := checkGitTags(s.Config); err != nil {
		return err
	}
	for _, key := range []string{"track-tags", "checkout-submodules"} {
		if _, err := s.Config.BoolOr(key, false); err != nil {
			return err
		}
	}
	address, err := s.Config.Str("url")
	if err != nil {
		return err
	}
	if err := m.markURL(address, s.Config.Get("url")); err != nil {
		return err
	}
	if s.Config.Get("ref") == nil && s.Config.Get("track") == nil {
		return fail(MissingTrackAndRef, s.At, "a git source must have \"ref\" or \"track\"")
	}
	return m.checkSubmodules(s.Config)
}

func checkGitTags(config *Node) error {
	tags, err := config.Sequence("tags")
	if err != nil {
		return err
	}
	for _, tag := range tags.Items() {
		if err := tag.expect("tags", Mapping); err != nil {
			return err
		}
		if err := tag.ValidateKeys("tag", "commit", "annotated"); err != nil {
			return err
		}
		for _, key := range []string{"tag", "commit"} {
			if _, err := tag.Str(key); err != nil {
				return err
			}
		}
		if _, err := tag.Bool("annotated"); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) checkSubmodules(config *Node) error {
	modules, err := config.Mapping("submodules")
	if err != nil {
		return err
	}
	for i, path := range modules.Keys() {
		module := modules.items[i]
		if err := module.expect(path, Mapping); err != nil {
			return err
		}
		address, err := module.StrOr("url", "")
		if err != nil {
			return err
		}
		if address != "" {
			if err := m.markURL(address, module.Get("url")); err != nil {
				return err
			}
		}
		if _, err := module.BoolOr("checkout", true); err != nil {
			return err
		}
	}
	return nil
}

// markURL checks the alias of a URL. One without an alias is a warning, or an error where the
// project says so.
func (m *maker) markURL(address string, node *Node) error {
	alias := aliasOf(address)
	if alias == "" {
		w := Warning{Token: string(UnaliasedURL), At: node.At(), Element: m.e.FullName(), Text: "URL without an alias: " + address}
		if m.l.project.IsFatal(w.Token) {
			return fail(UnaliasedURL, w.At, "%s", w.Text)
		}
		m.l.warn(w)
		return nil
	}
	there, err := m.l.project.aliasExists(alias, m.conf == m.l.project.first, node)
	if err != nil {
		return err
	}
	if !there {
		return fail(InvalidSourceAlias, node.At(), "URL %q uses alias %q, which the project does not define", address, alias)
	}
	return nil
}
