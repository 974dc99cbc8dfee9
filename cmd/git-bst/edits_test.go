package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/build"
)

// edited is a project whose builds are continued, beside builds of the same sources that are not:
// two caches that know nothing of each other.
type edited struct {
	*testing.T
	dir, repo string
	project   string   // where project.conf and the elements are, if not in repo
	environ   []string // without the cache and the policy
	ctx       context.Context
	stage     func(build.Stage)
}

// came is what came of a build.
type came struct {
	failed  bool
	files   string // the digest of the artifact's files; "" when it failed
	verdict string // what was planned, then what was done instead: "continue, clean"
	reason  string
	code    string   // of the reason
	key     string   // the artifact's where it was there before
	record  string   // of the build that made it, where that is known
	units   []string // what was compiled, sorted
	output  string   // all that was printed
}

func (c came) String() string { return fmt.Sprintf("%s %s (%s)", c.verdict, c.code, c.reason) }

func newEdited(t *testing.T) *edited {
	t.Helper()
	dir := t.TempDir()
	e := &edited{T: t, dir: dir, repo: filepath.Join(dir, "repo")}
	e.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C.UTF-8", "TERM=dumb",
	}
	e.git("init", "--quiet", e.repo)
	for _, cache := range []string{"continued", "clean"} {
		if err := rememberHost(filepath.Join(dir, cache)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *edited) git(args ...string) string {
	e.Helper()
	if args[0] == "init" {
		return e.gitIn(e.dir, args...)
	}
	return e.gitIn(e.repo, args...)
}

func (e *edited) gitIn(dir string, args ...string) string {
	e.Helper()
	identity := []string{"-C", dir, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "advice.detachedHead=false"}
	cmd := exec.Command("git", append(identity, args...)...)
	cmd.Env = e.environ
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits all there is.
func (e *edited) commit(message string) {
	e.Helper()
	e.git("add", "-A")
	e.git("commit", "--quiet", "--allow-empty", "-m", message)
}

// run runs git-bst in this process with a cache and a policy about continued builds.
func (e *edited) run(cache, policy string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	environ := append(e.environ[:len(e.environ):len(e.environ)], e.settings(cache, policy)...)
	code = run(cmp.Or(e.ctx, e.Context()), machine{
		args: append([]string{"git-bst"}, args...), environ: environ, dir: cmp.Or(e.project, e.repo), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now,
		stage: func(stage build.Stage) {
			if e.stage != nil {
				e.stage(stage)
			}
		},
	})
	return code, out.String(), errs.String()
}

func (e *edited) settings(cache, policy string) []string {
	return []string{"XDG_CACHE_HOME=" + filepath.Join(e.dir, cache), "GIT_BST_BUILD_CONTINUE=" + policy}
}

// continued builds as a user does who lets builds be continued; clean as one who does not.
func (e *edited) continued(args ...string) came {
	e.Helper()
	return e.build("continued", "auto", args...)
}

func (e *edited) clean(args ...string) came {
	e.Helper()
	return e.build("clean", "never", args...)
}

// build builds, and again should the host's own files change meanwhile: its result has another
// name then.
func (e *edited) build(cache, policy string, args ...string) came {
	e.Helper()
	for range 5 {
		got := e.buildOnce(cache, policy, args...)
		if got.failed {
			return got
		}
		code, stdout, stderr := e.run(cache, policy, "show", "--deps", "none", "--format", "%{artifact-cas-digest}", e.element())
		if code != 0 {
			e.Fatalf("git-bst show: exit code %d\n%s", code, stderr)
		}
		if got.files = strings.TrimSpace(stdout); got.files != "" {
			return got
		}
		e.Log("the host changed, so what was built is of no use")
	}
	e.Fatal("the host changes all the time")
	return came{}
}

func (e *edited) buildOnce(cache, policy string, args ...string) came {
	e.Helper()
	code, stdout, stderr := e.run(cache, policy, append([]string{"--json", "build"}, args...)...)
	got := came{failed: code == 2, output: stdout + stderr}
	if code != 0 && code != 2 {
		e.Fatalf("git-bst build: exit code %d\n%s", code, got.output)
	}
	for line := range strings.Lines(stdout) {
		var event struct {
			Kind, Element, Verdict, Reason, Code, Key string
			Lines                                     []string
			Log                                       string `json:"log_path"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			e.Fatalf("%v in %q", err, line)
		}
		if event.Element != e.element() {
			continue
		}
		note, doubted := strings.CutPrefix(strings.Join(event.Lines, " "), "building clean: ")
		switch {
		case event.Kind == "start" || got.verdict == "" && event.Verdict != "":
			got.verdict, got.reason, got.code, got.key = event.Verdict, event.Reason, event.Code, event.Key
		case doubted: // what was done before is thrown away
			got.verdict, got.reason, got.code, got.units = got.verdict+", clean", note, event.Code, nil
		case event.Kind == "phase":
			got.units = append(got.units, e.compiled(event.Log)...)
		}
	}
	slices.Sort(got.units)
	return got
}

// compiled lists the C files that a phase compiled, by its log.
func (e *edited) compiled(log string) []string {
	e.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		e.Fatal(err)
	}
	var units []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if !slices.Contains(words, "-c") || !slices.ContainsFunc(words, func(word string) bool { return path.Base(word) == "cc" || path.Base(word) == "gcc" }) {
			continue
		}
		for _, word := range slices.Backward(words) {
			if strings.HasSuffix(word, ".c") {
				units = append(units, path.Base(word))
				break
			}
		}
	}
	return units
}

// interrupted begins a continued build and ends it some time after a phase began, as Ctrl-C does.
// It reports whether the build was ended so.
func (e *edited) interrupted(after time.Duration) bool {
	e.Helper()
	return e.interruptedBy(func(end func()) { time.AfterFunc(after, end) })
}

// interruptedBy begins a continued build, calls begun when a phase begins, and reports whether the
// build was ended by that.
func (e *edited) interruptedBy(begun func(end func())) bool {
	e.Helper()
	ctx, cancel := context.WithCancel(e.Context())
	e.ctx, e.stage = ctx, func(stage build.Stage) {
		if stage == build.StagePhase {
			begun(cancel)
		}
	}
	defer func() { cancel(); e.ctx, e.stage = nil, nil }()
	code, _, _ := e.run("continued", "auto", "--json", "build")
	return code != 0 && ctx.Err() != nil
}

// compare builds in both ways. differs says how the results differ, and is "" when they do not.
func (e *edited) compare() (got came, differs string) {
	e.Helper()
	got = e.continued()
	want := e.clean()
	switch {
	case got.failed && want.failed || got.files == want.files:
		return got, ""
	case got.failed:
		return got, "it failed, a clean build does not:\n" + got.output
	case want.failed:
		return got, "it is built, a clean build fails:\n" + want.output
	}
	return got, e.difference()
}

// difference lists the artifact's files that differ, with what a few bytes in them say.
func (e *edited) difference() string {
	e.Helper()
	a, b := e.checkout("continued"), e.checkout("clean")
	out, _ := exec.Command("diff", "-r", "--no-dereference", a, b).CombinedOutput() // exits with 1 when they differ
	return "it is not what a clean build gives:\n" + string(out)
}

// checkout puts the artifact of a cache into a folder and returns that.
func (e *edited) checkout(cache string) string {
	e.Helper()
	dir := filepath.Join(e.dir, "artifact-"+cache)
	if err := os.RemoveAll(dir); err != nil {
		e.Fatal(err)
	}
	if code, stdout, stderr := e.run(cache, "auto", "artifact", "checkout", e.element(), dir); code != 0 {
		e.Fatalf("git-bst artifact checkout: exit code %d\n%s%s", code, stdout, stderr)
	}
	return dir
}

// element is the one that is built when none is named.
func (e *edited) element() string { return "p.bst" }

// path is that of a file of the work tree.
func (e *edited) path(name string) string {
	dir := e.repo
	if e.project != "" && (strings.HasPrefix(name, "elements/") || name == "project.conf" || name == ".git-bst.toml") {
		dir = e.project
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

func (e *edited) read(name string) string {
	e.Helper()
	data, err := os.ReadFile(e.path(name))
	if err != nil {
		e.Fatal(err)
	}
	return string(data)
}

func (e *edited) write(name, text string) {
	e.Helper()
	e.writeTo(e.path(name), text)
}

func (e *edited) writeTo(file, text string) {
	e.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		e.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		e.Fatal(err)
	}
}

// replace replaces a text in a file, which must be there.
func (e *edited) replace(name, old, with string) {
	e.Helper()
	text := e.read(name)
	if !strings.Contains(text, old) {
		e.Fatalf("%s has no %q:\n%s", name, old, text)
	}
	e.write(name, strings.ReplaceAll(text, old, with))
}

// old gives a file a time before that of all builds.
func (e *edited) old(name string) {
	e.Helper()
	before := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(e.path(name), before, before); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) executable(name string) {
	e.Helper()
	if err := os.Chmod(e.path(name), 0o777); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) remove(name string) {
	e.Helper()
	if err := os.RemoveAll(e.path(name)); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) rename(from, to string) {
	e.Helper()
	if err := os.Rename(e.path(from), e.path(to)); err != nil {
		e.Fatal(err)
	}
}
