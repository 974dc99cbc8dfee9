package project

// BuildScope returns what is staged to build e, in staging order: for each direct build dependency
// its runtime closure, each element once. Keys list dependencies in this order.
func (e *Element) BuildScope() []*Element {
	var order []*Element
	seen := elementSet{}
	for _, dep := range e.Deps {
		if dep.Build {
			order = walkRuntime(dep.Element, &seen, order)
		}
	}
	return order
}

// RunScope returns e and all it needs at run time, dependencies first.
func (e *Element) RunScope() []*Element { return walkRuntime(e, &elementSet{}, nil) }

// elementSet is a set of elements: bits for those that a loader numbered, from 1, a map for others.
type elementSet struct {
	bits   bitset
	others map[*Element]bool
}

// add reports whether e was not there yet.
func (s *elementSet) add(e *Element) bool {
	if e.id == 0 {
		if s.others[e] {
			return false
		}
		if s.others == nil {
			s.others = map[*Element]bool{}
		}
		s.others[e] = true
		return true
	}
	if s.bits.has(e.id) {
		return false
	}
	if word := e.id / 64; word >= len(s.bits) {
		s.bits = append(s.bits, make(bitset, word+1-len(s.bits))...)
	}
	s.bits.add(e.id)
	return true
}

// walkRuntime appends e's runtime closure to order, depth first, dependencies before dependants. It
// does not recurse: chains of dependencies can be thousands long.
func walkRuntime(e *Element, seen *elementSet, order []*Element) []*Element {
	if !seen.add(e) {
		return order
	}
	type frame struct {
		e    *Element
		next int
	}
	stack := []frame{{e: e}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(top.e.Deps) {
			order = append(order, top.e)
			stack = stack[:len(stack)-1]
			continue
		}
		dep := &top.e.Deps[top.next]
		top.next++
		if dep.Runtime && seen.add(dep.Element) {
			stack = append(stack, frame{e: dep.Element})
		}
	}
	return order
}
