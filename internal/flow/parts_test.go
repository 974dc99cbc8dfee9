package flow

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
)

// TestFilterPassesIntegration: a filter that passes integration on says so in its artifact, where
// BuildStream reads it.
func TestFilterPassesIntegration(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"project.conf": "name: p\nmin-version: 2.0\n",
		"lib.bst":      "kind: manual\npublic:\n  bst:\n    integration-commands: [theirs]\n",
		"filter.bst":   "kind: filter\nbuild-depends: [lib.bst]\nconfig:\n  pass-integration: True\npublic:\n  bst:\n    integration-commands: [own]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{"filter.bst"}})
	if err != nil {
		t.Fatal(err)
	}
	filter := loaded.Targets[0]
	made, err := recipe.Of(filter)
	if err != nil {
		t.Fatal(err)
	}
	bst, _ := metadata(&node{element: filter, recipe: made}).Public["bst"].(map[string]any)
	if got, want := bst["integration-commands"], []string{"theirs", "own"}; !reflect.DeepEqual(got, want) {
		t.Errorf("integration-commands = %v, want %v", got, want)
	}
}
