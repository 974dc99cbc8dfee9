package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fuzzProject is a real project that is edited at random.
type fuzzProject struct {
	name     string
	kind     string
	share    int      // of 100 steps: more where a step takes little time
	leave    []string // folders that are left out: hundreds of files that no build reads
	settings []string // variables of its element
	cflags   string   // further flags of the compiler
	environ  []string // lines of its element's environment
	needs    []string // programs
	list     string   // the file that lists what is compiled; "" where that is a pattern
	// flag sets the macro FUZZ_BUILD in a build file, and names that.
	flag func(f *fuzz, n int) string
	// prepare is done once with the project's sources: answers to what configure asks the compiler are
	// put into them, as that is what takes most of the time of a clean build.
	prepare func(t *testing.T, dir string, seed int)
	files   map[string]string // its sources, where these are no real project's
}

// fuzzProjects are the four: make without dependencies on headers, cmake and ninja, autotools, meson.
var fuzzProjects = []fuzzProject{
	{
		name: "lz4", kind: "make", share: 15, needs: []string{"make"},
		cflags:   "-DLZ4_FORCE_INLINE=static", // most of the time of a compilation is that of inlining
		settings: []string{"make-args: -C lib BUILD_SHARED=no DEBUGFLAGS= prefix=/usr", "make-install-args: -C lib BUILD_SHARED=no prefix=/usr DESTDIR=%{install-root} install"},
		flag: func(f *fuzz, n int) string {
			return f.setFlag("lib/Makefile", "", fmt.Sprintf("CPPFLAGS += -DFUZZ_BUILD=fuzz_b%d", n))
		},
	},
	{
		name: "json-c", kind: "cmake", share: 55, leave: []string{"doc/html"}, needs: []string{"cmake", "ninja"}, list: "CMakeLists.txt",
		settings: []string{`cmake-local: -C "%{build-root}/fuzz.cmake" -DBUILD_TESTING=OFF -DBUILD_APPS=OFF -DBUILD_STATIC_LIBS=OFF`},
		flag: func(f *fuzz, n int) string {
			return f.setFlag("CMakeLists.txt", "", fmt.Sprintf("add_definitions(-DFUZZ_BUILD=fuzz_b%d)", n))
		},
		prepare: prepareCMake,
	},
	{
		name: "jansson", kind: "autotools", share: 15, leave: []string{"test/suites/valid", "test/suites/invalid", "test/suites/invalid-unicode"}, needs: []string{"autoconf", "automake", "libtoolize"}, list: "src/Makefile.am",
		settings: []string{"conf-local: --disable-static"},
		environ:  []string{`CONFIG_SITE: "%{build-root}/fuzz.site"`},
		flag: func(f *fuzz, n int) string {
			if f.random.IntN(2) == 0 {
				return f.setFlag("src/Makefile.am", "", fmt.Sprintf("AM_CPPFLAGS = -DFUZZ_BUILD=fuzz_b%d", n))
			}
			return f.setFlag("configure.ac", "AC_OUTPUT", fmt.Sprintf(`CPPFLAGS="$CPPFLAGS -DFUZZ_BUILD=fuzz_b%d"`, n))
		},
		prepare: prepareAutotools,
	},
	{
		name: "small", kind: "make", share: 20, needs: []string{"make"},
		flag: func(f *fuzz, n int) string {
			return f.setFlag([]string{"Makefile", "rules.mk", "lib/Makefile"}[f.random.IntN(3)], "", fmt.Sprintf("CPPFLAGS += -DFUZZ_BUILD=fuzz_b%d", n))
		},
		files: smallFiles,
	},
	{
		name: "libslirp", kind: "meson", share: 15, needs: []string{"meson", "ninja", "pkg-config"}, list: "meson.build",
		settings: []string{"meson-local: -Dwerror=false"},
		flag: func(f *fuzz, n int) string {
			return f.setFlag("meson.build", "version = ", fmt.Sprintf("add_project_arguments('-DFUZZ_BUILD=fuzz_b%d', language : 'c')", n))
		},
	},
}

// element is the text of the project's element: without optimisation, which takes most of the time
// of a compilation.
func (p fuzzProject) element() string {
	text := "kind: " + p.kind + "\nenvironment:\n  CFLAGS: " + strings.TrimSpace("-O0 -w "+p.cflags) + "\n"
	for _, line := range p.environ {
		text += "  " + line + "\n"
	}
	text += "variables:\n  fuzz: ''\n"
	for _, line := range p.settings {
		text += "  " + line + "\n"
	}
	return text + "sources:\n- kind: local\n  path: .\n"
}

// setFlag writes a line with the macro into a build file, in place of one that is there, before the
// first line that begins so, else at the top.
func (f *fuzz) setFlag(name, before, line string) string {
	f.Helper()
	var lines []string
	for one := range strings.Lines(f.read(name)) {
		if !strings.Contains(one, "FUZZ_BUILD") {
			lines = append(lines, one)
		}
	}
	at := 0
	for i, one := range lines {
		if before != "" && strings.HasPrefix(one, before) {
			at = i
			break
		}
	}
	f.write(name, strings.Join(lines[:at], "")+line+"\n"+strings.Join(lines[at:], ""))
	return name
}

// prepareAutotools keeps what configure finds out about the host's C library. Odd seeds edit the sources
// with what autoreconf makes of them, as a release has them: with equal times it is made again for no
// edit of configure.ac, unless one is newer.
func prepareAutotools(t *testing.T, dir string, seed int) {
	t.Helper()
	if seed%2 == 1 {
		runIn(t, dir, "autoreconf", "-fi")
		if err := os.RemoveAll(filepath.Join(dir, "autom4te.cache")); err != nil {
			t.Fatal(err)
		}
	}
	scratch := scratchCopy(t, dir)
	runIn(t, scratch, "autoreconf", "-fi")
	runIn(t, scratch, "./configure", "--cache-file=config.cache", "--disable-static")
	var site strings.Builder
	for line := range strings.Lines(readText(t, filepath.Join(scratch, "config.cache"))) {
		if !strings.HasPrefix(line, "ac_cv_env_") {
			site.WriteString(line)
		}
	}
	writeText(t, filepath.Join(dir, "fuzz.site"), site.String())
}

var cmakeAnswer = regexp.MustCompile(`(?m)^((?:HAVE|SIZEOF|HAS)_[A-Z0-9_]*):INTERNAL=(.*)$`)

// prepareCMake keeps what CMake's checks find out about the host's C library.
func prepareCMake(t *testing.T, dir string, _ int) {
	t.Helper()
	scratch := scratchCopy(t, dir)
	runIn(t, scratch, "cmake", "-B", "fuzz-build", "-DBUILD_TESTING=OFF", "-DBUILD_APPS=OFF", "-G", "Ninja")
	var answers strings.Builder
	for _, match := range cmakeAnswer.FindAllStringSubmatch(readText(t, filepath.Join(scratch, "fuzz-build", "CMakeCache.txt")), -1) {
		fmt.Fprintf(&answers, "set(%s \"%s\" CACHE INTERNAL \"\")\n", match[1], match[2])
	}
	writeText(t, filepath.Join(dir, "fuzz.cmake"), answers.String())
}

func scratchCopy(t *testing.T, dir string) string {
	t.Helper()
	scratch := filepath.Join(t.TempDir(), "scratch")
	if err := os.CopyFS(scratch, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return scratch
}

func runIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CFLAGS=-O0 -w")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
