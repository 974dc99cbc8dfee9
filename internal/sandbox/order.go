package sandbox

import (
	"encoding/json"
	"syscall"
	"time"
)

// initName is the name (argv[0]) under which the program is started again as a sandbox's init.
const initName = "git-bst-sandbox-init"

// initPath is where the program is shown inside a sandbox that bubblewrap made.
const initPath = "/.git-bst-sandbox-init"

// The files that an init inherits beside its standard three. A terminal comes last.
const (
	orderFd  = 3 // read: the order as one line of JSON, then single bytes, the commands below
	reportFd = 4 // write: one report as JSON
	ttyFd    = 5 // the user's terminal, if order.TTY
)

// Commands to a running init. The end of the pipe is as killAll: our program is gone.
const (
	termAll = 'T' // TERM to all processes, then wait for them
	killAll = 'K' // KILL to all
	resized = 'W' // the user's terminal has another size
)

// order is what an init is told. It is made by one version of the program for the same one.
type order struct {
	Kind     Kind
	Mounts   []mount // for Namespaces; first the root
	Args     []string
	Env      []string
	Dir      string
	Hostname string
	TTY      bool
	// RootWritable leaves a tmpfs root writable. Old uses the mount calls of kernels before 5.12.
	RootWritable, Old bool
	Probe             bool // try what is not needed, and report it
}

// report is what an init says at its end: either a failure to make the sandbox or how it went.
type report struct {
	Failed string        // what could not be done: "mount /proc: operation not permitted"
	Errno  syscall.Errno // why, if the kernel said so
	Denied bool          // the failure is the machine's refusal, not a mistake in the Spec

	ExitCode, Signal int
	Duration         time.Duration
	User, System     time.Duration
	MaxRSS           int64
	Killed           bool // we sent KILL

	Found findings
}

// findings are what an init learned of the machine.
type findings struct {
	OldMounts  bool   // no mount_setattr: kernel before 5.12, or a filter
	SharedProc bool   // no /proc of our own
	Overlay    string // why no overlay can be mounted, "" if it can; only if asked to probe
}

func (o order) encode() ([]byte, error) {
	line, err := json.Marshal(o)
	return append(line, '\n'), err
}
