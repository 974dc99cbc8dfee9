package project

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// DumpYAML returns a node as YAML in the style of `bst show`: block style, keys in their order,
// scalars plain where that is possible. A mapping or list ends with a line feed; empty ones are {}
// and []. Reading it with ParseYAML gives the same content.
func DumpYAML(n *Node) string {
	var b strings.Builder
	if n.kind == Scalar || len(n.items) == 0 {
		b.WriteString(inline(n) + "\n")
	} else {
		dump(&b, n, "")
	}
	return b.String()
}

func dump(b *strings.Builder, n *Node, indent string) {
	for i, item := range n.items {
		lead := indent + "-"
		if n.kind == Mapping {
			lead = indent + quote(n.keys[i]) + ":"
			if n.keys[i] == "" {
				lead = indent + "'':"
			}
		}
		switch {
		case item.kind == Scalar || len(item.items) == 0:
			text := inline(item)
			if text != "" || n.kind == Sequence {
				text = " " + text
			}
			b.WriteString(lead + text + "\n")
		case n.kind == Mapping && item.kind == Sequence:
			b.WriteString(lead + "\n")
			dump(b, item, indent)
		case n.kind == Mapping:
			b.WriteString(lead + "\n")
			dump(b, item, indent+"  ")
		default: // in a list, what is below begins on the same line
			var below strings.Builder
			dump(&below, item, indent+"  ")
			b.WriteString(lead + " " + below.String()[len(indent)+2:])
		}
	}
}

// inline returns what is written on one line.
func inline(n *Node) string {
	switch n.kind {
	case Mapping:
		return "{}"
	case Sequence:
		return "[]"
	}
	return quote(n.value)
}

// notPlain is text that would be read as something else without quotes. Anything but text of one
// line with blanks only inside is decided by quote.
var notPlain = regexp.MustCompile(`^[#,\[\]{}&*!|>'"%@` + "`" + `]|^(---|\.\.\.)|^[?:-]([ \t]|$)|:([ \t]|$)|[ \t]#|^[ \t]|[ \t]$`)

// quote returns a scalar in the simplest style that can hold it.
func quote(text string) string {
	printable := utf8.ValidString(text)
	for _, r := range text {
		printable = printable && r != '\ufeff' && r != 0x7f && r >= ' ' && (r < 0x80 || r > 0x9f) && r != '\u2028' && r != '\u2029'
	}
	switch {
	case !printable:
		return quoteDouble(text)
	case notPlain.MatchString(text):
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return text
}

func quoteDouble(text string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\t': `\t`, '\r': `\r`, '\u2028': `\L`, '\u2029': `\P`, 0: `\0`}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch s, ok := short[r]; {
		case ok:
			b.WriteString(s)
		case r < ' ' || r >= 0x7f && r <= 0x9f:
			fmt.Fprintf(&b, `\x%02X`, r)
		case r == '\ufeff':
			b.WriteString(`\uFEFF`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// ordered returns texts as a mapping with these keys first.
func ordered(names []string, values map[string]string) *Node {
	n := NewMapping()
	for _, name := range names {
		if value, ok := values[name]; ok {
			n.Set(name, &Node{value: value})
		}
	}
	for _, name := range sortedKeys(values) {
		if n.Get(name) == nil {
			n.Set(name, &Node{value: values[name]})
		}
	}
	return n
}

// VariablesNode returns the variables in the order of BuildStream.
func (e *Element) VariablesNode() *Node { return ordered(e.variableNames, e.Variables) }

// EnvironmentNode returns the environment in the order of BuildStream.
func (e *Element) EnvironmentNode() *Node { return ordered(e.environmentNames, e.Environment) }

// DirectDeps returns the names of direct dependencies: those for building, then those for running
// that were not among them, each group only if asked for.
func (e *Element) DirectDeps(build, runtime bool) []string {
	var names []string
	for _, d := range e.Deps {
		if build && d.Build {
			names = append(names, d.Element.FullName())
		}
	}
	for _, d := range e.Deps {
		if runtime && d.Runtime && !(build && d.Build) {
			names = append(names, d.Element.FullName())
		}
	}
	return names
}

// Symbol returns the value of a symbol of `bst show --format` that only depends on the project: name,
// kind, description, config, vars, env, public, deps, build-deps, runtime-deps. Others are not ok.
func (e *Element) Symbol(name string) (value string, ok bool) {
	list := func(build, runtime bool) string {
		items := NewSequence()
		for _, name := range e.DirectDeps(build, runtime) {
			items.items = append(items.items, &Node{value: name})
		}
		return strings.TrimRight(DumpYAML(items), "\n")
	}
	switch name {
	case "name":
		return e.FullName(), true
	case "kind":
		return e.Kind, true
	case "description":
		return strings.Join(strings.Split(e.Description, "\n"), " "), true
	case "config":
		return DumpYAML(e.Config), true
	case "vars":
		return DumpYAML(e.VariablesNode()), true
	case "env":
		return DumpYAML(e.EnvironmentNode()), true
	case "public":
		return DumpYAML(e.Public), true
	case "deps":
		return list(true, true), true
	case "build-deps":
		return list(true, false), true
	case "runtime-deps":
		return list(false, true), true
	}
	return "", false
}

// symbolPattern is %{symbol} or %{symbol:SPEC}, with SPEC as in Python: fill, alignment, width,
// precision.
var (
	symbolPattern = regexp.MustCompile(`%\{([a-z][a-z-]*)(?::([^}]*))?\}`)
	specPattern   = regexp.MustCompile(`^(?:(.)?([<>^]))?(\d+)?(?:\.(\d+))?s?$`)
)

// FormatLine replaces the symbols of a format of `bst show`. Symbols that value does not know, and
// specifications that are not Python's, stay as they are.
func FormatLine(format string, value func(symbol string) (string, bool)) string {
	return symbolPattern.ReplaceAllStringFunc(format, func(match string) string {
		parts := symbolPattern.FindStringSubmatch(match)
		text, ok := value(parts[1])
		spec := specPattern.FindStringSubmatch(parts[2])
		if !ok || spec == nil {
			return match
		}
		return pad(text, spec)
	})
}

// pad applies a specification: fill, alignment, width, precision.
func pad(text string, spec []string) string {
	runes := []rune(text)
	if limit, err := strconv.Atoi(spec[4]); err == nil && limit < len(runes) {
		runes = runes[:limit]
	}
	width, _ := strconv.Atoi(spec[3])
	missing := min(width, 10_000) - len(runes)
	if missing <= 0 {
		return string(runes)
	}
	fill := " "
	if spec[1] != "" {
		fill = spec[1]
	}
	left := 0
	switch spec[2] {
	case ">":
		left = missing
	case "^":
		left = missing / 2
	}
	return strings.Repeat(fill, left) + string(runes) + strings.Repeat(fill, missing-left)
}
