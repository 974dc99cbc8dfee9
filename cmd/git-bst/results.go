package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/term"
)

// results is where results are printed. It remembers the first write that failed, so that no
// command need ask after each line, and run can tell in the end.
type results struct {
	to  io.Writer
	err error
}

// Write implements io.Writer. After a failure nothing more is written.
func (r *results) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.to.Write(p)
	if err != nil {
		r.err = fmt.Errorf("print the results: %w%w", err, silent{errPrint})
	}
	return n, r.err
}

// errPrint is for results that could not be printed.
var errPrint = errors.New("results could not be printed")

// check returns err or, without one, what kept results from being printed. A reader who has seen
// enough (EPIPE) needs no message.
func (r *results) check(err error) error {
	switch {
	case r.err == nil || err != nil && !errors.Is(err, errPrint):
		return err
	case errors.Is(r.err, syscall.EPIPE):
		return errTold
	}
	return r.err
}

// terminal reports whether results go to a terminal.
func (r *results) terminal() bool {
	file, ok := r.to.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
