package plan_test

import (
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// stopped is a base whose build phase compiled a.c, for which a.h and both.h were read, and then
// failed at c.c, which includes c.h and both.h; gcc opens what it complains of once more.
func stopped() plan.Base {
	opened := func(name string, n uint32) trace.Path { return trace.Path{Name: name, Uses: trace.Opened, Opens: n} }
	b := base()
	b.Result, b.HalfKnown, b.Artifact, b.Noop = record.Failed, true, false, nil
	b.Phases = []plan.BasePhase{{"configure", true}, {"build", false}}
	b.Trace.Phases = append(b.Trace.Phases[:1:1], trace.Phase{Name: "build", Ended: true, Paths: []trace.Path{
		opened("a.c", 1), opened("a.h", 1), {Name: "a.o", Uses: trace.Written | trace.Created}, opened("both.h", 2), opened("c.c", 2), opened("c.h", 1), opened("x/twice.c", 2)}})
	b.Said = plan.Diagnoses{Lines: map[string]int{"c.c": 1}, Errors: true}
	return b
}

// failsAgain is what its build phase does when it is run once more.
func failsAgain(more ...trace.Path) trace.Phase {
	opened := func(name string, n uint32) trace.Path { return trace.Path{Name: name, Uses: trace.Opened, Opens: n} }
	return trace.Phase{Name: "again", Ended: true, Paths: append([]trace.Path{opened("both.h", 1), opened("c.c", 2), opened("c.h", 1)}, more...)}
}

func TestRule23PartialBases(t *testing.T) {
	for _, test := range []struct {
		name    string
		changes []string
		with    func(b *plan.Base)
		verdict plan.Verdict
		code    plan.Code
		again   bool
		after   bool
	}{
		{"the failed unit", []string{"c.c"}, nil, plan.Continue, plan.CodeContinue, true, true},
		{"a compiler that opens it once", []string{"c.c"}, func(b *plan.Base) { b.Trace.Phases[1].Paths[4].Opens = 1 }, plan.Continue, plan.CodeContinue, false, true},
		{"a unit that was compiled", []string{"a.c"}, nil, plan.Continue, plan.CodeContinue, false, true},
		{"a unit that comes later", []string{"later.c"}, nil, plan.Continue, plan.CodeContinue, false, false},
		{"a unit that more than its object was made of", []string{"x/twice.c"}, nil, plan.Clean, plan.CodeUnfinished, false, false},
		{"a unit of two that have the same object's name", []string{"a.c"}, func(b *plan.Base) { b.Trace.Phases[1].Paths[6].Name = "x/a.cc" }, plan.Clean, plan.CodeUnfinished, false, false},
		{"a header", []string{"both.h"}, nil, plan.Continue, plan.CodeContinue, true, true},
		{"a header, interrupted", []string{"both.h"}, func(b *plan.Base) { b.Result, b.Said = record.Interrupted, plan.Diagnoses{} }, plan.Clean, plan.CodeUnfinished, false, false},
		{"a unit that was compiled, interrupted", []string{"a.c"}, func(b *plan.Base) { b.Result, b.Said = record.Interrupted, plan.Diagnoses{} }, plan.Continue, plan.CodeContinue, false, true},
		{"a unit that was being compiled, interrupted", []string{"c.c"}, func(b *plan.Base) { b.Result, b.Said = record.Interrupted, plan.Diagnoses{} }, plan.Clean, plan.CodeUnfinished, false, false},
		{"the failed unit, of which nothing was said", []string{"c.c"}, func(b *plan.Base) { b.Said = plan.Diagnoses{} }, plan.Clean, plan.CodeUnfinished, false, false},
		{"nothing", nil, nil, plan.Continue, plan.CodeContinueEqual, false, false},
		{"install failed: tried before", []string{"a.c"}, func(b *plan.Base) { b.Phases[1].Ended = true }, plan.Continue, plan.CodeContinue, false, false},
	} {
		c := plan.Case{Base: stopped(), Phases: phases(false, false, false)}
		for _, path := range test.changes {
			c.Changes = append(c.Changes, content(path))
		}
		if test.with != nil {
			test.with(&c.Base)
		}
		got := plan.Judge(c)
		if got.Verdict != test.verdict || got.Reason.Code != test.code || got.Again != test.again || got.After != test.after {
			t.Errorf("%s: %+v", test.name, got)
		}
		if before := test.name == "install failed: tried before"; got.Probe != before {
			t.Errorf("%s: probe %v", test.name, got.Probe)
		}
	}
}

func TestRule23Accounted(t *testing.T) {
	said := plan.Diagnoses{Lines: map[string]int{"c.c": 1}, Errors: true}
	made := func(name string) trace.Path { return trace.Path{Name: name, Uses: trace.Created | trace.Written} }
	for _, test := range []struct {
		name    string
		changed string
		again   trace.Phase
		said    plan.Diagnoses
		why     string // "" when it is accounted for
	}{
		{"the failed unit", "c.c", failsAgain(), said, ""},
		{"the failed unit, while others were compiled", "c.c", failsAgain(made("d.o")), said, ""},
		{"something that was built read it too", "c.c", trace.Phase{Paths: []trace.Path{{Name: "c.c", Uses: trace.Opened, Opens: 1}}}, said, "read it 2 times and failed, and 1 times"},
		{"another error", "c.c", failsAgain(), plan.Diagnoses{Lines: map[string]int{"c.c": 2}}, "failed in another way"},
		{"a unit that was compiled", "a.c", failsAgain(), said, ""},
		{"a header that only the failed unit reads", "c.h", failsAgain(), said, ""},
		{"a header that only the failed unit reads, while others were compiled", "c.h", failsAgain(made("d.o")), said, "made d.o"},
		{"what failed makes files each time", "c.h", failsAgain(made("a.o")), said, ""},
		{"a header that was read before", "both.h", failsAgain(), said, "read it 2 times"},
	} {
		c := plan.Case{Base: stopped(), Changes: []plan.Change{content(test.changed)}}
		reason, ok := plan.Accounted(c, test.again, test.said)
		if ok != (test.why == "") || !strings.Contains(reason.Text, test.why) || !ok && reason.Code != plan.CodeDistrustReaders {
			t.Errorf("%s: %+v, %v", test.name, reason, ok)
		}
	}
}

func TestRule23CountsAfterAPartialBase(t *testing.T) {
	now := func(path string, n uint32) trace.Trace {
		return trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{{Name: path, Uses: trace.Opened, Opens: n}}}}}
	}
	for _, test := range []struct {
		name  string
		path  string
		opens uint32
		ok    bool
	}{
		{"who failed is compiled once", "c.c", 1, true},
		{"what was compiled is compiled again", "a.c", 1, true},
		{"what was compiled is not compiled again", "a.c", 0, false},
		{"who failed does not count", "c.h", 1, true},
		{"who was built counts", "both.h", 0, false},
	} {
		b := stopped()
		_, _, ok := plan.Distrust(plan.Continued{Changes: []plan.Change{content(test.path)}, Base: b.Trace, Now: now(test.path, test.opens),
			IsSource: func(string) bool { return false }, Partial: true, Again: failsAgain(), Said: b.Said})
		if ok != test.ok {
			t.Errorf("%s: %v", test.name, ok)
		}
	}
}
