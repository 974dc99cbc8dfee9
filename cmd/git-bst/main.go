// Command git-bst builds BuildStream elements from git work trees. Called as `git bst` or as
// `git-bst`. This package parses flags, calls a journey in internal/flow and prints its result;
// it decides nothing else but the exit code.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/sandbox"
)

func main() {
	sandbox.MaybeInit(os.Args)
	os.Exit(mainCode())
}

func mainCode() int { return runOn(thisMachine()) }

func thisMachine() machine {
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	return machine{
		args:    os.Args,
		environ: os.Environ(),
		dir:     dir,
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		now:     time.Now,
	}
}

// runOn runs the program so that a signal ends it in order.
func runOn(machine machine) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants it to go on without its terminal
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// A second signal ends the program at once: the first one's orderly way may be stuck.
	defer context.AfterFunc(ctx, stop)()
	return run(ctx, machine)
}

// machine is all that the program takes from its surroundings. Only main fills it.
type machine struct {
	args    []string // args[0] is the program
	environ []string // "NAME=value"
	dir     string   // absolute current folder
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	now     func() time.Time
	stage   func(build.Stage) // nil but in tests, which end the process in a stage of a build
}

// run is the program: it returns the exit code.
func run(ctx context.Context, m machine) int {
	a := newApp(m)
	err := a.results.check(a.cli().RunContext(ctx, m.args))
	a.tellFailure()
	code := exitCode(ctx, err)
	a.printError(err, code)
	return code
}
