package gitint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
)

// TestBaseStateDamaged: a flipped bit anywhere in what is remembered costs time and no more.
func TestBaseStateDamaged(t *testing.T) {
	good := []byte(`{"User":{"Size":1},"Base":{"Size":2},"Tree":"` + strings.Repeat("ab", 20) + `"}`)
	file := append([]byte(digest.Of(good).Hash()+"\n"), good...)
	path := filepath.Join(t.TempDir(), "base.state")
	read := func(data []byte) bool {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, ok := gitint.ReadBase(path)
		return ok
	}
	if !read(file) {
		t.Fatal("the good one is not believed")
	}
	for bit := range 8 * len(file) {
		bad := bytes.Clone(file)
		bad[bit/8] ^= 1 << (bit % 8)
		if read(bad) {
			t.Errorf("bit %d: believed", bit)
		}
	}
}
