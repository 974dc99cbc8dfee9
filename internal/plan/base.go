package plan

import (
	"cmp"
	"slices"
	"strings"
	"syscall"

	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// ConfigurePhase is the phase that a continued build does not run again.
const ConfigurePhase = "configure"

// BuildPhase is the phase that does nothing when it runs a second time, if all is well.
const BuildPhase = "build"

// ProbePhase names the run of a base's build phase without changes, in logs and traces.
const ProbePhase = "no-op"

// AgainPhase names the run of a failed base's build phase before any change, in logs and traces.
const AgainPhase = "again"

// BasePhase is one phase of a base.
type BasePhase struct {
	Name  string
	Ended bool // with success, now or when it was cached
}

// Base is an earlier build from which this one may continue.
type Base struct {
	Record   string        // its id
	Result   record.Result // how it ended
	Signal   syscall.Signal
	Source   string // the source tree that is physically in its build tree (rule 17); "" unknown
	Tree     bool   // its build tree is there: warm and untouched, or captured with all blobs
	Artifact bool   // its artifact is there
	SameRoot bool   // it was built on the root that the new build has
	// Unjudged: it was itself continued, and ended before rule 23 was asked of its changes. They may
	// be built in part only, which a further build, to which they are no changes, would not notice.
	Unjudged bool
	Phases   []BasePhase // in order
	// Half are files that were being written when it ended without success, to be deleted before
	// it is continued; HalfKnown is false when that is not known (see HalfWritten).
	Half      []string
	HalfKnown bool
	Trace     trace.Trace  // of its whole chain (rule 16)
	Noop      *trace.Phase // what a run of the build phase without changes opens; nil when unknown
	Said      Diagnoses    // of the log of a build phase that failed
}

// configuredLater are files that configure programs write. Where a later phase made one, that
// phase configures, and would not do so again (rule 15).
var configuredLater = []string{"CMakeCache.txt", "config.status", "build.ninja"}

// Usable judges whether the base may be continued at all (rules 15 and 17); nil when it may.
func (b Base) Usable() *Reason {
	switch {
	case !b.Tree:
		return &Reason{CodeBaseGone, "the build tree of the last build is gone"}
	case b.Source == "":
		return &Reason{CodeBaseSource, "it is not known which source is in the build tree"}
	case !b.SameRoot:
		return &Reason{CodeBaseRoot, "the build tree was made on another root"}
	case !b.orderly():
		return &Reason{CodeBaseKilled, "the last build was killed, so its files may be cut off"}
	case b.Result != record.Success && !b.HalfKnown:
		return &Reason{CodeBaseHalf, "it is not known which files the last build left half written"}
	}
	if b.Unjudged {
		return &Reason{CodeBaseUnjudged, "the last build was continued and ended before it was judged"}
	}
	return b.unconfigured()
}

// orderly reports whether the processes of the base ended in order: not by KILL, for want of
// memory or disk, or with the machine.
func (b Base) orderly() bool {
	switch b.Result {
	case record.Success, record.Failed:
		return true
	case record.Timeout, record.Interrupted:
		return b.Signal != syscall.SIGKILL // else not all ended when they were told to
	case record.Signal:
		return b.Signal == syscall.SIGTERM || b.Signal == syscall.SIGINT || b.Signal == syscall.SIGHUP
	}
	return false
}

// unconfigured says why the base is not known to be configured; nil when it is, or when a trace
// shows that it needs no configuring.
func (b Base) unconfigured() *Reason {
	for _, phase := range b.Phases {
		if phase.Name != ConfigurePhase {
			continue
		}
		if phase.Ended {
			return nil
		}
		return &Reason{CodeBaseConfigure, "the last build ended before it was configured"}
	}
	if !b.Trace.Gapless() {
		return &Reason{CodeBaseConfigure, "the element has no configure phase, and no trace shows that it needs none"}
	}
	for _, phase := range b.Trace.Phases {
		for _, used := range phase.Paths {
			name := used.Name[strings.LastIndexByte(used.Name, '/')+1:]
			if used.Uses&trace.Created != 0 && slices.Contains(configuredLater, name) {
				return &Reason{CodeBaseConfigures, "its " + phase.Name + " phase configures: it made " + used.Name}
			}
		}
	}
	return nil
}

// Candidate is a base that may be the nearest.
type Candidate struct {
	Record   string // its id; ids sort by time
	Usable   bool
	Distance int64 // how many entries of its source differ from the wanted one
	Success  bool
	Warm     bool // its build tree is materialised
}

// Nearest returns the index of the base to continue from: that with the smallest distance among
// those that are usable; of equals one that succeeded, then a warm one, then the newest. It is -1
// when there is none.
func Nearest(candidates []Candidate) int {
	best := -1
	for i, c := range candidates {
		if c.Usable && (best < 0 || nearer(c, candidates[best])) {
			best = i
		}
	}
	return best
}

func nearer(a, b Candidate) bool {
	if a.Distance != b.Distance {
		return a.Distance < b.Distance
	}
	if a.Success != b.Success {
		return a.Success
	}
	if a.Warm != b.Warm {
		return a.Warm
	}
	return cmp.Compare(a.Record, b.Record) > 0
}
