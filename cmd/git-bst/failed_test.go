package main

import (
	"maps"
	"strings"
	"testing"
)

// brokenFiles are a project of four units, of which c.c does not compile, built one at a time.
var brokenFiles = map[string]string{
	"project.conf": "name: broken\nmin-version: 2.0\nelement-path: elements\n" +
		"plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make]\n",
	".git-bst.toml":  "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\nmax-jobs = 1\n",
	"elements/p.bst": "kind: make\nsources:\n- kind: local\n  path: .\n",
	"Makefile": `CC = cc
prog: a.o b.o c.o d.o
	$(CC) -o prog a.o b.o c.o d.o
a.o: a.c a.h both.h
	$(CC) $(CFLAGS) -c a.c
b.o: b.c
	$(CC) $(CFLAGS) -c b.c
c.o: c.c c.h both.h
	$(CC) $(CFLAGS) -c c.c
d.o: d.c c.h
	$(CC) $(CFLAGS) -c d.c
install: prog
	install -D prog $(DESTDIR)/usr/bin/prog
`,
	"a.h": "#define A 1\n", "c.h": "#define C 1\n", "both.h": "#define BOTH 1\n",
	"a.c": "#include <stdio.h>\n#include \"a.h\"\n#include \"both.h\"\nint b(void), c(void), d(void);\n" +
		"int main(void) { return printf(\"%d %d %d %d %d\\n\", A, BOTH, b(), c(), d()) < 0; }\n",
	"b.c": "int b(void) { return 1; }\n",
	"c.c": "#include \"c.h\"\n#include \"both.h\"\nint c(void) { return C + BOTH + WHAT; }\n",
	"d.c": "#include \"c.h\"\nint d(void) { return C; }\n",
}

// mended is what the project's user does after the failure, and what comes of it.
type mended struct {
	name    string
	files   map[string]string // in place of brokenFiles'
	edit    func(e *edited)
	verdict string
	reason  string   // a part of it
	ran     []string // units that were compiled in the build that continues, with " x.c" each
}

func fixed(e *edited) { e.replace("c.c", " + WHAT", "") }

var mendings = []mended{
	{name: "the failed file", edit: fixed, verdict: "continue", ran: []string{"c.c", "d.c"}},
	{name: "the failed file, and one that was built", edit: func(e *edited) { fixed(e); e.replace("b.c", "1", "2") }, verdict: "continue", ran: []string{"b.c", "c.c", "d.c"}},
	{name: "one that was built before it, which has an old time", edit: func(e *edited) { fixed(e); e.replace("b.c", "1", "2"); e.old("b.c"); e.old("c.c") }, verdict: "continue", ran: []string{"b.c", "c.c", "d.c"}},
	{name: "a header that only what failed had read", edit: func(e *edited) { e.write("c.h", "#define C 1\n#define WHAT 1\n") }, verdict: "continue", ran: []string{"c.c", "d.c"}},
	{name: "a header that was read before", edit: func(e *edited) { e.write("both.h", "#define BOTH 1\n#define WHAT 1\n") }, verdict: "continue, clean", reason: "both.h changed, and it could not be told who read it"},
	{name: "a header that was read before, and the makefile does not know it", files: map[string]string{"Makefile": strings.ReplaceAll(brokenFiles["Makefile"], "both.h", "")},
		edit: func(e *edited) { e.write("both.h", "#define BOTH 2\n#define WHAT 1\n") }, verdict: "continue, clean", reason: "both.h changed"},
	{name: "the makefile", edit: func(e *edited) { e.replace("Makefile", "CC = cc", "CC = cc -DWHAT=1") }, verdict: "continue, clean", reason: "Makefile changed"},
	{name: "a makefile that reads the version from the failed file when it begins", files: map[string]string{
		"Makefile": "CFLAGS := -DV=$(shell sed -n 's/.*VERSION //p' c.c)\n" + brokenFiles["Makefile"],
		"b.c":      "int b(void) { return V; }\n", "c.c": "/* VERSION 1\n*/\n" + brokenFiles["c.c"],
	}, edit: func(e *edited) { fixed(e); e.replace("c.c", "VERSION 1", "VERSION 2") }, verdict: "continue, clean", reason: "c.c changed, which the build reads even when there is nothing to do"},
	{name: "a makefile that reads the version from the failed file for each unit", files: map[string]string{
		"Makefile": "CFLAGS = -DV=$(shell sed -n 's/.*VERSION //p' c.c)\n" + brokenFiles["Makefile"],
		"b.c":      "int b(void) { return V; }\n", "c.c": "/* VERSION 1\n*/\n" + brokenFiles["c.c"],
	}, edit: func(e *edited) { fixed(e); e.replace("c.c", "VERSION 1", "VERSION 2") }, verdict: "continue, clean", reason: "c.c changed, and it could not be told who read it"},
	{name: "a makefile that reads the version from another unit when it begins", files: map[string]string{
		"Makefile": "CFLAGS := -DV=$(shell sed -n 's/.*VERSION //p' d.c)\n" + brokenFiles["Makefile"],
		"b.c":      "int b(void) { return V; }\n", "d.c": "/* VERSION 1\n*/\n" + brokenFiles["d.c"],
	}, edit: func(e *edited) { fixed(e); e.replace("d.c", "VERSION 1", "VERSION 2") }, verdict: "clean", reason: "d.c changed, and the last build ended before it was done"},
	{name: "a makefile that reads the version from another unit for each unit", files: map[string]string{
		"Makefile": "CFLAGS = -DV=$(shell sed -n 's/.*VERSION //p' d.c)\n" + brokenFiles["Makefile"],
		"b.c":      "int b(void) { return V; }\n", "d.c": "/* VERSION 1\n*/\n" + brokenFiles["d.c"],
	}, edit: func(e *edited) { fixed(e); e.replace("d.c", "VERSION 1", "VERSION 2") }, verdict: "clean", reason: "d.c changed, and the last build ended before it was done"},
	{name: "the recipe of what was built read the failed file", files: map[string]string{
		"Makefile": strings.Replace(brokenFiles["Makefile"], "-c b.c", "-DV=$$(sed -n 's/.*VERSION //p' c.c) -c b.c", 1),
		"b.c":      "int b(void) { return V; }\n", "c.c": "/* VERSION 1\n*/\n" + brokenFiles["c.c"],
	}, edit: func(e *edited) { fixed(e); e.replace("c.c", "VERSION 1", "VERSION 2") }, verdict: "continue, clean", reason: "c.c changed, and it could not be told who read it"},
	{name: "a makefile that goes on after a failure", files: map[string]string{"elements/p.bst": "kind: make\nvariables:\n  make-args: -k\nsources:\n- kind: local\n  path: .\n"},
		edit: fixed, verdict: "continue", ran: []string{"c.c"}},
	{name: "nothing that is built", edit: func(e *edited) { fixed(e); e.write("c.c", e.read("c.c")+"int more;\n") }, verdict: "continue", ran: []string{"c.c", "d.c"}},
}

// TestRule23AfterAFailedBuild: after a build that failed, only what failed and what comes later is
// built, where nothing that was built had read what changed.
func TestRule23AfterAFailedBuild(t *testing.T) {
	for _, test := range mendings {
		t.Run(test.name, func(t *testing.T) {
			e := newEdited(t)
			files := maps.Clone(brokenFiles)
			maps.Copy(files, test.files)
			for name, text := range files {
				e.write(name, text)
			}
			e.commit("base")
			if got := e.continued(); !got.failed {
				t.Fatalf("the broken project is built: %s", got.output)
			}
			test.edit(e)
			got, differs := e.compare()
			if got.failed || differs != "" {
				t.Fatalf("%s (%s): %s\n%s", got.verdict, got.reason, differs, got.output)
			}
			if got.verdict != test.verdict || !strings.Contains(got.reason, test.reason) {
				t.Errorf("%s (%s), want %s (%s)", got.verdict, got.reason, test.verdict, test.reason)
			}
			if test.ran != nil {
				e.compiledUnits(test.ran)
			}
			e.replace("d.c", "return C", "return C + 1") // what the chain knows holds for the next build too
			if next, differs := e.compare(); next.failed || differs != "" || got.verdict == "continue" && next.verdict != "continue" {
				t.Errorf("then %s (%s): %s", next.verdict, next.reason, differs)
			}
		})
	}
}

// compiledUnits checks which units the last build of the continued project compiled.
func (e *edited) compiledUnits(want []string) {
	e.Helper()
	code, log, stderr := e.run("continued", "auto", "artifact", "log", e.element())
	if code != 0 {
		e.Fatal(stderr)
	}
	var ran []string
	for _, unit := range []string{"a.c", "b.c", "c.c", "d.c"} {
		if strings.Contains(log, "-c "+unit) {
			ran = append(ran, unit)
		}
	}
	if strings.Join(ran, " ") != strings.Join(want, " ") {
		e.Errorf("compiled %q, want %q:\n%s", ran, want, log)
	}
}

// An interrupted build is continued with what changed since: what was built is not built again.
func TestRule15AfterAnInterruptedBuild(t *testing.T) {
	e := newEdited(t)
	for name, text := range brokenFiles {
		e.write(name, text)
	}
	fixed(e)
	e.replace("Makefile", "-c c.c", "-c c.c; test $$JOBS -gt 1 || { echo READY; sleep 600; }")
	e.replace("elements/p.bst", "sources:", "environment:\n  JOBS: '%{max-jobs}'\nenvironment-nocache: [JOBS, MAKEFLAGS, V]\nsources:")
	e.commit("base")
	e.interruptedAt("READY")
	e.environ = append(e.environ, "GIT_BST_BUILD_MAX_JOBS=2") // is no part of the inputs, and lets no build wait
	e.replace("b.c", "1", "2")
	got, differs := e.compare()
	if got.failed || differs != "" || got.verdict != "continue" {
		t.Fatalf("%s (%s): %s\n%s", got.verdict, got.reason, differs, got.output)
	}
	e.compiledUnits([]string{"b.c", "c.c", "d.c"})
}
