package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// entry is one setting of a file.
type entry struct {
	key   string
	value raw
	place string // "file:line:column"
	line  int
}

// readTOML reads a file of settings, in the order of the file. Its errors are ErrInvalid with the
// place in front, or the failure to read the file.
func readTOML(file string) ([]entry, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	var top map[string]toml.Primitive
	meta, err := toml.Decode(string(data), &top)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	r := tomlReader{file: file, lines: strings.Split(string(data), "\n"), meta: meta}
	if err := r.table("", top); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.key, b.key))
	})
	for _, e := range r.entries {
		if _, ok := lookUp(e.key); !ok {
			return nil, unknownKey(e.place, e.key)
		}
		if e.value.text == wrongForm {
			s, _ := lookUp(e.key)
			return nil, invalid(e.place, "%s: must be %s", e.key, formText(s))
		}
	}
	return r.entries, nil
}

// wrongForm marks a value whose type can't be right; no text in a file has a NUL.
const wrongForm = "\x00"

func syntaxError(file string, err error) error {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return invalid(file, "%v", err)
	}
	return invalid(fmt.Sprintf("%s:%d:%d", file, parse.Position.Line, max(1, parse.Position.Col)), "%s", parse.Message)
}

type tomlReader struct {
	file    string
	lines   []string
	meta    toml.MetaData
	entries []entry
}

// table reads the settings below a prefix ("" or "build.").
func (r *tomlReader) table(prefix string, values map[string]toml.Primitive) error {
	for name, value := range values {
		key := prefix + name
		var below map[string]toml.Primitive
		if isSection(key) && r.meta.PrimitiveDecode(value, &below) == nil {
			if err := r.table(key+".", below); err != nil {
				return err
			}
			continue
		}
		line, column := r.place(value)
		e := entry{key: key, line: line, place: r.file}
		if line > 0 {
			e.place = fmt.Sprintf("%s:%d:%d", r.file, line, column)
		}
		var any any
		if err := r.meta.PrimitiveDecode(value, &any); err != nil {
			return syntaxError(r.file, err)
		}
		setting, _ := lookUp(key)
		e.value = rawValue(setting, any)
		r.entries = append(r.entries, e)
	}
	return nil
}

// place returns line and column of a value. The library tells them only with an error, and for
// text and lists the column behind the first sign.
func (r *tomlReader) place(value toml.Primitive) (line, column int) {
	var parse toml.ParseError
	if !errors.As(r.meta.PrimitiveDecode(value, &refuser{}), &parse) {
		return 0, 0
	}
	line, column = parse.Position.Line, max(1, parse.Position.Col)
	if line < 1 || line > len(r.lines) {
		return 0, 0
	}
	text := r.lines[line-1]
	for column > 1 && column-2 < len(text) && strings.ContainsRune(`"'[{`, rune(text[column-2])) {
		column--
	}
	return line, column
}

type refuser struct{}

func (*refuser) UnmarshalTOML(any) error { return errors.New("asked for its place") }

// rawValue takes a TOML value in; one of a type that the setting can't have becomes wrongForm.
func rawValue(s Setting, value any) raw {
	switch s.Form {
	case Paths, Globs:
		items, ok := value.([]any)
		list := []string{}
		for _, item := range items {
			text, isText := item.(string)
			ok = ok && isText
			list = append(list, text)
		}
		if ok {
			return raw{list: list}
		}
	case Table:
		items, ok := value.(map[string]any)
		table := map[string]string{}
		for name, item := range items {
			table[name], ok = scalar(item, ok)
		}
		if ok {
			return raw{table: table}
		}
	case Count, AutoNum, Size, Share:
		if n, ok := value.(int64); ok {
			return raw{text: strconv.FormatInt(n, 10)}
		}
		if text, ok := value.(string); ok {
			return raw{text: text}
		}
	default:
		if text, ok := value.(string); ok {
			return raw{text: text}
		}
	}
	return raw{text: wrongForm}
}

// scalar returns the text of an option's value; true and false are BuildStream's True and False.
func scalar(value any, ok bool) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, ok
	case int64:
		return strconv.FormatInt(v, 10), ok
	case bool:
		if v {
			return "True", ok
		}
		return "False", ok
	}
	return "", false
}
