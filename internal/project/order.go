package project

import "strings"

// postorder returns all that the targets need with every element after its dependencies. A cycle is
// CircularDependency.
func postorder(targets []*fileElement) ([]*fileElement, error) {
	type frame struct {
		element *fileElement
		next    int
	}
	const (
		open = 1
		done = 2
	)
	state := map[*fileElement]int{}
	var order []*fileElement
	for _, target := range targets {
		if state[target] == done {
			continue
		}
		state[target] = open
		stack := []frame{{element: target}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(top.element.deps) {
				state[top.element] = done
				top.element.id = len(order)
				order = append(order, top.element)
				stack = stack[:len(stack)-1]
				continue
			}
			dep := top.element.deps[top.next]
			top.next++
			switch state[dep.element] {
			case open:
				var chain []string
				for _, f := range stack {
					if len(chain) > 0 || f.element == dep.element {
						chain = append(chain, f.element.fullName())
					}
				}
				err := fail(CircularDependency, dep.node.At(), "elements depend on each other in a circle: %s", strings.Join(append(chain, dep.element.fullName()), " -> "))
				err.Element = stack[len(stack)-1].element.fullName()
				return nil, err
			case done:
			default:
				state[dep.element] = open
				stack = append(stack, frame{element: dep.element})
			}
		}
	}
	return order, nil
}

// bitset is a set of elements by id.
type bitset []uint64

func (b bitset) has(id int) bool { return id/64 < len(b) && b[id/64]&(1<<(id%64)) != 0 }

func (b bitset) add(id int) { b[id/64] |= 1 << (id % 64) }

// orderDependencies sorts the direct dependencies of each element as BuildStream does. sorted has
// every element after its dependencies.
func orderDependencies(sorted []*fileElement) {
	// An element only needs elements before it, so its set has no more bits than its id.
	needs := make([]bitset, len(sorted))
	for _, f := range sorted {
		set := make(bitset, f.id/64+1)
		for _, dep := range f.deps {
			set.add(dep.element.id)
			for i, word := range needs[dep.element.id] {
				set[i] |= word
			}
		}
		needs[f.id] = set
	}
	for _, f := range sorted {
		listSort(f.deps, func(a, b *fileDependency) bool { return compareDependencies(needs, a, b) < 0 })
	}
}

// compareDependencies is not transitive: an element comes after what it needs, whatever its name;
// else those only needed at run time come last; else by name and junction.
func compareDependencies(needs []bitset, a, b *fileDependency) int {
	switch {
	case needs[a.element.id].has(b.element.id):
		return 1
	case needs[b.element.id].has(a.element.id):
		return -1
	}
	onlyRuntimeA, onlyRuntimeB := !a.build, !b.build
	if onlyRuntimeA != onlyRuntimeB {
		if onlyRuntimeA {
			return 1
		}
		return -1
	}
	if order := strings.Compare(a.element.name, b.element.name); order != 0 {
		return order
	}
	return compareJunctions(a.element.loader.junction, b.element.loader.junction)
}

// compareJunctions orders elements of one name: those behind junctions first, by the junctions' names.
func compareJunctions(a, b *junction) int {
	switch {
	case a != nil && b != nil:
		return strings.Compare(a.element.Name, b.element.Name)
	case a != nil:
		return -1
	case b != nil:
		return 1
	}
	return 0
}
