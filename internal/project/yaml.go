package project

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	// maxFileBytes bounds one YAML file. The largest in the big public projects is below 1 MB
	// (lists of crates); a bigger one is a mistake or an attack.
	maxFileBytes = 16 << 20
	// maxDepth bounds nesting, so that hostile files can't exhaust the stack. Real files stay below 12.
	maxDepth = 200
)

// readYAML reads the mapping in the file at path; name is what Places call it.
func readYAML(path, name string) (*Node, error) {
	at := Place{File: name}
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && info.IsDir() {
			return nil, fail(LoadingDirectory, at, "this is a directory, expected a YAML file")
		}
		if err == nil && !info.Mode().IsRegular() {
			return nil, fail(MissingFile, at, "this is not a regular file")
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fail(MissingFile, at, "there is no such file")
	}
	if err != nil {
		return nil, &LoadError{Reason: MissingFile, At: at, Detail: "read file", Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, &LoadError{Reason: MissingFile, At: at, Detail: "read file", Err: err}
	}
	return ParseYAML(data, name)
}

// ParseYAML reads one YAML document, a mapping, in BuildStream's dialect: every scalar is its text
// whatever its style; anchors, aliases, foreign tags, duplicate keys, keys that are not scalars and
// more than one document are errors. No document at all is an empty mapping. name is what Places
// call the text. Errors are *LoadError.
func ParseYAML(data []byte, name string) (*Node, error) {
	at := Place{File: name}
	if len(data) > maxFileBytes {
		return nil, fail(TooLarge, at, "the file is larger than %d MB", maxFileBytes>>20)
	}
	if !utf8.Valid(data) {
		return nil, fail(InvalidYAML, at, "the file is not UTF-8 text")
	}
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, syntaxError(at, err)
	}
	var doc, next yaml.Node
	if err := loader.Load(&doc); err == io.EOF {
		return &Node{kind: Mapping, file: &file{name: name}, line: 1, column: 1}, nil
	} else if err != nil {
		return nil, syntaxError(at, err)
	}
	if err := loader.Load(&next); err == nil {
		at.Line, at.Column = next.Line, next.Column
		return nil, fail(InvalidYAML, at, "more than one YAML document, expected one")
	} else if err != io.EOF {
		return nil, syntaxError(at, err)
	}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		at.Line, at.Column = root.Line, root.Column
		return nil, fail(InvalidYAML, at, "the file must be a mapping of keys to values")
	}
	return (&converter{file: &file{name: name}}).convert(root, 1)
}

func syntaxError(at Place, err error) error {
	var load *yaml.LoadError
	if errors.As(err, &load) {
		at.Line, at.Column = load.Mark.Line, load.Mark.Column
		return fail(InvalidYAML, at, "malformed YAML: %s", load.Message)
	}
	return &LoadError{Reason: InvalidYAML, At: at, Detail: "malformed YAML", Err: err}
}

// converter turns the YAML library's nodes into ours and refuses what the dialect lacks.
type converter struct{ file *file }

func (c *converter) convert(y *yaml.Node, depth int) (*Node, error) {
	at := Place{File: c.file.name, Line: y.Line, Column: y.Column}
	switch {
	case y.Kind == yaml.AliasNode:
		return nil, fail(InvalidYAML, at, "aliases (*name) are not allowed")
	case y.Anchor != "":
		return nil, fail(InvalidYAML, at, "anchors (&name) are not allowed")
	case depth > maxDepth:
		return nil, fail(TooLarge, at, "nested more than %d levels deep", maxDepth)
	}
	n := &Node{file: c.file, line: int32(y.Line), column: int32(y.Column)}
	switch y.Kind {
	case yaml.ScalarNode:
		if foreignTag(y) {
			return nil, fail(InvalidYAML, at, "tag %s is not allowed", y.Tag)
		}
		n.value = trim(y.Value)
		return n, nil
	case yaml.SequenceNode:
		n.kind = Sequence
		n.items = make([]*Node, 0, len(y.Content))
		for _, item := range y.Content {
			child, err := c.convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	}
	n.kind = Mapping
	return n, c.mapping(n, y, depth)
}

func (c *converter) mapping(n *Node, y *yaml.Node, depth int) error {
	n.keys = make([]string, 0, len(y.Content)/2)
	n.items = make([]*Node, 0, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		at := Place{File: c.file.name, Line: key.Line, Column: key.Column}
		switch {
		case key.Kind == yaml.AliasNode || key.Anchor != "":
			return fail(InvalidYAML, at, "anchors and aliases are not allowed")
		case key.Kind != yaml.ScalarNode:
			return fail(InvalidYAML, at, "keys must be scalars")
		case foreignTag(key):
			return fail(InvalidYAML, at, "tag %s is not allowed", key.Tag)
		case n.Get(key.Value) != nil:
			return fail(InvalidYAML, at, "duplicate key %q", key.Value)
		}
		value, err := c.convert(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.Set(key.Value, value)
	}
	return nil
}

// foreignTag reports an explicit tag that is not one of YAML's own.
func foreignTag(y *yaml.Node) bool {
	return y.Style&yaml.TaggedStyle != 0 && !strings.HasPrefix(y.LongTag(), "tag:yaml.org,2002:")
}
