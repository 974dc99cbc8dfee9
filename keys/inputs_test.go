package keys_test

import (
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
