package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newWorkspace is the project of newClient whose element takes its source from git, at a commit of
// another repository. It is not built yet, and no workspace is open.
func newWorkspace(t *testing.T) *edited {
	t.Helper()
	e := newEdited(t)
	e.project = filepath.Join(e.dir, "project")
	e.git("init", "--quiet", e.project)
	e.git("init", "--quiet", e.upstream())
	for name, text := range clientFiles {
		to := e.path(name)
		if strings.HasPrefix(to, e.repo+"/") {
			to = filepath.Join(e.upstream(), name)
		}
		e.writeTo(to, text)
	}
	if err := os.Chmod(filepath.Join(e.upstream(), "configure"), 0o777); err != nil {
		t.Fatal(err)
	}
	e.gitIn(e.upstream(), "add", "-A")
	e.gitIn(e.upstream(), "commit", "--quiet", "-m", "base")
	e.replace("elements/p.bst", "- kind: local\n  path: .\n", "- kind: git\n  url: file://"+e.upstream()+"\n  track: HEAD\n")
	e.bst("source", "track", "p.bst")
	if err := os.RemoveAll(e.repo); err != nil { // only a workspace will be there
		t.Fatal(err)
	}
	return e
}

// upstream is the repository that the element's source names.
func (e *edited) upstream() string { return filepath.Join(e.dir, "upstream") }

// bst runs git-bst, which must succeed, and returns what it printed.
func (e *edited) bst(args ...string) string {
	e.Helper()
	code, stdout, stderr := e.run("continued", "auto", args...)
	if code != 0 {
		e.Fatalf("git-bst %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout + stderr
}

// TestBaseline takes the steps that were measured with earlier build tools, in one workspace: what is
// compiled in each is what the build system alone would compile, or less.
func TestBaseline(t *testing.T) {
	e := newWorkspace(t)
	for _, one := range []struct {
		name string
		does func()
	}{
		{"clean build", func() {
			e.step("clean never-built ftp.c http.c main.c url.c", "main1 url1-data1 ftp-data1 http-data1 dep1 flag1")
		}},
		{"no change", func() { e.nothingRuns() }},
		{"opened", func() { e.bst("workspace", "open", "p.bst", e.repo); e.git("checkout", "--quiet", "-b", "work") }},
		{"first build in the workspace", func() { e.nothingRuns() }},
		{"install commands", func() {
			e.replace("elements/p.bst", "variables:\n", "config:\n  install-commands:\n    (>):\n    - echo more\nvariables:\n")
			e.step("resume phases-cached", "url1")
		}},
		{"git status", func() { e.git("status"); e.nothingRuns() }},
		{"one file", func() {
			e.replace("url.c", "url1", "url2")
			e.step("continue source-changed url.c", "url2")
			e.nothingRuns()
		}},
		{"touched", func() { e.old("main.c"); e.write("url.c", e.read("url.c")); e.nothingRuns() }},
		{"a header", func() {
			e.replace("urldata.h", "data1", "data2")
			e.step("continue source-changed ftp.c http.c url.c", "url2-data2 ftp-data2 http-data2")
		}},
		{"a comment in the element", func() { e.write("elements/p.bst", e.read("elements/p.bst")+"# a comment\n"); e.nothingRuns() }},
		{"public data", func() {
			e.write("elements/p.bst", e.read("elements/p.bst")+"public:\n  bst:\n    split-rules:\n      mine:\n      - /client/bin/prog\n")
			e.step("promote equal-parts", "url2")
		}},
		{"option of configure", func() {
			e.replace("elements/p.bst", "  prefix:", "  conf-local: --disable-ftp\n  prefix:")
			e.step("clean inputs-changed *", "url2-data2  http")
			e.replace("elements/p.bst", "  conf-local: --disable-ftp\n", "")
			e.step("skip artifact-cached", "url2-data2 ftp-data2 http-data2")
		}},
		{"soft reset", func() {
			e.bst("workspace", "reset", "--soft", "p.bst")
			got := e.step("clean soft-reset *", "url2")
			if !got.configured() {
				e.Errorf("it was not configured:\n%s", got.output)
			}
			e.nothingRuns()
		}},
		{"commit", func() { e.commit("what was built"); e.nothingRuns() }},
		{"reset --soft of git", func() { e.git("reset", "--quiet", "--soft", "HEAD~"); e.nothingRuns() }},
		{"stash and pop", func() { e.git("stash", "--quiet"); e.git("stash", "pop", "--quiet"); e.nothingRuns() }},
		{"another branch and back", func() {
			e.commit("what was built")
			e.git("checkout", "--quiet", "-b", "other", "HEAD~")
			e.replace("main.c", "main1", "main3")
			e.step("continue source-changed ?", "main3 url1-data1")
			e.commit("on the other branch")
			e.git("checkout", "--quiet", "work")
			e.nothingRuns()
		}},
		{"closed and opened again", func() {
			e.bst("workspace", "close", "p.bst")
			e.bst("workspace", "open", "--attach", "p.bst", e.repo)
			e.nothingRuns()
			e.replace("url.c", "url2", "url4")
			e.step("continue source-changed url.c", "url4-data2")
		}},
		{"final build", func() {
			e.commit("final")
			e.git("push", "--quiet", e.upstream(), "HEAD:refs/heads/final")
			e.bst("workspace", "close", "p.bst")
			e.replace("elements/p.bst", "track: HEAD", "track: final")
			e.bst("source", "track", "p.bst")
			got := e.step("", "url4-data2")
			if code := e.code(got); len(got.units) > 0 || code != "promote equal-parts" && code != "skip artifact-cached" {
				e.Errorf("%s compiled %v", got, got.units)
			}
		}},
	} {
		if !t.Run(one.name, func(t *testing.T) { e.T = t; one.does() }) {
			return // the others build on it
		}
	}
}

// TestBaselineFailed: a build fails without a workspace; in the one that is opened then only what
// failed is compiled.
func TestBaselineFailed(t *testing.T) {
	e := newWorkspace(t)
	broken := filepath.Join(e.upstream(), "http.c")
	e.writeTo(broken, strings.Replace(clientFiles["http.c"], "return", "return syntax error", 1))
	e.gitIn(e.upstream(), "commit", "--quiet", "-a", "-m", "broken")
	e.bst("source", "track", "p.bst")
	if got := e.continued(); !got.failed || !slices.Equal(got.units, []string{"ftp.c", "http.c", "main.c", "url.c"}) {
		t.Fatalf("failed: %t, compiled %v\n%s", got.failed, got.units, got.output)
	}
	e.bst("workspace", "open", "p.bst", e.repo)
	e.replace("http.c", "return syntax error", "return")
	if got := e.step("continue source-changed http.c http.c", "http-data1"); got.configured() {
		t.Errorf("it was configured again:\n%s", got.output)
	}
}
