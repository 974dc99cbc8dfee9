package project

import (
	"strings"
	"unicode"
)

// Kind is the form of a Node.
type Kind uint8

// The forms of a Node.
const (
	Scalar Kind = iota
	Mapping
	Sequence
)

// String returns the form's name in error messages.
func (k Kind) String() string {
	return [...]string{"scalar", "mapping", "list"}[k]
}

// file is what all nodes of one file share.
type file struct {
	name string // as Place.File
}

// A Node is a piece of YAML: a scalar (always text), a mapping (whose order is kept) or a list.
// Nodes that this program makes have no place.
type Node struct {
	kind   Kind
	line   int32 // from 1; 0 without a place
	column int32 // from 1
	file   *file
	value  string
	keys   []string       // of a mapping, parallel to items
	items  []*Node        // values of a mapping, or a list's items
	index  map[string]int // of a mapping with many keys
}

// indexFrom is the number of keys from which a mapping has an index: below it a scan is quicker.
const indexFrom = 12

// NewScalar returns a scalar without a place. The text is trimmed, as every scalar's is.
func NewScalar(value string) *Node { return &Node{kind: Scalar, value: trim(value)} }

// NewMapping returns an empty mapping without a place.
func NewMapping() *Node { return &Node{kind: Mapping} }

// NewSequence returns a list of these items without a place.
func NewSequence(items ...*Node) *Node { return &Node{kind: Sequence, items: items} }

// trim removes what Python's str.strip() removes.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
	})
}

// Kind returns the node's form.
func (n *Node) Kind() Kind { return n.kind }

// At returns where the node is written; the zero Place for a node that this program made.
func (n *Node) At() Place {
	if n == nil || n.file == nil {
		return Place{}
	}
	return Place{File: n.file.name, Line: int(n.line), Column: int(n.column)}
}

func (n *Node) synthetic() bool { return n.file == nil }

// Value returns the text of a scalar, "" for other forms.
func (n *Node) Value() string { return n.value }

// Len returns the number of a mapping's keys or of a list's items.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.items)
}

// Keys returns a mapping's keys in the order of writing. It must not be changed.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	return n.keys
}

// Items returns a list's items, or a mapping's values in the order of Keys. It must not be changed.
func (n *Node) Items() []*Node {
	if n == nil {
		return nil
	}
	return n.items
}

func (n *Node) find(key string) int {
	if n == nil {
		return -1
	}
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range n.keys {
		if k == key {
			return i
		}
	}
	return -1
}

// Get returns the value of a mapping's key, or nil. A nil Node has no keys.
func (n *Node) Get(key string) *Node {
	if i := n.find(key); i >= 0 {
		return n.items[i]
	}
	return nil
}

// Set puts value under key; a new key goes to the end.
func (n *Node) Set(key string, value *Node) {
	if i := n.find(key); i >= 0 {
		n.items[i] = value
		return
	}
	n.keys = append(n.keys, key)
	n.items = append(n.items, value)
	if n.index != nil {
		n.index[key] = len(n.keys) - 1
	} else if len(n.keys) >= indexFrom {
		n.reindex()
	}
}

func (n *Node) reindex() {
	n.index = make(map[string]int, len(n.keys)+4)
	for i, k := range n.keys {
		n.index[k] = i
	}
}

// Delete removes key from a mapping.
func (n *Node) Delete(key string) {
	i := n.find(key)
	if i < 0 {
		return
	}
	n.keys = append(n.keys[:i:i], n.keys[i+1:]...)
	n.items = append(n.items[:i:i], n.items[i+1:]...)
	if n.index != nil {
		n.reindex()
	}
}

// Clone returns a deep copy with the same places. Scalars are trimmed again, as BuildStream does.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	c := &Node{kind: n.kind, line: n.line, column: n.column, file: n.file}
	switch n.kind {
	case Scalar:
		c.value = trim(n.value)
	case Mapping:
		c.keys = append(make([]string, 0, len(n.keys)+1), n.keys...)
		if n.index != nil {
			c.reindex()
		}
	}
	if len(n.items) > 0 {
		c.items = make([]*Node, len(n.items))
		for i, item := range n.items {
			c.items[i] = item.Clone()
		}
	}
	return c
}

// Plain returns the content without places: string, []any or map[string]any.
func (n *Node) Plain() any {
	switch n.kind {
	case Mapping:
		m := make(map[string]any, len(n.keys))
		for i, k := range n.keys {
			m[k] = n.items[i].Plain()
		}
		return m
	case Sequence:
		s := make([]any, len(n.items))
		for i, item := range n.items {
			s[i] = item.Plain()
		}
		return s
	}
	return n.value
}
