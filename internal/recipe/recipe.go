package recipe

import (
	"fmt"
	"path"
	"slices"
	"sort"

	"github.com/git-bst/git-bst/internal/project"
)

// Names of phases.
const (
	PhaseConfigure = "configure"
	PhaseBuild     = "build"
	PhaseInstall   = "install"
	PhaseStrip     = "strip"
	PhaseCommands  = "commands" // the only phase of scripts
)

// Recipe is what an element does.
type Recipe struct {
	Kind         string
	RunsCommands bool // has a sandbox: sandbox and environment are part of its keys
	Phases       []Phase
	Env          map[string]string // all of it
	NoCache      []string          // names in Env that are no part of keys, sorted
	BuildRoot    string            // where sources are staged, absolute inside
	InstallRoot  string            // what is collected, absolute inside
	WorkDir      string            // where commands run, absolute inside
	RootWritable bool              // whether commands may write outside the build and install roots
	// Layout says where build dependencies go, sorted by location. Each is staged with its runtime
	// closure. Empty for kinds that stage all dependencies at the top, or none.
	Layout []Placement
	// DigestEnvironment are variables that hold the digest of these dependencies staged alone.
	DigestEnvironment map[string][]*project.Element
	PluginKey         any // a value for keys.Canonical: what the kind adds to keys
	PluginVersion     int
	StrictRebuild     bool // weak keys hold the dependencies' weak keys
	Sandbox           project.Sandbox
	Integration       []string // this element's own public integration commands
	SplitRules        []Split  // in the order of writing

	Import  *Import  // for kind import
	Compose *Compose // for kind compose
	Filter  *Filter  // for kind filter

	// Refused says why the element cannot be built here, though its key is known; "" for most.
	Refused string
}

// Phase is a list of commands, each run by its own shell in the work directory.
type Phase struct {
	Name     string
	Commands []string // empty text is a command too
}

// Placement is what is staged at a location.
type Placement struct {
	Location string // absolute inside
	Deps     []*project.Element
	Names    []string // of Deps, as written: keys hold these
}

// Split is a domain of an artifact's files.
type Split struct {
	Domain string
	Globs  []string // on absolute paths; * stops at a slash, ** does not
}

// Import moves Source, a folder of the staged sources, to Target in the artifact.
type Import struct{ Source, Target string }

// Compose selects domains of all dependencies' files, after their integration commands where
// Integrate is set.
type Compose struct {
	Integrate        bool
	Include, Exclude []string // as written
	Orphans          bool     // take files that are in no domain
}

// Filter selects domains of its one build dependency's files.
type Filter struct {
	Include, Exclude []string // as written
	Orphans          bool     // take files that are in no domain
	PassIntegration  bool     // hand on the dependency's integration commands
}

// Of returns the recipe of an element that project.Load made. An error is a *project.LoadError: the
// loader has checked the same things, so it only comes for elements made by hand.
func Of(e *project.Element) (Recipe, error) {
	r := Recipe{
		Kind: e.Kind, RunsCommands: true, Env: e.Environment, NoCache: e.NoCache, Sandbox: e.Sandbox,
		BuildRoot: e.Variables["build-root"], InstallRoot: e.Variables["install-root"],
	}
	var err error
	if r.SplitRules, r.Integration, err = publicData(e); err != nil {
		return Recipe{}, err
	}
	if e.Opaque != "" {
		r.Refused = e.Opaque
		return r, nil
	}
	if slices.Contains(project.BuildKinds, e.Kind) {
		return r, r.build(e)
	}
	switch e.Kind {
	case "script":
		err = r.script(e)
	case "import":
		err = r.importFiles(e)
	case "stack":
		r.RunsCommands, r.PluginKey = false, 1
	case "junction":
		r.PluginKey = 1
	case "compose":
		err = r.compose(e)
	case "filter":
		err = r.filter(e)
	case "collect_manifest", "collect_integration", "check_forbidden", "flatpak_image", "flatpak_repo":
		r.Refused = "kind " + e.Kind + " cannot be built here yet"
		err = r.keyOnly(e)
	default:
		err = &project.LoadError{Reason: project.Unsupported, At: e.At, Element: e.Name, Detail: fmt.Sprintf("element kind %q is not supported", e.Kind)}
	}
	return r, err
}

func publicData(e *project.Element) (splits []Split, integration []string, err error) {
	bst, err := e.Public.Mapping("bst")
	if err != nil {
		return nil, nil, err
	}
	rules, err := bst.Mapping("split-rules")
	if err != nil {
		return nil, nil, err
	}
	for i, domain := range rules.Keys() {
		rule := rules.Items()[i]
		if rule.Kind() != project.Sequence {
			return nil, nil, &project.LoadError{Reason: project.InvalidData, At: rule.At(), Element: e.Name, Detail: fmt.Sprintf("split rule %q must be a list", domain)}
		}
		globs, err := rule.Strings()
		if err != nil {
			return nil, nil, err
		}
		splits = append(splits, Split{Domain: domain, Globs: globs})
	}
	integration, err = bst.StrList("integration-commands")
	return splits, integration, err
}

// build is for kinds that configure, build, install and strip.
func (r *Recipe) build(e *project.Element) error {
	key := map[string]any{}
	for i, name := range project.BuildCommands {
		commands, err := e.Config.StrList(name)
		if err != nil {
			return err
		}
		key[name] = commands
		phase := [...]string{PhaseConfigure, PhaseBuild, PhaseInstall, PhaseStrip}[i]
		r.Phases = append(r.Phases, Phase{Name: phase, Commands: commands})
	}
	r.WorkDir = r.BuildRoot
	if subdir := e.Variables["command-subdir"]; subdir != "" {
		key["command-subdir"] = subdir
		r.WorkDir = path.Join(r.BuildRoot, subdir)
		if path.IsAbs(subdir) {
			r.WorkDir = path.Clean(subdir)
		}
	}
	if e.Variables["notparallel"] != "" {
		key["notparallel"] = true
	}
	digests, err := r.place(e)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(r.Layout, func(p Placement) bool { return p.Location != "/" && p.Location != "" }) {
		key["layout"] = layoutKey(r.Layout)
	}
	if len(digests) > 0 {
		key["digest-enviornment"] = digests // the misspelling is BuildStream's and part of keys
	}
	r.PluginKey = key
	return nil
}

// place sets the layout from the dependencies' configuration. It returns the names of dependencies by
// the variable that holds their digest.
func (r *Recipe) place(e *project.Element) (digests map[string]any, err error) {
	places := map[string]*Placement{}
	digests = map[string]any{}
	for _, dep := range e.Deps {
		if !dep.Build {
			continue
		}
		configs := dep.Config
		if len(configs) == 0 {
			configs = []*project.Node{nil}
		}
		for _, config := range configs {
			location, err := config.StrOr("location", "/")
			if err != nil {
				return nil, err
			}
			variable, err := config.StrOr("digest-environment", "")
			if err != nil {
				return nil, err
			}
			if config.Get("digest-environment") != nil {
				if r.DigestEnvironment == nil {
					r.DigestEnvironment = map[string][]*project.Element{}
				}
				r.DigestEnvironment[variable] = append(r.DigestEnvironment[variable], dep.Element)
				names, _ := digests[variable].([]string)
				digests[variable] = append(names, dep.Name)
			}
			if places[location] == nil {
				places[location] = &Placement{Location: location}
			}
			p := places[location]
			p.Deps = append(p.Deps, dep.Element)
			p.Names = append(p.Names, dep.Name)
		}
	}
	for _, p := range places {
		r.Layout = append(r.Layout, *p)
	}
	sort.Slice(r.Layout, func(i, j int) bool { return r.Layout[i].Location < r.Layout[j].Location })
	return digests, nil
}

func layoutKey(layout []Placement) map[string]any {
	key := map[string]any{}
	for _, p := range layout {
		key[p.Location] = p.Names
	}
	return key
}

func (r *Recipe) script(e *project.Element) error {
	commands, err := e.Config.StrList("commands")
	if err != nil {
		return err
	}
	readOnly, err := e.Config.BoolOr("root-read-only", false)
	if err != nil {
		return err
	}
	if _, err := r.place(e); err != nil {
		return err
	}
	r.Phases = []Phase{{Name: PhaseCommands, Commands: commands}}
	r.RootWritable = !readOnly
	r.StrictRebuild = true
	r.WorkDir = orTop(e.Variables["cwd"])
	r.InstallRoot = orTop(r.InstallRoot)
	r.PluginKey = map[string]any{
		"commands": map[string]any{"commands": commands}, "cwd": r.WorkDir, "install-root": r.InstallRoot,
		"layout": layoutKey(r.Layout), "root-read-only": readOnly,
	}
	return nil
}

func orTop(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}

func (r *Recipe) importFiles(e *project.Element) (err error) {
	r.RunsCommands = false
	r.Import = &Import{}
	if r.Import.Source, err = e.Config.Str("source"); err != nil {
		return err
	}
	if r.Import.Target, err = e.Config.Str("target"); err != nil {
		return err
	}
	r.PluginKey = map[string]any{"source": r.Import.Source, "target": r.Import.Target}
	return nil
}

func (r *Recipe) compose(e *project.Element) (err error) {
	c := &Compose{}
	r.Compose, r.StrictRebuild = c, true
	if c.Integrate, err = e.Config.Bool("integrate"); err != nil {
		return err
	}
	if c.Include, c.Exclude, c.Orphans, err = selection(e.Config); err != nil {
		return err
	}
	r.RunsCommands = c.Integrate
	key := map[string]any{"integrate": c.Integrate, "include": sorted(c.Include), "orphans": c.Orphans}
	if len(c.Exclude) > 0 {
		key["exclude"] = sorted(c.Exclude)
	}
	r.PluginKey = key
	return nil
}

func (r *Recipe) filter(e *project.Element) (err error) {
	f := &Filter{}
	r.Filter, r.StrictRebuild, r.RunsCommands, r.PluginVersion = f, true, false, 1
	if f.Include, f.Exclude, f.Orphans, err = selection(e.Config); err != nil {
		return err
	}
	if f.PassIntegration, err = e.Config.BoolOr("pass-integration", false); err != nil {
		return err
	}
	r.PluginKey = map[string]any{"include": sorted(f.Include), "exclude": sorted(f.Exclude), "orphans": f.Orphans}
	return nil
}

func selection(config *project.Node) (include, exclude []string, orphans bool, err error) {
	if include, err = config.StrList("include"); err != nil {
		return nil, nil, false, err
	}
	if exclude, err = config.StrList("exclude"); err != nil {
		return nil, nil, false, err
	}
	orphans, err = config.Bool("include-orphans")
	return include, exclude, orphans, err
}

func sorted(list []string) []string {
	s := slices.Clone(list)
	slices.Sort(s)
	return s
}
