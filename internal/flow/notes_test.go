package flow_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/flow"
)

// Whatever order clones merge each other's lines in, and whenever each one notes what it knows, they
// end with the same note.
func TestMergeNoteLines(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	failed, built, other, theirs := "x y.bst failed "+a, "x y.bst built "+a, "x y.bst failed "+b, "Reviewed by hand"
	for name, test := range map[string]struct{ lines, want []string }{
		"none":             {nil, nil},
		"empty lines":      {[]string{"", built, ""}, []string{built}},
		"twice":            {[]string{built, built}, []string{built}},
		"built since":      {[]string{failed, built}, []string{built}},
		"built before":     {[]string{built, failed}, []string{built}},
		"another key":      {[]string{other, built}, []string{built, other}},
		"another element":  {[]string{"z.bst failed " + a, built}, []string{built, "z.bst failed " + a}},
		"what is not ours": {[]string{built, theirs, failed}, []string{theirs, built}},
		"a short key":      {[]string{"y.bst failed aa", "y.bst built aa"}, []string{"y.bst built aa", "y.bst failed aa"}},
	} {
		if got := flow.MergeNoteLines(test.lines...); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if again := flow.MergeNoteLines(flow.MergeNoteLines(test.lines...)...); !slices.Equal(again, test.want) {
			t.Errorf("%s, merged twice: %q", name, again)
		}
	}
}
