package trace_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/trace"
)

func TestUseText(t *testing.T) {
	for want, got := range map[string]string{
		"":                        trace.Use(0).Text(0),
		"opened":                  trace.Opened.Text(1),
		"opened 3 times, written": (trace.Opened | trace.Written).Text(3),
		"listed, made, moved":     (trace.Listed | trace.Created | trace.Moved).Text(0),
		"written late":            trace.Late.Text(0),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
