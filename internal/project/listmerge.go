package project

// Both merges are given runs where the first of b is less than all of a, and the last of a greater
// than all of b. That spares comparisons at the ends, and which pairs are compared matters here.

// mergeUp merges from the front; a is the shorter run.
func (s *listSorter[T]) mergeUp(a, b []T) []T {
	out := make([]T, 0, len(a)+len(b))
	fromA := func(n int) { out, a = append(out, a[:n]...), a[n:] }
	fromB := func(n int) { out, b = append(out, b[:n]...), b[n:] }
	// done: with one item left, a has only its last, which goes behind all of b.
	done := func() bool { return len(a) <= 1 || len(b) == 0 }

	fromB(1)
	for !done() {
		for winsA, winsB := 0, 0; winsA < s.gallop && winsB < s.gallop; {
			if s.less(b[0], a[0]) {
				fromB(1)
				winsA, winsB = 0, winsB+1
			} else {
				fromA(1)
				winsA, winsB = winsA+1, 0
			}
			if done() {
				return finishUp(out, a, b)
			}
		}
		s.gallop++
		for long := true; long; {
			s.eager()
			stretchA := s.after(b[0], a, 0)
			fromA(stretchA)
			if done() {
				return finishUp(out, a, b)
			}
			fromB(1)
			if done() {
				return finishUp(out, a, b)
			}
			stretchB := s.before(a[0], b, 0)
			fromB(stretchB)
			if done() {
				return finishUp(out, a, b)
			}
			fromA(1)
			if done() {
				return finishUp(out, a, b)
			}
			long = stretchA >= minGallop || stretchB >= minGallop
		}
		s.gallop++ // leaving costs
	}
	return finishUp(out, a, b)
}

// finishUp adds what is left: at most one of a behind b, or all of a.
func finishUp[T any](out, a, b []T) []T { return append(append(out, b...), a...) }

// eager makes galloping a little easier to begin again, as it goes on.
func (s *listSorter[T]) eager() {
	if s.gallop > 1 {
		s.gallop--
	}
}

// mergeDown merges from the back; b is the shorter run.
func (s *listSorter[T]) mergeDown(a, b []T) []T {
	out := make([]T, len(a)+len(b))
	end := len(out)
	put := func(items []T) { end -= len(items); copy(out[end:], items) }
	fromA := func(n int) { put(a[len(a)-n:]); a = a[:len(a)-n] }
	fromB := func(n int) { put(b[len(b)-n:]); b = b[:len(b)-n] }
	// done: with one item left, b has only its first, which goes before all of a.
	done := func() bool { return len(b) <= 1 || len(a) == 0 }
	finish := func() []T { put(a); put(b); return out }

	fromA(1)
	for !done() {
		for winsA, winsB := 0, 0; winsA < s.gallop && winsB < s.gallop; {
			if s.less(b[len(b)-1], a[len(a)-1]) {
				fromA(1)
				winsA, winsB = winsA+1, 0
			} else {
				fromB(1)
				winsA, winsB = 0, winsB+1
			}
			if done() {
				return finish()
			}
		}
		s.gallop++
		for long := true; long; {
			s.eager()
			stretchA := len(a) - s.after(b[len(b)-1], a, len(a)-1)
			fromA(stretchA)
			if done() {
				return finish()
			}
			fromB(1)
			if done() {
				return finish()
			}
			stretchB := len(b) - s.before(a[len(a)-1], b, len(b)-1)
			fromB(stretchB)
			if done() {
				return finish()
			}
			fromA(1)
			if done() {
				return finish()
			}
			long = stretchA >= minGallop || stretchB >= minGallop
		}
		s.gallop++ // leaving costs
	}
	return finish()
}
