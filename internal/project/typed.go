package project

import (
	"math/big"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// The typed readers follow BuildStream: a key that is there never falls back to the default, and a
// wrong type is InvalidData at the value.

// required returns the value of key, which must be there.
func (n *Node) required(key string) (*Node, error) {
	if v := n.Get(key); v != nil {
		return v, nil
	}
	return nil, fail(InvalidData, n.At(), "key %q is missing", key)
}

// expect checks the form of the value of key.
func (n *Node) expect(key string, kind Kind) error {
	if n.kind != kind {
		return fail(InvalidData, n.At(), "value of %q must be a %s, not a %s", key, kind, n.kind)
	}
	return nil
}

// Scalar returns the scalar under key, or nil if there is no such key.
func (n *Node) Scalar(key string) (*Node, error) {
	v := n.Get(key)
	if v == nil {
		return nil, nil
	}
	return v, v.expect(key, Scalar)
}

// Str returns the text under key, which must be there.
func (n *Node) Str(key string) (string, error) {
	v, err := n.required(key)
	if err != nil {
		return "", err
	}
	return v.value, v.expect(key, Scalar)
}

// StrOr returns the text under key, or def if there is no such key.
func (n *Node) StrOr(key, def string) (string, error) {
	if n.Get(key) == nil {
		return def, nil
	}
	return n.Str(key)
}

// AsBool reads a scalar as BuildStream does: True, true, 1, False, false, 0.
func (n *Node) AsBool(key string) (bool, error) {
	switch n.value {
	case "True", "true", "1":
		return true, n.expect(key, Scalar)
	case "False", "false", "0":
		return false, n.expect(key, Scalar)
	}
	if err := n.expect(key, Scalar); err != nil {
		return false, err
	}
	return false, fail(InvalidData, n.At(), "value of %q must be True or False, not %q", key, n.value)
}

// Bool returns the boolean under key, which must be there.
func (n *Node) Bool(key string) (bool, error) {
	v, err := n.required(key)
	if err != nil {
		return false, err
	}
	return v.AsBool(key)
}

// BoolOr returns the boolean under key, or def if there is no such key.
func (n *Node) BoolOr(key string, def bool) (bool, error) {
	if n.Get(key) == nil {
		return def, nil
	}
	return n.Bool(key)
}

// IntOr returns the integer under key, or def if there is no such key.
func (n *Node) IntOr(key string, def int64) (int64, error) {
	v := n.Get(key)
	if v == nil {
		return def, nil
	}
	if err := v.expect(key, Scalar); err != nil {
		return 0, err
	}
	i, ok := parseInt(v.value)
	if !ok {
		return 0, fail(InvalidData, v.At(), "value of %q must be a number, not %q", key, v.value)
	}
	return i, nil
}

// parseInt reads what Python's int() reads, within 64 bits: a sign, digits, single underscores
// between digits.
func parseInt(text string) (int64, bool) {
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || digits[0] == '_' ||
		strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	for _, r := range digits {
		if r != '_' && (r < '0' || r > '9') {
			return 0, false
		}
	}
	i, ok := new(big.Int).SetString(strings.ReplaceAll(digits, "_", ""), 10)
	if !ok || !i.IsInt64() {
		return 0, false
	}
	if strings.HasPrefix(text, "-") {
		return -i.Int64(), true
	}
	return i.Int64(), true
}

// Mapping returns the mapping under key; nil if there is no such key.
func (n *Node) Mapping(key string) (*Node, error) {
	v := n.Get(key)
	if v == nil {
		return nil, nil
	}
	return v, v.expect(key, Mapping)
}

// Sequence returns the list under key; nil if there is no such key.
func (n *Node) Sequence(key string) (*Node, error) {
	v := n.Get(key)
	if v == nil {
		return nil, nil
	}
	return v, v.expect(key, Sequence)
}

// StrList returns the list of texts under key; nil if there is no such key.
func (n *Node) StrList(key string) ([]string, error) {
	v, err := n.Sequence(key)
	if err != nil {
		return nil, err
	}
	return v.Strings()
}

// Strings returns a list's items, which must be scalars.
func (n *Node) Strings() ([]string, error) {
	if n.Len() == 0 {
		return nil, nil
	}
	list := make([]string, len(n.items))
	for i, item := range n.items {
		if item.kind != Scalar {
			return nil, fail(InvalidData, item.At(), "list item must be a scalar, not a %s", item.kind)
		}
		list[i] = item.value
	}
	return list, nil
}

// ValidateKeys refuses keys other than these.
func (n *Node) ValidateKeys(valid ...string) error {
	for i, key := range n.Keys() {
		known := false
		for _, v := range valid {
			known = known || v == key
		}
		if !known {
			err := fail(InvalidData, n.items[i].At(), "unexpected key %q, expected one of: %s", key, strings.Join(valid, ", "))
			if near := hint.Nearest(key, valid); near != "" {
				return hint.Addf(err, "did you mean: %s", near)
			}
			return err
		}
	}
	return nil
}
