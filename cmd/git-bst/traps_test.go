package main

import (
	"testing"
	"time"
)

// trapFiles are a project whose makefile knows no headers, and forgets more than that.
var trapFiles = map[string]string{
	"project.conf": "name: traps\nmin-version: 2.0\nelement-path: elements\n" +
		"plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make]\n",
	".git-bst.toml":  "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\n",
	"elements/p.bst": "kind: make\nsources:\n- kind: local\n  path: .\n",
	"Makefile": `prog: a.o b.o
	sleep 0.2
	cc -o prog a.o b.o
a.o: a.c
	cc -DHIDDEN="$$(cat hidden.txt)" -c a.c
b.o: b.c partly.h
	cc -c b.c
install: prog
	install -D prog $(DESTDIR)/usr/bin/prog
`,
	"a.c":         "#include <stdio.h>\n#include \"h.h\"\n#include \"partly.h\"\nint b(void);\nint main(void) { return printf(\"%d %d %d %d\\n\", H, P, HIDDEN, b()) < 0; }\n",
	"b.c":         "int b(void) { return 1; }\n",
	"h.h":         "#define H 1\n",
	"partly.h":    "#define P 1\n",
	"hidden.txt":  "1",
	"doc/notes.h": "#define NOTES 1\n",
}

// TestTraps are edits after which a continued build looks right and is not, if a rule is missing.
func TestTraps(t *testing.T) {
	for name, edit := range map[string]func(e *edited){
		"a header's old reader is not built, but has a new one (rule 23)": func(e *edited) {
			e.write("h.h", "#define H 2\n")
			e.write("b.c", "#include \"h.h\"\nint b(void) { return H; }\n")
		},
		"the same in two steps, and the makefile knows one of the readers (rules 16, 23)": func(e *edited) {
			e.write("b.c", "#include \"partly.h\"\nint b(void) { return P; }\n")
			e.sameAsClean()
			e.write("partly.h", "#define P 2\n")
		},
		"interrupted before it was judged (rule 23)": func(e *edited) {
			e.write("hidden.txt", "2")
			e.write("b.c", "int b(void) { return 2; }\n")
			e.interrupted(150 * time.Millisecond)
		},
		"interrupted at once (rule 17)": func(e *edited) {
			e.write("a.c", e.read("a.c")+"int more;\n")
			e.interrupted(0)
		},
		"interrupted with half a file outside the build folder (rule 15)": func(e *edited) {
			e.replace("Makefile", "\tcc -c b.c\n", "\ttest -f /tmp/n || { printf 1 > /tmp/n; sleep 0.5; printf 2 >> /tmp/n; }\n\tcc -DN=$$(cat /tmp/n) -c b.c\n")
			e.write("b.c", "int b(void) { return N; }\n")
			e.interrupted(300 * time.Millisecond)
		},
		"a generated header is made anew, and the makefile knows none of its readers (rule 23)": func(e *edited) {
			e.replace("Makefile", "prog: a.o", "prog: gen.h a.o")
			e.write("Makefile", e.read("Makefile")+"gen.h: gen.txt\n\techo \"#define GEN $$(cat gen.txt)\" > gen.h\n")
			e.write("gen.txt", "1\n")
			e.write("b.c", "#include \"gen.h\"\nint b(void) { return GEN; }\n")
			e.sameAsClean()
			e.write("gen.txt", "2\n")
		},
		"a generator makes other files than before, and all are installed (rule 23)": func(e *edited) {
			e.replace("Makefile", "prog: a.o", "prog: made a.o")
			e.write("Makefile", e.read("Makefile")+"\tcp -r out $(DESTDIR)/out\nmade: names.txt\n\tmkdir -p out && for n in $$(cat names.txt); do echo $$n > out/$$n; done && touch made\n")
			e.write("names.txt", "one two\n")
			e.sameAsClean()
			e.write("names.txt", "one three\n")
		},
		"a header's old reader is not built, but a warning shows a line of it (rule 23)": func(e *edited) {
			e.replace("Makefile", "cc -c b.c", "cc -Wall -c b.c")
			e.write("b.c", "#include \"h.h\"\n#include \"partly.h\"\nint b(void) { return P; }\n")
			e.sameAsClean()
			e.write("partly.h", "#define P 2\nstatic int unused(void) { return 1; }\n")
		},
		"a header's old reader is not built, but a script reads it now (rule 23)": func(e *edited) {
			e.replace("Makefile", "b.o: b.c partly.h\n", "b.o: b.c partly.h gen.sh\n\tsh gen.sh > gen.txt\n")
			e.write("gen.sh", "echo nothing\n")
			e.sameAsClean()
			e.write("gen.sh", "cat partly.h\n")
			e.sameAsClean()
			e.write("partly.h", "#define P 2\n")
		},
		"a header's old reader is not built, but a condition has another one read it (rule 23)": func(e *edited) {
			e.write("b.c", "#include \"switch.h\"\n#ifdef SWITCH\n#include \"partly.h\"\n#endif\nint b(void) { return 1; }\n")
			e.replace("Makefile", "b.o: b.c partly.h", "b.o: b.c partly.h switch.h")
			e.write("switch.h", "\n")
			e.sameAsClean()
			e.write("switch.h", "#define SWITCH\n")
			e.write("partly.h", "#define P 2\n")
		},
		"a header's old reader is not built, but another reads it twice (rule 23)": func(e *edited) {
			e.write("partly.h", "#ifndef P\n#define P 1\n#endif\n")
			e.write("b.c", "#include \"partly.h\"\n#include \"partly.h\"\nint b(void) { return P; }\n")
			e.sameAsClean()
			e.write("partly.h", "#ifndef P\n#define P 2\n#endif\nextern int more;\n")
		},
		"a build that adds a line each time": func(e *edited) {
			e.replace("Makefile", "\tcc -o prog a.o b.o\n", "\tcc -o prog a.o b.o\n.PHONY: count\nprog: count\ncount:\n\techo built >> count.txt\n")
			e.write("Makefile", e.read("Makefile")+"\tcp count.txt $(DESTDIR)/count.txt\n")
			e.sameAsClean()
			e.write("b.c", "int b(void) { return 2; }\n")
		},
		"an install phase that adds a line each time": func(e *edited) {
			e.write("Makefile", e.read("Makefile")+"\tmkdir -p lists && echo prog >> lists/files.txt\n\tcp lists/files.txt $(DESTDIR)/files.txt\n")
			e.sameAsClean()
			e.write("b.c", "int b(void) { return 2; }\n")
		},
		"a header in /tmp, of which nobody knows the reader": func(e *edited) {
			e.replace("Makefile", "prog: a.o", "prog: made a.o")
			e.replace("Makefile", "cc -c b.c", "cc -I/tmp -c b.c")
			e.write("Makefile", e.read("Makefile")+"made: gen.txt\n\techo \"#define GEN $$(cat gen.txt)\" > /tmp/gen.h\n\ttouch made\n")
			e.write("gen.txt", "1\n")
			e.write("b.c", "#include \"gen.h\"\nint b(void) { return GEN; }\n")
			e.sameAsClean()
			e.write("gen.txt", "2\n")
		},
		"what was not read is read later (rule 17)": func(e *edited) {
			e.write("doc/notes.h", "#define NOTES 2\n")
			e.sameAsClean() // same: the tree has the old notes
			if code, stdout, stderr := e.run("continued", "auto", "artifact", "delete", "p.bst"); code != 0 {
				e.Fatal(stdout, stderr)
			}
			e.sameAsClean() // promoted
			e.write("b.c", "#include \"doc/notes.h\"\nint b(void) { return NOTES; }\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdited(t)
			for name, text := range trapFiles {
				e.write(name, text)
			}
			e.commit("base")
			e.sameAsClean()
			edit(e)
			e.sameAsClean()
		})
	}
}

func (e *edited) sameAsClean() {
	e.Helper()
	got, differs := e.compare()
	e.Logf("%s (%s)", got.verdict, got.reason)
	if got.failed || differs != "" {
		e.Errorf("%s (%s): %s\n%s", got.verdict, got.reason, differs, got.output)
	}
}
