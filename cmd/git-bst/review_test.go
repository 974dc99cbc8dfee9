package main

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/build"
)

// reviewFiles are a project of two sources whose makefile knows the headers they include, with
// files that are read in other ways.
var reviewFiles = map[string]string{
	"project.conf":   "name: review\nmin-version: 2.0\nelement-path: elements\n" + pluginsOf,
	".git-bst.toml":  "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\n",
	"elements/p.bst": "kind: make\ndepends:\n- dep.bst\nenvironment:\n  EDITED: 1\nsources:\n- kind: local\n  path: .\n",
	"elements/dep.bst": `kind: manual
config:
  install-commands:
  - mkdir -p %{install-root}/deps/include
  - echo '#define DEP "dep1"' > %{install-root}/deps/include/dep.h
`,
	"Makefile": `OBJS = a.o b.o
include Makefile.inc
prog: $(OBJS)
	cc -o prog $(OBJS)
%.o: %.c
	cc $(CFLAGS) $(MORE) -MMD -I/deps/include -c -o $@ $<
a.o: gen.h
gen.h: gen.in
	sh gen.sh gen.in > gen.h
install: prog
	install -D prog $(DESTDIR)/usr/bin/prog
-include $(OBJS:.o=.d)
`,
	"Makefile.inc": "MORE = -DMORE='\"more1\"'\n",
	"gen.sh":       "echo \"#define GEN \\\"$(cat $1)\\\"\"\necho '#define END \"end\"'\n",
	"gen.in":       "gen1\n",
	"a.c": `#include <stdio.h>
#include "dep.h"
#include "gen.h"
#ifndef FLAG
#define FLAG "flag1"
#endif
#ifndef END
#define END "half"
#endif
char *b(void);
int main(void) { return printf("a1 %s %s %s %s %s %s\n", b(), DEP, GEN, END, MORE, FLAG) < 0; }
`,
	"b.c":        "char *b(void) { return \"b1\"; }\n",
	"inc/late.h": "#define LATE \"late1\"\n",
	"README":     "read me\n",
	"data/one":   "one",
	"data/two":   "two",
	"doc/notes":  "notes\n",
}

// newReview is the project above with other texts for some files; "" takes a file out.
func newReview(t *testing.T, other map[string]string) *edited {
	t.Helper()
	files := maps.Clone(reviewFiles)
	maps.Copy(files, other)
	maps.DeleteFunc(files, func(_, text string) bool { return text == "" })
	return newProject(t, files)
}

// TestReview are the cases that a review of the rules found: each is right, and no more is built
// than has to be.
func TestReview(t *testing.T) {
	e := newReview(t, nil)
	if err := os.Symlink("one", e.path("data/link")); err != nil {
		t.Fatal(err)
	}
	e.replace("Makefile", "\tinstall -D prog", "\tinstall -D data/link $(DESTDIR)/usr/share/link\n\tinstall -D prog")
	e.commit("base")
	e.git("tag", "--force", "base")
	e.step("clean never-built *", "a1 b1 dep1 gen1 end more1 flag1")
	records := e.records()
	for _, one := range []struct {
		name string
		does func()
	}{
		{"README and flags", func() {
			e.write("README", "read me too\n")
			e.replace("elements/p.bst", "  EDITED: 1\n", "  CFLAGS: -DFLAG='\"flag2\"'\n")
			e.step("clean inputs-changed *", "flag2")
		}},
		{"README and a dependency", func() {
			e.write("README", "read me too\n")
			e.replace("elements/dep.bst", "dep1", "dep2")
			e.step("clean inputs-changed *", "dep2")
		}},
		{"README alone", func() { // its folder was listed, so it may have been looked for
			e.write("README", "read me too\n")
			e.step("continue source-changed", "a1 b1")
		}},
		{"a document alone", func() {
			e.write("doc/notes", "more notes\n")
			e.step("same changes-unread", "a1 b1")
		}},
		{"a header that a continued step read first", func() {
			e.write("b.c", "#include \"inc/late.h\"\nchar *b(void) { return LATE; }\n")
			e.step("continue source-changed b.c", "a1 late1")
			e.replace("inc/late.h", "late1", "late2")
			e.step("continue source-changed b.c", "a1 late2")
		}},
		{"a skipped file that a later step reads", func() {
			e.write("inc/late.h", "#define LATE \"late3\"\n")
			e.step("same changes-unread", "a1 b1")
			e.write("b.c", "#include \"inc/late.h\"\nchar *b(void) { return LATE; }\n")
			e.step("continue source-changed b.c", "a1 late3")
		}},
		{"a symlink retargeted", func() {
			e.remove("data/link")
			if err := os.Symlink("two", e.path("data/link")); err != nil {
				e.Fatal(err)
			}
			e.step("clean counts-as-read *", "a1 b1")
			if got, err := os.ReadFile(e.checkout("continued") + "/usr/share/link"); string(got) != "two" {
				e.Errorf("the link has %q (%v), want two", got, err)
			}
		}},
		{"an included makefile", func() {
			e.replace("Makefile.inc", "more1", "more2")
			e.step("clean build-system-read *", "more2")
		}},
		{"a generator", func() {
			e.replace("gen.sh", "'#define END \"end\"'", "'#define END \"end2\"'")
			e.step("clean continued-unread *", "gen1 end2")
		}},
		{"an added file that the build makes", func() {
			e.write("gen.h", "#define GEN \"own\"\n")
			e.step("clean file-added-made *", "own half")
		}},
		{"a file saved during a continued build", func() {
			e.replace("b.c", "b1", "b2")
			saved := false
			e.stage = func(stage build.Stage) {
				if stage == build.StagePhase && !saved {
					saved = true
					e.replace("b.c", "b2", "b3")
					e.replace("a.c", "a1", "a3")
				}
			}
			got := e.buildOnce("continued", "auto")
			e.stage = nil
			e.decided(got, "continue source-changed b.c")
			e.commit("saved")
			e.step("continue source-changed a.c b.c", "a3 b3")
			e.git("checkout", "--quiet", "base", "--", ".")
			e.replace("b.c", "b1", "b2")
			e.step("skip artifact-cached", "a1 b2")
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			e.T = t
			e.git("reset", "--quiet", "--hard", "base")
			e.git("clean", "-fdxq")
			e.forget(records)
			one.does()
		})
	}
}

// TestReviewInstall: what is moved or linked out of the build folder when it is installed is there
// in the next build's artifact too.
func TestReviewInstall(t *testing.T) {
	for name, command := range map[string]string{
		"mv":   "mv prog $(DESTDIR)/usr/bin/prog",
		"ln":   "ln prog $(DESTDIR)/usr/bin/prog || cp prog $(DESTDIR)/usr/bin/prog; ln $(DESTDIR)/usr/bin/prog $(DESTDIR)/usr/prog2; ln -f prog prog3",
		"ln s": "cp prog prog2; ln -sf prog2 $(DESTDIR)/usr/link; install prog $(DESTDIR)/usr/bin/prog",
	} {
		t.Run(name, func(t *testing.T) {
			e := newReview(t, map[string]string{
				"Makefile": strings.Replace(reviewFiles["Makefile"], "install -D prog $(DESTDIR)/usr/bin/prog", "mkdir -p $(DESTDIR)/usr/bin; "+command, 1),
			})
			e.step("clean never-built *", "a1 b1")
			e.replace("b.c", "b1", "b2")
			e.step("continue source-changed b.c", "a1 b2")
			e.write("doc/notes", "more notes\n")
			e.step("same changes-unread", "a1 b2")
		})
	}
}

// TestReviewConfiguresLate: an element that configures in its build commands is built clean, as
// nothing would configure it again.
func TestReviewConfiguresLate(t *testing.T) {
	e := newReview(t, map[string]string{
		"elements/p.bst": `kind: manual
depends:
- dep.bst
sources:
- kind: local
  path: .
config:
  build-commands:
  - test -e config.status || { cat option.txt > config.status; }
  - make CFLAGS="-DFLAG='\"$(cat config.status)\"'"
  install-commands:
  - make install DESTDIR=%{install-root}
`,
		"option.txt": "flag2\n",
	})
	e.step("clean never-built *", "flag2")
	e.write("option.txt", "flag3\n")
	e.step("clean configures-late *", "flag3")
	e.replace("b.c", "b1", "b2")
	e.step("clean configures-late *", "b2 dep1 gen1 end more1 flag3")
}

// TestReviewHalfHeader: half a header that a failed generator left is not taken for a whole one.
func TestReviewHalfHeader(t *testing.T) {
	e := newReview(t, nil)
	e.replace("gen.sh", "\"\n", "\"\nexit 1\n")
	if got, differs := e.compare(); !got.failed || differs != "" {
		t.Fatalf("the generator did not fail: %s %s\n%s", got, differs, got.output)
	}
	e.replace("gen.sh", "\"\nexit 1\n", "\"\n")
	e.step("", "a1 b1 dep1 gen1 end")
}

// TestReviewDeletedModule: a module that is deleted is not installed any more, though tools that
// copy to a build folder leave it there.
func TestReviewDeletedModule(t *testing.T) {
	e := newProject(t, map[string]string{
		"project.conf":  reviewFiles["project.conf"],
		".git-bst.toml": reviewFiles[".git-bst.toml"],
		"elements/p.bst": `kind: manual
sources:
- kind: local
  path: .
config:
  build-commands:
  - mkdir -p build/lib
  - cp -r -u module build/lib
  install-commands:
  - mkdir -p %{install-root}/usr/lib
  - cp -r build/lib/module %{install-root}/usr/lib
`,
		"module/__init__.py": "",
		"module/one.py":      "one = 1\n",
		"module/two.py":      "two = 2\n",
	})
	e.step("clean never-built", "")
	e.remove("module/two.py")
	e.step("clean file-deleted-read", "")
	if _, err := os.Stat(e.checkout("continued") + "/usr/lib/module/two.py"); err == nil {
		t.Error("the deleted module is installed")
	}
	e.write("module/one.py", "one = 11\n")
	e.old("module/one.py")
	e.step("continue source-changed", "")
}

// reviewManyFiles is how many hundreds of files TestReviewManyFiles builds; scripts/accept sets 500.
const reviewManyFiles = "GIT_BST_TEST_HUNDREDS"

// TestReviewManyFiles: a build by 32 processes at once that makes files and folders faster than the
// kernel may keep events of: whether the trace is complete or not, the next build is right.
func TestReviewManyFiles(t *testing.T) {
	hundreds := number(t, reviewManyFiles, 20)
	e := newReview(t, map[string]string{
		"elements/p.bst": "kind: make\nenvironment:\n  MAKEFLAGS: -j32\nsources:\n- kind: local\n  path: .\n",
		"Makefile": `N := $(shell seq ` + strconv.Itoa(hundreds) + `)
all: $(N:%=out/%/done)
out/%/done: in
	@mkdir -p out/$*; read -r text < in; for i in $$(seq 99); do echo $$text > out/$*/$$i; done; cp in $@
install: all
	mkdir -p $(DESTDIR)/usr/share
	cat out/*/7 out/*/done README > $(DESTDIR)/usr/share/all
`,
		"in": "in1\n",
	})
	e.step("clean never-built", "")
	for _, edit := range []func(){
		func() { e.write("in", "in2\n") },
		func() { e.write("README", "read when it is installed\n") },
	} {
		edit()
		// Where many open one file at once the kernel may tell of two as of one: then it is built clean.
		if got := e.step("", ""); e.code(got) != "continue source-changed" && e.code(got) != "clean not-traced" && e.code(got) != "clean continued-untraced" && e.code(got) != "clean continued-unread" {
			t.Error(got)
		}
	}
}
