package main

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/git-bst/git-bst/internal/build"
)

// killPlan is the variable that makes the test binary a git-bst that kills itself: "STAGE NTH
// DELAY FILE", where STAGE is the stage that it enters for the NTH time, DELAY how long after that
// it lives on, and FILE where it writes each stage that it enters. The stage "never" is none.
const killPlan = "GIT_BST_TEST_KILL"

// stageWidth is the length of the stage's name in the file, with blanks: every write replaces it.
const stageWidth = 16

// killer ends the process with SIGKILL, as nothing in the process can prevent or notice.
type killer struct {
	stage build.Stage
	nth   int
	delay time.Duration
	file  *os.File
	mu    sync.Mutex
}

// killedMain is main for the child.
func killedMain(plan string) int {
	var k killer
	var delay, file string
	if _, err := fmt.Sscan(plan, &k.stage, &k.nth, &delay, &file); err != nil {
		fmt.Fprintln(os.Stderr, "kill plan:", err)
		return 99
	}
	var err error
	if k.delay, err = time.ParseDuration(delay); err == nil {
		k.file, err = os.Create(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill plan:", err)
		return 99
	}
	m := thisMachine()
	m.args, m.stage = append([]string{"git-bst"}, os.Args[1:]...), k.reach
	return runOn(m)
}

// reach notes that a stage is entered, and ends the process if it is the one.
func (k *killer) reach(stage build.Stage) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.file.WriteAt(fmt.Appendf(nil, "%-*s", stageWidth, stage), 0); err != nil {
		panic(err)
	}
	if stage != k.stage {
		return
	}
	if k.nth--; k.nth != 0 {
		return
	}
	if k.delay == 0 {
		kill()
	}
	time.AfterFunc(k.delay, kill)
}

func kill() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
