package build_test

import (
	"slices"
	"testing"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/tree"
)

func treeOf(t *testing.T, s cas.Store, entries map[string]tree.Entry) digest.Digest {
	t.Helper()
	root := digest.Empty
	for path, e := range entries {
		var err error
		if root, err = tree.Insert(t.Context(), s, root, path, e); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func file(content string) tree.Entry {
	return tree.Entry{Kind: tree.KindFile, Digest: digest.Of([]byte(content))}
}

func program(content string) tree.Entry { e := file(content); e.Executable = true; return e }

func link(target string) tree.Entry { return tree.Entry{Kind: tree.KindSymlink, Target: target} }

func TestChanges(t *testing.T) {
	s := cas.NewMemory()
	old := map[string]tree.Entry{"a": file("1"), "both": file("1"), "d/x": file("2"), "e": file(""), "l": link("a"), "m": file("3"), "made": file("4"), "t": file("5")}
	next := map[string]tree.Entry{"a": file("2"), "both": program("2"), "e": file("x"), "l": link("b"), "m": program("3"), "made": file("6"), "n": file("7"), "t": link("a")}
	built := map[string]tree.Entry{}
	for path, e := range old {
		built[path] = e
	}
	built["made"], built["copy"] = file("rewritten"), file("1")
	base, wanted, tip := treeOf(t, s, old), treeOf(t, s, next), treeOf(t, s, built)
	changes, err := tree.Compare(t.Context(), s, base, wanted)
	if err != nil {
		t.Fatal(err)
	}
	got, err := build.Changes(t.Context(), s, tip, changes)
	if err != nil {
		t.Fatal(err)
	}
	if err := build.MarkCopied(t.Context(), s, treeOf(t, s, map[string]tree.Entry{"usr/m": file("3")}), tip, nil, got); err != nil {
		t.Fatal(err)
	}
	id := func(content string) string { return digest.Of([]byte(content)).String() }
	want := []plan.Change{
		{Path: "a", Op: plan.Content, Was: id("1"), Is: id("2"), Copied: true},
		{Path: "both", Op: plan.Mode, Was: id("1"), Is: id("2"), Copied: true},
		{Path: "d", Op: plan.Deleted, Folder: true},
		{Path: "d/x", Op: plan.Deleted, Was: id("2")},
		{Path: "e", Op: plan.Content, Empty: true, Was: id(""), Is: id("x")},
		{Path: "l", Op: plan.Link},
		{Path: "m", Op: plan.Mode, Was: id("3"), Is: id("3"), Copied: true},
		{Path: "made", Op: plan.Content, Was: id("4"), Is: id("6"), Rewritten: true},
		{Path: "n", Op: plan.Added, Is: id("7")},
		{Path: "t", Op: plan.Type, Was: id("5")},
	}
	if !slices.Equal(got, want) {
		t.Errorf("Changes = %+v\nwant      %+v", got, want)
	}
}
