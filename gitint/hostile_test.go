package gitint_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
)

// TestHostileTrees makes commits of trees that git itself would not write.
func TestHostileTrees(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.basic()
	blob, sub := w.git("rev-parse", "HEAD:a"), w.git("rev-parse", "HEAD:e")
	raw := func(mode, name, oid string) string {
		id, _ := hex.DecodeString(oid)
		return mode + " " + name + "\x00" + string(id)
	}
	for _, test := range []struct {
		name, tree string
		want       error
	}{
		{"dot git", raw("40000", ".git", sub), gitint.ErrName},
		{"dot GIT", raw("40000", ".GIT", sub), gitint.ErrName},
		{"up", raw("40000", "..", sub), gitint.ErrName},
		{"slash", raw("100644", "../../x", blob), gitint.ErrName},
		{"no name", raw("100644", "", blob), gitint.ErrName},
		{"tree as file", raw("100644", "x", sub), gitint.ErrGit},
		{"tree as link", raw("120000", "x", sub), gitint.ErrGit},
		{"file as tree", raw("40000", "x", blob), gitint.ErrGit},
		{"cut off", raw("100644", "x", blob)[:20], gitint.ErrGit},
		{"twice", raw("100644", "x", blob) + raw("100644", "x", blob), nil},
		{"old mode of folders", raw("040000", "x", sub), errNone},
		{"absent", raw("100644", "x", strings.Repeat("12", 20)), gitint.ErrMissingObject},
	} {
		w.write("../tree", test.tree)
		tree := w.git("hash-object", "-t", "tree", "-w", "--literally", "../tree")
		w.write("../commit", "tree "+tree+"\nauthor A <a@example.org> 0 +0000\ncommitter A <a@example.org> 0 +0000\n\nm\n")
		commit := w.git("hash-object", "-t", "commit", "-w", "--literally", "../commit")
		for _, backend := range []string{"git", "go-git"} {
			_, err := gitint.WithBackend(w.open(), backend).Commit(ctx, commit)
			good := test.want == errNone
			if (err == nil) != good || !good && test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s by %s: %v", test.name, backend, err)
			}
		}
	}
}

var errNone = errors.New("no error")

// TestDamagedObject changes one byte of what an object holds.
func TestDamagedObject(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.write("a", strings.Repeat("1", 100))
	w.commit()
	blob := w.git("rev-parse", "HEAD:a")
	w.write("../other", strings.Repeat("2", 100))
	other := w.git("hash-object", "-w", "../other")
	path := func(oid string) string { return filepath.Join(w.repo, ".git/objects", oid[:2], oid[2:]) }
	w.sh("chmod u+w .git/objects/*/*")
	data, err := os.ReadFile(path(other))
	if err == nil {
		err = os.WriteFile(path(blob), data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, backend := range []string{"git", "go-git"} {
		if s, err := gitint.WithBackend(w.open(), backend).Commit(ctx, "HEAD"); err == nil {
			t.Errorf("%s believes it: %+v", backend, s)
		}
	}
}
