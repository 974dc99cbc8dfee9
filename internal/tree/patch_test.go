package tree_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

const builtAt = int64(1_700_000_000_000_000_000)

// export makes a folder of a tree, all of whose files have the time builtAt.
func export(t testing.TB, s *cas.Local, root digest.Digest) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "build")
	if err := tree.Export(context.Background(), s, root, dir, tree.ExportOptions{Default: time.Unix(0, builtAt)}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func compare(t testing.TB, s cas.Store, a, b digest.Digest) []tree.Change {
	t.Helper()
	changes, err := tree.Compare(context.Background(), s, a, b)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func showReplaced(all []tree.Replaced) string {
	var words []string
	for _, r := range all {
		words = append(words, r.Path+":"+r.Was.String()+":"+r.Now.String())
	}
	return strings.Join(words, " ")
}

func TestPatch(t *testing.T) {
	for _, test := range []struct {
		name                   string
		base, next, made, want []string // made: the build tree that base became; want: what it is then
		replaced               string
	}{
		{"one file; outputs and the rest stay", []string{"a 1", "b 1"}, []string{"a 2", "b 1"}, []string{"a 1", "b 1", "a.o x"}, []string{"a 2", "b 1", "a.o x"}, ""},
		{"deleted on both sides", []string{"gen 1", "a 1"}, []string{"a 1"}, []string{"a 1"}, []string{"a 1"}, ""},
		{"a folder deleted on both sides", []string{"d/gen 1", "a 1"}, []string{"a 1"}, []string{"a 1"}, []string{"a 1"}, ""},
		{"a deleted folder with outputs stays", []string{"d/x 1", "a 1"}, []string{"a 1"}, []string{"a 1", "d/x 1", "d/x.o o"}, []string{"a 1", "d/x.o o"}, ""},
		{"rewritten by the build", []string{"Makefile 1"}, []string{"Makefile 2"}, []string{"Makefile built"}, []string{"Makefile 2"}, "Makefile:file:file"},
		{"rewritten, then deleted", []string{"Makefile 1", "a 1"}, []string{"a 1"}, []string{"Makefile built", "a 1"}, []string{"a 1"}, "Makefile:file:none"},
		{"rewritten, not changed", []string{"Makefile 1", "a 1"}, []string{"Makefile 1", "a 2"}, []string{"Makefile built", "a 1"}, []string{"Makefile built", "a 2"}, ""},
		{"deleted by the build, changed by the user", []string{"a 1"}, []string{"a 2"}, []string{"b 1"}, []string{"a 2", "b 1"}, "a:none:file"},
		{"added, and made by the build", []string{"b 1"}, []string{"b 1", "a 1"}, []string{"b 1", "a built"}, []string{"b 1", "a 1"}, "a:file:file"},
		{"added, and the build made the same", []string{"b 1"}, []string{"b 1", "a 1"}, []string{"b 1", "a 1"}, []string{"b 1", "a 1"}, ""},
		{"folder becomes link", []string{"d/x 1"}, []string{"d -> e", "e/x 1"}, []string{"d/x 1"}, []string{"d -> e", "e/x 1"}, ""},
		{"folder with outputs becomes link", []string{"d/x 1"}, []string{"d -> e"}, []string{"d/x 1", "d/x.o 1", "d/s/t 1"}, []string{"d -> e"}, "d:dir:symlink"},
		{"link becomes folder", []string{"d -> e", "e/y 1"}, []string{"d/x 1", "e/y 1"}, []string{"d -> e", "e/y 1"}, []string{"d/x 1", "e/y 1"}, ""},
		{"file becomes folder", []string{"d 1"}, []string{"d/x 1"}, []string{"d 1"}, []string{"d/x 1"}, ""},
		{"folder becomes file", []string{"d/x 1"}, []string{"d 1"}, []string{"d/x 1"}, []string{"d 1"}, ""},
		{"link to another place", []string{"l -> a", "a 1"}, []string{"l -> b", "a 1"}, []string{"l -> a", "a 1"}, []string{"l -> b", "a 1"}, ""},
		{"mode", []string{"run 1"}, []string{"run* 1"}, []string{"run 1"}, []string{"run* 1"}, ""},
		{"mode, and the build set it too", []string{"run 1"}, []string{"run* 1"}, []string{"run* 1"}, []string{"run* 1"}, ""},
		{"other letters' case", []string{"readme 1"}, []string{"README 1"}, []string{"readme 1", "o 1"}, []string{"README 1", "o 1"}, ""},
		{"rename", []string{"a 1", "d/z 1"}, []string{"d/a 1", "d/z 1"}, []string{"a 1", "d/z 1"}, []string{"d/a 1", "d/z 1"}, ""},
		{"an empty folder comes", []string{"a 1"}, []string{"a 1", "d/"}, []string{"a 1"}, []string{"a 1", "d/"}, ""},
		{"nothing", []string{"a 1"}, []string{"a 1"}, []string{"a built"}, []string{"a built"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := openStore(t)
			changes := compare(t, s, build(t, s, test.base...), build(t, s, test.next...))
			built := build(t, s, test.made...)
			dir := export(t, s, built)
			got, err := tree.Patch(t.Context(), s, dir, changes, tree.PatchOptions{Newest: builtAt, Now: 1})
			if err != nil {
				t.Fatal(err)
			}
			after, err := tree.Import(t.Context(), s, dir, tree.ImportOptions{})
			if err != nil {
				t.Fatal(err)
			}
			wantTree(t, s, after.Root, test.want...)
			if show := showReplaced(got.Replaced); show != test.replaced {
				t.Errorf("replaced %q, want %q", show, test.replaced)
			}
			wantTimes(t, after.Times, changes)
			before := make(tree.Times, 0)
			for _, path := range pathsOf(t, s, built) {
				before = append(before, tree.Time{Path: path, Nano: builtAt})
			}
			for _, e := range before.Patch(changes, got.Stamp) {
				if nano, ok := after.Times.Lookup(e.Path); ok && nano != e.Nano {
					t.Errorf("Times.Patch: %s has %d, the folder %d", e.Path, e.Nano, nano)
				}
			}
		})
	}
}

func pathsOf(t *testing.T, s cas.Store, root digest.Digest) []string {
	t.Helper()
	var paths []string
	err := tree.Walk(t.Context(), s, root, func(path string, e tree.Entry) error {
		if e.Kind == tree.KindFile {
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

// wantTimes checks that what changed is newer than all else, by one nanosecond, and nothing more.
func wantTimes(t *testing.T, times tree.Times, changes []tree.Change) {
	t.Helper()
	changed := map[string]bool{}
	for _, c := range changes {
		changed[c.Path] = true
	}
	for _, e := range times {
		want := builtAt
		if changed[e.Path] {
			want++
		}
		if e.Nano != want {
			t.Errorf("%s has the time %d, want %d", e.Path, e.Nano, want)
		}
	}
}

func TestPatchStaysInside(t *testing.T) {
	s := openStore(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "x"), []byte("keep"), 0o644); err != nil {
		t.Fatal(err)
	}
	base, next := build(t, s, "d/x 1", "d/y 1", "e/x 1", "f 1"), build(t, s, "d/x 2", "e/x 1", "f 1")
	dir := export(t, s, base)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "d")), os.Symlink(outside, filepath.Join(dir, "d"))); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Patch(t.Context(), s, dir, compare(t, s, base, next), tree.PatchOptions{}); !errors.Is(err, tree.ErrConflict) {
		t.Errorf("a folder that the build made a link: %v", err)
	}
	// Gone with the link, not through it.
	if _, err := tree.Patch(t.Context(), s, dir, compare(t, s, base, build(t, s, "d 1", "e/x 1", "f 1")), tree.PatchOptions{}); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "x")); err != nil || string(data) != "keep" {
		t.Errorf("outside: %q, %v", data, err)
	}
}

func TestPatchBreaksHardLinksAndBans(t *testing.T) {
	s := openStore(t)
	base, next := build(t, s, "a 1", "d/x 1", "d/y 1"), build(t, s, "a 2", "d/x 2")
	dir := export(t, s, base)
	err := errors.Join(os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "twin")),
		os.Chmod(filepath.Join(dir, "d/x"), 0), os.Chmod(filepath.Join(dir, "d"), 0o555))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Patch(t.Context(), s, dir, compare(t, s, base, next), tree.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := tree.Import(t.Context(), s, dir, tree.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, s, after.Root, "a 2", "d/x 2", "twin 1")
}

// The user's file is never looked at for its time; the new one is later than all and not later
// than what a build makes next.
func TestPatchStamp(t *testing.T) {
	s := openStore(t)
	base, next := build(t, s, "a 1"), build(t, s, "a 2")
	dir := export(t, s, base)
	got, err := tree.Patch(t.Context(), s, dir, compare(t, s, base, next), tree.PatchOptions{Newest: builtAt})
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "made")
	if err := os.WriteFile(made, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(made)
	if err != nil || got.Stamp <= builtAt || got.Stamp > info.ModTime().UnixNano() {
		t.Errorf("stamp %d, a file made later has %d, %v", got.Stamp, info.ModTime().UnixNano(), err)
	}
	if stamp := tree.Stamp(5, 9); stamp != 10 {
		t.Errorf("Stamp(5, 9) = %d", stamp)
	}
	if stamp := tree.Stamp(11, 9); stamp != 11 {
		t.Errorf("Stamp(11, 9) = %d", stamp)
	}
}

func TestKeepsNanoseconds(t *testing.T) {
	dir := t.TempDir()
	if keeps, err := tree.KeepsNanoseconds(dir); err != nil || !keeps {
		t.Errorf("KeepsNanoseconds = %v, %v", keeps, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := tree.KeepsNanoseconds(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there keeps times")
	}
}

// fuzzStore has all that fuzzTree may name.
func fuzzStore(t testing.TB) *cas.Local {
	t.Helper()
	s := openStore(t)
	for i := range 256 {
		if _, err := cas.PutBytes(context.Background(), s, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// checkPatch holds Patch against its model, Apply: a folder must come to be what the tree does.
func checkPatch(t *testing.T, s *cas.Local, one, two, three []byte) {
	t.Helper()
	base, next, built := fuzzTree(t, s, one), fuzzTree(t, s, two), fuzzTree(t, s, append(slices.Clone(one), three...))
	changes := compare(t, s, base, next)
	want, wantErr := tree.Apply(context.Background(), s, built, changes)
	dir := export(t, s, built)
	got, err := tree.Patch(context.Background(), s, dir, changes, tree.PatchOptions{Newest: builtAt})
	if errors.Is(err, tree.ErrConflict) != errors.Is(wantErr, tree.ErrConflict) || (err == nil) != (wantErr == nil) {
		t.Fatalf("Patch: %v, Apply: %v", err, wantErr)
	}
	if err != nil {
		return
	}
	after, err := tree.Import(context.Background(), s, dir, tree.ImportOptions{})
	if err != nil || after.Root != want {
		t.Errorf("Patch gives %q, %v\nApply %q\nchanges %+v\nbuilt %q", show(t, s, after.Root), err, show(t, s, want), changes, show(t, s, built))
	}
	over, err := tree.Overwritten(context.Background(), s, built, changes)
	if err != nil {
		t.Fatal(err)
	}
	fromFolder := slices.DeleteFunc(got.Replaced, func(r tree.Replaced) bool {
		return r.Was == tree.KindDir && slices.ContainsFunc(changes, func(c tree.Change) bool { return c.Path == r.Path && c.Old.Kind == tree.KindDir })
	})
	if showReplaced(over) != showReplaced(fromFolder) {
		t.Errorf("Overwritten %q, Patch replaced %q", showReplaced(over), showReplaced(fromFolder))
	}
}

func FuzzPatch(f *testing.F) {
	s := fuzzStore(f)
	f.Add([]byte("\x00\x02\x02\x03"), []byte("\x00\x04\x02\x03\x04\x00"), []byte("\x00\x02\x02\x07"))
	f.Add([]byte("\x04\x02\x05\x07\x08\x00"), []byte("\x00\x02\x01\x01\x07\x0a"), []byte("\x04\x02\x05\x01\x03\x02"))
	f.Fuzz(func(t *testing.T, one, two, three []byte) {
		if len(one)+len(two)+len(three) <= 80 {
			checkPatch(t, s, one, two, three)
		}
	})
}

func TestPatchIsApply(t *testing.T) {
	s, random := fuzzStore(t), rand.New(rand.NewPCG(1, 2))
	bytes := func() []byte {
		data := make([]byte, 2*random.IntN(8))
		for i := range data {
			data[i] = byte(random.IntN(256))
		}
		return data
	}
	for range 200 {
		one := bytes()
		two := append(slices.Clone(one), bytes()...)
		checkPatch(t, s, one, two, bytes())
		checkPatch(t, s, one, bytes(), bytes())
	}
}
