package plan_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// full is the trace of a full build: configure read configure.ac and rewrote Makefile; the build
// read a.c, h.h and its own rules.mk, made a.o and gen/, moved data; nobody opened README or docs.
func full() trace.Trace {
	phase := func(name string, paths ...trace.Path) trace.Phase {
		return trace.Phase{Name: name, Ended: true, Paths: paths}
	}
	return trace.Trace{Phases: []trace.Phase{
		phase("configure", trace.Path{Name: "Makefile", Uses: trace.Opened | trace.Written, Opens: 1}, trace.Path{Name: "configure.ac", Uses: trace.Opened, Opens: 1}),
		phase("build", trace.Path{Name: "a.c", Uses: trace.Opened, Opens: 1}, trace.Path{Name: "a.o", Uses: trace.Created | trace.Written},
			trace.Path{Name: "data", Uses: trace.Moved}, trace.Path{Name: "gen", Uses: trace.Created | trace.Listed}, trace.Path{Name: "h.h", Uses: trace.Opened, Opens: 2},
			trace.Path{Name: "linked", Uses: trace.Linked}, trace.Path{Name: "man", Uses: trace.Listed}, trace.Path{Name: "rules.mk", Uses: trace.Opened, Opens: 1}),
		phase("install", trace.Path{Name: "late.txt", Uses: trace.Opened, Opens: 1}),
	}}
}

// base is one that may be continued and whose no-op run opens rules.mk.
func base() plan.Base {
	return plan.Base{
		Record: "base", Result: record.Success, Source: "tree", Tree: true, Artifact: true, SameRoot: true,
		Phases: []plan.BasePhase{{"configure", true}, {"build", true}, {"install", true}}, Trace: full(),
		Noop: &trace.Phase{Name: "build", Ended: true, Paths: []trace.Path{{Name: "rules.mk", Uses: trace.Opened, Opens: 1}}},
	}
}

func content(path string) plan.Change {
	return plan.Change{Path: path, Op: plan.Content, Was: "old " + path, Is: "new " + path}
}

func added(path string) plan.Change {
	return plan.Change{Path: path, Op: plan.Added, Is: "new " + path}
}

func deleted(path string) plan.Change {
	return plan.Change{Path: path, Op: plan.Deleted, Was: "old " + path}
}

type judgeTest struct {
	name    string
	rule    int
	changes []plan.Change
	with    func(c *plan.Case)
	verdict plan.Verdict
	code    plan.Code
	text    string
}

func checkJudge(t *testing.T, tests []judgeTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := plan.Case{Base: base(), Changes: test.changes, Phases: phases(false, false, false)}
			if test.with != nil {
				test.with(&c)
			}
			got := plan.Judge(c)
			if got.Verdict != test.verdict || got.Reason.Code != test.code || got.Rule != test.rule {
				t.Errorf("Judge = %s, %s by rule %d (%s), want %s, %s by rule %d", got.Verdict, got.Reason.Code, got.Rule, got.Reason.Text, test.verdict, test.code, test.rule)
			}
			if test.text != "" && got.Reason.Text != test.text {
				t.Errorf("text %q, want %q", got.Reason.Text, test.text)
			}
		})
	}
}

func TestRule14PartsComeFirst(t *testing.T) {
	checkJudge(t, []judgeTest{
		{name: "README together with CFLAGS", rule: 14, changes: []plan.Change{content("README")}, with: func(c *plan.Case) { c.Differs = []string{"environment"} },
			verdict: plan.Clean, code: plan.CodeChanged, text: "its inputs changed: environment"},
		{name: "README together with a dependency", rule: 14, changes: []plan.Change{content("README")}, with: func(c *plan.Case) { c.Differs = []string{"dependency zlib.bst"} },
			verdict: plan.Clean, code: plan.CodeChanged},
		{name: "other install commands", rule: 22, with: func(c *plan.Case) { c.Later = []string{"install commands"} },
			verdict: plan.Continue, code: plan.CodeContinueLater, text: "only what comes after building is done again: install commands"},
		{name: "README together with install commands", rule: 14, changes: []plan.Change{content("README")}, with: func(c *plan.Case) { c.Later = []string{"install commands"} },
			verdict: plan.Clean, code: plan.CodeChanged, text: "its inputs changed: source, install commands"},
		{name: "other install commands on a killed build", rule: 15, with: func(c *plan.Case) { c.Later, c.Base.Result = []string{"install commands"}, record.Machine },
			verdict: plan.Clean, code: plan.CodeBaseKilled},
	})
}

// TestAltered: other commands after the build phase begin with what that left, so nothing of it may be
// changed since.
func TestAltered(t *testing.T) {
	for name, test := range map[string]struct {
		late trace.Path
		want string
	}{
		"only read":              {late: trace.Path{Name: "a.o", Uses: trace.Opened}},
		"made by it":             {late: trace.Path{Name: "stamp", Uses: trace.Created | trace.Written}},
		"made and deleted by it": {late: trace.Path{Name: "stamp", Uses: trace.Created | trace.Deleted}},
		"a source":               {late: trace.Path{Name: "README", Uses: trace.Opened | trace.Written}, want: "README"},
		"a source replaced":      {late: trace.Path{Name: "README", Uses: trace.Created}, want: "README"},
		"what was built":         {late: trace.Path{Name: "a.o", Uses: trace.Written}, want: "a.o"},
		"its mode":               {late: trace.Path{Name: "a.o", Uses: trace.Attributes}, want: "a.o"},
		"moved away":             {late: trace.Path{Name: "a.o", Uses: trace.Moved}, want: "a.o"},
	} {
		chain := trace.Trace{Phases: []trace.Phase{
			{Name: plan.BuildPhase, Ended: true, Paths: []trace.Path{{Name: "a.o", Uses: trace.Created | trace.Written}}},
			{Name: "install", Ended: true, Paths: []trace.Path{test.late}},
		}}
		if got := plan.Altered(chain, func(path string) bool { return path == "README" }); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestRule15UsableBases(t *testing.T) {
	ended := func(result record.Result, signal syscall.Signal, half bool) func(c *plan.Case) {
		return func(c *plan.Case) { c.Base.Result, c.Base.Signal, c.Base.HalfKnown = result, signal, half }
	}
	one := []plan.Change{content("a.c")}
	made := func(phase int, name string) func(c *plan.Case) {
		return func(c *plan.Case) {
			c.Base.Phases, c.Base.Trace.Phases = c.Base.Phases[1:], c.Base.Trace.Phases[1:]
			c.Base.Trace.Phases[phase].Paths = append(c.Base.Trace.Phases[phase].Paths, trace.Path{Name: name, Uses: trace.Created})
		}
	}
	checkJudge(t, []judgeTest{
		{"success", 22, one, nil, plan.Continue, plan.CodeContinue, "only what depends on a.c is built"},
		{"exit code", 22, one, ended(record.Failed, 0, true), plan.Continue, plan.CodeContinue, ""},
		{"exit code, half-written files not known", 15, one, ended(record.Failed, 0, false), plan.Clean, plan.CodeBaseHalf, ""},
		{"timeout", 22, one, ended(record.Timeout, 0, true), plan.Continue, plan.CodeContinue, ""},
		{"interrupted", 22, one, ended(record.Interrupted, 0, true), plan.Continue, plan.CodeContinue, ""},
		{"interrupted, and killed as it did not end in time", 15, one, ended(record.Interrupted, syscall.SIGKILL, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"timeout, and killed as it did not end in time", 15, one, ended(record.Timeout, syscall.SIGKILL, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"interrupted by TERM", 22, one, ended(record.Interrupted, syscall.SIGTERM, true), plan.Continue, plan.CodeContinue, ""},
		{"interrupted, not known", 15, one, ended(record.Interrupted, 0, false), plan.Clean, plan.CodeBaseHalf, ""},
		{"continued and interrupted", 15, one, func(c *plan.Case) { ended(record.Interrupted, 0, true)(c); c.Base.Unjudged = true }, plan.Clean, plan.CodeBaseUnjudged, ""},
		{"TERM", 22, one, ended(record.Signal, syscall.SIGTERM, true), plan.Continue, plan.CodeContinue, ""},
		{"a lost terminal", 22, one, ended(record.Signal, syscall.SIGHUP, true), plan.Continue, plan.CodeContinue, ""},
		{"KILL", 15, one, ended(record.Signal, syscall.SIGKILL, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"a shell that says KILL", 15, one, ended(record.Signal, 0, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"out of memory, disk full", 15, one, ended(record.Machine, 0, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"power, or a newer word", 15, one, ended("", 0, true), plan.Clean, plan.CodeBaseKilled, ""},
		{"another root", 15, one, func(c *plan.Case) { c.Base.SameRoot = false }, plan.Clean, plan.CodeBaseRoot, ""},
		{"the tree is gone", 15, one, func(c *plan.Case) { c.Base.Tree = false }, plan.Clean, plan.CodeBaseGone, ""},
		{"configure failed", 15, one, func(c *plan.Case) { ended(record.Failed, 0, true)(c); c.Base.Phases[0].Ended = false }, plan.Clean, plan.CodeBaseConfigure, ""},
		{"no configure phase, and none needed", 22, one, made(0, "zz"), plan.Continue, plan.CodeContinue, ""},
		{"cmake in build-commands", 15, one, made(0, "zz/CMakeCache.txt"), plan.Clean, plan.CodeBaseConfigures, "its build phase configures: it made zz/CMakeCache.txt"},
		{"configure in install-commands", 15, one, made(1, "zz/config.status"), plan.Clean, plan.CodeBaseConfigures, ""},
		{"meson in build-commands", 15, one, made(0, "z/build.ninja"), plan.Clean, plan.CodeBaseConfigures, ""},
		{"no configure phase and no trace", 15, one, func(c *plan.Case) { c.Base.Phases, c.Base.Trace = c.Base.Phases[1:], trace.Trace{} }, plan.Clean, plan.CodeBaseConfigure, ""},
	})
}

func TestRule16Traces(t *testing.T) {
	gap := func(c *plan.Case) { c.Base.Trace.AddGap(trace.GapOverflow) }
	checkJudge(t, []judgeTest{
		{"overflow: no Same", 16, []plan.Change{content("README")}, gap, plan.Clean, plan.CodeNoTrace, "it is not known whether the last build read README: its trace has gaps (overflow)"},
		{"overflow: no Continue", 16, []plan.Change{content("a.c")}, gap, plan.Clean, plan.CodeNoTrace, ""},
		{"no trace", 16, []plan.Change{content("README")}, func(c *plan.Case) { c.Base.Trace = trace.Trace{} }, plan.Clean, plan.CodeNoTrace, ""},
		{"a phase that did not end: no Same", 22, []plan.Change{content("README")}, func(c *plan.Case) { c.Base.Trace.Phases[1].Ended = false }, plan.Continue, plan.CodeContinue, ""},
		{"configure not traced to its end", 16, []plan.Change{content("a.c")}, func(c *plan.Case) { c.Base.Trace.Phases[0].Ended = false }, plan.Clean, plan.CodeNoTrace, ""},
		{"configure not traced", 16, []plan.Change{content("a.c")}, func(c *plan.Case) { c.Base.Trace.Phases = c.Base.Trace.Phases[1:] }, plan.Clean, plan.CodeNoTrace, ""},
		{"nothing changed: nothing to ask", 22, nil, func(c *plan.Case) { gap(c); c.Base.Result, c.Base.HalfKnown = record.Failed, true }, plan.Continue, plan.CodeContinueEqual, ""},
		{"a header read first in a continued step", 18, []plan.Change{content("new.h")}, nil, plan.Same, plan.CodeUnread, ""},
		{"and then edited: the union knows", 22, []plan.Change{content("new.h")}, func(c *plan.Case) {
			next := trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{{Name: "new.h", Uses: trace.Opened, Opens: 1}}}}}
			c.Base.Trace = trace.Union(c.Base.Trace, next)
		}, plan.Continue, plan.CodeContinue, ""},
	})
}

func TestRule17TheSourceThatIsThere(t *testing.T) {
	checkJudge(t, []judgeTest{
		{"not known", 17, []plan.Change{content("README")}, func(c *plan.Case) { c.Base.Source = "" }, plan.Clean, plan.CodeBaseSource, ""},
	})
}

func TestRule18Same(t *testing.T) {
	readme := []plan.Change{content("README")}
	change := func(edit func(*plan.Change)) []plan.Change {
		c := content("README")
		edit(&c)
		return []plan.Change{c}
	}
	checkJudge(t, []judgeTest{
		{"never opened", 18, readme, nil, plan.Same, plan.CodeUnread, "the build never opened what changed: README"},
		{"several", 18, []plan.Change{content("README"), content("docs/x")}, nil, plan.Same, plan.CodeUnread, ""},
		{"one of them opened", 22, []plan.Change{content("README"), content("a.c")}, nil, plan.Continue, plan.CodeContinue, ""},
		{"opened by a later step only", 22, []plan.Change{content("late.txt")}, nil, plan.Continue, plan.CodeContinue, ""},
		{"moved", 20, []plan.Change{content("data")}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"linked", 20, []plan.Change{content("linked")}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"its folder was listed", 22, []plan.Change{content("man/x.1")}, nil, plan.Continue, plan.CodeContinue, ""},
		{"its folder was listed, by policy no reading", 18, []plan.Change{content("man/x.1")}, func(c *plan.Case) { c.Policies.IgnoreListing = true }, plan.Same, plan.CodeUnread, ""},
		{"old content elsewhere", 22, change(func(c *plan.Change) { c.Copied = true }), nil, plan.Continue, plan.CodeContinue, ""},
		{"was empty", 18, change(func(c *plan.Change) { c.Empty = true }), nil, plan.Clean, plan.CodeCountsAsRead, ""},
		{"mode", 18, change(func(c *plan.Change) { c.Op = plan.Mode }), nil, plan.Clean, plan.CodeCountsAsRead, "the mode of README changed, and no trace shows who asked for it"},
		{"a symlink retargeted", 18, change(func(c *plan.Change) { c.Op = plan.Link }), nil, plan.Clean, plan.CodeCountsAsRead, ""},
		{"type", 18, change(func(c *plan.Change) { c.Op = plan.Type }), nil, plan.Clean, plan.CodeCountsAsRead, ""},
		{"the artifact is gone", 22, readme, func(c *plan.Case) { c.Base.Artifact = false }, plan.Continue, plan.CodeContinue, ""},
		{"the base failed", 22, readme, func(c *plan.Case) { c.Base.Result, c.Base.HalfKnown, c.Base.Artifact = record.Failed, true, false }, plan.Continue, plan.CodeContinue, ""},
		{"the build tree is gone: not needed", 18, readme, func(c *plan.Case) { c.Base.Tree = false }, plan.Same, plan.CodeUnread, ""},
		{"the project names it", 20, readme, func(c *plan.Case) { c.Policies.ConfigureInputs = []string{"READ*"} }, plan.Clean, plan.CodeConfigureInput, ""},
	})
}

// Rule 9: commits and tags join the parts only where the build asks for them.
func TestRule9GitNeverLookedInto(t *testing.T) {
	commit := []plan.Change{content(".git/HEAD"), {Path: ".git/index", Op: plan.Content, Empty: true}, added(".git/objects/aa"), deleted("sub/.git/refs/x")}
	used := func(uses trace.Use, name string) func(c *plan.Case) {
		return func(c *plan.Case) {
			c.Base.Trace.Phases[1].Paths = append([]trace.Path{{Name: name, Uses: uses}}, c.Base.Trace.Phases[1].Paths...)
		}
	}
	checkJudge(t, []judgeTest{
		{"a commit", 18, commit, nil, plan.Same, plan.CodeUnread, "the build never opened what changed: .git/HEAD, .git/index, .git/objects/aa and 1 more"},
		{"a commit of a file that is built", 22, append(commit[:len(commit):len(commit)], content("a.c")), nil, plan.Continue, plan.CodeContinue, ""},
		{"a commit and an added file", 19, append(commit[:len(commit):len(commit)], added("b.c")), nil, plan.Clean, plan.CodeAdded, "b.c was added"},
		{"git describe", 19, commit, used(trace.Opened, ".git/packed-refs"), plan.Clean, plan.CodeAdded, ""},
		{"git describe, nothing but content changed", 22, commit[:1], used(trace.Opened, ".git/HEAD"), plan.Continue, plan.CodeContinue, ""},
		{"ls .git", 19, commit, used(trace.Listed, ".git"), plan.Clean, plan.CodeAdded, ""},
		{"a trace with gaps", 19, commit, func(c *plan.Case) { c.Base.Trace.AddGap(trace.GapOverflow) }, plan.Clean, plan.CodeAdded, ""},
		{"not traced at all", 19, commit, func(c *plan.Case) { c.Base.Trace = trace.Trace{} }, plan.Clean, plan.CodeAdded, ""},
		{".gitignore is no such file", 19, []plan.Change{added(".gitignore")}, nil, plan.Clean, plan.CodeAdded, ""},
		{".git itself", 19, []plan.Change{added(".git")}, nil, plan.Clean, plan.CodeAdded, ""},
	})
}

func TestRule19AddsAndDeletes(t *testing.T) {
	allow := func(patterns ...string) func(c *plan.Case) {
		return func(c *plan.Case) { c.Policies.Allowed = patterns }
	}
	folder := func(c plan.Change) plan.Change { c.Folder, c.Was, c.Is = true, "", ""; return c }
	rename := []plan.Change{{Path: "new.c", Op: plan.Added, Is: "x"}, {Path: "old.c", Op: plan.Deleted, Was: "x"}}
	checkJudge(t, []judgeTest{
		{"added", 19, []plan.Change{added("b.c")}, nil, plan.Clean, plan.CodeAdded, "b.c was added"},
		{"added, allowed", 22, []plan.Change{added("docs/b.md")}, allow("*.md"), plan.Continue, plan.CodeContinue, ""},
		{"added, allowed by path", 22, []plan.Change{added("a/tests/b/c")}, allow("**/tests/**"), plan.Continue, plan.CodeContinue, ""},
		{"added, other path allowed", 19, []plan.Change{added("a/test/c")}, allow("tests/**", "a/*"), plan.Clean, plan.CodeAdded, ""},
		{"added, but the build makes it", 19, []plan.Change{added("a.o")}, allow("*.o"), plan.Clean, plan.CodeAddedMade, ""},
		{"added where the build made the folder", 19, []plan.Change{folder(added("gen")), added("gen/x.md")}, allow("*.md"), plan.Clean, plan.CodeAddedMade, ""},
		{"a folder with what is allowed", 22, []plan.Change{folder(added("notes")), added("notes/x.md")}, allow("*.md"), plan.Continue, plan.CodeContinue, ""},
		{"an empty folder", 19, []plan.Change{folder(added("notes"))}, nil, plan.Clean, plan.CodeAdded, ""},
		{"deleted", 19, []plan.Change{deleted("README")}, nil, plan.Clean, plan.CodeDeleted, ""},
		{"deleted, allowed", 22, []plan.Change{deleted("README")}, allow("README"), plan.Continue, plan.CodeContinue, ""},
		{"deleted though a phase opened it, allowed or not", 19, []plan.Change{deleted("a.c")}, allow("*"), plan.Clean, plan.CodeDeletedRead, ""},
		{"renamed", 19, rename, nil, plan.Clean, plan.CodeRenamed, "old.c was renamed to new.c"},
		{"renamed, allowed", 22, rename, allow("*.c"), plan.Continue, plan.CodeContinue, ""},
	})
}

func TestRule20Readers(t *testing.T) {
	checkJudge(t, []judgeTest{
		{"configure opened it", 20, []plan.Change{content("configure.ac")}, nil, plan.Clean, plan.CodeConfigureRead, "configure.ac changed, which configure read"},
		{"configure rewrote it", 20, []plan.Change{content("Makefile")}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"the build made it", 20, []plan.Change{content("a.o")}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"the build made the folder around it", 20, []plan.Change{content("gen/deep/x")}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"the build tree holds another version", 20, []plan.Change{{Path: "a.c", Op: plan.Content, Rewritten: true}}, nil, plan.Clean, plan.CodeBuildWrote, ""},
		{"make's own file of any name", 20, []plan.Change{content("rules.mk")}, nil, plan.Clean, plan.CodeBuildSystem, ""},
		{"named by the project", 20, []plan.Change{content("a.c")}, func(c *plan.Case) { c.Policies.ConfigureInputs = []string{"a.c"} }, plan.Clean, plan.CodeConfigureInput, ""},
		{"several outputs under a strict name", 23, []plan.Change{content("late.txt")}, func(c *plan.Case) { c.Strict = true }, plan.Clean, plan.CodeOutputs, ""},
		{"a compiled file under a strict name", 22, []plan.Change{content("a.c")}, func(c *plan.Case) { c.Strict = true }, plan.Continue, plan.CodeContinue, ""},
		{"nothing to try without changes", 20, []plan.Change{content("late.txt")}, func(c *plan.Case) { c.Base.Noop, c.Phases = nil, append(c.Phases[:1:1], c.Phases[2]) }, plan.Clean, plan.CodeBuildSystem, ""},
		{"--reconfigure", 22, []plan.Change{content("configure.ac")}, func(c *plan.Case) { c.Reconfigure = true }, plan.Continue, plan.CodeReconfigure, ""},
		{"--reconfigure of what was rewritten", 20, []plan.Change{content("Makefile")}, func(c *plan.Case) { c.Reconfigure = true }, plan.Clean, plan.CodeBuildWrote, ""},
	})
	c := plan.Case{Base: base(), Changes: []plan.Change{content("a.c")}, Phases: phases(false, false, false)}
	if plan.Judge(c).Probe {
		t.Error("the no-op run is known")
	}
	c.Base.Noop = nil
	if got := plan.Judge(c); got.Verdict != plan.Continue || !got.Probe {
		t.Errorf("without a known no-op run: %+v", got)
	}
	c.Changes[0].Path, c.Base.Artifact = "README", false
	if plan.Judge(c).Probe {
		t.Error("a file that no phase opened needs no probe")
	}
}

func TestRule21Clock(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func(newest time.Duration, coarse bool) func(c *plan.Case) {
		return func(c *plan.Case) { c.Clock = plan.Clock{Now: now, Newest: now.Add(newest), Coarse: coarse} }
	}
	one := []plan.Change{content("a.c")}
	checkJudge(t, []judgeTest{
		{"ahead", 22, one, clock(-time.Hour, false), plan.Continue, plan.CodeContinue, ""},
		{"a little behind", 22, one, clock(time.Second, false), plan.Continue, plan.CodeContinue, ""},
		{"behind", 21, one, clock(2*time.Second, false), plan.Clean, plan.CodeClock, ""},
		{"coarse", 21, one, clock(-time.Hour, true), plan.Clean, plan.CodeClockCoarse, ""},
		{"Same restores nothing", 18, []plan.Change{content("README")}, clock(time.Hour, true), plan.Same, plan.CodeUnread, ""},
	})
	for newest, wait := range map[time.Duration]time.Duration{-1: 0, 0: 1, time.Second: time.Second + 1} {
		c := plan.Case{Base: base(), Changes: one}
		clock(newest, false)(&c)
		if got := plan.Judge(c); got.Wait != wait {
			t.Errorf("newest is now %+d: wait %d, want %d", newest, got.Wait, wait)
		}
	}
}

func TestRule22WhatRuns(t *testing.T) {
	for _, test := range []struct {
		phases      []plan.Phase
		reconfigure bool
		first       int
	}{{phases(false, false, false), false, 1}, {phases(false, false, false), true, 0}, {phases(false, false, false)[1:], false, 0}} {
		c := plan.Case{Base: base(), Changes: []plan.Change{content("a.c")}, Phases: test.phases, Reconfigure: test.reconfigure}
		if got := plan.Judge(c); got.Verdict != plan.Continue || got.Phase != test.first {
			t.Errorf("%v, reconfigure %v: %+v, want phase %d", test.phases, test.reconfigure, got, test.first)
		}
	}
}

func TestUnread(t *testing.T) {
	c := plan.Case{Base: base(), Changes: []plan.Change{{Path: "README", Op: plan.Content, Copied: true}}}
	if !c.Unread() || !c.Changes[0].Copied {
		t.Error("only the copies are to be looked up, and the case stays as it is")
	}
	c.Changes[0].Path = "a.c"
	if c.Unread() {
		t.Error("a.c was opened")
	}
}

func TestNearest(t *testing.T) {
	for name, test := range map[string]struct {
		candidates []plan.Candidate
		want       int
	}{
		"none":             {nil, -1},
		"none is usable":   {[]plan.Candidate{{Record: "1"}}, -1},
		"not the last one": {[]plan.Candidate{{Record: "1", Usable: true, Distance: 2}, {Record: "2", Usable: true, Distance: 9}}, 0},
		"usable ones only": {[]plan.Candidate{{Record: "1", Distance: 0}, {Record: "2", Usable: true, Distance: 9}}, 1},
		"a success":        {[]plan.Candidate{{Record: "2", Usable: true, Warm: true}, {Record: "1", Usable: true, Success: true}}, 1},
		"a warm one":       {[]plan.Candidate{{Record: "2", Usable: true}, {Record: "1", Usable: true, Warm: true}}, 1},
		"the newest":       {[]plan.Candidate{{Record: "2", Usable: true}, {Record: "3", Usable: true}, {Record: "1", Usable: true}}, 1},
	} {
		if got := plan.Nearest(test.candidates); got != test.want {
			t.Errorf("%s: Nearest = %d, want %d", name, got, test.want)
		}
	}
}
