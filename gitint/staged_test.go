package gitint_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// content returns a file of a tree; Ensure must have been called.
func (w *world) content(root digest.Digest, path string) string {
	w.t.Helper()
	e, err := tree.Lookup(context.Background(), w.opts.Store, root, path)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := cas.Get(context.Background(), w.opts.Store, e.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

func TestStagedIsWhatCheckoutWrites(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.git("config", "core.autocrlf", "true") // the user's own: must not matter
	w.write(".git/info/attributes", "plain eol=crlf\n")
	w.write(".gitattributes", "*.txt text eol=crlf\n*.id ident\n*.u16 text working-tree-encoding=UTF-16LE\n")
	w.write("d/.gitattributes", "*.txt -text\n")
	w.write("a.txt", "1\n2\n")
	w.write("d/raw.txt", "1\n")
	w.write("b.id", "$Id$\n")
	w.write("c.u16", "h\x00i\x00\n\x00")
	w.write("plain", "1\n")
	w.commit()
	r := w.open()
	s, err := r.Commit(ctx, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []digest.Digest{s.Staged, s.Canonical} {
		if err := r.Ensure(ctx, s, root); err != nil {
			t.Fatal(err)
		}
	}
	id := w.git("rev-parse", "HEAD:b.id")
	for _, test := range []struct{ path, staged, canonical string }{
		{"a.txt", "1\r\n2\r\n", "1\n2\n"},
		{"d/raw.txt", "1\n", "1\n"},
		{"b.id", "$Id: " + id + " $\n", "$Id$\n"},
		{"c.u16", "h\x00i\x00\n\x00", "hi\n"},
		{"plain", "1\n", "1\n"},
	} {
		if got := w.content(s.Staged, test.path); got != test.staged {
			t.Errorf("staged %s = %q, want %q", test.path, got, test.staged)
		}
		if got := w.content(s.Canonical, test.path); got != test.canonical {
			t.Errorf("canonical %s = %q, want %q", test.path, got, test.canonical)
		}
	}
	again, err := w.open().Commit(ctx, "HEAD") // from the memo
	if err != nil || again.Staged != s.Staged {
		t.Errorf("second: %v, %v", again.Staged, err)
	}
}

// lfs configures filters that do what LFS does, and log each run.
func (w *world) lfs() {
	w.write("../clean", `echo clean >> "$HOME/ran"; cat > "$HOME/content.$$"; s=$(wc -c < "$HOME/content.$$"); h=$(sha256sum < "$HOME/content.$$" | cut -c1-64)
if head -n1 "$HOME/content.$$" | grep -q git-lfs; then cat "$HOME/content.$$"; else
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$h" "$s"
d="$HOME/r/.git/lfs/objects/$(echo "$h" | cut -c1-2)/$(echo "$h" | cut -c3-4)"; mkdir -p "$d"; cp "$HOME/content.$$" "$d/$h"; fi; rm "$HOME/content.$$"`)
	w.git("config", "filter.lfs.clean", "sh $HOME/clean")
	w.git("config", "filter.lfs.required", "true")
	w.write(".gitattributes", "*.big filter=lfs -text\n")
}

func (w *world) ran() string {
	log, _ := os.ReadFile(filepath.Join(w.home, "ran"))
	return string(log)
}

func TestLFS(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.lfs()
	big := strings.Repeat("large content ", 1000)
	w.write("a.big", big)
	w.write("p.big", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("ab", 32)+"\nsize 7\n")
	w.commit()
	w.write("a.big", big+"more")
	w.write("n.big", "new and small")
	w.sh("touch -d 2001-01-01 p.big")
	r := w.open()
	before, ran := state(t, r.CommonDir()), w.ran()
	dirty, err := r.WorkTree(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, "WorkTree", before, state(t, r.CommonDir()))
	if w.ran() != ran {
		t.Error("the snapshot ran the LFS filter")
	}
	w.git("rm", "-q", "--cached", "p.big")
	w.write("a.big", "edited after the snapshot")
	err = r.Ensure(ctx, dirty, dirty.Staged)
	if !errors.Is(err, gitint.ErrMissingLFS) || !strings.Contains(err.Error(), "p.big") || len(hint.Lines(err)) != 1 {
		t.Errorf("Ensure with p.big's content absent: %v, hints %q", err, hint.Lines(err))
	}
	if got := w.content(dirty.Staged, "a.big"); got != big+"more" {
		t.Errorf("staged a.big = %.20q…", got)
	}
	w.write("a.big", big+"more")
	w.commit()
	committed, err := r.Commit(ctx, "HEAD")
	if err != nil || committed.OID != dirty.OID || committed.Staged != dirty.Staged {
		t.Errorf("commit %+v, %v\nwork tree %+v", committed, err, dirty)
	}
}

func TestLFSContentFromItsStorage(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.lfs()
	w.write("d/a.big", "the content\n")
	w.commit()
	w.sh("rm d/a.big")
	r := w.open()
	s, err := r.Commit(ctx, "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	part, err := tree.Subtree(ctx, w.opts.Store, s.Staged, "d")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Ensure(ctx, s, part); err != nil {
		t.Fatal(err)
	}
	if got := w.content(s.Staged, "d/a.big"); got != "the content\n" {
		t.Errorf("staged content = %q", got)
	}
	sum := sha256.Sum256([]byte("the content\n"))
	if e, _ := tree.Lookup(ctx, w.opts.Store, s.Staged, "d/a.big"); e.Digest.Hash() != hex.EncodeToString(sum[:]) {
		t.Errorf("digest = %v", e.Digest)
	}
}

func TestFiltersNeedConsent(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.write(".gitattributes", "*.up filter=case\n")
	w.git("config", "filter.case.clean", `sh -c 'echo clean >> "$HOME/ran"; tr A-Z a-z'`)
	w.git("config", "filter.case.smudge", `sh -c 'echo smudge >> "$HOME/ran"; tr a-z A-Z'`)
	w.write("x.up", "HELLO")
	w.commit()
	w.write("x.up", "HELLO AGAIN")
	ran := w.ran()
	s, err := w.open().WorkTree(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if w.ran() != ran || len(s.Warnings) == 0 || !strings.Contains(strings.Join(s.Warnings, "\n"), `"case" was not run`) {
		t.Errorf("without consent: ran %q, warnings %q", w.ran(), s.Warnings)
	}
	w.opts.AllowFilters = true
	r := w.open()
	if s, err = r.WorkTree(ctx); err != nil {
		t.Fatal(err)
	}
	for _, root := range []digest.Digest{s.Canonical, s.Staged} {
		if err := r.Ensure(ctx, s, root); err != nil {
			t.Fatal(err)
		}
	}
	got := fmt.Sprint(w.content(s.Canonical, "x.up"), w.content(s.Staged, "x.up"))
	if got != "hello againHELLO AGAIN" || len(s.Warnings) != 0 {
		t.Errorf("with consent: %q, warnings %q", got, s.Warnings)
	}
	w.commit()
	if c, err := r.Commit(ctx, "HEAD"); err != nil || c.Canonical != s.Canonical || c.Staged != s.Staged {
		t.Errorf("commit %+v, %v", c, err)
	}
}
