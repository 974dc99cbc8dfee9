package ui

import (
	"fmt"
	"strings"
	"time"
)

// color is a terminal's attribute.
type color string

const (
	bold  color = "1"
	dim   color = "2"
	red   color = "31"
	green color = "32"
)

func (p *Printer) paint(c color, text string) string {
	if !p.options.Color {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// text returns the lines that stay of an event; "" if there are none.
func (p *Printer) text(e Event) string {
	if e.Kind == Failed {
		return p.failure(e)
	}
	if p.options.Quiet {
		return ""
	}
	name := p.paint(bold, Safe(e.Element))
	switch e.Kind {
	case Start:
		if p.options.Live && !p.options.Verbose {
			return ""
		}
		return fmt.Sprintf("%s: %s\n", name, withReason(or(e.Verdict, "build"), e.Reason))
	case Phase:
		if p.options.Verbose {
			return fmt.Sprintf("%s: %s\n", name, withReason(e.Phase, e.Reason))
		}
	case Log:
		if p.options.Verbose {
			return prefixed(name+" | ", e.Lines)
		}
	case Done:
		return fmt.Sprintf("%s: %s in %s%s\n", name, p.paint(green, "done"), FormatDuration(e.Duration), inParentheses(e.Reason))
	case Interrupted:
		return fmt.Sprintf("%s: interrupted after %s\n", name, FormatDuration(e.Duration))
	case Skipped:
		return fmt.Sprintf("%s: %s\n", name, withReason(or(e.Verdict, "nothing to do"), e.Reason))
	case Note:
		lines := e.Lines
		if len(lines) == 0 {
			lines = []string{e.Reason}
		}
		if e.Element == "" {
			return prefixed("", lines)
		}
		return prefixed(name+": ", lines)
	}
	return ""
}

// failure is what the user needs to see of a failed element, even with -q.
func (p *Printer) failure(e Event) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s%s\n", p.paint(bold, Safe(e.Element)), p.paint(red, "failed"), inParentheses(whatFailed(e)))
	if e.Command != "" {
		out.WriteString(prefixed("  $ ", strings.Split(strings.TrimRight(e.Command, "\n"), "\n")))
	}
	lines := e.Lines
	if n := p.options.Lines; n > 0 && len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	out.WriteString(prefixed("  | ", lines))
	if e.Reason != "" {
		fmt.Fprintf(&out, "  %s\n", Safe(e.Reason))
	}
	if e.LogPath != "" {
		fmt.Fprintf(&out, "  whole log: %s\n", Safe(e.LogPath))
	}
	return out.String()
}

// whatFailed is "build: exit code 2", "install: signal killed" or a part of it.
func whatFailed(e Event) string {
	how := ""
	switch {
	case e.Signal != "":
		how = "signal " + e.Signal
	case e.ExitCode != 0:
		how = fmt.Sprintf("exit code %d", e.ExitCode)
	}
	switch {
	case e.Phase == "":
		return how
	case how == "":
		return e.Phase
	}
	return e.Phase + ": " + how
}

func withReason(what, reason string) string {
	if reason == "" {
		return Safe(what)
	}
	return Safe(what + ": " + reason)
}

func inParentheses(text string) string {
	if text == "" {
		return ""
	}
	return " (" + Safe(text) + ")"
}

func prefixed(prefix string, lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(prefix + Safe(line) + "\n")
	}
	return out.String()
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// FormatDuration writes a duration for people: "0.3s", "12.4s", "3m05s", "1h02m".
func FormatDuration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
