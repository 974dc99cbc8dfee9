package tree_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/tree"
)

func TestRenames(t *testing.T) {
	const text, changed = "one\\ntwo\\nthree\\n", "one\\ntwo\\n3\\n"
	unescape := func(lines []string) []string {
		var out []string
		for _, line := range lines {
			out = append(out, strings.ReplaceAll(line, `\n`, "\n"))
		}
		return out
	}
	for _, test := range []struct {
		name      string
		old, next []string
		want      string
	}{
		{"the same content", []string{"a 1"}, []string{"b 1"}, "a>b 100"},
		{"into a folder", []string{"a 1"}, []string{"d/a 1"}, "a>d/a 100; A d"},
		{"equal names first", []string{"x/a 1", "x/b 1"}, []string{"y/b 1", "y/c 1"}, "x/b>y/b 100; x/a>y/c 100; D x; A y"},
		{"a copy is none", []string{"a 1"}, []string{"a 1", "b 1"}, "A b"},
		{"with changes", []string{"a " + text}, []string{"b " + changed}, "a>b 57"},
		{"the most similar first", []string{"a " + text}, []string{"b " + changed, "c " + text}, "a>c 100; A b"},
		{"another content", []string{"a 1"}, []string{"b 2"}, "D a; A b"},
		{"empty files tell nothing", []string{"a "}, []string{"b "}, "D a; A b"},
		{"a link", []string{"a -> x"}, []string{"b -> x"}, "a>b 100"},
		{"a link and a file", []string{"a -> x"}, []string{"b x"}, "D a; A b"},
		{"with the mode", []string{"a 1"}, []string{"b* 1"}, "a>b 100"},
		{"other letters' case", []string{"readme 1"}, []string{"README 1"}, "readme>README 100"},
		{"changed in place", []string{"a 1"}, []string{"a 2"}, "M a"},
	} {
		s := cas.NewMemory()
		changes := compare(t, s, build(t, s, unescape(test.old)...), build(t, s, unescape(test.next)...))
		renames, rest, err := tree.Renames(t.Context(), s, changes)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range renames {
			got = append(got, fmt.Sprintf("%s>%s %d", r.From.Path, r.To.Path, r.Similarity))
		}
		for _, c := range rest {
			got = append(got, c.Op.String()+" "+c.Path)
		}
		if show := strings.Join(got, "; "); show != test.want {
			t.Errorf("%s: %s, want %s", test.name, show, test.want)
		}
	}
}
