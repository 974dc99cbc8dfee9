package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

// summaryInfo is the last line of a build with --json.
type summaryInfo struct {
	Schema   string         `json:"schema"`
	Version  int            `json:"version"`
	Verdicts map[string]int `json:"verdicts"`
	Phases   int            `json:"phases_run"`
	Failed   []string       `json:"failed,omitempty"`
	Stopped  []string       `json:"interrupted,omitempty"`
	Skipped  []string       `json:"not_begun,omitempty"`
	Millis   int64          `json:"duration_ms"`
	Saved    int64          `json:"saved_ms,omitempty"`
	Elements []redoneInfo   `json:"elements,omitempty"`
}

// redoneInfo is what became of one element that was not up to date.
type redoneInfo struct {
	Element  string `json:"element"`
	Verdict  string `json:"verdict"`
	Record   string `json:"record"`
	Compiled *int   `json:"compiled,omitempty"` // absent where it can't be counted
	Units    int    `json:"compiled_of,omitempty"`
	Ran      int    `json:"phases_run"`
	Phases   int    `json:"phases"`
	Millis   int64  `json:"duration_ms"`
	Clean    int64  `json:"clean_ms,omitempty"`
	Saved    int64  `json:"saved_ms,omitempty"`

	took redoneTimes
}

// redoneTimes are for people.
type redoneTimes struct{ clean, saved time.Duration }

func summaryOf(report flow.Report) summaryInfo {
	info := summaryInfo{Schema: "git-bst.summary", Version: 1, Verdicts: map[string]int{}, Skipped: report.Skipped, Millis: report.Took.Milliseconds()}
	for _, outcome := range report.Outcomes {
		if !outcome.Failed && !outcome.Interrupted {
			info.Verdicts[string(outcome.Step.Verdict)]++
		}
		if outcome.Failed {
			info.Failed = append(info.Failed, outcome.Step.Element)
		}
		if outcome.Interrupted {
			info.Stopped = append(info.Stopped, outcome.Step.Element)
		}
		info.Phases += outcome.Ran
		if outcome.Redone != nil {
			info.Elements = append(info.Elements, redoneOf(outcome))
			info.Saved += outcome.Redone.Saved.Milliseconds()
		}
	}
	return info
}

func redoneOf(outcome flow.Outcome) redoneInfo {
	done := outcome.Redone
	info := redoneInfo{
		Element: outcome.Step.Element, Verdict: string(outcome.Step.Verdict), Record: done.Record, Units: done.Units,
		Ran: outcome.Ran, Phases: done.Phases, Millis: outcome.Took.Milliseconds(), Clean: done.Clean.Milliseconds(), Saved: done.Saved.Milliseconds(),
		took: redoneTimes{done.Clean, done.Saved},
	}
	if done.Units > 0 {
		info.Compiled = &done.Compiled
	}
	return info
}

func (a *app) printSummary(report flow.Report) {
	info := summaryOf(report)
	if a.json {
		_ = writeJSONLine(a.stdout, info)
		return
	}
	for _, done := range info.Elements {
		if line := redoneText(done); line != "" && (done.Verdict != "clean" || len(info.Elements) == 1) {
			a.talk("git-bst: %s: %s", ui.Safe(done.Element), line)
		}
	}
	a.talk("git-bst: %s in %s", summaryText(info), ui.FormatDuration(report.Took.Round(time.Millisecond)))
}

// verdictWords says what became of elements, by their verdicts, in the order of a summary.
var verdictWords = []struct{ verdict, text string }{
	{"skip", "up to date"}, {"promote", "promoted"}, {"same", "unchanged"}, {"resume", "resumed"}, {"continue", "continued"}, {"clean", "built"},
}

// leastSaved is what is worth telling.
const leastSaved = 100 * time.Millisecond

// redoneText says what was redone of how much, and what that saved: "continued: 1 of 64 compiled;
// saved 2m10s against the last clean build (2m14s)". "" when there is nothing to tell.
func redoneText(done redoneInfo) string {
	var parts []string
	switch {
	case done.Compiled != nil:
		parts = append(parts, fmt.Sprintf("%d of %d compiled", *done.Compiled, done.Units))
	case done.Verdict == "resume" || done.Verdict == "continue":
		parts = append(parts, fmt.Sprintf("%d of %d phases run", done.Ran, done.Phases))
	}
	if done.took.saved >= leastSaved {
		parts = append(parts, fmt.Sprintf("saved %s against the last clean build (%s)", ui.FormatDuration(done.took.saved), ui.FormatDuration(done.took.clean)))
	}
	if len(parts) == 0 {
		return ""
	}
	for _, word := range verdictWords {
		if word.verdict == done.Verdict {
			return word.text + ": " + strings.Join(parts, "; ")
		}
	}
	return strings.Join(parts, "; ")
}

func summaryText(info summaryInfo) string {
	var parts []string
	for _, word := range verdictWords {
		if n := info.Verdicts[word.verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word.text))
		}
	}
	for _, other := range []struct {
		n    int
		text string
	}{{len(info.Failed), "failed"}, {len(info.Stopped), "interrupted"}, {len(info.Skipped), "not begun"}} {
		if other.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", other.n, other.text))
		}
	}
	return strings.Join(parts, ", ") + fmt.Sprintf("; phases run: %d", info.Phases)
}
