package plan_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/trace"
)

// Rule 23, of what the build made: who read it before reads it again. How often ar opens an archive
// depends on whether it is there already, so of archives it can't be asked.
func TestRule23Remade(t *testing.T) {
	built := func(name string, opens uint32) trace.Trace {
		path := trace.Path{Name: name, Uses: trace.Created | trace.Written | trace.Opened, Opens: opens}
		return trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{path}}}}
	}
	for _, test := range []struct {
		name        string
		before, now uint32
		ok          bool
	}{
		{"gen.h", 3, 3, true}, {"gen.h", 3, 2, false}, {"app", 2, 1, false},
		{"lib/liblz4.a", 4, 3, true}, {".ninja_log", 2, 1, true},
	} {
		c := plan.Continued{Base: built(test.name, test.before), Now: built(test.name, test.now), Remade: []string{test.name}, IsSource: func(string) bool { return false }}
		if reason, _, ok := plan.Distrust(c); ok != test.ok || ok != (reason.Code == "") {
			t.Errorf("%s opened %d times, then %d: %+v, %v", test.name, test.before, test.now, reason, ok)
		}
	}
}
