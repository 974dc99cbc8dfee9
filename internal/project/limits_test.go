package project_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

// Hostile projects end with an error, not with the machine's memory.
func TestLimits(t *testing.T) {
	bomb := "kind: manual\nvariables:\n"
	for i := range 9 {
		bomb += fmt.Sprintf("  v%d: '%s'\n", i, strings.Repeat(fmt.Sprintf("%%{v%d}", i+1), 20))
	}
	bomb += "  v9: xxxxxxxxxx\n"
	deepExpression := "kind: manual\n(?):\n- " + strings.Repeat("(", 5000) + "debug" + strings.Repeat(")", 5000) + ": {}\n"
	nots := "kind: manual\n(?):\n- " + strings.Repeat("not ", 5000) + "debug: {}\n"
	tests := map[string]struct {
		text   string
		reason project.Reason
	}{
		"variables that multiply": {bomb, project.TooLarge},
		"deep lists":              {"kind: manual\npublic:\n  a: " + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "\n", project.TooLarge},
		"very deep lists":         {"kind: manual\npublic:\n  a: " + strings.Repeat("[", 100000) + "\n", project.InvalidYAML},
		"deep expression":         {deepExpression, project.ExpressionFailed},
		"many nots":               {nots, project.ExpressionFailed},
		"large file":              {"# " + strings.Repeat("x", 17<<20) + "\nkind: manual\n", project.TooLarge},
		"not UTF-8":               {"kind: manual\ndescription: \"\xff\"\n", project.InvalidYAML},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"a.bst": test.text})
			_, err := project.Load(context.Background(), project.Request{Dir: dir, Targets: []string{"a.bst"}})
			if got := project.ReasonOf(err); got != test.reason {
				text := fmt.Sprint(err)
				t.Errorf("reason %q, want %q: %.200s", got, test.reason, text)
			}
		})
	}
}

// A chain of many elements needs no deep stack and no quadratic time.
func TestDeepChain(t *testing.T) {
	const n = 1500
	files := map[string]string{"a.bst": fmt.Sprintf("kind: manual\ndepends: [e%d.bst]\n", n-1), "e0.bst": "kind: manual\n"}
	for i := 1; i < n; i++ {
		files[fmt.Sprintf("e%d.bst", i)] = fmt.Sprintf("kind: manual\ndepends: [e%d.bst]\n", i-1)
	}
	e := loadElement(t, writeFiles(t, files))
	if scope := e.BuildScope(); len(scope) != n || scope[0].Name != "e0.bst" {
		t.Errorf("build scope has %d elements from %s, want %d from e0.bst", len(scope), scope[0].Name, n)
	}
	if scope := e.RunScope(); len(scope) != n+1 || scope[n] != e {
		t.Errorf("run scope has %d elements, want %d that end with the element", len(scope), n+1)
	}
}

// Loading a cancelled context ends.
func TestLoadCancelled(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	dir := writeFiles(t, map[string]string{"a.bst": "kind: manual\n"})
	if _, err := project.Load(ctx, project.Request{Dir: dir, Targets: []string{"a.bst"}}); err == nil {
		t.Error("loaded although the context had ended")
	}
}

func FuzzParseYAML(f *testing.F) {
	f.Add([]byte("a: [b, {c: d}]\n"))
	f.Add([]byte("a: |\n  b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := project.ParseYAML(data, "x")
		if err != nil {
			return
		}
		text := project.DumpYAML(n)
		if back, err := project.ParseYAML([]byte(text), "x"); err != nil {
			t.Errorf("%q is printed as %q: %v", data, text, err)
		} else if project.DumpYAML(back) != text {
			t.Errorf("%q is printed as %q, then as %q", data, text, project.DumpYAML(back))
		}
	})
}
