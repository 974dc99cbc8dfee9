package recipe

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/project"
)

// keyOnly is for kinds of buildstream-plugins-community of which only what they add to keys is known.
func (r *Recipe) keyOnly(e *project.Element) error {
	r.PluginVersion = artifactVersions[e.Kind]
	switch e.Kind {
	case "collect_manifest":
		r.RunsCommands, r.StrictRebuild = false, true
		return r.manifestKey(e)
	case "collect_integration":
		script, err := e.Config.Str("script-path")
		if err != nil {
			return err
		}
		ignore, err := e.Config.StrList("ignore")
		r.PluginKey = map[string]any{"script-path": script, "ignore": unique(ignore)}
		return err
	case "check_forbidden":
		forbidden, err := e.Config.StrList("forbidden")
		r.PluginKey = map[string]any{"forbidden": unique(forbidden)}
		return err
	case "flatpak_image":
		r.StrictRebuild = true
		return r.flatpakImageKey(e)
	}
	r.StrictRebuild = true
	return r.flatpakRepoKey(e)
}

// artifactVersions are those of kinds where it is not 0.
var artifactVersions = map[string]int{"collect_manifest": 2, "flatpak_repo": 2}

func unique(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return slices.Compact(list)
}

// text is the value of an optional text in a key: nil when it is not there.
func text(config *project.Node, key string) any {
	if node := config.Get(key); node != nil {
		return node.Value()
	}
	return nil
}

func (r *Recipe) manifestKey(e *project.Element) error {
	key := map[string]any{"path": text(e.Config, "path")}
	if text(e.Config, "output-type") == "spdx" {
		spdx, err := e.Config.Mapping("spdx-info")
		if err != nil {
			return err
		}
		var creators, created any
		if spdx.Get("creators") != nil {
			if creators, err = spdx.StrList("creators"); err != nil {
				return err
			}
		}
		if spdx.Get("created") != nil {
			if created, err = spdx.IntOr("created", 0); err != nil {
				return err
			}
		}
		key["output_type"] = "spdx"
		key["spdx_info"] = []any{creators, text(spdx, "data-license"), created, text(spdx, "doc-namespace"), text(spdx, "name")}
	}
	provenance, err := e.Config.BoolOr("use-source-provenance", true)
	if provenance {
		key["source_provenance"] = true
	}
	r.PluginKey = key
	return err
}

func (r *Recipe) flatpakImageKey(e *project.Element) error {
	key := map[string]any{"version": e.KindVersion, "metadata": e.Config.Get("metadata").Plain(), "directory": text(e.Config, "directory")}
	for _, name := range []string{"include", "exclude", "component-ids"} {
		list, err := e.Config.StrList(name)
		if err != nil {
			return err
		}
		switch {
		case name != "component-ids":
			key[name] = append([]string{}, sorted(list)...)
		case len(list) > 0:
			key[name] = list
		}
	}
	r.PluginKey = key
	return nil
}

// notNormal are the characters that BuildStream's normal names of elements have an underscore for.
var notNormal = regexp.MustCompile(`[^0-9A-Za-z._-]`)

// normalName is the element's name as it is in paths.
func normalName(e *project.Element) string {
	name := strings.ReplaceAll(e.Name, "/", "-")
	return notNormal.ReplaceAllString(strings.TrimSuffix(name, path.Ext(name)), "_")
}

// flatpakRepo collects what the key of a flatpak_repo is made of.
type flatpakRepo struct {
	commands map[string]any
	layout   map[string]any // of names, by location
}

func (f *flatpakRepo) place(at, name string) {
	names, _ := f.layout[at].([]string)
	f.layout[at] = append(names, name)
}

func (f *flatpakRepo) export(e *project.Element, name, arch, branch string) {
	dir := "/buildstream/input/" + normalName(e)
	f.place(dir, name)
	f.commands["export "+name] = []string{"flatpak build-export --files=files --arch=" + arch + " /buildstream/repo " + dir + " " + branch}
}

func (r *Recipe) flatpakRepoKey(e *project.Element) error {
	value := func(key string) string { v, _ := text(e.Config, key).(string); return v }
	f := &flatpakRepo{commands: map[string]any{}, layout: map[string]any{}}
	f.commands["init repository"] = []string{"ostree init --repo=/buildstream/repo --mode=" + value("repo-mode")}
	for _, dep := range e.Deps {
		if !dep.Build {
			continue
		}
		if len(dep.Config) == 0 {
			f.place("/", dep.Name)
		}
		for _, config := range dep.Config {
			if err := f.add(dep, config, value("arch"), value("branch")); err != nil {
				return err
			}
		}
	}
	for _, ref := range e.Config.Get("copy-refs").Items() {
		src, dest := ref.Get("src").Value(), ref.Get("dest").Value()
		f.commands["copy ref "+src+" -> "+dest] = []string{"flatpak build-commit-from --src-ref=" + src + " /buildstream/repo " + dest}
	}
	r.PluginKey = map[string]any{
		"commands": f.commands, "cwd": "/", "install-root": "/buildstream/repo", "layout": f.layout, "root-read-only": true,
	}
	return nil
}

// add takes a dependency that is an image, or a stack of images.
func (f *flatpakRepo) add(dep project.Dependency, config *project.Node, arch, branch string) error {
	image, err := config.BoolOr("flatpak-image", false)
	if err != nil {
		return err
	}
	stack, err := config.BoolOr("flatpak-stack", false)
	if err != nil {
		return err
	}
	if branch, err = config.StrOr("branch", branch); err != nil {
		return err
	}
	if arch, err = config.StrOr("arch", arch); err != nil {
		return err
	}
	switch {
	case image == stack:
		return &project.LoadError{Reason: project.InvalidData, At: config.At(), Detail: "a dependency must be either a flatpak-image or a flatpak-stack"}
	case image:
		f.export(dep.Element, dep.Name, arch, branch)
	default:
		for _, below := range direct(dep.Element) {
			f.export(below, dep.Name+" ("+below.Name+")", arch, branch)
		}
	}
	return nil
}

// direct are the direct dependencies of an element: those for building, then the others.
func direct(e *project.Element) (list []*project.Element) {
	for _, dep := range e.Deps {
		if dep.Build {
			list = append(list, dep.Element)
		}
	}
	for _, dep := range e.Deps {
		if !dep.Build {
			list = append(list, dep.Element)
		}
	}
	return list
}
