package sandbox_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// BenchmarkRun compares a sandboxed command with a plain one; the floor is "plain" of the same run.
func BenchmarkRun(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/usr/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	root := tinyRoot(b)
	for name, spec := range map[string]sandbox.Spec{
		"host":       {},
		"host-1000":  {UID: 1000},
		"dir":        {Root: sandbox.DirRoot{Path: root}},
		"bubblewrap": {Kind: sandbox.Bubblewrap},
		"none":       {Kind: sandbox.None},
	} {
		b.Run(name, func(b *testing.B) {
			needs(b, spec.Kind)
			spec.Args = []string{"/usr/bin/cat"}
			for b.Loop() {
				if _, err := sandbox.Run(context.Background(), spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
