package hint_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/hint"
)

func TestNearest(t *testing.T) {
	names := []string{"build", "status", "artifact", "cache.dir"}
	for word, want := range map[string]string{
		"biuld": "build", "stauts": "status", "Build": "build", "cache.dirr": "cache.dir",
		"x": "", "": "", "completely-else": "", "buildd": "build",
	} {
		if got := hint.Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
