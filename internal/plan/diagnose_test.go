package plan_test

import (
	"maps"
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
)

func TestDiagnose(t *testing.T) {
	sources := map[string]bool{"main.c": true, "lib/util.c": true, "lib/util.h": true, "src/main.c": false, "setup.py": true, "a/same.c": true, "b/same.c": true,
		"src/app.rs": true, "src/app.ts": true}
	const root = "/buildstream/p/e.bst"
	for _, test := range []struct {
		name, log string
		want      map[string]int
		errors    bool
	}{
		{"gcc", "main.c: In function 'main':\nmain.c:5:3: error: expected ';'\n    5 |   x\n      |   ^\n", map[string]int{"main.c": 1}, true},
		{"a missing include", "main.c:1:10: fatal error: x.h: No such file or directory\ncompilation terminated.\n", map[string]int{"main.c": 1}, true},
		{"in a header", "In file included from lib/util.c:1:\n./lib/util.h:3:1: error: unknown type name 'foo'\n", map[string]int{"lib/util.c": 1, "lib/util.h": 1}, true},
		{"a changed prototype", "main.c:5:3: error: too few arguments\nlib/util.h:2:5: note: declared here\n", map[string]int{"main.c": 1, "lib/util.h": 1}, true},
		{"a warning, and the linker fails", "main.c:5:3: warning: unused\n/usr/bin/ld: main.o: in function `main':\nmain.c:(.text+0x5): undefined reference to `f'\ncollect2: error: ld returned 1 exit status\n", map[string]int{}, false},
		{"the linker knows lines", "main.c:5: undefined reference to `f'\ncollect2: error: ld returned 1 exit status\n", map[string]int{"main.c": 1}, false},
		{"a warning that is an error", "main.c:5:3: error: unused [-Werror=unused]\n", map[string]int{"main.c": 1}, true},
		{"from a build folder", "../lib/util.c:5:3: error: x\n", map[string]int{"lib/util.c": 1}, true},
		{"absolute", root + "/lib/util.c:5: Error: no such instruction\n", map[string]int{"lib/util.c": 1}, true},
		{"elsewhere", "/usr/include/main.c:5: error: x\n", map[string]int{}, true},
		{"the only one of that name", "util.c:5:3: error: x\n", map[string]int{"lib/util.c": 1}, true},
		{"one of two", "same.c:5:3: error: x\n", map[string]int{}, true},
		{"one of two, and make said where", "make[1]: Entering directory '" + root + "/b'\nsame.c:5:3: error: x\n", map[string]int{"b/same.c": 1}, true},
		{"make said that it left", "make[1]: Entering directory '" + root + "/b'\nmake[1]: Leaving directory '" + root + "/b'\nsame.c:5:3: error: x\n", map[string]int{}, true},
		{"ninja in a folder", "ninja: Entering directory `b'\n../a/same.c:5:3: error: x\n", map[string]int{"a/same.c": 1}, true},
		{"python", "Traceback (most recent call last):\n  File \"setup.py\", line 3, in <module>\nNameError: name 'x' is not defined\n", map[string]int{"setup.py": 1}, true},
		{"rust", "error[E0425]: cannot find value\n --> src/app.rs:2:5\n", map[string]int{"src/app.rs": 1}, true},
		{"typescript", "src/app.ts(5,3): error TS2304: Cannot find name\n", map[string]int{"src/app.ts": 1}, true},
		{"a time and a port", "12:30:05 start\nlocalhost:80: error\n", map[string]int{}, true},
		{"nothing of the kind", "error\nmake: *** [Makefile:3: all] Error 1\n", map[string]int{}, false},
	} {
		got := plan.Diagnose(test.log, root, func() map[string]bool { return sources })
		if !maps.Equal(got.Lines, test.want) || got.Errors != test.errors {
			t.Errorf("%s: %+v, want %v, %v", test.name, got, test.want, test.errors)
		}
	}
}

func TestDiagnosesOf(t *testing.T) {
	d := plan.Diagnoses{Lines: map[string]int{"b.c": 2}}
	if got := d.Of([]plan.Change{content("a.c"), content("b.c")}); got != "b.c" {
		t.Errorf("Of = %q", got)
	}
	including := plan.Diagnose("In file included from a.c:1:\nb.h:3:1: error: x\n", "/b", func() map[string]bool { return map[string]bool{"a.c": true, "b.h": true} })
	if got := including.Of([]plan.Change{content("a.c"), content("b.h")}); got != "b.h" {
		t.Errorf("Of = %q, and a.c only includes it", got)
	}
	if got := including.Of([]plan.Change{content("a.c")}); got != "a.c" {
		t.Errorf("Of = %q", got)
	}
	if got := d.Of([]plan.Change{content("a.c")}); got != "" {
		t.Errorf("Of = %q", got)
	}
}
