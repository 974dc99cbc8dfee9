package sandbox

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Errors of Run. Those with something to do about carry hint lines.
var (
	// ErrUnavailable says that this machine does not let us make a sandbox of that Kind.
	ErrUnavailable = errors.New("the sandbox is not available")
	// ErrInvalid says that a Spec cannot be carried out: the caller's mistake.
	ErrInvalid = errors.New("not a valid sandbox")
)

// Kind is how a sandbox is made. The zero value is Namespaces.
type Kind int

// The kinds, in the order in which they are to be tried. None only when asked for by name.
const (
	Namespaces Kind = iota // our own, by the kernel's namespaces
	Bubblewrap             // the program bwrap makes it; for hosts that allow only that one to
	None                   // no isolation at all
)

// String returns the name by which users ask for the kind.
func (k Kind) String() string {
	switch k {
	case Namespaces:
		return "namespaces"
	case Bubblewrap:
		return "bubblewrap"
	case None:
		return "none"
	}
	return "unknown"
}

// DefaultGrace is the time between TERM and KILL. With it a cancelled Run is back within one
// second, and make has time to remove its half-written targets.
const DefaultGrace = 500 * time.Millisecond

// DefaultHostname is what BuildStream's sandbox calls itself; some builds record it.
const DefaultHostname = "buildstream"

// Root is what the command sees as "/": a HostRoot or a DirRoot.
type Root interface{ root() }

// HostRoot is the host's system folders, read-only; the package's comment lists them.
// Extra are further absolute paths of the host to be shown, read-only, at the same place.
type HostRoot struct{ Extra []string }

// DirRoot is a staged directory, by its absolute path. Read-only unless Spec.RootWritable.
// Its own dev, proc and tmp are hidden by the sandbox's.
type DirRoot struct{ Path string }

func (HostRoot) root() {}
func (DirRoot) root()  {}

// Bind shows Source, an absolute path of the host (file or directory), at Target, an absolute
// clean path inside. Binds may lie within each other. A symlink on the way of Target is followed
// within the root.
type Bind struct {
	Source, Target string
	Writable       bool
}

// Spec is one command in one sandbox.
type Spec struct {
	Kind  Kind
	Root  Root // nil is HostRoot{}
	Binds []Bind

	// Args is the command; a name without a slash is looked up in PATH of Env. Env is the whole
	// environment. Dir is the working directory, inside; "" is "/".
	Args, Env []string
	Dir       string

	// UID and GID are those inside. Outside, all belongs to the calling user.
	UID, GID int
	Hostname string // "" is DefaultHostname

	// Stdin nil is /dev/null. Stdout and Stderr nil are thrown away; they are written from
	// goroutines of Run, never at the same time if they are the same writer.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY, where not nil, is the user's terminal: the command gets a terminal of its own whose
	// traffic is carried to and from TTY, which is in raw mode meanwhile. Stdin, Stdout and
	// Stderr are not used then.
	TTY *os.File

	Timeout time.Duration // 0 is none
	Grace   time.Duration // 0 is DefaultGrace

	// RootWritable shows a DirRoot writable: what is written stays in its directory. A
	// HostRoot's folders stay read-only in any case; only new names in "/" can be made, which
	// vanish.
	RootWritable bool
	// TmpDir and ShmDir are directories of the host, shown writable at /tmp and /dev/shm.
	// "" is a fresh tmpfs.
	TmpDir, ShmDir string
}

// Result is how a command ended.
type Result struct {
	ExitCode    int            // 128 + signal where a signal ended it; 126, 127 as in a shell
	Signal      syscall.Signal // 0: it exited
	TimedOut    bool           // ended by us after Spec.Timeout
	Interrupted bool           // ended by us as the context was done
	// Killed: when we ended it, processes did not end in time and got KILL, so what they were writing
	// may be cut off anywhere.
	Killed bool
	// OutOfMemory says that the failure may be the machine's (rule 31): processes were killed
	// for want of memory meanwhile, or by a KILL that did not come from us.
	OutOfMemory bool

	Duration             time.Duration // wall clock of the command, without making the sandbox
	UserTime, SystemTime time.Duration // of all its processes
	MaxRSS               int64         // bytes, of the largest process; not below that of the init (some MB)
}

// Succeeded reports whether the command exited with 0 by itself.
func (r Result) Succeeded() bool {
	return r.ExitCode == 0 && r.Signal == 0 && !r.TimedOut && !r.Interrupted
}
