package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestManPages has every page read by man's own formatter, where there is one, and looks for what
// no page may lack.
func TestManPages(t *testing.T) {
	pages := manPages()
	for _, c := range commands() {
		if page, ok := pages["git-bst-"+c.name+".1"]; ok == c.hidden || !c.hidden && !strings.Contains(page, ".SH EXIT STATUS\n") {
			t.Errorf("%s: page %v:\n%s", c.name, ok, page)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Log("groff is not installed: the pages are not formatted")
		return
	}
	for name, text := range pages {
		cmd := exec.Command(groff, "-Kutf8", "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestTable holds what the table promises: a help line for everything, and arguments that fit.
func TestTable(t *testing.T) {
	var check func(path []string, c command)
	check = func(path []string, c command) {
		name := commandLine(path)
		if c.help == "" || strings.HasSuffix(c.help, ".") || strings.ToLower(c.help[:1]) != c.help[:1] {
			t.Errorf("%s: help %q", name, c.help)
		}
		if c.action == nil && len(c.sub) == 0 {
			t.Errorf("%s: neither an action nor sub-commands", name)
		}
		if words := len(strings.Fields(c.args)); c.max != many && c.max > words || c.min > words || c.max == 0 && words > 0 {
			t.Errorf("%s: %d to %d arguments, but %q", name, c.min, c.max, c.args)
		}
		for _, sub := range c.sub {
			check(append(path[:len(path):len(path)], sub.name), sub)
		}
	}
	for _, c := range commands() {
		check([]string{c.name}, c)
	}
}
