package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// fuzzCounts counts steps by what became of them.
type fuzzCounts struct {
	all, c, source map[string]int // by verdict: of all, of C files' content only, of the source
	ours, tool     int            // wrong results: ours; the plain tool's too, and found by verify
	cleans         int            // clean builds of ours
}

func newFuzzCounts() fuzzCounts {
	return fuzzCounts{all: map[string]int{}, c: map[string]int{}, source: map[string]int{}}
}

// add counts a step by the names of its edits.
func (c *fuzzCounts) add(names []string, verdict string) {
	c.all[verdict]++
	least := editsElse
	onlyC := !slices.Contains(names, interruptedStep)
	for _, name := range names {
		if name == interruptedStep || name == lateStep {
			continue
		}
		kind := kindOfEdit(name)
		least, onlyC = min(least, kind), onlyC && kind == editsC
	}
	if onlyC {
		c.c[verdict]++
	}
	if least < editsElse {
		c.source[verdict]++
	}
}

// spared is how many steps were continued or the same, of how many in which something was to be decided:
// what was built before, with the same content, is left out.
func spared(counts map[string]int) (n, of int) {
	return counts["continue"] + counts["same"], sum(counts) - counts["skip"] - counts["promote"]
}

func sum(counts map[string]int) (n int) {
	for _, one := range counts {
		n += one
	}
	return n
}

// tell prints what the steps came to.
func (c *fuzzCounts) tell(t *testing.T, of string) {
	t.Helper()
	share := func(counts map[string]int) string {
		n, of := spared(counts)
		return fmt.Sprintf("%d of %d (%d %%) %v", n, of, n*100/max(of, 1), counts)
	}
	t.Logf("total %s: %d steps, wrong: %d ours, %d the plain tool's too; %d clean builds; verdicts %v", of, sum(c.all), c.ours, c.tool, c.cleans, c.all)
	t.Logf("total %s: only C files' content: continued or same %s", of, share(c.c))
	t.Logf("total %s: source edits: continued or same %s", of, share(c.source))
}

// What is asked of the shares of steps that are spared, in percent, once there are so many that a share
// says something.
const (
	leastOfC      = 70
	leastOfSource = 50
	leastSteps    = 200
)

// judge fails the test where too few steps were spared.
func (c *fuzzCounts) judge(t *testing.T) {
	t.Helper()
	for _, one := range []struct {
		counts map[string]int
		least  int
		of     string
	}{{c.c, leastOfC, "that only change C files' content"}, {c.source, leastOfSource, "that edit sources"}} {
		if n, of := spared(one.counts); of >= leastSteps && n*100 < one.least*of {
			t.Errorf("%d of %d steps %s were continued or the same, less than %d %%", n, of, one.of, one.least)
		}
	}
}

// fuzzTotal is what all projects come to.
type fuzzTotal struct {
	mu     sync.Mutex
	counts fuzzCounts
}

// add tells what one project came to, and adds that.
func (a *fuzzTotal) add(t *testing.T, of string, c fuzzCounts) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	c.tell(t, of)
	if a.counts.all == nil {
		a.counts = newFuzzCounts()
	}
	for _, one := range []struct{ to, from map[string]int }{{a.counts.all, c.all}, {a.counts.c, c.c}, {a.counts.source, c.source}} {
		for verdict, n := range one.from {
			one.to[verdict] += n
		}
	}
	a.counts.ours, a.counts.tool, a.counts.cleans = a.counts.ours+c.ours, a.counts.tool+c.tool, a.counts.cleans+c.cleans
}
