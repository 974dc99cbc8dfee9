package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/hooks"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

// watchInfo is one event of status --watch with --json.
type watchInfo struct {
	Schema  string        `json:"schema"`
	Version int           `json:"version"`
	Event   string        `json:"event"` // state or log
	Line    string        `json:"line,omitempty"`
	Busy    bool          `json:"busy"`
	Waiting []hooksWanted `json:"waiting,omitempty"`
	Running *hooksWanted  `json:"running,omitempty"`
	Last    *hooks.Done   `json:"last,omitempty"`
}

// watching prints what the builder does: lines, and on a terminal below them one that counts seconds.
type watching struct {
	*app
	live    bool
	drawn   bool
	running *hooks.Wanted
	told    map[string]bool
	last    *hooks.Done // that ended while it was watched
	from    time.Time
}

func watchHooks(a *app, cc *cli.Context) error {
	if cc.Args().Present() {
		return usagef("git bst status --watch: unexpected argument %q", cc.Args().First())
	}
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return err
	}
	settings, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	w := &watching{app: a, live: a.uiOptions(settings).Live && !a.json, told: map[string]bool{}, from: a.now()}
	err = hooks.OpenQueue(place.Common).Watch(cc.Context, hooks.Watcher{State: w.state, Line: w.line, Tick: w.tick})
	w.clear()
	if err == nil && w.last != nil && w.last.Result == hooks.Failed {
		err = fmt.Errorf("%w: %w", errTold, flow.ErrBuildFailed)
	}
	return err
}

// state prints what is new on the board.
func (w *watching) state(board hooks.Board, busy bool) error {
	w.running = nil
	if busy {
		w.running = board.Running
	}
	var last *hooks.Done
	if n := len(board.Last); n > 0 {
		last = &board.Last[n-1]
		if !last.Ended.Before(w.from) {
			w.last = last
		}
	}
	if w.json {
		return writeJSONLine(w.stdout, watchInfo{Schema: "git-bst.watch", Version: 1, Event: "state", Busy: busy, Waiting: board.Waiting, Running: w.running, Last: last})
	}
	for _, one := range board.Last {
		line := fmt.Sprintf("%s: %s in %s%s", one.Result, brief(one.Commit), one.Dir, afterColon(one.Text))
		if err := w.once(fmt.Sprint(one.Ended)+line, line, !one.Ended.Before(w.from)); err != nil {
			return err
		}
	}
	if w.running != nil {
		line := fmt.Sprintf("running: %s in %s", brief(w.running.Commit), w.running.Dir)
		if err := w.once(fmt.Sprint(w.running.Time)+line, line, true); err != nil {
			return err
		}
	}
	for _, one := range board.Waiting {
		line := fmt.Sprintf("waiting: %s in %s", brief(one.Commit), one.Dir)
		if err := w.once(fmt.Sprint(one.Time)+line, line, true); err != nil {
			return err
		}
	}
	if !busy && len(board.Waiting) == 0 {
		return w.once(fmt.Sprint("idle", len(board.Last)), "nothing is built in the background", true)
	}
	return nil
}

// once prints a line if it is new.
func (w *watching) once(id, line string, shown bool) error {
	if w.told[id] {
		return nil
	}
	w.told[id] = true
	if !shown {
		return nil
	}
	w.clear()
	_, err := fmt.Fprintln(w.stdout, ui.Safe(line))
	return err
}

// line prints a line of the log.
func (w *watching) line(text string) error {
	if w.json {
		return writeJSONLine(w.stdout, watchInfo{Schema: "git-bst.watch", Version: 1, Event: "log", Line: text, Busy: w.running != nil})
	}
	w.clear()
	_, err := fmt.Fprintln(w.stdout, ui.Safe(text))
	return err
}

func (w *watching) tick() {
	if !w.live || w.running == nil {
		return
	}
	w.clear()
	fmt.Fprintf(w.stderr, "%s %s", brief(w.running.Commit), ui.FormatDuration(w.now().Sub(w.running.Time).Truncate(time.Second)))
	w.drawn = true
}

func (w *watching) clear() {
	if w.drawn {
		fmt.Fprint(w.stderr, "\r\x1b[K")
		w.drawn = false
	}
}
