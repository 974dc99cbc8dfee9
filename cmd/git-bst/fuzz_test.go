package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/record"
)

// Variables of the test below; scripts/fuzz-edits sets them.
const (
	fuzzSources = "GIT_BST_TEST_FUZZ"          // a folder with the projects' sources; none: the test is left out
	fuzzNames   = "GIT_BST_TEST_FUZZ_PROJECTS" // between blanks; none: all
	fuzzSteps   = "GIT_BST_TEST_FUZZ_STEPS"    // in all
	fuzzMore    = "GIT_BST_TEST_FUZZ_MORE"     // kinds of edit that are to come eight times as often, between commas
	fuzzSeed    = "GIT_BST_TEST_SEED"
)

// TestFuzzEdits edits real projects at random, step by step, and compares each build that may be
// continued with one that stands on nothing. Equal seeds make equal edits.
func TestFuzzEdits(t *testing.T) {
	if os.Getenv(fuzzSources) == "" {
		t.Skip("scripts/fuzz-edits runs this")
	}
	steps, seed := number(t, fuzzSteps, 10), number(t, fuzzSeed, 1)
	names := strings.Fields(os.Getenv(fuzzNames))
	chosen := slices.DeleteFunc(slices.Clone(fuzzProjects), func(p fuzzProject) bool { return len(names) > 0 && !slices.Contains(names, p.name) })
	shares := 0
	for _, project := range chosen {
		shares += project.share
	}
	var all fuzzTotal
	t.Run("projects", func(t *testing.T) {
		for _, project := range chosen {
			t.Run(project.name, func(t *testing.T) {
				t.Parallel()
				for _, program := range project.needs {
					if _, err := exec.LookPath(program); err != nil {
						t.Fatalf("%s is not installed: scripts/peers installs it", program)
					}
				}
				f := newFuzz(t, project, seed)
				defer func() { all.add(t, fmt.Sprintf("%s, seed %d", project.name, seed), f.counts) }()
				for step := range (steps*project.share + shares - 1) / shares {
					f.once(step)
				}
			})
		}
	})
	all.counts.tell(t, fmt.Sprintf("all, seed %d", seed))
	all.counts.judge(t)
}

// fuzz is a project that is edited at random.
type fuzz struct {
	*edited
	project fuzzProject
	seed    int
	more    []string // kinds of edit that come more often
	random  *rand.Rand
	n       int             // of the edit, so that no two are equal
	good    []string        // commits that can be built
	broken  string          // the file that does not compile, if any
	failed  int             // steps since the last that could be built
	cleans  map[string]came // of clean builds, by git's name of the work tree
	known   *reference
	sources map[string]string // git's names of the work trees that records are of
	counts  fuzzCounts
}

func newFuzz(t *testing.T, project fuzzProject, seed int) *fuzz {
	t.Helper()
	f := &fuzz{edited: newEdited(t), project: project, seed: seed, more: strings.Split(os.Getenv(fuzzMore), ","), random: rand.New(rand.NewPCG(uint64(seed), 1)), cleans: map[string]came{}, sources: map[string]string{}}
	f.counts = newFuzzCounts()
	for name, text := range project.files {
		f.write(name, text)
	}
	if project.files == nil {
		if err := os.CopyFS(f.repo, os.DirFS(filepath.Join(os.Getenv(fuzzSources), project.name))); err != nil {
			t.Fatal(err)
		}
		for _, folder := range project.leave {
			f.remove(folder)
		}
	}
	if project.prepare != nil {
		project.prepare(t, f.repo, seed)
	}
	f.write("elements/p.bst", project.element())
	f.write("project.conf", "name: fuzz\nmin-version: 2.0\nelement-path: elements\n"+
		"plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make, cmake, meson, autotools]\n")
	f.write(".git-bst.toml", "[project]\nelement = \"p.bst\"\n[build]\nroot = \"host\"\n")
	f.commitAll("base")
	f.known = newReference(f)
	tree := f.tree()
	got := f.attempt("continued", "auto")
	if got.failed || got.files != f.cleanOf(tree, got.record).files {
		t.Fatalf("the first build: failed=%t\n%s", got.failed, got.output)
	}
	f.sources[got.record] = tree
	f.good = []string{f.git("rev-parse", "HEAD")}
	return f
}

// once makes one step: edits, a build, the comparison with a clean one.
func (f *fuzz) once(step int) {
	f.Helper()
	names := f.step()
	tree := f.tree()
	began := time.Now()
	got := f.attempt("continued", "auto")
	took := time.Since(began)
	if f.sources[got.record] == "" {
		f.sources[got.record] = tree
	}
	f.counts.add(names, got.verdict)
	began = time.Now()
	want := f.cleanOf(tree, got.record)
	f.Logf("%4d %-34s %-16s %-22s failed=%-5t %5d+%dms %s", step, strings.Join(names, ", "), got.verdict, got.code, got.failed, took.Milliseconds(), time.Since(began).Milliseconds(), got.reason)
	if differs := f.against(got, want); differs != "" {
		f.wrong(step, names, got, differs)
	} else if !got.failed && f.random.IntN(verifyOneOf) == 0 {
		if code, stdout, stderr := f.run("continued", "auto", "verify"); code != exitDone {
			f.counts.ours++
			f.Errorf("%s, seed %d, step %d: git-bst verify: exit code %d\n%s%s", f.project.name, f.seed, step, code, stdout, stderr)
		}
	}
	f.settle(got.failed)
}

// wrong reports a wrong result, and whose it is.
func (f *fuzz) wrong(step int, names []string, got came, differs string) {
	f.Helper()
	about := fmt.Sprintf("%s, seed %d, step %d, %s: %s [%s] %s\n%s\n%s", f.project.name, f.seed, step, strings.Join(names, ", "), got.verdict, got.code, got.reason,
		f.git("diff", "--stat", "HEAD"), differs)
	shown, why := f.toolShows(got)
	if !shown {
		f.counts.ours++
		f.Errorf("%s\nthe plain tool: %s", about, why)
		return
	}
	f.counts.tool++
	f.Logf("%s\nthe plain tool shows it too: %s", about, why)
	code, stdout, stderr := f.run("continued", "auto", "verify")
	if again := f.attempt("continued", "auto"); code == exitDone || again.failed != f.cleans[f.tree()].failed || again.files != f.cleans[f.tree()].files {
		f.counts.ours++
		f.Errorf("%s\ngit-bst verify did not mend it: exit code %d\n%s%s", about, code, stdout, stderr)
	}
}

// verifyOneOf is among how many right results one is verified: that must find them right.
const verifyOneOf = 50

// attempt builds and finds what came of it in the cache.
func (f *fuzz) attempt(cache, policy string, args ...string) came {
	f.Helper()
	got := f.buildOnce(cache, policy, args...)
	dir := f.store(cache)
	if got.verdict != "skip" {
		rec, err := f.newest(cache)
		if err != nil {
			f.Fatalf("%v\n%s", err, got.output)
		}
		got.record = rec.ID
		if !got.failed {
			got.files = rec.Files.String()
		}
		return got
	}
	blobs, err := cas.OpenLocal(filepath.Join(dir, "cas"), cas.Options{})
	if err != nil {
		f.Fatal(err)
	}
	entry, err := artifact.Open(filepath.Join(dir, "artifacts"), blobs).Peek(artifact.BuildRef(got.key))
	if err != nil {
		f.Fatalf("%v\n%s", err, got.output)
	}
	got.files, got.record = entry.Artifact.Files.String(), entry.Record
	return got
}

// newest is the record of a cache's last build.
func (f *fuzz) newest(cache string) (record.Record, error) {
	return record.Open(filepath.Join(f.store(cache), "records")).Latest(f.Context(), record.Filter{Project: "fuzz", Element: "p.bst"})
}

// store is the folder of a cache.
func (f *fuzz) store(cache string) string { return filepath.Join(f.dir, cache, "git-bst") }

// realOneOf is among how many references one is compared with a clean build of ours; all that differ from what was
// continued are.
const realOneOf = 20

// cleanOf makes what a clean build of the work tree makes, once for each content. tree is its name, id a
// record that has its commands.
func (f *fuzz) cleanOf(tree, id string) came {
	f.Helper()
	if known, ok := f.cleans[tree]; ok {
		return known
	}
	rec, err := record.Open(filepath.Join(f.store("continued"), "records")).Get(f.Context(), id)
	if err != nil {
		f.Fatal(err)
	}
	f.cleans[tree] = f.known.of(tree, rec)
	if len(f.cleans)%realOneOf == 1 {
		f.confirm(f.cleans[tree])
	}
	return f.cleans[tree]
}

// cleansKept is how many clean builds share a cache: they learn nothing from each other.
const cleansKept = 25

// confirm compares a reference with a clean build of the work tree, and returns that.
func (f *fuzz) confirm(known came) came {
	f.Helper()
	if f.counts.cleans%cleansKept == 0 {
		if err := os.RemoveAll(filepath.Join(f.dir, "clean")); err != nil {
			f.Fatal(err)
		}
	}
	f.counts.cleans++
	clean := f.attempt("clean", "never", "--clean")
	if clean.failed == known.failed && clean.files == known.files {
		return clean
	}
	differ := ""
	if !clean.failed && !known.failed {
		out, _ := exec.Command("diff", "-r", "--no-dereference", f.known.path("install"), f.checkout("clean")).CombinedOutput() // exits with 1 when they differ
		differ = string(out)
	}
	if again := f.attempt("clean", "never", "--clean"); again.failed == known.failed && again.files == known.files {
		f.Errorf("two clean builds differ, the second is what the reference is:\n%s\n%s", differ, clean.output)
		return again
	}
	rec, err := f.newest("continued")
	f.Errorf("the reference is wrong: failed=%t %s, a clean build: failed=%t %s\nthe last build's key %s of source %s (%v)\n%s\n%s\n%s", known.failed, known.files, clean.failed, clean.files,
		rec.BuildKey, rec.SourceTree, err, differ, known.output, clean.output)
	return clean
}

// tree is git's name of the work tree with all that is in it.
func (f *fuzz) tree() string {
	f.Helper()
	index := filepath.Join(f.dir, "index")
	data, err := os.ReadFile(filepath.Join(f.repo, ".git", "index"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.Fatal(err)
	}
	if err := os.WriteFile(index, data, 0o666); err != nil {
		f.Fatal(err)
	}
	// With its time: git believes no file that was written in the index's own second.
	if info, err := os.Stat(filepath.Join(f.repo, ".git", "index")); err == nil {
		if err := os.Chtimes(index, info.ModTime(), info.ModTime()); err != nil {
			f.Fatal(err)
		}
	}
	environ := f.environ
	defer func() { f.environ = environ }()
	f.environ = append(slices.Clone(environ), "GIT_INDEX_FILE="+index)
	f.git("add", "-f", "-A")
	return f.git("write-tree")
}

// against compares what came of a build with a clean one of the same sources.
func (f *fuzz) against(got, want came) string {
	f.Helper()
	switch {
	case got.failed && want.failed || !got.failed && !want.failed && got.files == want.files:
		return ""
	}
	clean := f.confirm(want)
	switch {
	case got.failed == clean.failed && got.files == clean.files:
		return ""
	case got.failed:
		return "it failed, a clean build does not:\n" + got.output
	case clean.failed:
		return "it is built, a clean build fails:\n" + clean.output
	}
	return f.difference()
}

func (f *fuzz) commitAll(message string) {
	f.git("add", "-f", "-A")
	f.git("commit", "--quiet", "--allow-empty", "-m", message)
}

// mostFailed is how many steps may fail in a row.
const mostFailed = 3

// settle commits most of what can be built. What can't be stays for a while, as with a user who
// looks for the mistake, or is given up.
func (f *fuzz) settle(failed bool) {
	f.Helper()
	if !failed {
		f.failed = 0
		if f.random.IntN(4) > 0 {
			f.commitAll("step")
			f.good = append(f.good, f.git("rev-parse", "HEAD"))
		}
		return
	}
	if f.failed++; f.failed < mostFailed && (f.broken != "" || f.random.IntN(2) == 0) {
		return
	}
	f.failed, f.broken = 0, ""
	to := "HEAD"
	if f.random.IntN(2) == 0 {
		to = f.good[len(f.good)-1]
	}
	f.git("read-tree", "--reset", "-u", to)
	f.git("clean", "-fdxq")
}

// Names of what happens within a step.
const (
	interruptedStep = "interrupted"
	lateStep        = "built before"
)

// interrupt begins a build and ends it at a random moment, as Ctrl-C or a session's end does.
func (f *fuzz) interrupt() string {
	f.Helper()
	program, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command(program, "build")
	cmd.Dir = f.repo
	cmd.Env = append(slices.Concat(f.environ, f.settings("continued", "auto")), killPlan+"=never 0 0s "+filepath.Join(f.dir, "stage"))
	signal := []os.Signal{syscall.SIGINT, syscall.SIGTERM}[f.random.IntN(2)]
	after := time.Duration(f.random.IntN(1500)) * time.Millisecond
	tree := f.tree()
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(signal) })
	defer timer.Stop()
	err = cmd.Wait()
	if rec, err := f.newest("continued"); err == nil && f.sources[rec.ID] == "" {
		f.sources[rec.ID] = tree
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return lateStep
	case errors.As(err, &exit) && exit.ExitCode() == exitInterrupted:
		return interruptedStep
	case errors.As(err, &exit) && exit.ExitCode() == exitBuildFailed:
		return lateStep
	case errors.As(err, &exit) && exit.ExitCode() == -1: // before it could catch a signal
		return interruptedStep
	}
	f.Fatalf("git-bst build, interrupted: %v", errors.Join(err, context.Cause(f.Context())))
	return ""
}
