package main

import "testing"

// What failed, was tried again as it was, and is mended then, is continued.
func TestNeedlessAfterRetry(t *testing.T) {
	e := newEdited(t)
	for name, text := range brokenFiles {
		e.write(name, text)
	}
	e.commit("base")
	for _, args := range [][]string{nil, {"--retry"}, {"--retry"}} {
		if got := e.continued(args...); !got.failed {
			t.Fatalf("the broken project is built: %s", got.output)
		}
	}
	fixed(e)
	if got, differs := e.compare(); got.failed || differs != "" || got.verdict != "continue" {
		t.Errorf("%v\n%s", got, differs)
	}
	e.compiledUnits([]string{"c.c", "d.c"})
}
