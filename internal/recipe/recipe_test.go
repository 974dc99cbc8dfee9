package recipe_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
)

func load(t *testing.T, files map[string]string, target string) recipe.Recipe {
	t.Helper()
	dir := t.TempDir()
	files["project.conf"] = "name: t\nmin-version: 2.0\n"
	files["tool.bst"], files["lib.bst"] = "kind: manual\n", "kind: manual\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{target}, MaxJobs: 4, HostArch: "x86_64", HostOS: "Linux"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := recipe.Of(p.Targets[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBuild(t *testing.T) {
	r := load(t, map[string]string{"a.bst": `kind: make
build-depends:
- tool.bst
- filename: lib.bst
  config: {location: /sysroot, digest-environment: LIB}
variables: {command-subdir: src, notparallel: true}
public: {bst: {integration-commands: [ldconfig]}}
`}, "a.bst")
	want := []recipe.Phase{
		{Name: recipe.PhaseConfigure}, {Name: recipe.PhaseBuild, Commands: []string{`make PREFIX="/usr"`}},
		{Name: recipe.PhaseInstall, Commands: []string{`make -j1 PREFIX="/usr" DESTDIR="/buildstream-install" install`}},
		{Name: recipe.PhaseStrip, Commands: []string{""}},
	}
	if !reflect.DeepEqual(r.Phases, want) {
		t.Errorf("phases %q, want %q", r.Phases, want)
	}
	if r.WorkDir != "/buildstream/t/a.bst/src" || r.BuildRoot != "/buildstream/t/a.bst" || r.InstallRoot != "/buildstream-install" || r.RootWritable || !r.RunsCommands {
		t.Errorf("layout is %q %q %q", r.WorkDir, r.BuildRoot, r.InstallRoot)
	}
	if len(r.Layout) != 2 || r.Layout[0].Location != "/" || r.Layout[1].Location != "/sysroot" || r.Layout[1].Names[0] != "lib.bst" || r.Layout[1].Deps[0].Name != "lib.bst" {
		t.Errorf("placements are %+v", r.Layout)
	}
	if deps := r.DigestEnvironment["LIB"]; len(deps) != 1 || deps[0].Name != "lib.bst" {
		t.Errorf("digest environment is %v", r.DigestEnvironment)
	}
	if r.Env["MAKEFLAGS"] != "-j1" || !reflect.DeepEqual(r.NoCache, []string{"MAKEFLAGS", "V"}) || !reflect.DeepEqual(r.Integration, []string{"ldconfig"}) {
		t.Errorf("environment %v, nocache %v, integration %v", r.Env, r.NoCache, r.Integration)
	}
	if len(r.SplitRules) != 5 || r.SplitRules[0].Domain != "runtime" || r.SplitRules[0].Globs[0] != "/usr/bin" {
		t.Errorf("split rules are %v", r.SplitRules)
	}
	key := r.PluginKey.(map[string]any)
	if key["notparallel"] != true || key["command-subdir"] != "src" || key["digest-enviornment"] == nil || key["layout"] == nil {
		t.Errorf("plugin key is %v", key)
	}
}

func TestScript(t *testing.T) {
	r := load(t, map[string]string{"a.bst": "kind: script\nbuild-depends: [tool.bst]\nvariables: {cwd: /work}\nconfig: {commands: [one, two]}\n"}, "a.bst")
	if len(r.Phases) != 1 || r.Phases[0].Name != recipe.PhaseCommands || len(r.Phases[0].Commands) != 2 || r.WorkDir != "/work" || !r.RootWritable || !r.StrictRebuild {
		t.Errorf("recipe is %+v", r)
	}
	if len(r.Layout) != 1 || r.Layout[0].Location != "/" {
		t.Errorf("placements are %+v", r.Layout)
	}
}

func TestKindsWithoutCommands(t *testing.T) {
	files := map[string]string{
		"i.bst": "kind: import\nsources: [{kind: local, path: i.bst}]\nconfig: {target: /x}\n",
		"s.bst": "kind: stack\ndepends: [tool.bst]\n",
		"c.bst": "kind: compose\nbuild-depends: [tool.bst]\nconfig: {include: [runtime, devel], integrate: False}\n",
		"f.bst": "kind: filter\nbuild-depends: [tool.bst]\nconfig: {exclude: [doc], pass-integration: True}\n",
	}
	if r := load(t, files, "i.bst"); r.RunsCommands || *r.Import != (recipe.Import{Source: "/", Target: "/x"}) {
		t.Errorf("import: %+v", r.Import)
	}
	if r := load(t, files, "s.bst"); r.RunsCommands || r.PluginKey != 1 {
		t.Errorf("stack: %+v", r)
	}
	r := load(t, files, "c.bst")
	if c := r.Compose; r.RunsCommands || !r.StrictRebuild || c.Integrate || !c.Orphans || !reflect.DeepEqual(c.Include, []string{"runtime", "devel"}) {
		t.Errorf("compose: %+v", c)
	}
	r = load(t, files, "f.bst")
	if f := r.Filter; r.RunsCommands || r.PluginVersion != 1 || f.Orphans || !f.PassIntegration || !reflect.DeepEqual(f.Exclude, []string{"doc"}) {
		t.Errorf("filter: %+v", f)
	}
}
