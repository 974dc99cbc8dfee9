package project

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// variablePattern is a reference to a variable. Anything else with a percent sign is literal.
var variablePattern = regexp.MustCompile(`%\{([a-zA-Z][a-zA-Z0-9_-]*)\}`)

// maxExpandedBytes bounds one expanded value: variables that double each other would fill the memory.
const maxExpandedBytes = 16 << 20

// variables expands references. Values are expressions over each other.
type variables struct {
	node  *Node // where they are defined, for places
	value map[string]string
	state map[string]expansion
}

type expansion uint8

const (
	raw expansion = iota
	expanding
	expanded
)

// newVariables takes the variables in node. A true notparallel sets max-jobs to 1.
func newVariables(node *Node) (*variables, error) {
	serial, err := node.BoolOr("notparallel", false)
	if err != nil {
		return nil, err
	}
	if serial {
		node.override("max-jobs", "1")
	}
	v := &variables{node: node, value: make(map[string]string, len(node.keys)), state: make(map[string]expansion, len(node.keys))}
	for i, name := range node.keys {
		item := node.items[i]
		if err := item.expect(name, Scalar); err != nil {
			return nil, err
		}
		v.value[name] = item.value
		if !strings.Contains(item.value, "%{") {
			v.state[name] = expanded
		}
	}
	return v, nil
}

// override sets a scalar as BuildStream does: at the place of the old value if there is one.
func (n *Node) override(key, value string) {
	s := NewScalar(value)
	if old := n.Get(key); old != nil {
		s.file, s.line, s.column = old.file, old.line, old.column
	}
	n.Set(key, s)
}

// all expands every variable and returns them.
func (v *variables) all() (map[string]string, error) {
	for _, name := range v.node.keys {
		if _, err := v.get(name, Place{}, nil); err != nil {
			return nil, err
		}
	}
	return v.value, nil
}

// get returns the value of a variable that is used at a place, by the variables in chain.
func (v *variables) get(name string, at Place, chain []string) (string, error) {
	value, ok := v.value[name]
	if !ok {
		err := fail(UnresolvedVariable, at, "variable %q is not defined", name)
		if near := hint.Nearest(name, slices.Sorted(maps.Keys(v.value))); near != "" {
			return "", hint.Addf(err, "did you mean: %%{%s}", near)
		}
		return "", err
	}
	switch v.state[name] {
	case expanded:
		return value, nil
	case expanding:
		return "", fail(CircularReferenceVariable, v.node.Get(name).At(), "variable %q refers to itself: %s", name, strings.Join(append(chain, name), " -> "))
	}
	v.state[name] = expanding
	value, err := v.expand(value, v.node.Get(name).At(), append(chain, name))
	if err != nil {
		return "", err
	}
	v.value[name], v.state[name] = value, expanded
	return value, nil
}

// expand replaces the references in text.
func (v *variables) expand(text string, at Place, chain []string) (string, error) {
	if !strings.Contains(text, "%{") {
		return text, nil
	}
	var b strings.Builder
	last := 0
	for _, m := range variablePattern.FindAllStringSubmatchIndex(text, -1) {
		value, err := v.get(text[m[2]:m[3]], at, chain)
		if err != nil {
			return "", err
		}
		b.WriteString(text[last:m[0]])
		b.WriteString(value)
		if last = m[1]; b.Len() > maxExpandedBytes {
			return "", fail(TooLarge, at, "a value expands to more than %d MB", maxExpandedBytes>>20)
		}
	}
	b.WriteString(text[last:])
	return b.String(), nil
}

// expandNode expands all scalars below n, in place. Keys are not expanded.
func (v *variables) expandNode(n *Node) error {
	if n.kind == Scalar {
		value, err := v.expand(n.value, n.At(), nil)
		n.value = value
		return err
	}
	for _, item := range n.items {
		if err := v.expandNode(item); err != nil {
			return err
		}
	}
	return nil
}
