package tree_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/tree"
)

// TestConflicts: what Patch would take away that is of neither side is told before.
func TestConflicts(t *testing.T) {
	for _, test := range []struct {
		name             string
		base, next, made []string
		want             string
	}{
		{"as the base is", []string{"a 1", "d/b 1"}, []string{"a 2", "d/c 1"}, []string{"a 1", "d/b 1"}, ""},
		{"as it will be", []string{"a 1", "d/b 1"}, []string{"a 2"}, []string{"a 2"}, ""},
		{"deleted on both sides", []string{"a 1"}, nil, nil, ""},
		{"changed on both sides", []string{"a 1"}, []string{"a 2"}, []string{"a 3"}, "a:file:file"},
		{"deleted here, changed there", []string{"a 1"}, []string{"a 2"}, nil, "a:none:file"},
		{"deleted here with its folder, changed there", []string{"d/a 1", "d/e/b 1", "x 1"}, []string{"d/a 2", "d/e/b 2", "d/new 1", "x 1"}, []string{"x 1"},
			"d/a:none:file d/e/b:none:file"},
		{"deleted on both sides, here with its folder", []string{"d/a 1", "d/b 1", "x 1"}, []string{"d/b 1", "x 1"}, []string{"x 1"}, ""},
		{"changed here, deleted there", []string{"a 1"}, nil, []string{"a 2"}, "a:file:none"},
		{"added on both sides", nil, []string{"a 1"}, []string{"a 2"}, "a:file:file"},
		{"added alike", nil, []string{"a 1"}, []string{"a 1"}, ""},
		{"the mode on both sides", []string{"a 1"}, []string{"a* 1"}, []string{"a* 1"}, ""},
		{"another link", []string{"a -> x"}, []string{"a -> y"}, []string{"a -> z"}, "a:symlink:symlink"},
		{"a link where a folder is needed", []string{"d/a 1"}, []string{"d/a 2"}, []string{"d -> e", "e/a 1"}, "d:symlink:dir"},
		{"a file where a folder comes", nil, []string{"d/a 1"}, []string{"d 1"}, "d:file:dir"},
		{"a folder where a file comes", nil, []string{"d 1"}, []string{"d/a 1"}, "d:dir:file"},
		{"a folder that becomes a file", []string{"d/a 1", "d/e/b 1"}, []string{"d 1"}, []string{"d/a 1", "d/e/b 1"}, ""},
		{"a folder with more in it that becomes a link", []string{"d/a 1", "d/e/b 1"}, []string{"d -> x"}, []string{"d/a 1", "d/e/b 1", "d/mine 1", "d/e/too/x 1"},
			"d/e/too:dir:none d/mine:file:none"},
		{"and with something changed", []string{"d/a 1"}, []string{"d 1"}, []string{"d/a 2"}, "d/a:file:none"},
		{"a folder that goes stays with what is in it", []string{"d/a 1"}, nil, []string{"d/a 1", "d/mine 1"}, ""},
		{"a rename", []string{"a 1"}, []string{"b 1"}, []string{"a 1"}, ""},
		{"a rename of what was changed", []string{"a 1"}, []string{"b 1"}, []string{"a 2"}, "a:file:none"},
		{"other letters' case", []string{"readme 1"}, []string{"README 1"}, []string{"readme 1"}, ""},
	} {
		s := openStore(t)
		changes := compare(t, s, build(t, s, test.base...), build(t, s, test.next...))
		made := build(t, s, test.made...)
		dir := export(t, s, made)
		got, err := tree.Conflicts(t.Context(), dir, changes)
		if show := showReplaced(got); err != nil || show != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, show, err, test.want)
		}
		after, err := tree.Import(t.Context(), s, dir, tree.ImportOptions{})
		if err != nil || after.Root != made {
			t.Errorf("%s: looking changed the folder: %v", test.name, err)
		}
		if test.want != "" {
			continue
		}
		if patched, err := tree.Patch(t.Context(), s, dir, changes, tree.PatchOptions{Now: 1}); err != nil || len(patched.Replaced) > 0 {
			t.Errorf("%s: no conflicts, but Patch replaced %v, %v", test.name, patched.Replaced, err)
		}
	}
}

// TestConflictsLeadNowhere: a link in the folder is seen, not followed.
func TestConflictsLeadNowhere(t *testing.T) {
	s, outside := openStore(t), t.TempDir()
	changes := compare(t, s, build(t, s, "d/a 1"), build(t, s, "d/a 2"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a"), []byte("1"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if got, err := tree.Conflicts(t.Context(), dir, changes); err != nil || showReplaced(got) != "d:symlink:dir" {
		t.Errorf("Conflicts = %v, %v", got, err)
	}
	if _, err := tree.Patch(t.Context(), s, dir, changes, tree.PatchOptions{}); err == nil {
		t.Error("Patch went through a link")
	}
	if data, err := os.ReadFile(filepath.Join(outside, "a")); err != nil || string(data) != "1" {
		t.Errorf("a file outside has %q, %v", data, err)
	}
}
