package ui

import (
	"encoding/json"
	"time"
)

// Event is one thing that happened in a build.
type Event struct {
	Time     time.Time
	Kind     string // one of the Kind constants
	Element  string
	Phase    string
	Verdict  string
	Reason   string // one line: why this is done
	Code     string // of the reason, stable, for scripts
	Key      string
	LogPath  string // absolute; of the whole log
	Command  string // the command that failed
	Duration time.Duration
	ExitCode int
	Signal   string   // "" if the command ended by itself
	Lines    []string // of Log: what the build printed; of Failed: the last lines of its log; of Note: the text
}

// The kinds of events. A build of one element is Start, Phase and Log events and one of Done,
// Failed and Interrupted; or Skipped alone.
const (
	Start   = "start"
	Phase   = "phase"
	Log     = "log"
	Done    = "done"
	Failed  = "failed"
	Skipped = "skipped"
	// Interrupted: the user ended it.
	Interrupted = "interrupted"
	Note        = "note"
)

// The form of events with --json: docs/format.md describes it. Fields may be added within a
// version; a change of meaning makes a new one.
const (
	EventSchema  = "git-bst.event"
	EventVersion = 1
)

type jsonEvent struct {
	Schema   string   `json:"schema"`
	Version  int      `json:"version"`
	Time     string   `json:"time,omitempty"`
	Kind     string   `json:"kind"`
	Element  string   `json:"element,omitempty"`
	Phase    string   `json:"phase,omitempty"`
	Verdict  string   `json:"verdict,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Code     string   `json:"code,omitempty"`
	Key      string   `json:"key,omitempty"`
	LogPath  string   `json:"log_path,omitempty"`
	Command  string   `json:"command,omitempty"`
	Millis   int64    `json:"duration_ms,omitempty"`
	ExitCode int      `json:"exit_code,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Lines    []string `json:"lines,omitempty"`
}

// MarshalJSON writes the versioned form.
func (e Event) MarshalJSON() ([]byte, error) {
	out := jsonEvent{
		Schema: EventSchema, Version: EventVersion,
		Kind: e.Kind, Element: e.Element, Phase: e.Phase, Verdict: e.Verdict, Reason: e.Reason, Code: e.Code,
		Key: e.Key, LogPath: e.LogPath, Command: e.Command, Millis: e.Duration.Milliseconds(),
		ExitCode: e.ExitCode, Signal: e.Signal, Lines: e.Lines,
	}
	if !e.Time.IsZero() {
		out.Time = e.Time.UTC().Format(time.RFC3339Nano)
	}
	return json.Marshal(out)
}
