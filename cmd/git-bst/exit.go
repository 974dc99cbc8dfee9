package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/ui"
)

// The exit codes, as documented in every command's help.
const (
	exitDone        = 0
	exitError       = 1
	exitBuildFailed = 2
	exitNotCached   = 3
	exitRefused     = 4
	exitBusy        = 75
	exitUsage       = 129 // git's own code for wrong usage
	exitInterrupted = 130
)

// The exit codes of `git bst test` that git bisect run knows.
const (
	exitBad   = 1
	exitSkip  = 125
	exitAbort = 128
)

// exitCodes says what each code means, in the order of the help.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitDone, "done"},
	{exitError, "an error"},
	{exitBuildFailed, "an element failed to build"},
	{exitNotCached, "not cached, or nothing to promote: what was asked for was not built, or was collected"},
	{exitRefused, "refused as unsafe; the hint says how to insist"},
	{exitBusy, "busy: another process holds it"},
	{exitUsage, "wrong usage"},
	{exitInterrupted, "interrupted"},
}

// codedErrors says which errors, found by errors.Is, end with a code other than exitError.
// It is the only place where a code is decided. The first that matches counts.
var codedErrors = []struct {
	err  error
	code int
}{
	{errUsage, exitUsage},
	{config.ErrFlag, exitUsage},
	{flow.ErrExcept, exitUsage},
	{errUntestable, exitSkip},
	{errNoVerdict, exitAbort},
	{flow.ErrBuildFailed, exitBuildFailed},
	{flow.ErrNotCached, exitNotCached},
	{flow.ErrNothing, exitNotCached},
	{flow.ErrRefused, exitRefused},
	{config.ErrNeedsTrust, exitRefused},
	{fsx.ErrLocked, exitBusy},
}

var (
	errUsage = errors.New("wrong usage")
	// errTold is for a failure that has been printed already: it sets the code and prints nothing.
	errTold = errors.New("already told")
	// errUntestable and errNoVerdict are for a test that said nothing of what it tests: the first is a
	// reason to go on without it.
	errUntestable = errors.New("can't be tested")
	errNoVerdict  = errors.New("no verdict")
)

// commandError is a command of the user's, run in a shell of ours, that failed: its exit code is ours.
type commandError struct{ code int }

func (e commandError) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// Is makes it silent: what the command had to say, it has printed.
func (e commandError) Is(target error) bool { return target == errTold }

func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	var command commandError
	if errors.As(err, &command) {
		return command.code
	}
	for _, coded := range codedErrors {
		if errors.Is(err, coded.err) {
			return coded.code
		}
	}
	return exitError
}

// printError tells the user what went wrong and what to do.
func (a *app) printError(err error, code int) {
	if err == nil || errors.Is(err, errTold) {
		return
	}
	hints := hint.Lines(err)
	if code == exitInterrupted {
		err = errors.New("interrupted") // what that made fail is no news
	}
	fmt.Fprintf(a.stderr, "git-bst: error: %s\n", ui.Safe(err.Error()))
	for _, line := range hints {
		fmt.Fprintf(a.stderr, "git-bst: hint: %s\n", ui.Safe(line))
	}
}
