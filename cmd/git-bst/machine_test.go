package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/build"
)

// TestMachinesFault: an attempt that the machine ended is on record as that, is not shown again in
// place of a build with the same inputs, and nothing is continued from it (rules 15 and 31).
func TestMachinesFault(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "killed")
	for round, stage := range []build.Stage{build.StageStaging, build.StagePhase} {
		k.change(round + 1)
		code, out := k.buildWith(func(now build.Stage) {
			if now != stage {
				return
			}
			found, err := filepath.Glob(filepath.Join(k.cache, "git-bst", "work", "*"))
			if err != nil || len(found) != 1 {
				t.Fatalf("work folders %q, %v", found, err)
			}
			if err := os.RemoveAll(found[0]); err != nil { // as a disk does that goes away
				t.Fatal(err)
			}
			if err := os.WriteFile(found[0], nil, 0o666); err != nil {
				t.Fatal(err)
			}
		})
		if code != 1 || !strings.Contains(out, "git-bst: error:") {
			t.Fatalf("stage %s: exit code %d\n%s", stage, code, out)
		}
		if row := k.plain("records", "-n", "1"); !strings.Contains(row, "  machine  ") {
			t.Errorf("stage %s: on record as %s", stage, row)
		}
		if shown := k.plain("records", "show", "@"); !strings.Contains(shown, "result      machine: ") {
			t.Errorf("stage %s: the record does not say what was wrong:\n%s", stage, shown)
		}
		if status := k.plain("status"); strings.HasPrefix(status, "failed") {
			t.Errorf("stage %s: the machine's fault would be shown again: %s", stage, status)
		}
		k.plain("build")
		k.checkResult(round + 1)
	}
}
