// Package hint adds to an error what its reader can do about it. An error says what happened
// and why; a hint is a line that says what to do next, with a command that can be pasted where
// there is one.
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	err   error
	lines []string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// Add returns err with these hint lines; nil stays nil. errors.Is and errors.As see through it.
func Add(err error, lines ...string) error {
	if err == nil || len(lines) == 0 {
		return err
	}
	return &hinted{err: err, lines: lines}
}

// Addf is Add with one formatted line.
func Addf(err error, format string, args ...any) error {
	return Add(err, fmt.Sprintf(format, args...))
}

// Lines returns all hint lines in err's tree, the outermost first, without repetitions.
func Lines(err error) []string {
	var lines []string
	seen := map[string]bool{}
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		if h, ok := err.(*hinted); ok {
			for _, line := range h.lines {
				if !seen[line] {
					seen[line] = true
					lines = append(lines, line)
				}
			}
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, part := range joined.Unwrap() {
				walk(part)
			}
			return
		}
		walk(errors.Unwrap(err))
	}
	walk(err)
	return lines
}
