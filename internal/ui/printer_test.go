package ui_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/ui"
)

var story = []ui.Event{
	{Kind: ui.Start, Element: "a.bst", Verdict: "clean", Reason: "never built"},
	{Kind: ui.Phase, Element: "a.bst", Phase: "configure"},
	{Kind: ui.Log, Element: "a.bst", Lines: []string{"checking for gcc\x1b[2J"}},
	{Kind: ui.Skipped, Element: "b.bst", Verdict: "skip", Reason: "the artifact is cached"},
	{Kind: ui.Note, Lines: []string{"a word"}},
	{Kind: ui.Failed, Element: "a.bst", Phase: "build", ExitCode: 2, Command: "make\nmake check",
		Lines: []string{"one", "two", "three"}, LogPath: "/logs/a.log"},
	{Kind: ui.Start, Element: "c.bst"},
	{Kind: ui.Done, Element: "c.bst", Duration: 65 * time.Second},
	{Kind: ui.Failed, Element: "d.bst", Phase: "install", Signal: "killed"},
}

func print(t *testing.T, options ui.Options) (results, talk string) {
	t.Helper()
	var out, err strings.Builder
	options.Results, options.Talk = &out, &err
	options.Now = func() time.Time { return time.Unix(0, 0) }
	p := ui.New(options)
	for _, e := range story {
		p.Event(e)
	}
	if e := p.Close(); e != nil {
		t.Fatal(e)
	}
	return out.String(), err.String()
}

func TestPlain(t *testing.T) {
	const failures = `a.bst: failed (build: exit code 2)
  $ make
  $ make check
  | two
  | three
  whole log: /logs/a.log
`
	for _, test := range []struct {
		name    string
		options ui.Options
		want    string
	}{
		{"plain", ui.Options{Lines: 2}, "a.bst: clean: never built\nb.bst: skip: the artifact is cached\na word\n" + failures +
			"c.bst: build\nc.bst: done in 1m05s\nd.bst: failed (install: signal killed)\n"},
		{"verbose", ui.Options{Lines: 2, Verbose: true}, "a.bst: clean: never built\na.bst: configure\na.bst | checking for gcc\\x1b[2J\n" +
			"b.bst: skip: the artifact is cached\na word\n" + failures + "c.bst: build\nc.bst: done in 1m05s\nd.bst: failed (install: signal killed)\n"},
		{"quiet", ui.Options{Lines: 2, Quiet: true, Live: true}, failures + "d.bst: failed (install: signal killed)\n"},
	} {
		results, talk := print(t, test.options)
		if talk != test.want || results != "" {
			t.Errorf("%s:\n%s%s\nwant:\n%s", test.name, results, talk, test.want)
		}
	}
}

// screen carries out what a terminal would do with the two sequences that Printer uses.
func screen(text string) string {
	var lines []string
	for _, line := range strings.SplitAfter(text, "\n") {
		for strings.HasPrefix(line, "\x1b[1A\x1b[2K") {
			line = strings.TrimPrefix(line, "\x1b[1A\x1b[2K")
			lines = lines[:len(lines)-1]
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func TestLive(t *testing.T) {
	var talk strings.Builder
	now := time.Unix(0, 0)
	p := ui.New(ui.Options{Talk: &talk, Live: true, Width: func() int { return 30 }, Now: func() time.Time { return now }})
	p.Event(ui.Event{Kind: ui.Start, Element: "a.bst", Reason: "a reason that is far too long for this terminal"})
	p.Event(ui.Event{Kind: ui.Start, Element: "b\x1b.bst"})
	now = now.Add(61 * time.Second)
	p.Event(ui.Event{Kind: ui.Phase, Element: "b\x1b.bst", Phase: "build"})
	if got, want := screen(talk.String()), "01:01 a.bst staging: a reaso…\n01:01 b\\x1b.bst build\n"; got != want {
		t.Errorf("running:\n%s\nwant:\n%s", got, want)
	}
	p.Event(ui.Event{Kind: ui.Done, Element: "a.bst", Duration: time.Second})
	if got, want := screen(talk.String()), "a.bst: done in 1.0s\n01:01 b\\x1b.bst build\n"; got != want {
		t.Errorf("one done:\n%s\nwant:\n%s", got, want)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := screen(talk.String()), "a.bst: done in 1.0s\n"; got != want {
		t.Errorf("closed:\n%s\nwant:\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	results, talk := print(t, ui.Options{JSON: true, Live: true, Verbose: true})
	lines := strings.Split(strings.TrimSpace(results), "\n")
	if talk != "" || len(lines) != len(story) {
		t.Fatalf("%d lines, talk %q", len(lines), talk)
	}
	for i, line := range lines {
		var e struct {
			Schema  string
			Version int
			Kind    string
			Element string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Schema != ui.EventSchema || e.Version != 1 || e.Kind != story[i].Kind || e.Element != story[i].Element {
			t.Errorf("line %d: %s (%v)", i, line, err)
		}
	}
	if quiet, _ := print(t, ui.Options{JSON: true}); strings.Contains(quiet, `"kind":"log"`) {
		t.Error("log lines without -v")
	}
}

func TestColor(t *testing.T) {
	if _, talk := print(t, ui.Options{Color: true}); !strings.Contains(talk, "\x1b[31mfailed\x1b[0m") {
		t.Errorf("no colours in %q", talk)
	}
	if _, talk := print(t, ui.Options{Live: false, Verbose: true}); strings.Contains(talk, "\x1b") {
		t.Errorf("escape sequences in %q", talk)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestBrokenPipeIsToldAtTheEnd(t *testing.T) {
	p := ui.New(ui.Options{Talk: brokenPipe{}})
	p.Event(story[0])
	if err := p.Close(); err == nil {
		t.Error("the failed write was forgotten")
	}
}
