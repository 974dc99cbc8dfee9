package keys_test

import (
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/keys"
)

func sample() keys.Parts {
	env := map[string]string{"PATH": "/usr/bin", "TZ": "UTC"}
	return keys.Parts{
		Source:  "s/1",
		Sysroot: []keys.Staged{{Name: "p:a.bst", Files: "f/1", Location: "/"}},
		Root:    keys.Root{Kind: keys.RootSysroot},
		Layout:  keys.Layout{BuildRoot: "/b", InstallRoot: "/i", WorkDir: "/b", OS: "linux", Arch: "x86-64"},
		Phases: []keys.Phase{
			{Name: "configure", Commands: []string{"./configure"}, Environment: env},
			{Name: "build", Commands: []string{"make"}, Environment: env},
			{Name: "install", Commands: []string{"make install"}, Environment: env},
		},
		Collect: "/i",
	}
}

func chain(t *testing.T, p keys.Parts) keys.Chain {
	t.Helper()
	c, err := p.Chain()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestChainPrefix: rule 1, a change of a phase's recipe changes its link and those after it only.
func TestChainPrefix(t *testing.T) {
	base := chain(t, sample())
	for _, test := range []struct {
		name    string
		change  func(*keys.Parts)
		kept    int // phases whose keys stay
		differs []string
	}{
		{"nothing", func(*keys.Parts) {}, 3, nil},
		{"install commands", func(p *keys.Parts) { p.Phases[2].Commands = []string{"true"} }, 2, []string{"install commands"}},
		{"build commands", func(p *keys.Parts) { p.Phases[1].Commands = []string{"true"} }, 1, []string{"build commands"}},
		{"source", func(p *keys.Parts) { p.Source = "s/2" }, 0, []string{"source"}},
		{"a dependency's files", func(p *keys.Parts) { p.Sysroot[0].Files = "f/2" }, 0, []string{"dependency p:a.bst"}},
		{"integration commands", func(p *keys.Parts) { p.Sysroot[0].Integration = []string{"ldconfig"} }, 0, []string{"dependency p:a.bst"}},
		{"the host", func(p *keys.Parts) { p.Root = keys.Root{Kind: keys.RootHost, Fingerprint: "h"} }, 0, []string{"root (was sysroot, is host)"}},
		{"the sandbox", func(p *keys.Parts) { p.Root.Sandbox = "none" }, 0, []string{"the kind of sandbox"}},
		{"the build path", func(p *keys.Parts) { p.Layout.BuildRoot = "/c" }, 0, []string{"layout"}},
		{"what is collected", func(p *keys.Parts) { p.Collect = "/j" }, 3, []string{"what is collected"}},
		{"an environment variable of one phase", func(p *keys.Parts) {
			p.Phases[2].Environment = map[string]string{"PATH": "/usr/bin", "TZ": "CET"}
		}, 2, []string{"environment TZ"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := sample()
			test.change(&p)
			c := chain(t, p)
			kept := 0
			for kept < len(c.Phases) && c.Phases[kept] == base.Phases[kept] {
				kept++
			}
			if kept != test.kept {
				t.Errorf("%d phase keys stay, want %d", kept, test.kept)
			}
			if same := c.Build == base.Build; same != (test.differs == nil) {
				t.Errorf("build key equal: %v", same)
			}
			if got := keys.Differs(base.PreImage, c.PreImage); !reflect.DeepEqual(got, test.differs) {
				t.Errorf("Differs = %q, want %q", got, test.differs)
			}
		})
	}
}

func TestArtifactKeyFollowsPublicData(t *testing.T) {
	one, err := keys.ArtifactKey("b", map[string]any{"bst": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	two, err := keys.ArtifactKey("b", map[string]any{"bst": map[string]any{"x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Error("equal keys for different public data")
	}
}
