package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// editKind says what a kind of edit counts as.
type editKind int

const (
	editsC      editKind = iota // nothing but the content of C files
	editsSource                 // something of the source
	editsElse                   // the recipe, times, the cache: not what is built
)

// edits are the kinds of edit and how often each comes.
var edits = []struct {
	name   string
	kind   editKind
	weight int
	edit   func(f *fuzz)
}{
	{"content", editsC, 36, func(f *fuzz) { f.editSource() }},
	{"content with an old time", editsC, 6, func(f *fuzz) { f.old(f.editSource()) }},
	{"include", editsC, 4, (*fuzz).editInclude},
	{"break", editsC, 4, (*fuzz).breakFile},
	{"header", editsSource, 10, (*fuzz).editHeader},
	{"header and source", editsSource, 4, func(f *fuzz) { f.editHeader(); f.editSource() }},
	{"document", editsSource, 5, func(f *fuzz) { f.touchText(f.pick("", "README", "NEWS", "LICENSE", ".md", ".rst", "CHANGES")) }},
	{"any file", editsSource, 4, func(f *fuzz) { f.touchText(f.pick("")) }},
	{"build file", editsSource, 4, func(f *fuzz) { f.project.flag(f, f.random.IntN(4)) }},
	{"build file's comment", editsSource, 2, (*fuzz).commentBuild},
	{"add", editsSource, 2, func(f *fuzz) { f.addSource() }},
	{"add and list", editsSource, 2, (*fuzz).addListed},
	{"add a header", editsSource, 2, (*fuzz).addHeader},
	{"delete", editsSource, 3, func(f *fuzz) { f.remove(f.pick("")) }},
	{"rename", editsSource, 3, (*fuzz).renameFile},
	{"revert", editsSource, 6, (*fuzz).revert},
	{"branch", editsSource, 6, (*fuzz).switchBranch},
	{"recipe", editsElse, 3, (*fuzz).editRecipe},
	{"touch", editsElse, 2, func(f *fuzz) { f.old(f.pick("")) }},
	{"commit", editsElse, 1, func(f *fuzz) { f.commitAll("asked for") }},
	{"collect", editsElse, 1, (*fuzz).collect},
}

func kindOfEdit(name string) editKind {
	for _, e := range edits {
		if e.name == name {
			return e.kind
		}
	}
	return editsC // to mend what was broken
}

// step makes an edit, or a few at once; some builds are begun and interrupted, and some edited then.
func (f *fuzz) step() []string {
	f.Helper()
	var names []string
	if f.broken != "" && f.random.IntN(3) > 0 {
		names = append(names, "mend")
		f.mend()
	}
	if len(names) == 0 || f.random.IntN(3) == 0 {
		names = append(names, f.edit())
	}
	for f.random.IntN(10) == 0 {
		names = append(names, f.edit())
	}
	if f.random.IntN(9) < f.weight(interruptedStep, 1) {
		names = append(names, f.interrupt())
		for f.random.IntN(2) == 0 {
			names = append(names, f.edit())
		}
	}
	return names
}

// weight is how often something comes.
func (f *fuzz) weight(name string, usual int) int {
	if slices.Contains(f.more, name) {
		return 8 * usual
	}
	return usual
}

func (f *fuzz) edit() string {
	f.Helper()
	f.n++
	total := 0
	for _, e := range edits {
		total += f.weight(e.name, e.weight)
	}
	at := f.random.IntN(total)
	for _, e := range edits {
		if at -= f.weight(e.name, e.weight); at < 0 {
			e.edit(f)
			return e.name
		}
	}
	panic("unreachable")
}

// own are the files that make a project of the sources; they are not edited at random.
var own = []string{"elements/p.bst", "project.conf", ".git-bst.toml", "fuzz.site", "fuzz.cmake"}

// files lists the project's files below a folder whose names end so, or all.
func (f *fuzz) files(below string, ends ...string) []string {
	f.Helper()
	var found []string
	for _, name := range strings.Fields(f.git("ls-files", "--cached", "--others")) {
		info, err := os.Lstat(f.path(name))
		ending := len(ends) == 0 || slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
		if err == nil && info.Mode().IsRegular() && ending && strings.HasPrefix(name, below) && !slices.Contains(own, name) {
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
		if !slices.ContainsFunc([]string{"test", "example", "contrib", "fuzz/", "bench", "apps/", "build/", "programs/"}, unlikely) {
			return name
		}
	}
	return f.pick("", ending)
}

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

const (
	markBegin = "\nstatic int __attribute__((used)) fuzz_"
	markEnd   = "} }"
)

// mark is what changes what a file compiles to, and lets that depend on a flag of the build files,
// -DFUZZ_BUILD=fuzz_b1, without a line for the preprocessor; unmarked is a file's text without one.
func (f *fuzz) mark(name string) string {
	return fmt.Sprintf("%s%s(void) { enum { FUZZ_BUILD = 9 }; { enum { fuzz_b0, fuzz_b1, fuzz_b2, fuzz_b3 }; return %d + 100000 * FUZZ_BUILD; %s",
		markBegin, identifier(name), f.n, markEnd)
}

func (f *fuzz) unmarked(name string) string {
	f.Helper()
	text := f.read(name)
	if at := strings.Index(text, markBegin); at >= 0 {
		end := strings.Index(text[at:], markEnd)
		text = text[:at] + text[at+end+len(markEnd):]
	}
	return text
}

// editInclude lets a C file include one more header that lies beside it.
func (f *fuzz) editInclude() {
	f.Helper()
	name := f.source(".c")
	f.write(name, f.read(name)+fmt.Sprintf("\n#include \"%s\"\n", path.Base(f.pick(path.Dir(name)+"/", ".h"))))
}

const brokenLine = "\n#error broken by the test\n"

// breakFile lets a C file or a header not compile.
func (f *fuzz) breakFile() {
	f.Helper()
	f.mend()
	f.broken = f.source([]string{".c", ".c", ".h"}[f.random.IntN(3)])
	f.write(f.broken, f.read(f.broken)+brokenLine)
}

// mend takes away what breakFile wrote.
func (f *fuzz) mend() {
	f.Helper()
	if f.broken == "" {
		return
	}
	if text, err := os.ReadFile(f.path(f.broken)); err == nil {
		f.write(f.broken, strings.ReplaceAll(string(text), brokenLine, ""))
	}
	f.broken = ""
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

func (f *fuzz) commentBuild() {
	f.touchText(f.pick("", "Makefile", "Makefile.inc", "Makefile.am", "CMakeLists.txt", "meson.build", "configure.ac", ".in", ".sym", ".cmakein"))
}

// addSource adds a C file beside another, which a pattern may find, and returns both names.
func (f *fuzz) addSource() (name, beside string) {
	f.Helper()
	beside = f.source(".c")
	name = path.Dir(beside) + fmt.Sprintf("/added%d.c", f.n)
	f.write(name, fmt.Sprintf("int added%d = %d;\n", f.n, f.n))
	return name, beside
}

// addListed adds a C file and has it compiled like its neighbour.
func (f *fuzz) addListed() {
	f.Helper()
	name, beside := f.addSource()
	if f.project.list == "" {
		return
	}
	listed := regexp.MustCompile(`(?m)^.*\b` + regexp.QuoteMeta(path.Base(beside)) + `.*\n`)
	text := f.read(f.project.list)
	if at := listed.FindStringIndex(text); at != nil {
		line := strings.ReplaceAll(text[at[0]:at[1]], path.Base(beside), path.Base(name))
		f.write(f.project.list, text[:at[0]]+line+text[at[0]:])
	}
}

// addHeader adds a header and a C file's line that includes it.
func (f *fuzz) addHeader() {
	f.Helper()
	name := f.source(".c")
	header := fmt.Sprintf("added%d.h", f.n)
	f.write(path.Dir(name)+"/"+header, fmt.Sprintf("static const int fuzz_added%d __attribute__((used)) = %d;\n", f.n, f.n))
	f.write(name, f.read(name)+fmt.Sprintf("\n#include \"%s\"\n", header))
}

func (f *fuzz) renameFile() {
	f.Helper()
	name := f.pick("")
	f.rename(name, path.Dir(name)+"/renamed-"+path.Base(name))
}

// revert takes some files back to what they were in an earlier step.
func (f *fuzz) revert() {
	f.Helper()
	from := f.good[f.random.IntN(len(f.good))]
	for _, name := range strings.Fields(f.git("diff", "--name-only", "--diff-filter=M", from)) {
		if f.random.IntN(2) == 0 {
			f.git("checkout", "--quiet", from, "--", name)
		}
	}
}

// switchBranch makes a branch at an earlier commit, or goes to one that is there. What is not
// committed is given up.
func (f *fuzz) switchBranch() {
	f.Helper()
	f.broken = ""
	branches := strings.Fields(f.git("for-each-ref", "--format=%(refname:short)", "refs/heads"))
	if len(branches) < 4 {
		f.git("checkout", "--quiet", "--force", "-b", fmt.Sprintf("branch%d", f.n), f.good[f.random.IntN(len(f.good))])
	} else {
		f.git("checkout", "--quiet", "--force", branches[f.random.IntN(len(branches))])
	}
	f.git("clean", "-fdxq")
}

// editRecipe changes what is not the source: an environment variable, the last phase, flags.
func (f *fuzz) editRecipe() {
	f.Helper()
	lines := slices.DeleteFunc(strings.SplitAfter(f.read("elements/p.bst"), "\n"), func(line string) bool { return strings.Contains(line, "FUZZ") })
	text := strings.Join(lines, "")
	n := f.random.IntN(3)
	switch f.random.IntN(3) {
	case 0:
		text = strings.Replace(text, "environment:\n", fmt.Sprintf("environment:\n  FUZZ: %d\n", n), 1)
	case 1:
		text = strings.Replace(text, "environment:\n", fmt.Sprintf("environment:\n  CPPFLAGS: -DFUZZ_BUILD=fuzz_b%d\n", n), 1)
	default:
		text = strings.Replace(text, "variables:\n", fmt.Sprintf("variables:\n  strip-binaries: 'true FUZZ %d'\n", n), 1)
	}
	f.write("elements/p.bst", text)
}

// collect gives up most of the cache, as a small budget does.
func (f *fuzz) collect() {
	f.Helper()
	if code, stdout, stderr := f.run("continued", "auto", "cache", "gc", "--budget", "60M"); code != 0 {
		f.Fatalf("git-bst cache gc: exit code %d\n%s%s", code, stdout, stderr)
	}
}
