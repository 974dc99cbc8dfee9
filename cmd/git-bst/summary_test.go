package main

import (
	"testing"
	"time"
)

func TestRedoneText(t *testing.T) {
	n := func(n int) *int { return &n }
	for _, test := range []struct {
		done redoneInfo
		want string
	}{
		{redoneInfo{Verdict: "continue", Compiled: n(1), Units: 64, took: redoneTimes{134 * time.Second, 130 * time.Second}},
			"continued: 1 of 64 compiled; saved 2m10s against the last clean build (2m14s)"},
		{redoneInfo{Verdict: "continue", Compiled: n(0), Units: 64}, "continued: 0 of 64 compiled"},
		{redoneInfo{Verdict: "resume", Ran: 1, Phases: 3, took: redoneTimes{2 * time.Second, time.Second}},
			"resumed: 1 of 3 phases run; saved 1.0s against the last clean build (2.0s)"},
		{redoneInfo{Verdict: "same", Phases: 3, took: redoneTimes{clean: time.Second, saved: 999 * time.Millisecond}},
			"unchanged: saved 1.0s against the last clean build (1.0s)"},
		{redoneInfo{Verdict: "promote", took: redoneTimes{clean: time.Second, saved: time.Millisecond}}, ""},
		{redoneInfo{Verdict: "clean", Ran: 3, Phases: 3}, ""},
		{redoneInfo{Verdict: "clean", Compiled: n(64), Units: 64, Ran: 3, Phases: 3}, "built: 64 of 64 compiled"},
	} {
		if got := redoneText(test.done); got != test.want {
			t.Errorf("%+v: %q, want %q", test.done, got, test.want)
		}
	}
}
