package tree_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestDistance(t *testing.T) {
	s := cas.NewMemory()
	a, b := build(t, s, "x/a 1", "x/b 1", "y/c 1"), build(t, s, "x/a 2", "x/b 2", "z/c 1")
	for _, test := range []struct {
		a, b        digest.Digest
		limit, want int
	}{{a, a, 9, 0}, {a, b, 99, 6}, {a, b, 6, 6}, {a, b, 2, 2}, {a, digest.Empty, 99, 5}} {
		got, err := tree.Distance(t.Context(), s, test.a, test.b, test.limit)
		if err != nil || got != test.want {
			t.Errorf("Distance with limit %d = %d, %v, want %d", test.limit, got, err, test.want)
		}
	}
	if _, err := tree.Distance(t.Context(), s, a, digest.Of([]byte("none")), 9); err == nil {
		t.Error("a tree that is not there has a distance")
	}
	if n := len(compare(t, s, a, b)); n != 6 {
		t.Errorf("Compare lists %d", n)
	}
}
