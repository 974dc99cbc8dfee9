package project

import "slices"

// minGallop is how often in a row one run must win before a merge begins to gallop, and how long a
// galloped stretch must be for galloping to go on.
const minGallop = 7

// listSort sorts like the list.sort of CPython 3.11 and 3.12. With a comparison that is a true order
// any stable sort gives the same; BuildStream's comparison of dependencies is not transitive, so the
// result depends on which pairs are compared, and that is fixed by the algorithm: natural runs
// (strictly descending ones are reversed), short ones extended to a minimum by binary insertion,
// merged in powersort's order, with galloping. It follows the description that CPython publishes
// in Objects/listsort.txt.
func listSort[T any](items []T, less func(a, b T) bool) {
	s := listSorter[T]{items: items, less: less, gallop: minGallop}
	minimum := minRun(len(items))
	for start := 0; start < len(items); {
		length := s.naturalRun(items[start:])
		if length < minimum {
			wanted := min(minimum, len(items)-start)
			s.insert(items[start:start+wanted], length)
			length = wanted
		}
		s.push(run{start: start, length: length})
		start += length
	}
	s.mergeAll()
}

// run is a sorted stretch; power is its boundary's depth in the merge tree that powersort approaches.
type run struct{ start, length, power int }

type listSorter[T any] struct {
	items  []T
	less   func(a, b T) bool
	runs   []run
	gallop int // wins in a row that begin galloping; adapts to the data
}

// minRun is the length such that n divided by it is a power of two or a little less: n's top six bits,
// plus one if any other bit is set.
func minRun(n int) int {
	rest := 0
	for n >= 64 {
		rest |= n & 1
		n /= 2
	}
	return n + rest
}

// naturalRun returns the length of the run that a begins with and makes it ascending.
func (s *listSorter[T]) naturalRun(a []T) int {
	if len(a) < 2 {
		return len(a)
	}
	n := 2
	if !s.less(a[1], a[0]) {
		for n < len(a) && !s.less(a[n], a[n-1]) {
			n++
		}
		return n
	}
	for n < len(a) && s.less(a[n], a[n-1]) {
		n++
	}
	slices.Reverse(a[:n])
	return n
}

// insert sorts a, whose first sorted items are in order, by binary insertion.
func (s *listSorter[T]) insert(a []T, sorted int) {
	for ; sorted < len(a); sorted++ {
		item := a[sorted]
		at := bisect(0, sorted, func(i int) bool { return s.less(item, a[i]) })
		copy(a[at+1:sorted+1], a[at:sorted])
		a[at] = item
	}
}

// bisect returns the first i in [low, high) for which above is true by halving, or high.
func bisect(low, high int, above func(i int) bool) int {
	for low < high {
		middle := low + (high-low)/2
		if above(middle) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// push adds a run after merging those before it whose boundary lies deeper than the new one.
func (s *listSorter[T]) push(next run) {
	if n := len(s.runs); n > 0 {
		power := s.boundary(s.runs[n-1], next)
		for len(s.runs) > 1 && s.runs[len(s.runs)-2].power > power {
			s.mergeAt(len(s.runs) - 2)
		}
		s.runs[len(s.runs)-1].power = power
	}
	s.runs = append(s.runs, next)
}

// boundary returns the power of the boundary between two neighbours: the number of the first binary
// digit in which the middles of the two, as fractions of the whole, differ.
func (s *listSorter[T]) boundary(left, right run) int {
	whole := len(s.items)
	a := 2*left.start + left.length // twice the middle
	b := a + left.length + right.length
	for power := 1; ; power++ {
		switch {
		case a >= whole:
			a, b = a-whole, b-whole
		case b >= whole:
			return power
		}
		a, b = 2*a, 2*b
	}
}

// mergeAll merges what is left, from the end.
func (s *listSorter[T]) mergeAll() {
	for len(s.runs) > 1 {
		at := len(s.runs) - 2
		if at > 0 && s.runs[at-1].length < s.runs[at+1].length {
			at--
		}
		s.mergeAt(at)
	}
}

// mergeAt merges run i and the one after it.
func (s *listSorter[T]) mergeAt(i int) {
	left, right := s.runs[i], s.runs[i+1]
	s.runs[i].length += right.length
	s.runs = slices.Delete(s.runs, i+1, i+2)

	a := s.items[left.start : left.start+left.length]
	b := s.items[right.start : right.start+right.length]
	// What is at its place already takes no part.
	a = a[s.after(b[0], a, 0):]
	if len(a) == 0 {
		return
	}
	b = b[:s.before(a[len(a)-1], b, len(b)-1)]
	if len(b) == 0 {
		return
	}
	target := s.items[right.start-len(a) : right.start+len(b)]
	if len(a) <= len(b) {
		copy(target, s.mergeUp(slices.Clone(a), slices.Clone(b)))
	} else {
		copy(target, s.mergeDown(slices.Clone(a), slices.Clone(b)))
	}
}

// before returns how many items of sorted a are less than key, searching outwards from hint in steps
// that double.
func (s *listSorter[T]) before(key T, a []T, hint int) int {
	low, high := spread(len(a), hint, s.less(a[hint], key), func(i int) bool { return s.less(a[i], key) })
	return bisect(low, high, func(i int) bool { return !s.less(a[i], key) })
}

// after returns how many items of sorted a are not greater than key, searching as before does.
func (s *listSorter[T]) after(key T, a []T, hint int) int {
	low, high := spread(len(a), hint, !s.less(key, a[hint]), func(i int) bool { return !s.less(key, a[i]) })
	return bisect(low, high, func(i int) bool { return s.less(key, a[i]) })
}

// spread brackets the border between items that are below and items that are not. up says on which
// side of hint it lies. It probes at distances 1, 3, 7, 15 … from hint.
func spread(length, hint int, up bool, below func(i int) bool) (low, high int) {
	last, step := 0, 1
	if up {
		for hint+step < length && below(hint+step) {
			last, step = step, 2*step+1
		}
		return hint + last + 1, min(hint+step, length)
	}
	for hint-step >= 0 && !below(hint-step) {
		last, step = step, 2*step+1
	}
	return max(hint-step, -1) + 1, hint - last
}
