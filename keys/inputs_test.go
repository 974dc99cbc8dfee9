package keys_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/keys"
)

func TestInputsOf(t *testing.T) {
	parts := keys.Parts{
		Source: "aa/1", Root: keys.Root{Kind: keys.RootHost},
		Sysroot: []keys.Staged{{Name: "p:a.bst", Files: "bb/2", Location: "/"}},
		Phases:  []keys.Phase{{Name: "build", Commands: []string{"make", "make docs"}}, {Name: "install", Commands: []string{"make install"}}},
	}
	chain, err := parts.Chain()
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.InputsOf(chain.PreImage)
	want := keys.Inputs{Source: "aa/1", Root: "host", Sysroot: []keys.InputDependency{{Name: "p:a.bst", Files: "bb/2", Location: "/"}},
		Phases: []keys.InputPhase{{Name: "build", Commands: 2}, {Name: "install", Commands: 1}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("InputsOf = %+v, %v, want %+v", got, err, want)
	}
	if _, err := keys.InputsOf([]byte("{")); err == nil {
		t.Error("half a pre-image is read")
	}
}

// TestPartsOf: nothing that enters a key is lost in its pre-image.
func TestPartsOf(t *testing.T) {
	parts := keys.Parts{
		Source: "aa/1", Root: keys.Root{Kind: keys.RootHost, Fingerprint: "f", Sandbox: "none"},
		Sysroot: []keys.Staged{{Name: "p:a.bst", Files: "bb/2", Location: "/opt", Integration: []string{"ldconfig"},
			IntegrationEnvironment: map[string]string{"LANG": "C"}, Whitelist: []string{"/etc/*"}}},
		Reads:   []keys.Read{{Name: "n", Value: "v"}},
		Layout:  keys.Layout{BuildRoot: "/b", InstallRoot: "/i", WorkDir: "/b/w", RootWritable: true, UID: 1, GID: 2, OS: "linux", Arch: "x86-64", SourceTime: 3},
		Phases:  []keys.Phase{{Name: "build", Commands: []string{"make"}, Environment: map[string]string{"A": "b"}}},
		Collect: "/i", Kind: "compose", KindConfig: map[string]any{"integrate": true, "level": 2},
	}
	chain, err := parts.Chain()
	if err != nil {
		t.Fatal(err)
	}
	read, err := keys.PartsOf(chain.PreImage)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := read.Chain(); err != nil || !reflect.DeepEqual(again, chain) {
		t.Errorf("the parts that were read have other keys: %v\n%s\nwant\n%s", err, again.PreImage, chain.PreImage)
	}
	for _, bad := range []string{"", "[]", `{"base":{"format":99}}`} {
		if _, err := keys.PartsOf([]byte(bad)); !errors.Is(err, keys.ErrPreImage) {
			t.Errorf("PartsOf(%q): %v", bad, err)
		}
	}
}
