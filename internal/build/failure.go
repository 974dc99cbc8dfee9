package build

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
)

// failure turns a phase's result into a Failure, or nil when it succeeded. Only an exit code is
// the element's own; everything else may be the machine's and is never replayed (rule 31).
func (e *Env) failure(job Job, phase, command string, result sandbox.Result, log *phaseLog) *Failure {
	outcome := Outcome(result)
	if outcome == record.Success {
		return nil
	}
	if outcome == record.Failed && e.diskFull() {
		outcome = record.Machine
	}
	if result.Killed { // rule 15: then it is no base
		result.Signal = syscall.SIGKILL
	}
	return &Failure{
		Element: job.Name, Phase: phase, Command: command, ExitCode: result.ExitCode,
		Signal: signalName(result.Signal), Result: outcome, Log: log.path, Tail: log.tail(e.LogLines), Limit: e.Timeout,
	}
}

// fullBelow is how much room a disk has at least that is not full. It is much, as a program that
// writes big pieces fails earlier; a failure that is wrongly taken for the disk's is not
// remembered, which costs time only (rule 31).
const fullBelow = 64 << 20

// diskFull reports whether the disk on which builds run is full now, with all that one left there.
func (e *Env) diskFull() bool {
	disk, err := fsx.DiskFree(e.Cache)
	return err == nil && disk.FreeBytes < fullBelow
}

// Outcome classes what a sandbox reports. A shell reports a child killed by signal n as 128+n:
// KILL is then what an out-of-memory killer or a full machine does, so it is the machine's.
func Outcome(result sandbox.Result) record.Result {
	switch {
	case result.Interrupted:
		return record.Interrupted
	case result.OutOfMemory:
		return record.Machine
	case result.TimedOut:
		return record.Timeout
	case result.Signal != 0:
		return record.Signal
	case result.ExitCode == 128+int(syscall.SIGKILL):
		return record.Signal
	case result.ExitCode != 0:
		return record.Failed
	default:
		return record.Success
	}
}

// Summary says in a few words how it failed.
func (f *Failure) Summary() string {
	switch f.Result {
	case record.Interrupted:
		return "was interrupted"
	case record.Timeout:
		if f.Limit > 0 {
			return fmt.Sprintf("took longer than %s (build.timeout)", f.Limit)
		}
		return "took longer than build.timeout"
	case record.Machine:
		return "failed for want of memory or disk"
	case record.Signal:
		if f.Signal != "" {
			return "was killed by " + f.Signal
		}
	}
	return fmt.Sprintf("failed with exit code %d", f.ExitCode)
}

func signalName(signal syscall.Signal) string {
	if signal == 0 {
		return ""
	}
	return unix.SignalName(signal)
}
