package main

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// changesWanted names the build systems to try, by commas, or all of them.
const changesWanted = "GIT_BST_TEST_CHANGES"

// TestChanges makes each of 22 kinds of change to a small project of each of five build systems.
// Whatever the rules decide, the artifact must be what a clean build gives, and its program must
// show the change. The table below says what they decide and what is compiled then, where that is
// not left to the clock. All kinds are tried with make, a seeded few with the other build systems,
// or all: see changesWanted.
func TestChanges(t *testing.T) {
	wanted, seed := os.Getenv(changesWanted), number(t, fuzzSeed, 1)
	for i, system := range slices.Sorted(maps.Keys(systems)) {
		chosen := changes
		if wanted != "all" && !slices.Contains(strings.Split(wanted+",make", ","), system) {
			chosen = someChanges(uint64(seed), uint64(i))
		}
		t.Run(system, func(t *testing.T) { testChanges(t, system, chosen) })
	}
}

// someChanges are a few kinds of change, others with another seed.
func someChanges(seed, system uint64) []change {
	const few = 2
	random := rand.New(rand.NewPCG(seed, system))
	var some []change
	for _, i := range slices.Sorted(slices.Values(random.Perm(len(changes))[:few])) {
		some = append(some, changes[i])
	}
	return some
}

func testChanges(t *testing.T, system string, chosen []change) {
	e := newSystem(t, system)
	first := e.continued()
	if first.failed || !slices.Equal(first.units, e.allUnits()) {
		t.Fatalf("the first build: failed=%t, compiled %v\n%s", first.failed, first.units, first.output)
	}
	records := e.records()
	for _, change := range chosen {
		t.Run(change.test(), func(t *testing.T) {
			e.T = t
			e.git("reset", "--quiet", "--hard", "base")
			e.git("clean", "-fdxq")
			e.forget(records) // each change is against the first build
			change.edit(e, system)
			got, differs := e.compare()
			t.Logf("%s: %s, compiled %v", system, got, got.units)
			if differs != "" {
				t.Fatalf("%s: %s", got, differs)
			}
			if got.failed != (change.says == "") {
				t.Fatalf("failed: %t\n%s", got.failed, got.output)
			}
			if !got.failed {
				e.says(change.says)
			}
			e.decided(got, change.decided(system))
		})
	}
}

// decided checks a verdict, its reason and what was compiled: "continue source-changed main.c";
// "*" are all C files of the project, and "?" any.
func (e *edited) decided(got came, want string) {
	e.Helper()
	words := strings.Fields(want)
	if len(words) == 0 {
		return
	}
	units := words[2:]
	switch {
	case slices.Equal(units, []string{"*"}):
		units = e.allUnits()
	case slices.Equal(units, []string{"?"}):
		units = got.units
	}
	if strings.Join(words[:2], " ") != e.code(got) || !slices.Equal(units, got.units) {
		e.Errorf("%s, compiled %v; want %s\n%s", got, got.units, want, got.output)
	}
}

// code is a verdict with its code, without what was tried before.
func (e *edited) code(got came) string {
	return got.verdict[strings.LastIndexByte(got.verdict, ' ')+1:] + " " + got.code
}

// allUnits lists the project's C files.
func (e *edited) allUnits() []string {
	e.Helper()
	units, err := filepath.Glob(e.path("*.c"))
	if err != nil {
		e.Fatal(err)
	}
	for i, unit := range units {
		units[i] = filepath.Base(unit)
	}
	return units
}

// says checks what the built program says.
func (e *edited) says(want string) {
	e.Helper()
	program, err := filepath.Glob(filepath.Join(e.checkout("continued"), "*", "bin", "prog"))
	if err != nil || len(program) != 1 {
		e.Fatalf("the artifact has the programs %v (%v), want one", program, err)
	}
	said, err := exec.Command(program[0]).CombinedOutput()
	if err != nil || !strings.Contains(string(said), want) {
		e.Errorf("the program says %q (%v), want %q in it", said, err, want)
	}
}

// records lists the files of the records of the continued builds.
func (e *edited) records() []string {
	e.Helper()
	var files []string
	err := filepath.WalkDir(filepath.Join(e.dir, "continued", "git-bst", "records"), func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		e.Fatal(err)
	}
	return files
}

// forget removes the records of all builds but those that are given.
func (e *edited) forget(but []string) {
	e.Helper()
	for _, name := range e.records() {
		if !slices.Contains(but, name) {
			if err := os.Remove(name); err != nil {
				e.Fatal(err)
			}
		}
	}
}

// newSystem is the project of a build system, committed as "base".
func newSystem(t *testing.T, system string) *edited {
	t.Helper()
	files := systems[system]
	for program := range strings.FieldsSeq(files["programs"]) {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("install %s", program)
			}
			t.Skipf("left out: install %s", program)
		}
	}
	e := newEdited(t)
	for _, set := range []map[string]string{sources, files} {
		for name, text := range set {
			if name != "programs" {
				e.write(name, text)
			}
		}
	}
	e.write("project.conf", "name: changes\nmin-version: 2.0\nelement-path: elements\ndefaults:\n  targets: [p.bst]\n"+
		"plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make, cmake, meson, autotools]\n")
	e.write(".git-bst.toml", "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\n")
	if err := os.Symlink("a", e.path("data/link")); err != nil {
		t.Fatal(err)
	}
	e.commit("base")
	e.git("tag", "base")
	return e
}

// sources are what all projects have.
var sources = map[string]string{
	"main.c": `#include <stdio.h>
#include "util.h"
#include "extra.h"
#include "unused.h"
#include "dep.h"
#include "gen.h"
#ifndef FLAG
#define FLAG "flag1"
#endif
int main(void) { return printf("%s %s %s %s %s %s %s %s %s\n", "main1", util(), EXTRA, DEP, GEN, VERSION, CONF, OPTION, FLAG) < 0; }
`,
	"util.c":      "#include \"util.h\"\nchar *util(void) { return UTIL; }\n",
	"util.h":      "#define UTIL \"util1\"\nchar *util(void);\n",
	"unused.h":    "#define UNUSED 1\n",
	"inc/extra.h": "#define EXTRA \"extra1\"\n",
	"alt/extra.h": "#define EXTRA \"extra2\"\n",
	"data/a":      "data\n",
	"plug_a.c":    "#include <stdio.h>\n__attribute__((constructor)) static void start(void) { fputs(\"plug-a \", stdout); }\n",
	"plug_b.c":    "#include <stdio.h>\n__attribute__((constructor)) static void start(void) { fputs(\"plug-b \", stdout); }\n",
	"gen.in":      "gen1\n",
	"conf.txt":    "conf1\n",
	"version.txt": "1.0\n",
	"README":      "read me\n",
	"elements/dep.bst": `kind: manual
config:
  install-commands:
  - mkdir -p %{install-root}/deps/include
  - echo '#define DEP "dep1"' > %{install-root}/deps/include/dep.h
`,
}

// systems are the build systems' own files.
var systems = map[string]map[string]string{
	"make":       withElement(makeFiles, "make", ""),
	"cmake":      withElement(cmakeFiles, "cmake", ""),
	"cmake-make": withElement(cmakeFiles, "cmake", "  generator: Unix Makefiles\n"),
	"meson":      withElement(mesonFiles, "meson", ""),
	"autotools":  withElement(autotoolsFiles, "autotools", ""),
}

func withElement(files map[string]string, kind, variables string) map[string]string {
	files = maps.Clone(files)
	files["elements/p.bst"] = "kind: " + kind + "\ndepends:\n- dep.bst\nenvironment:\n  EDITED: 1\nvariables:\n  edited: 1\n" + variables +
		"sources:\n- kind: local\n  path: .\n"
	return files
}

var makeFiles = map[string]string{
	"programs": "make cc",
	"Makefile": `OPTION = option1
V := $(shell cat version.txt)
C := $(shell cat conf.txt)
OBJS := $(patsubst %.c,%.o,$(wildcard *.c))
prog: $(OBJS)
	cc -o $@ $(OBJS)
main.o: gen.h
%.o: %.c
	cc $(CFLAGS) -MMD -Iinc -I/deps/include -DVERSION='"$(V)"' -DCONF='"$(C)"' -DOPTION='"$(OPTION)"' -c -o $@ $<
gen.h: gen.in
	echo "#define GEN \"$$(cat gen.in)\"" > $@
install: prog
	install -D prog $(DESTDIR)/usr/bin/prog
-include $(OBJS:.o=.d)
`,
}

var cmakeFiles = map[string]string{
	"programs": "cmake ninja make cc",
	"CMakeLists.txt": `cmake_minimum_required(VERSION 3.16)
project(prog C)
set(OPTION option1 CACHE STRING "an option")
file(READ version.txt V)
string(STRIP "${V}" V)
file(READ conf.txt CONF)
string(STRIP "${CONF}" CONF)
file(GLOB SOURCES *.c)
add_custom_command(OUTPUT gen.h COMMAND sh ${CMAKE_SOURCE_DIR}/gen.sh ${CMAKE_SOURCE_DIR}/gen.in gen.h DEPENDS gen.in gen.sh)
add_executable(prog ${SOURCES} ${CMAKE_BINARY_DIR}/gen.h)
target_include_directories(prog PRIVATE inc /deps/include ${CMAKE_BINARY_DIR})
target_compile_definitions(prog PRIVATE VERSION="${V}" CONF="${CONF}" OPTION="${OPTION}")
install(TARGETS prog DESTINATION bin)
`,
	"gen.sh": "echo \"#define GEN \\\"$(cat $1)\\\"\" > $2\n",
}

var mesonFiles = map[string]string{
	"programs": "meson ninja cc",
	"meson.build": `project('prog', 'c')
v = run_command('cat', 'version.txt', check: true).stdout().strip()
c = run_command('cat', 'conf.txt', check: true).stdout().strip()
found = run_command('sh', '-c', 'cd "$MESON_SOURCE_ROOT" && ls *.c', check: true).stdout().split()
gen = custom_target('gen', input: 'gen.in', output: 'gen.h', command: ['sh', files('gen.sh'), '@INPUT@', '@OUTPUT@'])
executable('prog', found, gen, include_directories: include_directories('inc'), install: true,
  c_args: ['-I/deps/include', '-DVERSION="' + v + '"', '-DCONF="' + c + '"', '-DOPTION="' + get_option('opt') + '"'])
`,
	"meson_options.txt": "option('opt', type: 'string', value: 'option1')\n",
	"gen.sh":            "echo \"#define GEN \\\"$(cat $1)\\\"\" > $2\n",
}

var autotoolsFiles = map[string]string{
	"programs": "autoconf automake make cc",
	"configure.ac": `AC_INIT([prog], m4_esyscmd_s([cat version.txt]))
AM_INIT_AUTOMAKE([foreign])
AC_PROG_CC
C=$(cat "$srcdir/conf.txt")
AC_ARG_WITH([opt], [], [OPT=$withval], [OPT=option1])
AC_SUBST([C])
AC_SUBST([OPT])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
`,
	"Makefile.am": `bin_PROGRAMS = prog
prog_SOURCES = main.c util.c plug_a.c plug_b.c
AM_CPPFLAGS = -I$(srcdir)/inc -I/deps/include -DCONF='"$(C)"' -DOPTION='"$(OPT)"'
BUILT_SOURCES = gen.h
gen.h: gen.in
	echo "#define GEN \"$$(cat $(srcdir)/gen.in)\"" > $@
`,
}

// change is one kind of change, in the order of the table of kinds.
type change struct {
	name string
	says string // what the program then says; "" for one after which it can't be built
	edit func(e *edited, system string)
	want map[string]string // what is decided, as for edited.decided, by build system; "" is all others
}

// test is the name of the test of this kind of change.
func (c change) test() string { return strings.ReplaceAll(c.name, " ", "-") }

func (c change) decided(system string) string {
	if want, ok := c.want[system]; ok {
		return want
	}
	return c.want[""]
}

// listed edits the list of sources where the build system has one.
func listed(e *edited, system, old, with string) {
	if system == "autotools" {
		e.replace("Makefile.am", old, with)
	}
}

func all(decided string) map[string]string { return map[string]string{"": decided} }

// asMakeReads is what is decided about files that configure reads, or, where there is no configure, make.
var asMakeReads = map[string]string{"": "clean configure-read *", "make": "clean build-system-read *"}

// optionFiles is where a build system has an option's default.
var optionFiles = map[string]string{
	"make": "Makefile", "cmake": "CMakeLists.txt", "cmake-make": "CMakeLists.txt", "meson": "meson_options.txt", "autotools": "configure.ac",
}

var changes = []change{
	{"source changed", "main2", func(e *edited, _ string) { e.replace("main.c", "main1", "main2") }, all("continue source-changed main.c")},
	{"source changed with an older time", "main3", func(e *edited, _ string) {
		e.replace("main.c", "main1", "main3")
		e.old("main.c")
	}, all("continue source-changed main.c")},
	{"content reverted", "main1", func(*edited, string) {}, all("skip artifact-cached")},
	{"source deleted", "plug-b", func(e *edited, system string) {
		e.remove("plug_a.c")
		listed(e, system, "plug_a.c ", "")
	}, all("clean file-deleted-read *")},
	{"source renamed", "plug-a", func(e *edited, system string) {
		e.rename("plug_a.c", "plug_c.c")
		listed(e, system, "plug_a.c ", "plug_c.c ")
	}, all("clean file-deleted-read *")},
	{"header removed with its include", "main1", func(e *edited, _ string) {
		e.remove("unused.h")
		e.replace("main.c", "#include \"unused.h\"\n", "")
	}, all("clean file-deleted-read *")},
	{"header removed but needed", "", func(e *edited, _ string) { e.remove("util.h") }, all("clean file-deleted-read ?")},
	{"header added before a dependency's", "dep-own", func(e *edited, _ string) { e.write("dep.h", "#define DEP \"dep-own\"\n") }, all("clean file-added *")},
	{"source added", "plug-d", func(e *edited, system string) {
		e.write("plug_d.c", strings.ReplaceAll(sources["plug_a.c"], "plug-a", "plug-d"))
		listed(e, system, "plug_a.c ", "plug_a.c plug_d.c ")
	}, all("clean file-added *")},
	{"file read by configure", "conf2", func(e *edited, _ string) { e.write("conf.txt", "conf2\n") }, asMakeReads},
	{"version file", "2.0", func(e *edited, _ string) { e.write("version.txt", "2.0\n") }, asMakeReads},
	{"generator's input", "gen2", func(e *edited, _ string) { e.write("gen.in", "gen2\n") }, all("continue source-changed main.c")},
	{"option's default", "option2", func(e *edited, system string) { e.replace(optionFiles[system], "option1", "option2") }, asMakeReads},
	{"option's default with an older time", "option3", func(e *edited, system string) {
		e.replace(optionFiles[system], "option1", "option3")
		e.old(optionFiles[system])
	}, asMakeReads},
	{"dependency's header", "dep2", func(e *edited, _ string) { e.replace("elements/dep.bst", "dep1", "dep2") }, all("clean inputs-changed *")},
	{"option of configure", "option4", func(e *edited, system string) {
		e.replace("elements/p.bst", "  edited: 1\n", map[string]string{
			"make": "  make-args: OPTION=option4\n", "cmake": "  cmake-local: -DOPTION=option4\n",
			"cmake-make": "  cmake-local: -DOPTION=option4\n", "meson": "  meson-local: -Dopt=option4\n", "autotools": "  conf-local: --with-opt=option4\n",
		}[system])
	}, all("clean inputs-changed *")},
	{"flags in the environment", "flag2", func(e *edited, _ string) {
		e.replace("elements/p.bst", "  EDITED: 1\n", "  CFLAGS: -DFLAG='\"flag2\"'\n")
	}, all("clean inputs-changed *")},
	{"folder becomes a link", "extra2", func(e *edited, _ string) {
		e.remove("inc")
		if err := os.Symlink("alt", e.path("inc")); err != nil {
			e.Fatal(err)
		}
	}, all("clean file-deleted-read *")},
	{"touched", "main1", func(e *edited, _ string) {
		e.write("main.c", e.read("main.c"))
		e.old("util.h")
	}, all("skip artifact-cached")},
	{"generated file added", "gen-own", func(e *edited, _ string) {
		e.write("gen.h", "#define GEN \"gen-own\"\n")
	}, map[string]string{"": "clean file-added *", "make": "clean file-added-made *", "autotools": "clean file-added-made *"}},
	{"object cut off", "main5", func(e *edited, _ string) {
		e.replace("main.c", "main1", "main5")
		e.interrupted(50 * time.Millisecond)
	}, nil},
	{"times in the future", "main6", func(e *edited, _ string) {
		e.write("elements/p.bst", e.read("elements/p.bst")+"config:\n  build-commands:\n    (>):\n    - touch -d '2 hours' ahead\n")
		e.continued()
		e.replace("main.c", "main1", "main6")
	}, all("clean clock-behind *")},
}
