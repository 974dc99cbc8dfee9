package keys_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/keys"
)

func resolve(t *testing.T, dir string, targets ...string) map[string]keys.Names {
	t.Helper()
	p, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: targets, HostArch: "x86_64", HostOS: "Linux"})
	if err != nil {
		t.Fatal(err)
	}
	names, err := keys.Resolve(p.Order, func(e *project.Element) ([]source.Identity, error) {
		return source.Identify(context.Background(), source.Env{}, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]keys.Names{}
	for e, n := range names {
		result[e.Name] = n
	}
	return result
}

// The weak keys are of the set that BuildStream's own loader printed.
func TestWeakKeys(t *testing.T) {
	names := resolve(t, filepath.Join("testdata", "golden", "main"), "leaf.bst", "filter.bst", "asis.bst", "sorts/all.bst")
	for name, want := range map[string]string{
		"leaf.bst": "c01b2e21e17a355f66e716cd2d93538869e017ddd18623a2879a9198fea5aa2f", "filter.bst": "893b486532f68fd3bfe15b78e09f4e2ce6d24258bb6504fbb67716ecbee7fb43",
		"asis.bst": "17ecb9df9ca2f917d6732ebf5f6f356d8dee3ede346ebbf438975c47d8dc73bb", "noref.bst": "",
		"sorts/all.bst": "0c3588d1f1f834eddbcf78177b2ed1f549b104dd828ba8782152fdf56b4d6748",
	} {
		if got := names[name].Weak; got != want {
			t.Errorf("%s: weak key %q, want %q", name, got, want)
		}
	}
	if n := names["asis.bst"]; n.Strict != "" || n.PreImage() != nil {
		t.Errorf("an element over one without a ref has the strict key %q", n.Strict)
	}
}

func TestPreImageIsWhatIsHashed(t *testing.T) {
	for name, n := range resolve(t, filepath.Join("testdata", "golden", "main"), "deps.bst", "compose.bst") {
		image := n.PreImage()
		sum := sha256.Sum256(image)
		if hex.EncodeToString(sum[:]) != n.Strict {
			t.Errorf("%s: the pre-image does not hash to the strict key", name)
		}
		if !strings.Contains(string(image), `"weak-cache-key":"`+n.Weak+`"`) {
			t.Errorf("%s: the pre-image has not the weak key", name)
		}
	}
}

// What a change means to keys: of the element itself, of one that builds on it, of one that only
// needs it to run.
func TestWhatChangesKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("project.conf", "name: t\nmin-version: 2.0\n")
	write("base.bst", "kind: manual\n")
	write("weakly.bst", "kind: manual\nbuild-depends: [base.bst]\n")
	write("strictly.bst", "kind: manual\nbuild-depends: [{filename: base.bst, strict: true}]\n")
	write("composed.bst", "kind: compose\nbuild-depends: [base.bst]\n")
	write("runs.bst", "kind: manual\nruntime-depends: [base.bst]\n")
	all := []string{"weakly.bst", "strictly.bst", "composed.bst", "runs.bst"}
	before := resolve(t, dir, all...)
	write("base.bst", "kind: manual\nconfig: {build-commands: [make]}\n")
	after := resolve(t, dir, all...)
	for name, want := range map[string]struct{ weak, strict bool }{
		"base.bst": {true, true}, "weakly.bst": {false, true}, "strictly.bst": {true, true}, "composed.bst": {true, true}, "runs.bst": {false, false},
	} {
		weak, strict := before[name].Weak != after[name].Weak, before[name].Strict != after[name].Strict
		if weak != want.weak || strict != want.strict {
			t.Errorf("%s: weak changed %v, strict changed %v, want %+v", name, weak, strict, want)
		}
	}
	write("base.bst", "kind: manual\ndescription: words\nvariables: {unused: x}\nenvironment: {J: '9'}\nenvironment-nocache: [J]\nconfig: {build-commands: [make]}\n")
	again := resolve(t, dir, all...)
	for name := range after {
		if after[name].Strict != again[name].Strict {
			t.Errorf("%s: description, unused variables or nocache environment changed the key", name)
		}
	}
}
