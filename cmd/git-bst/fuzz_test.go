package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Variables of the test below; scripts/fuzz-edits sets them.
const (
	fuzzProject = "GIT_BST_TEST_FUZZ"         // the folder of a project's sources; none: the test is left out
	fuzzElement = "GIT_BST_TEST_FUZZ_ELEMENT" // the text of its element
	fuzzSteps   = "GIT_BST_TEST_FUZZ_STEPS"
	fuzzSeed    = "GIT_BST_TEST_SEED"
)

// TestFuzzEdits edits a real project at random, step by step, and compares each build that may be
// continued with one that is not. Equal seeds make equal edits.
func TestFuzzEdits(t *testing.T) {
	if os.Getenv(fuzzProject) == "" {
		t.Skip("scripts/fuzz-edits runs this")
	}
	steps, seed := number(t, fuzzSteps, 10), number(t, fuzzSeed, 1)
	f := newFuzz(t, seed)
	for step := range steps {
		name := f.step()
		began := time.Now()
		got := f.continued()
		took := time.Since(began)
		differs := f.against(got)
		f.counts[got.verdict]++
		if name == "content" {
			f.content[got.verdict]++
		}
		t.Logf("%3d %-24s %-16s failed=%-5t %5dms %s", step, name, got.verdict, got.failed, took.Milliseconds(), got.reason)
		if differs != "" {
			f.wrong++
			t.Errorf("seed %d, step %d, %s: %s: %s\n%s\n%s", seed, step, name, got.verdict, got.reason, f.git("diff", "--stat", "HEAD"), differs)
		}
		f.settle(got.failed)
	}
	t.Logf("%s, seed %d: %d steps, %d wrong; verdicts %v; of content edits %v", filepath.Base(os.Getenv(fuzzProject)), seed, steps, f.wrong, f.counts, f.content)
}

// fuzz is a project that is edited at random.
type fuzz struct {
	*edited
	random  *rand.Rand
	n       int      // of the edit, so that no two are equal
	good    []string // commits that can be built
	counts  map[string]int
	content map[string]int
	wrong   int
}

func newFuzz(t *testing.T, seed int) *fuzz {
	t.Helper()
	f := &fuzz{edited: newEdited(t), random: rand.New(rand.NewPCG(uint64(seed), 1)), counts: map[string]int{}, content: map[string]int{}}
	if err := os.CopyFS(f.repo, os.DirFS(os.Getenv(fuzzProject))); err != nil {
		t.Fatal(err)
	}
	f.write("elements/p.bst", os.Getenv(fuzzElement))
	f.write("project.conf", "name: fuzz\nmin-version: 2.0\nelement-path: elements\n"+
		"plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make, cmake, meson, autotools]\n")
	f.write(".git-bst.toml", "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\n")
	f.git("add", "-f", "-A")
	f.commit("base")
	if got, differs := f.compare(); got.failed || differs != "" {
		t.Fatalf("the first build: failed=%t %s\n%s", got.failed, differs, got.output)
	}
	f.good = []string{f.git("rev-parse", "HEAD")}
	return f
}

// against compares what came of the continued build with a clean build of the same sources.
func (f *fuzz) against(got came) string {
	f.Helper()
	want := f.clean()
	switch {
	case got.failed && want.failed || got.files == want.files:
		return ""
	case got.failed:
		return "it failed, a clean build does not:\n" + got.output
	case want.failed:
		return "it is built, a clean build fails:\n" + want.output
	}
	return f.difference()
}

// settle commits what can be built, and goes back from what can't be.
func (f *fuzz) settle(failed bool) {
	f.Helper()
	switch {
	case failed && f.random.IntN(2) == 0:
		f.git("checkout", "--quiet", "--force", f.good[len(f.good)-1])
		f.git("clean", "-fdxq")
	case failed: // mended by the next edits, or not
		f.git("checkout", "--quiet", "HEAD", "--", ".")
	default:
		f.git("add", "-f", "-A")
		f.commit("step")
		f.good = append(f.good, f.git("rev-parse", "HEAD"))
	}
}

// edits are the kinds of edit and how often each comes.
var edits = []struct {
	name   string
	weight int
	edit   func(f *fuzz)
}{
	{"content", 34, (*fuzz).editContent},
	{"content, old time", 6, func(f *fuzz) { f.old(f.editSource()) }},
	{"header", 10, (*fuzz).editHeader},
	{"include", 5, (*fuzz).editInclude},
	{"document", 5, func(f *fuzz) { f.touchText(f.pick("", "README", "NEWS", "LICENSE", ".md", ".rst")) }},
	{"any file", 7, func(f *fuzz) { f.touchText(f.pick("")) }},
	{"build file", 5, func(f *fuzz) {
		f.touchText(f.pick("", "Makefile", "Makefile.am", "CMakeLists.txt", "meson.build", "configure.ac", ".in", ".sym"))
	}},
	{"add", 4, func(f *fuzz) { f.write(f.folder()+fmt.Sprintf("/added%d.c", f.n), fmt.Sprintf("int added%d;\n", f.n)) }},
	{"delete", 4, func(f *fuzz) { f.remove(f.pick("")) }},
	{"rename", 3, func(f *fuzz) { name := f.pick(""); f.rename(name, path.Dir(name)+"/renamed-"+path.Base(name)) }},
	{"revert", 6, (*fuzz).revert},
	{"branch", 6, func(f *fuzz) { f.git("checkout", "--quiet", "--force", f.good[f.random.IntN(len(f.good))]) }},
	{"recipe", 3, (*fuzz).editRecipe},
	{"header and source", 5, func(f *fuzz) { f.editHeader(); f.editInclude() }},
	{"touch", 2, func(f *fuzz) { f.old(f.pick("")) }},
}

// step makes an edit, or a few at once; some builds are begun and interrupted, and some edited then.
func (f *fuzz) step() string {
	f.Helper()
	name := f.edit()
	for f.random.IntN(10) == 0 {
		name += ", " + f.edit()
	}
	if f.random.IntN(8) == 0 {
		name += ", interrupted"
		f.interrupted(time.Duration(f.random.IntN(1500)) * time.Millisecond)
		for f.random.IntN(2) == 0 {
			name += ", " + f.edit()
		}
	}
	return name
}

func (f *fuzz) edit() string {
	f.Helper()
	f.n++
	total := 0
	for _, e := range edits {
		total += e.weight
	}
	at := f.random.IntN(total)
	for _, e := range edits {
		if at -= e.weight; at < 0 {
			e.edit(f)
			return e.name
		}
	}
	panic("unreachable")
}

// files lists the project's files below a folder whose names end so, or all.
func (f *fuzz) files(below string, ends ...string) []string {
	f.Helper()
	var found []string
	for _, name := range strings.Fields(f.git("ls-files", "--cached", "--", ".", ":!elements", ":!project.conf", ":!.git-bst.toml")) {
		info, err := os.Lstat(f.path(name))
		ending := len(ends) == 0 || slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
		if err == nil && info.Mode().IsRegular() && ending && strings.HasPrefix(name, below) {
			found = append(found, name)
		}
	}
	return found
}

// pick picks a file at random; any one where there is none that ends so.
func (f *fuzz) pick(below string, ends ...string) string {
	f.Helper()
	found := f.files(below, ends...)
	if len(found) == 0 {
		found = f.files("")
	}
	return found[f.random.IntN(len(found))]
}

// source picks a C file that is likely to be built: not an example nor a test.
func (f *fuzz) source(ending string) string {
	f.Helper()
	for range 20 {
		name := f.pick("", ending)
		unlikely := func(part string) bool { return strings.Contains(name, part) }
		if !slices.ContainsFunc([]string{"test", "example", "contrib", "fuzz", "bench", "apps/", "build/"}, unlikely) {
			return name
		}
	}
	return f.pick("", ending)
}

func (f *fuzz) editContent() { f.editSource() }

// editSource changes what a C file compiles to.
func (f *fuzz) editSource() string {
	f.Helper()
	name := f.source(".c")
	f.write(name, f.unmarked(name)+f.mark(name))
	return name
}

// editHeader changes what all that include a header compile to.
func (f *fuzz) editHeader() {
	f.Helper()
	name := f.source(".h")
	text := f.unmarked(name)
	at := strings.LastIndex(text, "\n#endif")
	if at < 0 {
		at = len(text)
	}
	f.write(name, text[:at]+f.mark(name)+text[at:])
}

// mark is a line that changes what a file compiles to; unmarked is a file's text without one.
func (f *fuzz) mark(name string) string {
	return fmt.Sprintf("\nstatic const int fuzz_%s __attribute__((used)) = %d;", identifier(name), f.n)
}

func (f *fuzz) unmarked(name string) string {
	f.Helper()
	text := f.read(name)
	if at := strings.Index(text, "\nstatic const int fuzz_"); at >= 0 {
		end := strings.IndexByte(text[at:], ';')
		text = text[:at] + text[at+end+1:]
	}
	return text
}

// editInclude lets a C file include one more header that lies beside it.
func (f *fuzz) editInclude() {
	f.Helper()
	name := f.source(".c")
	f.write(name, f.read(name)+fmt.Sprintf("\n#include \"%s\"\n", path.Base(f.pick(path.Dir(name)+"/", ".h"))))
}

func identifier(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
}

// touchText appends a line that may matter or not: a comment in most languages.
func (f *fuzz) touchText(name string) { f.write(name, f.read(name)+fmt.Sprintf("# %d\n", f.n)) }

// folder picks one in which there are C files.
func (f *fuzz) folder() string { return path.Dir(f.source(".c")) }

// revert takes some files back to what they were in an earlier step.
func (f *fuzz) revert() {
	f.Helper()
	from := f.good[f.random.IntN(len(f.good))]
	changed := strings.Fields(f.git("diff", "--name-only", "--diff-filter=M", from))
	for _, name := range changed {
		if f.random.IntN(2) == 0 {
			f.git("checkout", "--quiet", from, "--", name)
		}
	}
}

// editRecipe changes what is not the source: an environment variable or the last phase.
func (f *fuzz) editRecipe() {
	f.Helper()
	lines := slices.DeleteFunc(strings.SplitAfter(f.read("elements/p.bst"), "\n"), func(line string) bool { return strings.Contains(line, "FUZZ") })
	text := strings.Join(lines, "")
	if f.random.IntN(2) == 0 {
		text = strings.Replace(text, "environment:\n", fmt.Sprintf("environment:\n  FUZZ: %d\n", f.random.IntN(3)), 1)
	} else {
		text = strings.Replace(text, "variables:\n", fmt.Sprintf("variables:\n  strip-binaries: 'true FUZZ %d'\n", f.random.IntN(3)), 1)
	}
	f.write("elements/p.bst", text)
}
