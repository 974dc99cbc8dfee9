package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

func TestRule13RetryContinues(t *testing.T) {
	failed := base()
	failed.Record, failed.Result, failed.HalfKnown, failed.Artifact = "bad", record.Failed, true, false
	c := &plan.Case{Base: failed, Phases: phases(true, false, false)}
	facts := plan.Facts{Attempts: []plan.Attempt{failure}, Phases: c.Phases, Base: c, Asked: plan.Asked{Retry: true}}
	got := plan.Make(facts)
	if got.Verdict != plan.Continue || got.Record != "bad" || got.Phase != 1 || got.Reason.Code != plan.CodeContinueEqual {
		t.Errorf("--retry of a failed build phase: %+v", got)
	}
	facts.Phases = phases(true, true, false)
	if got := plan.Make(facts); got.Verdict != plan.Resume || got.Phase != 2 {
		t.Errorf("whole phases are resumed exactly: %+v", got)
	}
	facts.Asked.Retry = false
	if got := plan.Make(facts); got.Verdict != plan.Failed {
		t.Errorf("without --retry: %+v", got)
	}
}

// Rule 23: what failed on an old tree is built clean when it is asked for again, whatever is nearest.
func TestRule23FailedContinuedIsBuiltClean(t *testing.T) {
	doubtful := plan.Attempt{Record: "doubtful", Summary: "build failed with exit code 2", Continued: true}
	facts := plan.Facts{Phases: phases(false, false, false), Base: &plan.Case{Base: base(), Changes: []plan.Change{content("a.c")}, Phases: phases(false, false, false)}}
	for _, test := range []struct {
		name     string
		attempts []plan.Attempt
		cached   bool
		retry    bool
		verdict  plan.Verdict
		code     plan.Code
	}{
		{"asked again", []plan.Attempt{doubtful}, false, false, plan.Clean, plan.CodeFailedContinued},
		{"asked again with --retry", []plan.Attempt{doubtful}, false, true, plan.Clean, plan.CodeFailedContinued},
		{"a configured tree is exact", []plan.Attempt{doubtful}, true, false, plan.Resume, plan.CodePhasesCached},
		{"failed clean since", []plan.Attempt{failure, doubtful}, false, false, plan.Failed, plan.CodeEqualPartsFailed},
		{"failed clean since, tried again", []plan.Attempt{failure, doubtful}, false, true, plan.Continue, plan.CodeContinue},
		{"succeeded since", []plan.Attempt{success, doubtful}, false, false, plan.Promote, plan.CodeEqualParts},
		{"interrupted", []plan.Attempt{{Record: "stopped"}}, false, false, plan.Continue, plan.CodeContinue},
	} {
		facts.Attempts, facts.Asked.Retry, facts.Phases[0].Cached = test.attempts, test.retry, test.cached
		if got := plan.Make(facts); got.Verdict != test.verdict || got.Reason.Code != test.code {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// Where the nearest build can't be continued, the reason is why, not that the source changed.
func TestMakeSpoiled(t *testing.T) {
	why := &plan.Reason{Code: plan.CodeBaseGone, Text: "the build tree of the last build is gone"}
	for _, test := range []struct {
		differs []string
		spoiled *plan.Reason
		code    plan.Code
	}{
		{[]string{"source"}, why, plan.CodeBaseGone},
		{[]string{"source"}, nil, plan.CodeChanged},
		{[]string{"source", "configure commands"}, why, plan.CodeChanged},
	} {
		facts := plan.Facts{Phases: phases(false, false, false), Previous: &plan.Previous{Record: "base", Differs: test.differs}, Spoiled: test.spoiled}
		if got := plan.Make(facts); got.Verdict != plan.Clean || got.Reason.Code != test.code {
			t.Errorf("%v: %+v", test, got)
		}
	}
}

func TestMakeWithBase(t *testing.T) {
	one := func(change plan.Change) *plan.Case {
		return &plan.Case{Base: base(), Changes: []plan.Change{change}, Phases: phases(false, false, false)}
	}
	other := one(content("a.c"))
	other.Differs = []string{"configure commands"}
	previous := &plan.Previous{Record: "base", Differs: []string{"source"}}
	for _, test := range []struct {
		name    string
		base    *plan.Case
		cached  []bool
		verdict plan.Verdict
		code    plan.Code
		phase   int
	}{
		{"Same", one(content("README")), []bool{false, false, false}, plan.Same, plan.CodeUnread, 0},
		{"Continue", one(content("a.c")), []bool{false, false, false}, plan.Continue, plan.CodeContinue, 1},
		{"Continue rather than resume after configure", one(content("a.c")), []bool{true, false, false}, plan.Continue, plan.CodeContinue, 1},
		{"resume after build is exact", one(content("a.c")), []bool{true, true, false}, plan.Resume, plan.CodePhasesCached, 2},
		{"Clean says why", one(content("configure.ac")), []bool{false, false, false}, plan.Clean, plan.CodeConfigureRead, 0},
		{"rule 14: else the longest prefix", other, []bool{true, false, false}, plan.Resume, plan.CodePhasesCached, 1},
		{"rule 14: else clean", other, []bool{false, false, false}, plan.Clean, plan.CodeChanged, 0},
	} {
		facts := plan.Facts{Phases: phases(test.cached...), Base: test.base, Previous: previous}
		got := plan.Make(facts)
		if got.Verdict != test.verdict || got.Reason.Code != test.code || got.Phase != test.phase {
			t.Errorf("%s: %+v", test.name, got)
		}
		if based := got.Verdict == plan.Same || got.Verdict == plan.Continue; based != (got.Record == "base") {
			t.Errorf("%s: record %q", test.name, got.Record)
		}
		facts.Asked.Clean = true
		if got := plan.Make(facts); got.Verdict != plan.Clean || got.Reason.Code != plan.CodeAsked {
			t.Errorf("%s with --clean: %+v", test.name, got)
		}
	}
}

func TestRule23Distrust(t *testing.T) {
	now := func(paths ...trace.Path) trace.Trace {
		return trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: paths}, {Name: "install", Ended: true}}}
	}
	opened := func(path string, n uint32) trace.Path { return trace.Path{Name: path, Uses: trace.Opened, Opens: n} }
	for _, test := range []struct {
		name    string
		changes []plan.Change
		now     trace.Trace
		failed  bool
		code    plan.Code
		file    string
		verify  []string
	}{
		{"all readers read it again", []plan.Change{content("h.h")}, now(opened("h.h", 2)), false, "", "", nil},
		{"more readers than before", []plan.Change{content("h.h")}, now(opened("h.h", 3)), false, "", "", nil},
		{"not read at all", []plan.Change{content("h.h")}, now(), false, plan.CodeDistrustUnread, "h.h", nil},
		{"read by one of two", []plan.Change{content("h.h")}, now(opened("h.h", 1)), false, plan.CodeDistrustUnread, "h.h", nil},
		{"nobody reads it anyway", []plan.Change{content("README")}, now(), false, "", "", nil},
		{"read by install, which ran again", []plan.Change{content("late.txt")}, now(), false, plan.CodeDistrustUnread, "late.txt", nil},
		{"a source was written as in the full build", nil, now(trace.Path{Name: "a.o", Uses: trace.Written}), false, "", "", nil},
		{"a source was written", nil, now(trace.Path{Name: "a.c", Uses: trace.Written}), false, plan.CodeDistrustWrote, "a.c", nil},
		{"a source was deleted", nil, now(trace.Path{Name: "README", Uses: trace.Deleted}), false, plan.CodeDistrustWrote, "README", nil},
		{"what is no source was written", nil, now(trace.Path{Name: "b.o", Uses: trace.Written}), false, "", "", nil},
		{"a grammar may have several outputs", []plan.Change{content("rules.mk")}, now(opened("rules.mk", 1)), false, "", "", []string{"rules.mk"}},
		{"failed", nil, now(), true, plan.CodeContinuedFailed, "", nil},
		{"not traced", nil, trace.Trace{}, false, plan.CodeDistrustTrace, "", nil},
	} {
		sources := []string{"a.c", "h.h", "README", "a.o"}
		reason, verify, ok := plan.Distrust(plan.Continued{Changes: test.changes, Base: full(), Now: test.now, Failed: test.failed,
			IsSource: func(path string) bool { return slices.Contains(sources, path) }})
		if ok != (test.code == "") || reason.Code != test.code || !strings.Contains(reason.Text, test.file) || !slices.Equal(verify, test.verify) {
			t.Errorf("%s: %+v, %q, %v", test.name, reason, verify, ok)
		}
	}
}

func TestRule24OnlyExactResultsAreShared(t *testing.T) {
	for verdict, exact := range map[plan.Verdict]bool{plan.Continue: false, plan.Clean: true, plan.Resume: true, plan.Failed: false} {
		if verdict.Exact() != exact {
			t.Errorf("%s: exact %v", verdict, !exact)
		}
	}
}

// Rule 25: nothing known means Clean, with a reason.
func TestRule25InDoubt(t *testing.T) {
	for _, c := range []plan.Case{{}, {Changes: []plan.Change{content("a")}}, {Base: plan.Base{Result: record.Success, Source: "t"}}} {
		if got := plan.Judge(c); got.Verdict != plan.Clean || got.Reason.Code == "" || got.Reason.Text == "" {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestRule15HalfWritten(t *testing.T) {
	ended := func(paths ...trace.Path) trace.Trace {
		return trace.Trace{Phases: []trace.Phase{{Name: "build", Told: true, Paths: paths}}}
	}
	untold := trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true}}}
	made := trace.Created | trace.Written
	paths := []trace.Path{{Name: ".ninja_log", Uses: made | trace.Late}, {Name: "a.c", Uses: trace.Opened}, {Name: "done.o", Uses: made},
		{Name: "half.o", Uses: made | trace.Late}, {Name: "src.c", Uses: made}, {Name: "sub/gen.h", Uses: made}}
	gaps := ended(paths...)
	gaps.AddGap(trace.GapOverflow)
	for _, test := range []struct {
		name   string
		ending plan.Ending
		want   []string
		known  bool
	}{
		{"told to end", plan.Ending{Result: record.Interrupted, Trace: ended(paths...)}, []string{"half.o"}, true},
		{"timeout", plan.Ending{Result: record.Timeout, Trace: ended(paths...)}, []string{"half.o"}, true},
		{"the failed generator's header", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "cc x\nmake[1]: *** [Makefile:12: gen.h] Error 1\nmake: *** [sub] Error 2\n"}, []string{"sub/gen.h"}, true},
		{"with an old make", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "make: *** [../sub/gen.h] Error 1\n"}, []string{"sub/gen.h"}, true},
		{"a target without a file", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "make: *** [Makefile:3: all-recursive] Error 1\n"}, nil, true},
		{"a file that is not from this phase", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "make: *** [Makefile:3: a.c] Error 1\n"}, nil, true},
		{"a source file", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "make: *** [Makefile:3: src.c] Error 1\n"}, nil, false},
		{"ninja", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "FAILED: x.o\nninja: build stopped: subcommand failed.\n"}, nil, true},
		{"who knows what", plan.Ending{Result: record.Failed, Trace: ended(paths...), Log: "error\n"}, nil, false},
		{"gaps", plan.Ending{Result: record.Interrupted, Trace: gaps}, nil, false},
		{"nobody noted when", plan.Ending{Result: record.Timeout, Trace: untold}, nil, false},
		{"not traced", plan.Ending{Result: record.Interrupted}, nil, false},
	} {
		test.ending.Phase = "build"
		test.ending.IsSource = func(path string) bool { return path == "src.c" }
		if got, known := plan.HalfWritten(test.ending); known != test.known || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v, want %q, %v", test.name, got, known, test.want, test.known)
		}
	}
}

// Rule 23: what can't be counted is not trusted.
func TestRule23Countable(t *testing.T) {
	base := trace.Trace{Phases: []trace.Phase{{Name: "build", Paths: []trace.Path{
		{Name: "a.c", Uses: trace.Opened, Opens: 1}, {Name: "b.c", Uses: trace.Opened, Opens: 1}, {Name: "h.h", Uses: trace.Opened, Opens: 1}}}}}
	included := func(path string) plan.Change { return plan.Change{Path: path, Op: plan.Content, Includes: true} }
	for _, test := range []struct {
		name    string
		changes []plan.Change
		ok      bool
	}{
		{"one file", []plan.Change{included("a.c")}, true},
		{"a header that includes another", []plan.Change{included("h.h")}, true},
		{"two units", []plan.Change{content("a.c"), included("b.c")}, true},
		{"a header that nobody read", []plan.Change{included("b.c"), content("new.h")}, true},
		{"a header and a unit's code", []plan.Change{content("b.c"), content("h.h")}, true},
		{"a header and a unit's includes", []plan.Change{included("b.c"), content("h.h")}, false},
		{"a header and a document that nobody read", []plan.Change{included("README"), content("h.h")}, true},
		{"a header that is read several times now", []plan.Change{{Path: "h.h", Op: plan.Content, Unguarded: true}}, false},
	} {
		if reason, ok := plan.Countable(test.changes, base); ok != test.ok || ok != (reason.Code == "") {
			t.Errorf("%s: %v, %+v", test.name, ok, reason)
		}
	}
}
