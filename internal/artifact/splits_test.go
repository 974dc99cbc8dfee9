package artifact_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestGlob(t *testing.T) {
	for _, test := range []struct {
		glob, path string
		want       bool
	}{
		{"/usr/bin/*", "/usr/bin/x", true},
		{"/usr/bin/*", "/usr/bin/x/y", false},
		{"/usr/bin/*", "/usr/bin", false},
		{"/usr/bin/*", "/usr/bin/", true},
		{"usr/bin/*", "/usr/bin/x", false}, // anchored: no slash is added
		{"/usr/**", "/usr/bin/x/y", true},
		{"/usr/**/y", "/usr/bin/x/y", true},
		{"/**.pc", "/a/b.pc", true},
		{"/**.pc", "/a/bxpc", false},
		{"/a?c", "/abc", true},
		{"/a?c", "/a/c", false},
		{"/a[!x]c", "/a/c", true}, // a class may match a slash
		{"/a[a-c]", "/ab", true},
		{"/a[]x]", "/a]", true},
		{"/a[^x]", "/a^", true}, // "^" is no negation
		{"/a[^x]", "/ay", false},
		{"/a[b", "/a[b", true},
		{"/a[[:alpha:]]", "/ab", false},
		{"/a[[:alpha:]]", "/aa]", true},
		{`/a\*`, `/a\b`, true}, // a backslash is only itself
		{"/a.b", "/axb", false},
		{"/a*", "/a\nb", true},
		{"/a", "/a\n", false},
		{"", "/", false},
	} {
		pattern, err := artifact.Glob(test.glob)
		if err != nil {
			t.Errorf("%q: %v", test.glob, err)
		} else if pattern.MatchString(test.path) != test.want {
			t.Errorf("%q matches %q: %v", test.glob, test.path, !test.want)
		}
	}
	if _, err := artifact.Glob("/[z-a]"); !errors.Is(err, artifact.ErrInvalid) {
		t.Errorf("a range that runs backwards: %v", err)
	}
}

var splitFiles = map[string]string{
	"usr/bin/tool": "t", "usr/lib/lib.so": "l", "usr/lib/lib.a": "a", "usr/include/x.h": "h",
	"usr/share/doc/x": "d", "usr/share/odd": "o", "usr/empty/": "", "var/": "",
}

var splitRules = artifact.Rules{
	"runtime": {"/usr/bin/*", "/usr/lib/*.so", "/usr/empty"},
	"devel":   {"/usr/include/**", "/usr/lib/*"},
	"doc":     {"/usr/share/doc/**"},
	"none":    {},
}

func TestSelect(t *testing.T) {
	store := cas.NewMemory()
	root := plant(t, store, splitFiles)
	for _, test := range []struct {
		name string
		want artifact.Domains
		gone []string // the rest stays
	}{
		{"all", artifact.Domains{Orphans: true}, nil},
		{"no orphans", artifact.Domains{}, []string{"usr/share/odd", "var"}},
		{"one domain", artifact.Domains{Include: []string{"doc"}}, []string{"usr/bin", "usr/bin/tool", "usr/lib", "usr/lib/lib.so", "usr/lib/lib.a", "usr/include", "usr/include/x.h", "usr/share/odd", "usr/empty", "var"}},
		{"one domain and orphans", artifact.Domains{Include: []string{"doc"}, Orphans: true}, []string{"usr/bin/tool", "usr/lib/lib.so", "usr/lib/lib.a", "usr/include/x.h", "usr/empty"}},
		{"excluded wins", artifact.Domains{Include: []string{"runtime"}, Exclude: []string{"devel"}}, []string{"usr/lib", "usr/lib/lib.so", "usr/lib/lib.a", "usr/include", "usr/include/x.h", "usr/share", "usr/share/doc", "usr/share/doc/x", "usr/share/odd", "var"}},
		{"unknown domain", artifact.Domains{Include: []string{"x"}}, nil},
	} {
		got, err := artifact.Select(t.Context(), store, root, splitRules, test.want)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := artifact.Paths(t.Context(), store, root)
		want := slices.DeleteFunc(all, func(path string) bool { return slices.Contains(test.gone, path) })
		if test.name == "unknown domain" {
			want = nil
		}
		if paths, err := artifact.Paths(t.Context(), store, got); err != nil || !slices.Equal(paths, want) {
			t.Errorf("%s: %q, %v\nwant %q", test.name, paths, err, want)
		}
	}
	if got, _ := artifact.Select(t.Context(), store, root, nil, artifact.Domains{Orphans: true}); got != root {
		t.Error("a selection of everything is not the same tree")
	}
	if unknown := artifact.UnknownDomains(splitRules, artifact.Domains{Include: []string{"z", "doc"}, Exclude: []string{"a", "z"}}); !slices.Equal(unknown, []string{"a", "z"}) {
		t.Errorf("UnknownDomains = %q", unknown)
	}
}

func TestManifest(t *testing.T) {
	store := cas.NewMemory()
	root := plant(t, store, splitFiles)
	got, err := artifact.Manifest(t.Context(), store, root, splitRules, artifact.Domains{Include: []string{"runtime", "doc"}})
	want := []string{"usr/bin/tool", "usr/empty", "usr/lib/lib.so", "usr/share/doc/x"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Manifest = %q, %v", got, err)
	}
}

func TestCompose(t *testing.T) {
	store := cas.NewMemory()
	before := plant(t, store, map[string]string{"a/kept": "1", "a/removed": "2", "a/other": "3"})
	after := plant(t, store, map[string]string{"a/kept": "changed", "a/other": "3", "etc/cache": "4"})
	got, err := artifact.Compose(t.Context(), store, before, after, [][]string{{"a/kept"}, {"a/removed", "a/absent"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := plant(t, store, map[string]string{"a/kept": "changed", "etc/cache": "4"}); got != want {
		paths, _ := artifact.Paths(t.Context(), store, got)
		t.Errorf("Compose has %q", paths)
	}
}

// TestBomb: a tree that is small in the store but has 2^40 paths is walked as what it is, or refused.
func TestBomb(t *testing.T) {
	store := cas.NewMemory()
	d := plant(t, store, map[string]string{"f": ""})
	for range 40 {
		var err error
		if d, err = tree.Save(t.Context(), store, tree.Directory{Dirs: []tree.Dir{{Name: "a", Digest: d}, {Name: "b", Digest: d}}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	err := artifact.Closure(t.Context(), store, artifact.Roots{Trees: []digest.Digest{d}}, func(digest.Digest) bool { seen++; return true })
	if err != nil || seen != 42 {
		t.Errorf("Closure yields %d blobs, %v", seen, err)
	}
	if _, err := artifact.CutWithLimit(t.Context(), store, d, 10_000); !errors.Is(err, artifact.ErrInvalid) {
		t.Errorf("a selection from it: %v", err)
	}
}

func TestYAML(t *testing.T) {
	got, err := artifact.YAML(map[string]any{
		"b": []any{"x", true, 3}, "a": map[string]string{"k\"\\": "line\nnext\ttab\x00\u0085\ufeff ü€𝄞: #"}, "c": map[string][]string{}, "d": []string{},
	})
	want := `{"a": {"k\"\\": "line\nnext\ttab\x00\x85\ufeff ü€𝄞: #"}, "b": ["x", true, 3], "c": {}, "d": []}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("YAML = %s, %v", got, err)
	}
	for _, bad := range []any{1.5, "\xff", nil, map[string]any{"a": nil}, []string{"\xff"}} {
		if _, err := artifact.YAML(bad); !errors.Is(err, artifact.ErrInvalid) {
			t.Errorf("YAML(%#v): %v", bad, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	has := func(paths ...string) func(string) bool {
		return func(path string) bool { return slices.Contains(paths, path) }
	}
	one := artifact.Layer{Element: "one.bst", Has: has("etc/a", "etc/b", "usr/c")}
	sessions := []artifact.Session{
		{Location: "/", Layers: []artifact.Layer{
			one,
			{Element: "two.bst", Has: has("etc/a", "etc/b"), Overlaps: []string{"etc/a", "etc/b"}, Whitelist: []string{"/etc/a"}},
			{Element: "three.bst", Has: has("etc/a"), Overlaps: []string{"etc/a"}, Whitelist: []string{"/etc/*"}, Unstaged: []string{"usr"}},
		}},
		{Location: "/usr", Layers: []artifact.Layer{
			{Element: "four.bst", Has: has("c"), Overlaps: []string{"c"}, Whitelist: []string{"/**"}},
		}},
	}
	got, err := artifact.Warnings(sessions, []string{artifact.WarningOverlaps, "else"})
	want := []artifact.Warning{
		{Token: "overlaps", Fatal: true, Text: "Non-whitelisted overlaps detected",
			Detail: []string{"/etc/b: two.bst not permitted to overlap other elements, order two.bst above one.bst"}},
		{Token: "unstaged-files", Text: "Not staging files which would have replaced non-empty directories", Detail: []string{"/usr: from three.bst"}},
		{Token: "overlaps", Fatal: true, Text: "Overlaps detected", Detail: []string{"/usr/c: four.bst overlaps files previously staged by one.bst"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Warnings = %+v, %v", got, err)
	}
	sessions[0].Layers[1].Whitelist = []string{"/etc/b", "/etc/a"}
	if got, err := artifact.Warnings(sessions[:1], nil); err != nil || len(got) != 1 || got[0].Token != artifact.WarningUnstaged {
		t.Errorf("with a whitelist: %+v, %v", got, err)
	}
	sessions[0].Layers[1].Whitelist = []string{"[z-a]"}
	if _, err := artifact.Warnings(sessions, nil); !errors.Is(err, artifact.ErrInvalid) {
		t.Errorf("a bad glob: %v", err)
	}
}
