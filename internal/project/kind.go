package project

import (
	"embed"
	"slices"
	"sort"
	"strings"
)

//go:embed defaults/*.yaml
var defaultFiles embed.FS

// elementKind is what the loader knows of a kind of elements.
type elementKind struct {
	pack             string   // the package of plugins that has it; "" is BuildStream itself
	defaults         string   // file below defaults/, or ""
	dependencyConfig []string // keys that a dependency's config may have; nil: none is allowed
	noBuildDepends   bool
	noRuntimeDepends bool
	noSources        bool
	check            func(e *Element) error
}

var buildDependencyKeys = []string{"digest-environment", "location"}

// elementKinds are the kinds that can be loaded.
var elementKinds = map[string]elementKind{
	"manual":    {defaults: "manual.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"make":      {pack: plugins, defaults: "make.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"autotools": {pack: plugins, defaults: "autotools.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"cmake":     {pack: plugins, defaults: "cmake.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"meson":     {pack: plugins, defaults: "meson.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"script": {defaults: "script.yaml", dependencyConfig: []string{"location"},
		noRuntimeDepends: true, noSources: true, check: checkScript},
	"import":  {defaults: "import.yaml", check: checkImport},
	"stack":   {noSources: true},
	"compose": {defaults: "compose.yaml", noRuntimeDepends: true, noSources: true, check: checkCompose},
	"filter":  {defaults: "filter.yaml", noSources: true, check: checkFilter},

	"pip":         {pack: plugins, defaults: "pip.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"setuptools":  {pack: plugins, defaults: "setuptools.yaml", dependencyConfig: buildDependencyKeys, check: checkBuild},
	"pyproject":   {pack: community, dependencyConfig: buildDependencyKeys, check: checkBuild},
	"makemaker":   {pack: community, dependencyConfig: buildDependencyKeys, check: checkBuild},
	"modulebuild": {pack: community, dependencyConfig: buildDependencyKeys, check: checkBuild},
	"cargo":       {pack: community, dependencyConfig: buildDependencyKeys, check: checkBuild},
	"qmake":       {pack: community, dependencyConfig: buildDependencyKeys, check: checkBuild},

	"collect_manifest":    {pack: community, noRuntimeDepends: true, noSources: true, check: checkCollectManifest},
	"collect_integration": {pack: community, noRuntimeDepends: true, noSources: true, check: checkCollectIntegration},
	"check_forbidden":     {pack: community, check: checkForbidden},
	"flatpak_image": {pack: community, dependencyConfig: []string{"location"}, noRuntimeDepends: true, noSources: true,
		check: checkFlatpakImage},
	"flatpak_repo": {pack: community, dependencyConfig: []string{"flatpak-image", "flatpak-stack", "branch", "arch"}, noRuntimeDepends: true,
		noSources: true, check: checkFlatpakRepo},

	"junction": {noBuildDepends: true, noRuntimeDepends: true},
	"link":     {noBuildDepends: true, noRuntimeDepends: true, noSources: true},
}

// BuildKinds are the kinds that configure, build, install and strip by commands.
var BuildKinds = []string{"manual", "make", "autotools", "cmake", "meson", "pip", "setuptools", "pyproject", "makemaker", "modulebuild", "cargo", "qmake"}

// ElementKinds returns the names of the kinds of elements that can be loaded, sorted.
func ElementKinds() []string { return sortedKeys(elementKinds) }

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// BuildCommands are the lists of commands of kinds that build, in the order in which they run.
var BuildCommands = []string{"configure-commands", "build-commands", "install-commands", "strip-commands"}

func checkBuild(e *Element) error {
	if err := e.Config.ValidateKeys(BuildCommands...); err != nil {
		return err
	}
	return checkLists(e.Config, BuildCommands...)
}

func checkLists(config *Node, keys ...string) error {
	for _, key := range keys {
		if _, err := config.StrList(key); err != nil {
			return err
		}
	}
	return nil
}

func checkScript(e *Element) error {
	if err := e.Config.ValidateKeys("commands", "root-read-only"); err != nil {
		return err
	}
	if err := checkLists(e.Config, "commands"); err != nil {
		return err
	}
	_, err := e.Config.BoolOr("root-read-only", false)
	return err
}

func checkImport(e *Element) error {
	if err := e.Config.ValidateKeys("source", "target"); err != nil {
		return err
	}
	for _, key := range []string{"source", "target"} {
		if _, err := e.Config.Str(key); err != nil {
			return err
		}
	}
	return nil
}

func checkCompose(e *Element) error {
	if err := e.Config.ValidateKeys("integrate", "include", "exclude", "include-orphans"); err != nil {
		return err
	}
	if _, err := e.Config.Bool("integrate"); err != nil {
		return err
	}
	if err := checkLists(e.Config, "include", "exclude"); err != nil {
		return err
	}
	_, err := e.Config.Bool("include-orphans")
	return err
}

func checkFilter(e *Element) error {
	if err := e.Config.ValidateKeys("include", "exclude", "include-orphans", "pass-integration"); err != nil {
		return err
	}
	if err := checkLists(e.Config, "include", "exclude"); err != nil {
		return err
	}
	if _, err := e.Config.Bool("include-orphans"); err != nil {
		return err
	}
	_, err := e.Config.BoolOr("pass-integration", false)
	return err
}

// checkEdges refuses dependencies and sources that e's kind cannot have.
func checkEdges(e *Element, kind elementKind) error {
	for _, dep := range e.Deps {
		if dep.Build && kind.noBuildDepends {
			return fail(ForbiddenBuildDepends, dep.At, "%s elements cannot have build dependencies", e.Kind)
		}
		if dep.Runtime && kind.noRuntimeDepends {
			return fail(ForbiddenRuntimeDepends, dep.At, "%s elements cannot have runtime dependencies", e.Kind)
		}
	}
	if kind.noSources && len(e.Sources) > 0 {
		return fail(ForbiddenSources, e.Sources[0].At, "%s elements cannot have sources", e.Kind)
	}
	switch e.Kind {
	case "import":
		if len(e.Sources) == 0 {
			return fail(ImportWithoutSources, e.At, "import elements must have at least one source")
		}
	case "stack":
		i := slices.IndexFunc(e.Deps, func(d Dependency) bool { return !d.Build || !d.Runtime })
		if i >= 0 {
			return fail(StackDepends, e.Deps[i].At, "all dependencies of stack elements must be for building and for running")
		}
	case "filter":
		return checkFilterEdges(e)
	}
	return nil
}

func checkFilterEdges(e *Element) error {
	var builds []Dependency
	var names []string
	for _, dep := range e.Deps {
		if dep.Build {
			builds = append(builds, dep)
			names = append(names, dep.Name)
		}
	}
	switch {
	case len(builds) != 1:
		return fail(FilterDependCount, e.At, "filter elements must have exactly one build dependency, this has %d (%s)", len(builds), strings.Join(names, ", "))
	case builds[0].Runtime:
		return fail(FilterDependRuntime, builds[0].At, "the build dependency of a filter element cannot be a runtime dependency too")
	case builds[0].Element.Kind == "stack":
		return fail(FilterDependNoArtifact, builds[0].At, "%s is a stack: there is nothing to filter", builds[0].Name)
	}
	return nil
}
