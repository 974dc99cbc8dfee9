package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Options say how to print.
type Options struct {
	Results io.Writer // JSON events go there
	Talk    io.Writer // all else
	JSON    bool
	Quiet   bool
	Verbose bool
	Color   bool
	Live    bool // Talk is a terminal that can redraw lines
	// Width returns the terminal's width in columns; nil: 80.
	Width func() int
	Now   func() time.Time
	Lines int // of a failed phase's log; 0: as many as the event has
}

// Printer prints events. Its methods may be called from several goroutines.
type Printer struct {
	options Options
	mu      sync.Mutex
	running []running // in order of their start
	drawn   int       // live lines on the terminal now
	err     error     // the first failed write
}

type running struct {
	element, phase, reason string
	since                  time.Time
}

// New returns a Printer. Close it, so that no live line stays.
func New(options Options) *Printer {
	if options.Width == nil {
		options.Width = func() int { return 80 }
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	options.Live = options.Live && !options.JSON && !options.Quiet
	return &Printer{options: options}
}

// Event prints one event. A reader that is gone does not end the build: Close tells of it.
func (p *Printer) Event(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options.JSON {
		p.printJSON(e)
		return
	}
	p.follow(e)
	text := p.text(e)
	if !p.options.Live {
		p.write(p.options.Talk, text)
		return
	}
	p.write(p.options.Talk, p.erase()+text+p.draw())
}

// Animate redraws the live lines at every tick, so that their clocks go on, until ctx is done.
func (p *Printer) Animate(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			p.mu.Lock()
			if p.options.Live && len(p.running) > 0 {
				p.write(p.options.Talk, p.erase()+p.draw())
			}
			p.mu.Unlock()
		}
	}
}

// Close removes the live lines and returns the first error of a write.
func (p *Printer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = nil
	p.write(p.options.Talk, p.erase())
	return p.err
}

func (p *Printer) write(w io.Writer, text string) {
	if text == "" {
		return
	}
	if _, err := io.WriteString(w, text); err != nil && p.err == nil {
		p.err = fmt.Errorf("print: %w", err)
	}
}

func (p *Printer) printJSON(e Event) {
	if e.Kind == Log && !p.options.Verbose {
		return
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		p.err = fmt.Errorf("print: %w", err)
		return
	}
	p.write(p.options.Results, line.String())
}

// follow keeps account of what is running.
func (p *Printer) follow(e Event) {
	at := -1
	for i := range p.running {
		if p.running[i].element == e.Element {
			at = i
		}
	}
	switch e.Kind {
	case Start:
		if at < 0 {
			p.running = append(p.running, running{element: e.Element, reason: e.Reason, since: p.options.Now()})
		}
	case Phase:
		if at >= 0 {
			p.running[at].phase = e.Phase
		}
	case Done, Failed, Interrupted, Skipped:
		if at >= 0 {
			p.running = append(p.running[:at:at], p.running[at+1:]...)
		}
	}
}

// erase returns what removes the live lines: for each, up one line and clear it.
func (p *Printer) erase() string {
	text := strings.Repeat("\x1b[1A\x1b[2K", p.drawn)
	p.drawn = 0
	return text
}

// draw returns the live lines. None is longer than the terminal is wide: it would take two.
func (p *Printer) draw() string {
	var out strings.Builder
	width := max(20, p.options.Width()) - 1
	for _, r := range p.running {
		phase := r.phase
		if phase == "" {
			phase = "staging"
		}
		elapsed := p.options.Now().Sub(r.since)
		line := fmt.Sprintf("%s %s %s", clock(elapsed), Safe(r.element), Safe(phase))
		if r.reason != "" {
			line += ": " + Safe(r.reason)
		}
		out.WriteString(p.paint(dim, cut(strings.ReplaceAll(line, "\n", " "), width)) + "\n")
		p.drawn++
	}
	return out.String()
}

// cut shortens text to a number of columns; every character is taken for one column.
func cut(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}

func clock(d time.Duration) string {
	seconds := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
}
