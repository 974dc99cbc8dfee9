package build_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
)

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
		{"code", "a.c", put("#include \"h.h\"\nint a;\n"), put("#include \"h.h\"\n#define X\nint b;\n"), false},
		{"a further file", "a.c", put("int a;\n"), put("int a;\n # include <h.h>\n"), true},
		{"a condition", "h.h", put("#ifdef A\n#endif\n"), put("#ifdef B\n#endif\n"), true},
		{"a document", "README", put("text\n"), put("import text\n"), false},
		{"not known", "a.c", missing, put("int a;\n"), true},
	} {
		changes := []plan.Change{{Path: test.path, Op: plan.Content, Was: test.was, Is: test.is}}
		if err := build.MarkIncludes(t.Context(), store, changes); err != nil || changes[0].Includes != test.want {
			t.Errorf("%s: %v, %v", test.name, changes[0].Includes, err)
		}
	}
}
