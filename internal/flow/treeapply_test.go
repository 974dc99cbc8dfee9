package flow_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/tree"
)

// TestApplyTreeMakesNoRepository: nothing that git would obey comes into a folder, however its name
// is spelled and however deep it is.
func TestApplyTreeMakesNoRepository(t *testing.T) {
	ctx := context.Background()
	settings, err := config.Load(config.Source{Environ: []string{"GIT_BST_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache")}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := flow.OpenTrees(ctx, flow.Options{Config: settings, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	blob, err := cas.PutBytes(ctx, s.Env().CAS, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := tree.Save(ctx, s.Env().CAS, tree.Directory{})
	if err != nil {
		t.Fatal(err)
	}
	for path, refused := range map[string]bool{".git/config": true, "sub/.GIT": true, "sub/.gitignore": false} {
		root, err := tree.Insert(ctx, s.Env().CAS, digest.Empty, path, tree.Entry{Kind: tree.KindFile, Digest: blob})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		_, err = s.ApplyTree(ctx, flow.ApplyRequest{Old: "digest:" + empty.String(), New: "digest:" + root.String(), To: dir, Force: true})
		if errors.Is(err, flow.ErrRefused) != refused || !refused && err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(path))); errors.Is(err, os.ErrNotExist) != refused {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}
