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
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a fifo would wait for its writer
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
	if i := bytes.IndexByte(data, 0x7f); i >= 0 {
		return nil, fail(InvalidYAML, at, "the file has the control character U+007F")
	}
	if bytes.HasPrefix(data, []byte("%YAML 1.2")) {
		// The dialect is that of 1.1 whatever a file says; the library would refuse other numbers.
		data = append([]byte("%YAML 1.1"), data[len("%YAML 1.2"):]...)
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
	return (&converter{file: &file{name: name}, data: data}).convert(root, 1, root.Style&yaml.FlowStyle != 0)
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
type converter struct {
	file  *file
	data  []byte
	lines []int // offsets of lines in data, made when needed
}

// convert returns y as a Node; flow says that it is inside brackets or braces.
func (c *converter) convert(y *yaml.Node, depth int, flow bool) (*Node, error) {
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
		n.value = trim(y.Value)
		return n, c.checkScalar(y, at, flow)
	case yaml.SequenceNode:
		n.kind = Sequence
		n.items = make([]*Node, 0, len(y.Content))
		for _, item := range y.Content {
			child, err := c.convert(item, depth+1, flow || y.Style&yaml.FlowStyle != 0)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		return n, nil
	}
	n.kind = Mapping
	return n, c.mapping(n, y, depth, flow)
}

// quoted are the styles of scalars that are not plain.
const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// checkScalar refuses tags of others, and plain scalars that BuildStream's YAML library refuses.
func (c *converter) checkScalar(y *yaml.Node, at Place, flow bool) error {
	switch {
	case foreignTag(y):
		return fail(InvalidYAML, at, "tag %s is not allowed", y.Tag)
	case c.bareTag(y):
		return fail(InvalidYAML, at, "tag ! is not allowed")
	case flow && y.Style&quoted == 0 && strings.ContainsAny(y.Value, ":?"):
		return fail(InvalidYAML, at, "text with : or ? must be quoted inside brackets and braces")
	}
	return nil
}

// bareTag reports the tag "!", which the library drops: then a scalar begins with it.
func (c *converter) bareTag(y *yaml.Node) bool {
	if y.Style&yaml.TaggedStyle != 0 || bytes.IndexByte(c.data, '!') < 0 {
		return false
	}
	if c.lines == nil {
		c.lines = []int{0}
		for i, b := range c.data {
			if b == '\n' {
				c.lines = append(c.lines, i+1)
			}
		}
	}
	if y.Line < 1 || y.Line > len(c.lines) {
		return false
	}
	line := c.data[c.lines[y.Line-1]:]
	for column := y.Column; column > 1 && len(line) > 0; column-- {
		_, size := utf8.DecodeRune(line)
		line = line[size:]
	}
	return len(line) > 0 && line[0] == '!'
}

func (c *converter) mapping(n *Node, y *yaml.Node, depth int, flow bool) error {
	flow = flow || y.Style&yaml.FlowStyle != 0
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
		case key.Value == "" && key.Style&quoted == 0:
			return fail(InvalidYAML, at, "a key is missing before the colon")
		case n.Get(key.Value) != nil:
			return fail(InvalidYAML, at, "duplicate key %q", key.Value)
		}
		if err := c.checkScalar(key, at, flow); err != nil {
			return err
		}
		value, err := c.convert(y.Content[i+1], depth+1, flow)
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

// ParseOnly reads YAML by the library that ParseYAML uses and does nothing with it: the floor that
// benchmarks of loading compare with.
func ParseOnly(data []byte) error {
	var node yaml.Node
	return yaml.Unmarshal(data, &node)
}
