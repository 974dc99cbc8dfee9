package ui_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/ui"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain äöü\n\ttext":   "plain äöü\n\ttext",
		"\x1b[2Jwiped":        `\x1b[2Jwiped`,
		"a\rb":                `a\rb`,
		"bad \xff byte":       `bad \xff byte`,
		"turned \u202e round": `turned \u202e round`,
		"real \ufffd sign":    "real \ufffd sign",
		"\u009b31m":           `\u009b31m`,
	} {
		if got := ui.Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
}
