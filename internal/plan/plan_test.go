package plan_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
)

func phases(cached ...bool) []plan.Phase {
	names := []string{"configure", "build", "install"}
	var list []plan.Phase
	for i, c := range cached {
		list = append(list, plan.Phase{Name: names[i], Key: names[i], Cached: c})
	}
	return list
}

var (
	success = plan.Attempt{Record: "ok", Success: true}
	failure = plan.Attempt{Record: "bad", Replayable: true, Summary: "build failed with exit code 2"}
	machine = plan.Attempt{Record: "oom"}
	blocked = &plan.Reason{Code: plan.CodeDependencyNotBuilt, Text: "its dependency a.bst is not built yet"}
)

func TestMake(t *testing.T) {
	for _, test := range []struct {
		name    string
		facts   plan.Facts
		verdict plan.Verdict
		code    plan.Code
		phase   int
		record  string
		text    string
	}{
		{name: "rule 2: inputs that do not exist yet", facts: plan.Facts{Blocked: blocked, Artifact: "k"},
			verdict: plan.Unknown, code: plan.CodeDependencyNotBuilt, text: "its dependency a.bst is not built yet"},
		{name: "the artifact is here", facts: plan.Facts{Artifact: "k", Attempts: []plan.Attempt{failure}},
			verdict: plan.Skip, code: plan.CodeArtifactCached, text: "its artifact is in the cache"},
		{name: "--clean takes nothing", facts: plan.Facts{Artifact: "k", Attempts: []plan.Attempt{success}, Phases: phases(true, true, true), Asked: plan.Asked{Clean: true}},
			verdict: plan.Clean, code: plan.CodeAsked, text: "a clean build was asked for"},
		{name: "rule 13: equal parts", facts: plan.Facts{Attempts: []plan.Attempt{failure, success}, Phases: phases(true, true, true)},
			verdict: plan.Promote, code: plan.CodeEqualParts, record: "ok", text: "a build with the same inputs is in the cache"},
		{name: "rule 13: equal parts that failed", facts: plan.Facts{Attempts: []plan.Attempt{failure}, Phases: phases(true, false, false)},
			verdict: plan.Failed, code: plan.CodeEqualPartsFailed, record: "bad", text: "the same inputs failed before: build failed with exit code 2"},
		{name: "rule 13: --retry resumes whole phases", facts: plan.Facts{Attempts: []plan.Attempt{failure}, Phases: phases(true, false, false), Asked: plan.Asked{Retry: true}},
			verdict: plan.Resume, code: plan.CodePhasesCached, phase: 1, text: "configure unchanged, build runs"},
		{name: "--retry without cached phases", facts: plan.Facts{Attempts: []plan.Attempt{failure}, Phases: phases(false), Asked: plan.Asked{Retry: true}},
			verdict: plan.Clean, code: plan.CodeRetry, text: "its failed build is tried again as asked"},
		{name: "rule 31: the machine's failure is not replayed", facts: plan.Facts{Attempts: []plan.Attempt{machine}, Phases: phases(false)},
			verdict: plan.Clean, code: plan.CodeFirst, text: "it was never built here"},
		{name: "rule 1: the longest prefix, whatever is missing before it", facts: plan.Facts{Phases: phases(false, true, false), Previous: &plan.Previous{Differs: []string{"install commands"}}},
			verdict: plan.Resume, code: plan.CodePhasesCached, phase: 2, text: "configure, build unchanged, install runs: install commands"},
		{name: "all phases are cached", facts: plan.Facts{Phases: phases(true, true, true)},
			verdict: plan.Resume, code: plan.CodePhasesCached, phase: 3, text: "all its phases are in the cache"},
		{name: "rule 25: nothing fits", facts: plan.Facts{Phases: phases(false, false), Previous: &plan.Previous{Differs: []string{"a", "b", "c", "d"}}},
			verdict: plan.Clean, code: plan.CodeChanged, text: "its inputs changed: a, b, c and 1 more"},
		{name: "kinds without phases", facts: plan.Facts{},
			verdict: plan.Clean, code: plan.CodeFirst, text: "it was never built here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.facts.Element = "e.bst"
			want := plan.Step{Element: "e.bst", Verdict: test.verdict, Reason: plan.Reason{Code: test.code, Text: test.text}, Phase: test.phase, Record: test.record}
			if got := plan.Make(test.facts); got != want {
				t.Errorf("Make = %+v\nwant   %+v", got, want)
			}
		})
	}
}
