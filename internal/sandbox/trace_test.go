package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/trace"
)

// A tracer outside sees what a command inside does to a bound folder, and nothing of the making of
// the sandbox itself.
func TestTracedFromOutside(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(os.WriteFile(filepath.Join(dir, "a"), []byte("x\n"), 0o644), os.WriteFile(filepath.Join(dir, "b"), []byte("x\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := trace.Start(t.Context(), dir, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, phase := range [][2]string{{"nothing", ":"}, {"some", "read x < a; mkdir -p n/m; echo y > n/m/f; ln b c"}} {
		tracer.Phase(phase[0])
		result, err := sandbox.Run(t.Context(), sandbox.Spec{Args: []string{"sh", "-e", "-c", phase[1]}, Env: []string{"PATH=/usr/bin:/bin"},
			Binds: []sandbox.Bind{{Source: dir, Target: "/build/x", Writable: true}}, Dir: "/build/x"})
		if err != nil || !result.Succeeded() {
			t.Fatalf("%+v, %v", result, err)
		}
		tracer.Pause()
	}
	got, err := tracer.Stop()
	if err != nil || !got.Complete() {
		t.Errorf("gaps %q, %v", got.Gaps, err)
	}
	if nothing, _ := got.Phase("nothing"); len(nothing.Paths) > 0 {
		t.Errorf("an empty phase used %+v", nothing.Paths)
	}
	for path, want := range map[string]trace.Use{"a": trace.Opened, "b": trace.Linked, "c": trace.Created, ".": 0} {
		if uses := got.Uses(path); uses != want {
			t.Errorf("%s: uses %b, want %b", path, uses, want)
		}
	}
	if got.Uses("n/m/f")&trace.Created == 0 {
		t.Error("n/m/f was made")
	}
}
