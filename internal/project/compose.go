package project

import "strings"

const (
	listAppend  = "(>)"
	listPrepend = "(<)"
	listReplace = "(=)"
	condition   = "(?)"
	assertion   = "(!)"
	include     = "(@)"
)

func isListDirective(key string) bool {
	return key == listAppend || key == listPrepend || key == listReplace
}

// isListChange reports whether n is a mapping of list directives only. Directives beside other keys
// are an error, so are directives whose value is no list.
func (n *Node) isListChange() (bool, error) {
	if n.kind != Mapping {
		return false, nil
	}
	directives := 0
	for i, key := range n.keys {
		if !isListDirective(key) {
			continue
		}
		directives++
		if n.items[i].kind != Sequence {
			return false, fail(InvalidData, n.items[i].At(), "value of %s must be a list, not a %s", key, n.items[i].kind)
		}
	}
	if directives > 0 && directives < len(n.keys) {
		return false, fail(InvalidData, n.At(), "mapping has list directives (%s) and other keys", strings.Join(n.keys, ", "))
	}
	return directives > 0, nil
}

// Compose puts src over n, key by key, by BuildStream's rules. Lists that src changes are changed in
// n; other values are copied.
func (n *Node) Compose(src *Node) error {
	if src == nil {
		return nil
	}
	for i, key := range src.keys {
		if err := n.composeKey(key, src.items[i]); err != nil {
			return err
		}
	}
	if src.file != nil {
		n.file, n.line, n.column = src.file, src.line, src.column
	}
	return nil
}

func (n *Node) composeKey(key string, src *Node) error {
	old := n.Get(key)
	switch src.kind {
	case Scalar:
		if old != nil && old.kind != Scalar {
			return fail(IllegalComposite, src.At(), "%s: a scalar cannot replace the %s at %s", key, old.kind, placeOr(old))
		}
		n.Set(key, src.Clone())
		return nil
	case Sequence:
		return n.composeList(key, old, src)
	}
	change, err := src.isListChange()
	if err != nil {
		return err
	}
	if change {
		return n.changeList(key, old, src)
	}
	if old == nil {
		old = &Node{kind: Mapping, file: src.file, line: src.line, column: src.column}
		n.Set(key, old)
	}
	if old.kind != Mapping {
		return fail(IllegalComposite, src.At(), "%s: a mapping cannot replace the %s at %s", key, old.kind, placeOr(old))
	}
	return old.Compose(src)
}

func (n *Node) composeList(key string, old, src *Node) error {
	if old != nil && old.kind != Sequence {
		change, err := old.isListChange()
		if err != nil {
			return err
		}
		if !change {
			return fail(IllegalComposite, src.At(), "%s: a list cannot replace the %s at %s", key, old.kind, placeOr(old))
		}
	}
	if old != nil && old.kind == Sequence && key == condition {
		old.items = append(old.items, src.items...)
		return nil
	}
	n.Set(key, src.Clone())
	return nil
}

// changeList applies the directives of src to what n has under key.
func (n *Node) changeList(key string, old, src *Node) error {
	if old == nil {
		n.Set(key, src.Clone())
		return nil
	}
	if old.kind == Sequence {
		old.applyListChange(src)
		return nil
	}
	change, err := old.isListChange()
	if err != nil {
		return err
	}
	if !change {
		return fail(IllegalComposite, src.At(), "%s: list directives cannot change the %s at %s", key, old.kind, placeOr(old))
	}
	old.mergeListChange(src)
	return nil
}

func (n *Node) applyListChange(src *Node) {
	if replace := src.Get(listReplace); replace != nil {
		n.items = append([]*Node(nil), replace.items...)
	}
	if prepend := src.Get(listPrepend); prepend != nil {
		n.items = concat(prepend.items, n.items)
	}
	if tail := src.Get(listAppend); tail != nil {
		n.items = concat(n.items, tail.items)
	}
}

// mergeListChange adds the directives of src to the directives n.
func (n *Node) mergeListChange(src *Node) {
	replace, prepend, tail := src.Get(listReplace), src.Get(listPrepend), src.Get(listAppend)
	if replace != nil {
		n.Set(listReplace, replace)
		n.setOrEmpty(listPrepend, prepend)
		n.setOrEmpty(listAppend, tail)
		return
	}
	if prepend != nil {
		if old := n.Get(listPrepend); old != nil {
			old.items = concat(prepend.items, old.items)
		} else {
			n.Set(listPrepend, prepend)
		}
	}
	if tail != nil {
		if old := n.Get(listAppend); old != nil {
			old.items = concat(old.items, tail.items)
		} else {
			n.Set(listAppend, tail)
		}
	}
}

func (n *Node) setOrEmpty(key string, value *Node) {
	if value != nil {
		n.Set(key, value)
	} else if old := n.Get(key); old != nil {
		old.items = nil
	}
}

func concat(a, b []*Node) []*Node {
	return append(append(make([]*Node, 0, len(a)+len(b)), a...), b...)
}

// composeUnder puts n over included and takes the result as its content: what the includer says
// wins. included is used up.
func (n *Node) composeUnder(included *Node) error {
	if err := included.Compose(n); err != nil {
		return err
	}
	var gone []string
	for _, key := range n.keys {
		if included.Get(key) == nil {
			gone = append(gone, key)
		}
	}
	for i, key := range included.keys {
		n.Set(key, included.items[i])
	}
	for _, key := range gone {
		n.Delete(key)
	}
	return nil
}

// checkComposed refuses list directives that are left after all composition.
func (n *Node) checkComposed() error {
	for i, item := range n.Items() {
		if n.kind == Mapping && isListDirective(n.keys[i]) {
			return fail(TrailingListDirective, item.At(), "%s: there is no list that this could change", n.keys[i])
		}
		if err := item.checkComposed(); err != nil {
			return err
		}
	}
	return nil
}

// placeOr names where an older value comes from.
func placeOr(n *Node) string {
	if at := n.At().String(); at != "" {
		return at
	}
	return "the defaults"
}
