package project_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

func golden(t *testing.T, targets ...string) *project.Project {
	t.Helper()
	p, err := project.Load(context.Background(), project.Request{
		Dir: "../../keys/testdata/golden/main", Targets: targets, MaxJobs: 2, HostArch: "x86_64", HostOS: "Linux",
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The expected text was printed by BuildStream 2.8.1.
func TestSymbolsAreAsShown(t *testing.T) {
	want, err := os.ReadFile("testdata/show.golden")
	if err != nil {
		t.Fatal(err)
	}
	format := "%{name}|%{kind}|%{description}\n%{config}\n%{vars}\n%{env}\n%{public}\n%{deps}\n%{build-deps}\n%{runtime-deps}"
	var lines []string
	for _, e := range golden(t, "vars.bst", "deps.bst", "kinds.bst").Order {
		lines = append(lines, project.FormatLine(format, e.Symbol))
	}
	if got := strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"; got != string(want) {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
}

func TestFormatLine(t *testing.T) {
	symbols := func(name string) (string, bool) {
		value, ok := map[string]string{"name": "a.bst", "state": "cached"}[name]
		return value, ok
	}
	for format, want := range map[string]string{
		"%{state: >12} %{name}":    "      cached a.bst",
		"%{state:*^9}|":            "*cached**|",
		"%{name:<8}|%{name:.1}":    "a.bst   |a",
		"%{name:12}|":              "a.bst       |",
		"%{unknown} %{name:bad} %": "%{unknown} %{name:bad} %",
	} {
		if got := project.FormatLine(format, symbols); got != want {
			t.Errorf("FormatLine(%q) = %q, want %q", format, got, want)
		}
	}
}

// What is printed has the same content when it is read.
func TestDumpYAMLRoundTrip(t *testing.T) {
	for _, value := range []string{"", " x ", "a: b", "- a", "#", "a #b", "yes", "~", "it's", "\"", "a\nb", "\t", "\x01", "é😀", "{", "[]", "@a", "%x", "a:", ":", "-", "?", "--- a", "...", "\\", "\u2028", "\ufeff", "'", "!x", "&a", "*a", "|", ">"} {
		n := project.NewMapping()
		n.Set("key", project.NewSequence(project.NewScalar(value), project.NewScalar("x")))
		n.Set("map", project.NewMapping())
		text := project.DumpYAML(n)
		back, err := project.ParseYAML([]byte(text), "x")
		if err != nil {
			t.Errorf("%q is printed as %q: %v", value, text, err)
			continue
		}
		if got := back.Get("key").Items()[0].Value(); got != strings.TrimFunc(value, isBlank) || back.Get("map").Kind() != project.Mapping {
			t.Errorf("%q is printed as %q and read as %q", value, text, got)
		}
	}
}

func isBlank(r rune) bool { return r <= ' ' && r != 1 || r == '\u2028' }
