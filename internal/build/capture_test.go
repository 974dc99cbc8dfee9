package build

import (
	"testing"

	"github.com/git-bst/git-bst/internal/trace"
)

// TestQuiet: which folders of a warm tree are captured without a look at them.
func TestQuiet(t *testing.T) {
	seen := trace.Trace{Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{
		{Name: "lib/a.c", Uses: trace.Opened},
		{Name: "out/x/a.o", Uses: trace.Opened | trace.Written},
		{Name: "moved", Uses: trace.Created | trace.Listed},
		{Name: "shut", Uses: trace.Attributes},
	}}}}
	for path, want := range map[string]bool{
		"lib": true, "out": false, "out/x": false, "out/y": true, "out/x/deep": true, "moved": false, "moved/there/before": false,
		"shut": false, "shut/below": true, "patched": false, "patched/in": false, "patched/beside": true,
	} {
		c := &chain{touched: map[string]bool{}}
		c.touch(true, "patched/in/file.c")
		c.touchTraced(seen, false)
		if got := c.quiet(path); got != want {
			t.Errorf("quiet(%s) = %v, want %v", path, got, want)
		}
	}
	gap := seen
	gap.AddGap(trace.GapOverflow)
	for name, c := range map[string]*chain{"gap": {touched: map[string]bool{}}, "links": {touched: map[string]bool{}}} {
		if c.touchTraced(map[string]trace.Trace{"gap": gap, "links": seen}[name], name == "links"); c.touched != nil {
			t.Errorf("%s: folders count as quiet", name)
		}
	}
}
