package build_test

import (
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/trace"
)

// names are those of a source with what a build made.
var names = func() build.Names {
	return build.NamesOf(map[string]bool{"sub": false, "list.txt": true, "sub/k.txt": true, "sub/other.txt": true},
		trace.Trace{Phases: []trace.Phase{{Name: "build", Paths: []trace.Path{{Name: "list.txt", Uses: trace.Opened}, {Name: "sub/out.log", Uses: trace.Created}}}}})
}

func TestMarkIncludes(t *testing.T) {
	store := cas.NewMemory()
	put := func(text string) string {
		d, err := cas.PutBytes(t.Context(), store, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	missing := "0000000000000000000000000000000000000000000000000000000000000000/3"
	for _, test := range []struct {
		name, path, was, is string
		want                bool
	}{
		{"code", "a.c", put("#include \"h.h\"\nint a;\n"), put("#include \"h.h\"\n#define X 22\nint b;\n"), false},
		{"a switch that a condition may ask for", "h.h", put("#define X 0\n"), put("#define X 1 // on\n"), true},
		{"a further file", "a.c", put("int a;\n"), put("int a;\n # include <h.h>\n"), true},
		{"a condition", "h.h", put("#ifdef A\n#endif\n"), put("#ifdef B\n#endif\n"), true},
		{"a document", "README", put("text\n"), put("version 2.0\n"), false},
		{"a script that names a file", "gen.sh", put("text\n"), put("cat k.txt\ntext\n"), true},
		{"a script that does so no longer", "gen.sh", put("text\ncat k.txt\n"), put("text\n"), true},
		{"a list with a source's name", "names", put("one two\n"), put("one two list\n"), true},
		{"a list with a path of a source", "names", put("one\n"), put("one\nsub/k.txt\n"), true},
		{"a list with a path of a source that nobody read", "names", put("one\n"), put("one\nsub/other.txt\n"), true},
		{"a list with a folder of sources", "names", put("one\n"), put("one\nsub/\n"), true},
		{"a list with what a build made", "names", put("one\n"), put("one\nout.log\n"), true},
		{"a pattern", "names", put("one\n"), put("one\n*.x\n"), true},
		{"a class of letters", "names", put("one\n"), put("one\nz[12].x\n"), true},
		{"the folder itself", "gen.sh", put("one\n"), put("one\nwc .\n"), true},
		{"addresses and sentences", "a.json", put("{\"a\": \"http://example.org/b.html\"}\n"), put("{\"a\": \"http://example.org/c.html and more. 3/4\"}\n"), false},
		{"questions", "a.txt", put("Who?\n"), put("Which?\n"), false},
		{"Rust's code", "a.rs", put("mod b;\nfn a() {}\n"), put("mod b;\nfn c() {}\n"), false},
		{"Rust's modules", "a.rs", put("fn a() {}\n"), put("mod b;\nfn a() {}\n"), true},
		{"not known", "a.c", missing, put("int a;\n"), true},
	} {
		changes := []plan.Change{{Path: test.path, Op: plan.Content, Was: test.was, Is: test.is}}
		if err := build.MarkIncludes(t.Context(), store, changes, names); err != nil || changes[0].Includes != test.want {
			t.Errorf("%s: %v, %v", test.name, changes[0].Includes, err)
		}
	}
}

func TestMarkUnguarded(t *testing.T) {
	store := cas.NewMemory()
	put := func(text string) string {
		d, err := cas.PutBytes(t.Context(), store, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	guarded := "/* About. */\n#ifndef H\n#define H\n#if 1\nint a;\n#else\nint b;\n#endif\n#endif /* H */\n"
	for _, test := range []struct {
		name, was, is string
		want          bool
	}{
		{"code within", guarded, strings.Replace(guarded, "int a;", "int c;", 1), false},
		{"code before", guarded, "int c;\n" + guarded, true},
		{"code after", guarded, guarded + "int c;\n", true},
		{"comments around", guarded, "// One.\n/* Two. */\n" + guarded + "// Three.\n", false},
		{"an else", guarded, strings.Replace(guarded, "#endif /*", "#else\nint c;\n#endif /*", 1), true},
		{"once", guarded, "#pragma once\nint a;\n", false},
		{"never was guarded", "int a;\n", "int b;\n", false},
	} {
		changes := []plan.Change{{Path: "h.h", Op: plan.Content, Was: put(test.was), Is: put(test.is)}}
		if err := build.MarkIncludes(t.Context(), store, changes, names); err != nil || changes[0].Unguarded != test.want {
			t.Errorf("%s: %v, %v", test.name, changes[0].Unguarded, err)
		}
	}
}
