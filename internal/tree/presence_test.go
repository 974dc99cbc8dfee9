package tree_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestPresence(t *testing.T) {
	ctx, s := t.Context(), cas.NewMemory()
	whole := build(t, s, "a 1", "d/e/f 2")
	holed := build(t, s, "a 1", "d/e/g 3")
	bare := build(t, s, "a 1", "x/y 4")
	s.Remove(digest.Of([]byte("3")))
	s.Remove(build(t, s, "y 4"))
	present := tree.NewPresence(s)
	for range 2 { // the second time from memory
		for _, test := range []struct {
			root digest.Digest
			want bool
		}{{whole, true}, {holed, false}, {bare, false}, {digest.Digest{}, false}, {digest.Empty, true}} {
			if got, err := present.Whole(ctx, test.root); got != test.want || err != nil {
				t.Errorf("Whole(%s) = %v, %v, want %v", test.root, got, err, test.want)
			}
		}
	}
}
