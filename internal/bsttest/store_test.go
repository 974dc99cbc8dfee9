package bsttest_test

import (
	"errors"
	"testing"

	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

func TestFaultyWithoutFaultsIsAStore(t *testing.T) {
	bsttest.StoreSuite(t, func(*testing.T) cas.Store { return bsttest.NewFaulty(cas.NewMemory()) })
}

func TestFaults(t *testing.T) {
	s := bsttest.NewFaulty(cas.NewMemory()).Fail(bsttest.PutMethod, 2).FullDisk(4)
	for i, want := range []error{nil, bsttest.ErrInjected, nil, cas.ErrNoSpace, cas.ErrNoSpace} {
		_, err := cas.PutBytes(t.Context(), s, []byte{byte(i)})
		if !errors.Is(err, want) {
			t.Errorf("Put %d: %v, want %v", i+1, err, want)
		}
	}
	if s.Calls(bsttest.PutMethod) != 5 {
		t.Errorf("Calls = %d", s.Calls(bsttest.PutMethod))
	}
	if _, err := cas.Get(t.Context(), s, digest.Of([]byte{0})); err != nil {
		t.Error(err)
	}
}
