package build

import "time"

// EventKind says what an Event reports.
type EventKind string

// The kinds of events, in the order in which one element's appear.
const (
	EventStart       EventKind = "start"       // the element's step begins; Verdict and Reason are set
	EventPhase       EventKind = "phase"       // a phase begins to run; LogPath is set
	EventNote        EventKind = "note"        // something worth knowing; Lines are set
	EventDone        EventKind = "done"        // the element has its artifact; Duration is set
	EventFailed      EventKind = "failed"      // the element's own commands failed; see Failure's fields
	EventInterrupted EventKind = "interrupted" // the user ended it
	EventSkipped     EventKind = "skipped"     // nothing was to be done
)

// Event is something that happened to an element while a plan is carried out.
type Event struct {
	Time     time.Time
	Kind     EventKind
	Element  string
	Phase    string
	Verdict  string
	Reason   string
	Code     string // of Reason, stable
	Key      string // the strict key where there is one, else the build key
	LogPath  string // absolute
	Command  string // of a failure
	ExitCode int
	Signal   string // of a failure by signal; "" otherwise
	Duration time.Duration
	Lines    []string // of a note, or the last lines of a failure's log
}
