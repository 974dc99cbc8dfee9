// Package textdiff compares texts line by line, for people and for patch programs. Time and memory
// are bounded whatever the texts are: what is compared may come from a project that nobody trusts.
package textdiff

import (
	"bytes"
)

// An Edit replaces the lines A0 to A1 of the old text (A1 not included, counted from 0) by the lines
// B0 to B1 of the new one. One of both ranges may be empty.
type Edit struct{ A0, A1, B0, B1 int }

// MaxBytes is how long a text may be to be compared. Generated sources of 10 MB are real; twice that
// is nothing that a person reads.
const MaxBytes = 16 << 20

// binaryHead is how much of a content tells whether it is text; git looks at as much.
const binaryHead = 8000

// IsBinary reports whether a content is no text: whether its beginning holds a NUL.
func IsBinary(content []byte) bool {
	return bytes.IndexByte(content[:min(len(content), binaryHead)], 0) >= 0
}

// Lines splits a text behind its line feeds; the last line may lack one.
func Lines(text []byte) [][]byte {
	lines := make([][]byte, 0, bytes.Count(text, []byte{'\n'})+1)
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		lines, text = append(lines, text[:end:end]), text[end:]
	}
	return lines
}

// Compare returns how b differs from a, in order. The list is a shortest one for texts that differ
// in some hundred lines; for others it is right but may be longer.
func Compare(a, b [][]byte) []Edit {
	d := newDiffer(a, b)
	d.compare(0, len(d.a), 0, len(d.b))
	return d.edits()
}

// Count returns how many lines the edits add and delete.
func Count(edits []Edit) (added, deleted int) {
	for _, e := range edits {
		added, deleted = added+e.B1-e.B0, deleted+e.A1-e.A0
	}
	return added, deleted
}

// differ compares two lists of numbers, equal ones for equal lines, by the divide and conquer form
// of Myers' "An O(ND) Difference Algorithm" (1986), with a bound on the effort for each division.
type differ struct {
	a, b              []int32
	goneA, newB       []bool // lines that are only in a, only in b
	forward, backward []int  // the furthest column reached on each diagonal
	effort            int
}

// Effort: a division looks at up to effort differences and then divides where it got furthest. All
// divisions together take some (lines × effort) steps, which maxSteps bounds to about a second.
const (
	minEffort = 16
	maxEffort = 512
	maxSteps  = 1 << 28
)

func newDiffer(a, b [][]byte) *differ {
	d := &differ{goneA: make([]bool, len(a)), newB: make([]bool, len(b))}
	numbers := make(map[string]int32)
	number := func(lines [][]byte) []int32 {
		out := make([]int32, len(lines))
		for i, line := range lines {
			n, known := numbers[string(line)]
			if !known {
				n = int32(len(numbers))
				numbers[string(line)] = n
			}
			out[i] = n
		}
		return out
	}
	d.a, d.b = number(a), number(b)
	d.effort = max(minEffort, min(maxEffort, maxSteps/(len(a)+len(b)+1)))
	d.forward, d.backward = make([]int, 2*d.effort+3), make([]int, 2*d.effort+3)
	return d
}

// compare marks what differs between two ranges. It calls itself for the smaller part only.
func (d *differ) compare(a0, a1, b0, b1 int) {
	for {
		for a0 < a1 && b0 < b1 && d.a[a0] == d.b[b0] {
			a0, b0 = a0+1, b0+1
		}
		for a0 < a1 && b0 < b1 && d.a[a1-1] == d.b[b1-1] {
			a1, b1 = a1-1, b1-1
		}
		if a0 == a1 || b0 == b1 {
			mark(d.goneA[a0:a1])
			mark(d.newB[b0:b1])
			return
		}
		x, y := d.divide(d.a[a0:a1], d.b[b0:b1])
		if x+y < (a1-a0+b1-b0)/2 {
			d.compare(a0, a0+x, b0, b0+y)
			a0, b0 = a0+x, b0+y
		} else {
			d.compare(a0+x, a1, b0+y, b1)
			a1, b1 = a0+x, b0+y
		}
	}
}

func mark(lines []bool) {
	for i := range lines {
		lines[i] = true
	}
}

// unreached is the column of a diagonal that no path has come to.
const unreached = -1

// divide returns a point, neither the first nor the last, through which a good path from a to b
// leads. Neither is empty; they differ in their first and in their last lines.
func (d *differ) divide(a, b []int32) (x, y int) {
	shift, delta := d.effort+1, len(a)-len(b)
	for i := range d.forward {
		d.forward[i], d.backward[i] = unreached, unreached
	}
	for cost := 0; cost <= d.effort; cost++ {
		for k := -cost; k <= cost; k += 2 {
			x := d.step(a, b, k, cost)
			if x == unreached {
				continue
			}
			if at := delta - k; delta&1 != 0 && at > -cost && at < cost {
				if back := d.backward[shift+at]; back != unreached && x >= len(a)-back {
					return x, x - k
				}
			}
		}
		for k := -cost; k <= cost; k += 2 {
			back := d.stepBack(a, b, k, cost)
			if back == unreached {
				continue
			}
			if at := delta - k; delta&1 == 0 && at >= -cost && at <= cost {
				if x := d.forward[shift+at]; x != unreached && x >= len(a)-back {
					return len(a) - back, len(b) - (back - k)
				}
			}
		}
	}
	return d.furthest(a, b)
}

// step goes on on diagonal k (column less row) with one more difference, and returns the column.
func (d *differ) step(a, b []int32, k, cost int) int {
	v, at := d.forward, d.effort+1+k
	x := advance(v, at, k, cost, len(a), len(b))
	if x != unreached {
		for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
			x++
		}
	}
	v[at] = x
	return x
}

// stepBack is step from the end: columns, rows and diagonals are counted from there.
func (d *differ) stepBack(a, b []int32, k, cost int) int {
	v, at := d.backward, d.effort+1+k
	x := advance(v, at, k, cost, len(a), len(b))
	if x != unreached {
		for x < len(a) && x-k < len(b) && a[len(a)-1-x] == b[len(b)-1-(x-k)] {
			x++
		}
	}
	v[at] = x
	return x
}

// advance returns the best column on diagonal k that one more difference leads to: one that deletes
// a line comes from the diagonal below, one that adds a line from that above.
func advance(v []int, at, k, cost, columns, rows int) int {
	if cost == 0 {
		return 0
	}
	best := unreached
	if x := v[at-1]; x != unreached && x < columns {
		best = x + 1
	}
	if x := v[at+1]; x != unreached && x-k <= rows && x > best {
		best = x
	}
	return best
}

// furthest returns the point that the forward search has got to with the most lines behind it.
func (d *differ) furthest(a, b []int32) (x, y int) {
	for i, column := range d.forward {
		row := column - (i - d.effort - 1)
		if column != unreached && column+row > x+y && column+row < len(a)+len(b) {
			x, y = column, row
		}
	}
	return x, y
}

// edits returns what was marked.
func (d *differ) edits() []Edit {
	var all []Edit
	i, j := 0, 0
	for i < len(d.a) || j < len(d.b) {
		e := Edit{A0: i, B0: j}
		for i < len(d.a) && d.goneA[i] {
			i++
		}
		for j < len(d.b) && d.newB[j] {
			j++
		}
		if e.A1, e.B1 = i, j; e.A1 > e.A0 || e.B1 > e.B0 {
			all = append(all, e)
			continue
		}
		i, j = i+1, j+1
	}
	return all
}
