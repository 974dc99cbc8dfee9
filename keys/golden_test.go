package keys_test

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/keys"
)

// strictKeys loads a project and returns the strict keys of the targets' closure as bst prints them.
func strictKeys(t testing.TB, req project.Request) (map[string]string, error) {
	t.Helper()
	p, err := project.Load(context.Background(), req)
	if err != nil {
		return nil, err
	}
	names, err := keys.Resolve(p.Order, func(e *project.Element) ([]source.Identity, error) {
		return source.Identify(context.Background(), source.Env{}, e)
	})
	if err != nil {
		return nil, err
	}
	result := map[string]string{}
	for e, n := range names {
		result[e.FullName()] = shown(n.Strict)
	}
	return result, nil
}

// shown is how bst prints a key: an unknown one is all question marks.
func shown(key string) string {
	if key == "" {
		return strings.Repeat("?", 64)
	}
	return key
}

// parseKeys reads lines of NAME::KEY.
func parseKeys(t testing.TB, text string) map[string]string {
	t.Helper()
	result := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, key, ok := strings.Cut(lines.Text(), "::")
		if !ok || len(key) != 64 {
			t.Fatalf("not a line of keys: %q", lines.Text())
		}
		result[name] = key
	}
	return result
}

func compareKeys(t testing.TB, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d elements, want %d", len(got), len(want))
	}
	for name, key := range want {
		if got[name] != key {
			t.Errorf("%s: key %q, want %s", name, got[name], key)
		}
	}
}

// goldenSets are projects with the keys that BuildStream 2.8.1 (buildstream-plugins 2.8.0) printed.
var goldenSets = []struct {
	keys, dir string
	options   map[string]string
}{
	{"main-default", "main", nil},
	{"main-debug", "main", map[string]string{"debug": "true"}},
	{"main-aarch64", "main", map[string]string{"arch": "aarch64", "flavour": "plain", "parts": "beta,alpha"}},
	{"refs-default", "refs", nil},
	{"refs-which", "refs", map[string]string{"which": "true"}},
	{"junctions-default", "junctions", nil},
	{"junctions-slow", "junctions", map[string]string{"fast": "false"}},
}

func TestGoldenKeys(t *testing.T) {
	for _, set := range goldenSets {
		t.Run(set.keys, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", "golden", set.keys+".keys"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := strictKeys(t, project.Request{Dir: filepath.Join("testdata", "golden", set.dir), Options: set.options, HostArch: "x86_64", HostOS: "Linux"})
			if err != nil {
				t.Fatal(err)
			}
			compareKeys(t, got, parseKeys(t, string(data)))
		})
	}
}
