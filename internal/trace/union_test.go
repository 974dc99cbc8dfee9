package trace_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/trace"
)

// What was cut off in a phase counts for that run only, and opens are added only where asked.
func TestUnionOfRuns(t *testing.T) {
	first := trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Told: true, Paths: []trace.Path{
		{Name: "a.o", Uses: trace.Written | trace.Late, Opens: 2}, {Name: "b.o", Uses: trace.Written | trace.Late, Opens: 1}}}}}
	second := trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{{Name: "a.o", Uses: trace.Opened, Opens: 3}}}}}
	union, _ := trace.Union(first, second).Phase("build")
	if union.Told || union.Find("a.o") != (trace.Path{Name: "a.o", Uses: trace.Written | trace.Opened, Opens: 3}) || union.Find("b.o").Uses != trace.Written {
		t.Errorf("union %+v", union)
	}
	sum, _ := trace.Sum(first, second, func(phase, path string) bool { return phase == "build" && path == "a.o" }).Phase("build")
	if larger, _ := trace.Sum(first, second, func(string, string) bool { return false }).Phase("build"); larger.Find("a.o").Opens != 3 {
		t.Errorf("larger %+v", larger)
	}
	if sum.Find("a.o").Opens != 5 || sum.Find("b.o").Opens != 1 {
		t.Errorf("sum %+v", sum)
	}
	if old, _ := first.Phase("build"); old.Find("b.o").Uses&trace.Late == 0 {
		t.Error("the first trace was changed")
	}
}
