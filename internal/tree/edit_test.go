package tree_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// build makes a tree from lines "path" (a file whose content is the rest of the line after a
// space), "path* content" (executable), "path -> target", "path/" (an empty folder).
func build(t testing.TB, s cas.Store, lines ...string) digest.Digest {
	t.Helper()
	root := digest.Empty
	for _, line := range lines {
		path, e := parseLine(t, s, line)
		var err error
		if root, err = tree.Insert(context.Background(), s, root, path, e); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func parseLine(t testing.TB, s cas.Store, line string) (string, tree.Entry) {
	t.Helper()
	if path, target, ok := strings.Cut(line, " -> "); ok {
		return path, tree.Entry{Kind: tree.KindSymlink, Target: target}
	}
	if path, ok := strings.CutSuffix(line, "/"); ok {
		return path, tree.Entry{Kind: tree.KindDir, Digest: digest.Empty}
	}
	path, content, _ := strings.Cut(line, " ")
	d, err := cas.PutBytes(context.Background(), s, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	name, exec := strings.CutSuffix(path, "*")
	return name, tree.Entry{Kind: tree.KindFile, Digest: d, Executable: exec}
}

// show is the inverse of build: all lines, but those of folders with something in them.
func show(t testing.TB, s cas.Store, root digest.Digest) []string {
	t.Helper()
	var lines []string
	err := tree.Walk(context.Background(), s, root, func(path string, e tree.Entry) error {
		switch {
		case e.Kind == tree.KindSymlink:
			lines = append(lines, path+" -> "+e.Target)
		case e.Kind == tree.KindDir && e.Digest == digest.Empty:
			lines = append(lines, path+"/")
		case e.Kind == tree.KindFile:
			content, err := cas.Get(context.Background(), s, e.Digest)
			if err != nil {
				return err
			}
			if e.Executable {
				path += "*"
			}
			lines = append(lines, path+" "+string(content))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func wantTree(t *testing.T, s cas.Store, root digest.Digest, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := show(t, s, root); !slices.Equal(got, want) {
		t.Errorf("the tree is %q\nwant        %q", got, want)
	}
}

func TestLookupSubtreeRemove(t *testing.T) {
	s, ctx := cas.NewMemory(), t.Context()
	root := build(t, s, "a/b/c text", "a/run* x", "a/l -> b", "e/")
	for path, want := range map[string]tree.Kind{
		"": tree.KindDir, ".": tree.KindDir, "a": tree.KindDir, "a/b/c": tree.KindFile, "a/l": tree.KindSymlink, "e": tree.KindDir,
	} {
		if e, err := tree.Lookup(ctx, s, root, path); err != nil || e.Kind != want {
			t.Errorf("Lookup %q = %+v, %v", path, e, err)
		}
	}
	for path, want := range map[string]error{
		"no": tree.ErrNotFound, "a/b/c/d": tree.ErrNotFound, "a/l/c": tree.ErrNotFound,
		"/a": tree.ErrInvalid, "a/../a": tree.ErrInvalid, "a//b": tree.ErrInvalid, "a/": tree.ErrInvalid, "..": tree.ErrInvalid, "a\x00": tree.ErrInvalid,
	} {
		if _, err := tree.Lookup(ctx, s, root, path); !errors.Is(err, want) {
			t.Errorf("Lookup %q: %v, want %v", path, err, want)
		}
	}
	sub, err := tree.Subtree(ctx, s, root, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, s, sub, "c text")
	if _, err := tree.Subtree(ctx, s, root, "a/l"); !errors.Is(err, tree.ErrNotFound) {
		t.Errorf("Subtree of a link: %v", err)
	}
	less, err := tree.Remove(ctx, s, root, "a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, s, less, "a/b/", "a/run* x", "a/l -> b", "e/")
	if _, err := tree.Remove(ctx, s, root, "a/x"); !errors.Is(err, tree.ErrNotFound) {
		t.Errorf("Remove of nothing: %v", err)
	}
	wantTree(t, s, root, "a/b/c text", "a/run* x", "a/l -> b", "e/")
}

func TestInsertConflicts(t *testing.T) {
	s, ctx := cas.NewMemory(), t.Context()
	root := build(t, s, "file x", "link -> d", "d/")
	e := tree.Entry{Kind: tree.KindSymlink, Target: "t"}
	for path, want := range map[string]error{
		"file/x": tree.ErrConflict, "link/x": tree.ErrConflict, "": tree.ErrConflict, "../x": tree.ErrInvalid, "d/x": nil, "file": nil,
	} {
		if _, err := tree.Insert(ctx, s, root, path, e); !errors.Is(err, want) {
			t.Errorf("Insert at %q: %v, want %v", path, err, want)
		}
	}
	if _, err := tree.Insert(ctx, s, root, "z", tree.Entry{}); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Insert of nothing: %v", err)
	}
}

func TestCompare(t *testing.T) {
	s := cas.NewMemory()
	a := build(t, s, "same/deep/x 1", "mod 1", "mode 1", "both 1", "gone/f 1", "gone/e/", "file-dir 1", "dir-file/x 1", "ln -> a", "kind 1")
	b := build(t, s, "same/deep/x 1", "mod 2", "mode* 1", "both* 2", "new/f 1", "file-dir/y 1", "dir-file 2", "ln -> b", "kind -> mod")
	changes, err := tree.Compare(t.Context(), s, a, b)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%v %s %v %v", c.Op, c.Path, c.Old.Kind, c.New.Kind))
	}
	want := []string{
		"M both file file", "T dir-file dir file", "D dir-file/x file none", "T file-dir file dir", "A file-dir/y none file",
		"D gone dir none", "D gone/e dir none", "D gone/f file none", "T kind file symlink", "M ln symlink symlink",
		"M mod file file", "X mode file file", "A new none dir", "A new/f none file",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Compare = %q\nwant      %q", got, want)
	}
	if same, err := tree.Compare(t.Context(), bsttest.NewFaulty(s).Fail(bsttest.OpenMethod, 1), a, a); err != nil || len(same) != 0 {
		t.Errorf("a tree differs from itself or was read: %v, %v", same, err)
	}
}

func TestApplyToAnotherTree(t *testing.T) {
	s := cas.NewMemory()
	a := build(t, s, "src/x.c 1", "src/old.c 1", "lib/only/one 1", "plain 1")
	b := build(t, s, "src/x.c 2", "src/new.c 1", "plain/now/dir 1")
	changes, err := tree.Compare(t.Context(), s, a, b)
	if err != nil {
		t.Fatal(err)
	}
	// The build tree of a: it has outputs, and has rewritten one of its sources.
	built := build(t, s, "src/x.c 1", "src/x.o o", "src/old.c rewritten", "lib/only/one 1", "lib/only/one.o o", "plain 1")
	got, err := tree.Apply(t.Context(), s, built, changes)
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, s, got, "src/x.c 2", "src/x.o o", "src/new.c 1", "lib/only/one.o o", "plain/now/dir 1")
}

func TestApplyRefuses(t *testing.T) {
	s := cas.NewMemory()
	base := build(t, s, "f 1", "l -> d", "d/x 1")
	file := tree.Entry{Kind: tree.KindFile, Digest: blobA}
	link := tree.Entry{Kind: tree.KindSymlink, Target: "/"}
	for name, test := range map[string]struct {
		changes []tree.Change
		want    error
	}{
		"below a file":          {[]tree.Change{{Path: "f/x", Op: tree.Added, New: file}}, tree.ErrConflict},
		"through a link":        {[]tree.Change{{Path: "l/x", Op: tree.Added, New: file}}, tree.ErrConflict},
		"twice":                 {[]tree.Change{{Path: "n", Op: tree.Added, New: file}, {Path: "n", Op: tree.Deleted}}, tree.ErrInvalid},
		"below a new link":      {[]tree.Change{{Path: "n", Op: tree.Added, New: link}, {Path: "n/x", Op: tree.Added, New: file}}, tree.ErrInvalid},
		"below what is deleted": {[]tree.Change{{Path: "d", Op: tree.Deleted}, {Path: "d/y", Op: tree.Added, New: file}}, tree.ErrInvalid},
		"dots":                  {[]tree.Change{{Path: "../x", Op: tree.Added, New: file}}, tree.ErrInvalid},
		"absolute":              {[]tree.Change{{Path: "/x", Op: tree.Added, New: file}}, tree.ErrInvalid},
		"the root":              {[]tree.Change{{Path: "", Op: tree.Deleted}}, tree.ErrInvalid},
		"no digest":             {[]tree.Change{{Path: "n", Op: tree.Added, New: tree.Entry{Kind: tree.KindFile}}}, tree.ErrInvalid},
		"deleted already":       {[]tree.Change{{Path: "f/x/y", Op: tree.Deleted}, {Path: "zz", Op: tree.Deleted}}, nil},
	} {
		got, err := tree.Apply(t.Context(), s, base, test.changes)
		if !errors.Is(err, test.want) || (test.want == nil && got != base) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
		}
	}
}

func TestEveryPutOfApplyMayFail(t *testing.T) {
	s := cas.NewMemory()
	a, b := build(t, s, "x/y/z 1", "q 1"), build(t, s, "x/y/new 1", "x/w/v 1")
	changes, err := tree.Compare(t.Context(), s, a, b)
	if err != nil {
		t.Fatal(err)
	}
	bsttest.EachPut(t, func(t *testing.T) cas.Store { return forgetting{s} }, func(s cas.Store) error {
		_, err := tree.Apply(t.Context(), s, a, changes)
		return err
	})
}

// forgetting says that everything is missing, so that it is put again.
type forgetting struct{ cas.Store }

func (forgetting) Missing(_ context.Context, digests []digest.Digest) ([]digest.Digest, error) {
	return digests, nil
}

func TestMerge(t *testing.T) {
	s := cas.NewMemory()
	base := build(t, s, "bin/tool* 1", "bin/same 1", "lib/", "etc/dir/conf 1", "ln -> bin", "share/a 1")
	layer := build(t, s, "bin/tool* 2", "bin/same 1", "lib file now", "etc/dir -> elsewhere", "ln -> lib", "share/b 1", "new/x 1")
	m, err := tree.Merge(t.Context(), s, base, layer)
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, s, m.Root, "bin/tool* 2", "bin/same 1", "lib file now", "etc/dir/conf 1", "ln -> lib", "share/a 1", "share/b 1", "new/x 1")
	var overlaps []string
	for _, o := range m.Overlaps {
		overlaps = append(overlaps, o.Path)
	}
	if want := []string{"bin/same", "bin/tool", "lib", "ln"}; !slices.Equal(overlaps, want) {
		t.Errorf("overlaps %q, want %q", overlaps, want)
	}
	if want := []string{"etc/dir"}; !slices.Equal(m.Unstaged, want) {
		t.Errorf("unstaged %q, want %q", m.Unstaged, want)
	}
	for _, line := range []string{"ln/x 1", "bin/tool/x 1"} {
		if _, err := tree.Merge(t.Context(), s, base, build(t, s, line)); !errors.Is(err, tree.ErrConflict) {
			t.Errorf("staging %q: %v", line, err)
		}
	}
	if m, err := tree.Merge(t.Context(), s, base, digest.Empty); err != nil || m.Root != base {
		t.Errorf("staging nothing: %+v, %v", m, err)
	}
}

func TestMissing(t *testing.T) {
	s := cas.NewMemory()
	root := build(t, s, "a/x 1", "b/x 1", "b/y 2", "c/z 3")
	sub, err := tree.Subtree(t.Context(), s, root, "c")
	if err != nil {
		t.Fatal(err)
	}
	s.Remove(sub)
	s.Remove(digest.Of([]byte("1")))
	got, err := tree.Missing(t.Context(), s, root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[digest.Digest]bool{sub: true, digest.Of([]byte("1")): true}
	if len(got) != len(want) || !maps.EqualFunc(want, want, func(a, b bool) bool { return a == b }) || !want[got[0]] || !want[got[1]] {
		t.Errorf("Missing = %v", got)
	}
}

// fuzzTree makes a small tree out of bytes: each pair is a path and what comes there.
func fuzzTree(t testing.TB, s cas.Store, data []byte) digest.Digest {
	t.Helper()
	paths := []string{"a", "b", "a/a", "a/b", "a/b/c", "b/a", "b/a/a", "a-b", "c/d/e", "a.b"}
	root := digest.Empty
	for len(data) >= 2 {
		var e tree.Entry
		switch data[1] % 4 {
		case 0:
			e = tree.Entry{Kind: tree.KindDir, Digest: digest.Empty}
		case 1:
			e = tree.Entry{Kind: tree.KindSymlink, Target: string('a' + rune(data[1]>>4))}
		default:
			e = tree.Entry{Kind: tree.KindFile, Digest: digest.Of(data[1:2]), Executable: data[1]&8 > 0}
		}
		next, err := tree.Insert(context.Background(), s, root, paths[int(data[0])%len(paths)], e)
		if err == nil {
			root = next
		} else if !errors.Is(err, tree.ErrConflict) {
			t.Fatal(err)
		}
		data = data[2:]
	}
	return root
}

func FuzzApplyCompare(f *testing.F) {
	f.Add([]byte("\x00\x02\x02\x03"), []byte("\x00\x04\x02\x03\x04\x00"))
	f.Add([]byte("\x04\x02\x05\x07\x08\x00"), []byte("\x00\x02\x01\x01\x07\x0a"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		s := cas.NewMemory()
		a, b := fuzzTree(t, s, one), fuzzTree(t, s, two)
		changes, err := tree.Compare(context.Background(), s, a, b)
		if err != nil {
			t.Fatal(err)
		}
		if (len(changes) == 0) != (a == b) {
			t.Errorf("%d changes between %v and %v", len(changes), a, b)
		}
		slices.Reverse(changes) // the order must not matter
		got, err := tree.Apply(context.Background(), s, a, changes)
		if err != nil || got != b {
			t.Errorf("Apply(a, Compare(a, b)) = %v, %v; want %v\na: %q\nb: %q", got, err, b, show(t, s, a), show(t, s, b))
		}
		if again, err := tree.Apply(context.Background(), s, b, changes); err != nil || again != b {
			t.Errorf("applied twice: %v, %v", again, err)
		}
	})
}
