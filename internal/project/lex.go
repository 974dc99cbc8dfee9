package project

import (
	"fmt"
	"strings"
)

// Conditions are written in the language of Jinja2's "if". This is the part of it that projects use:
// names of options, strings, lists, parentheses, ==, !=, in, not in, and, or, not.

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenString
	tokenMark // ( ) [ ] , == !=
)

type token struct {
	kind tokenKind
	text string
}

// is reports a keyword or a mark.
func (t token) is(text string) bool {
	return (t.kind == tokenName || t.kind == tokenMark) && t.text == text
}

func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

const expressionHelp = "a condition is made of option names, 'strings', [lists], ( ), ==, !=, in, not in, and, or, not"

// lex splits an expression into tokens.
func lex(text string) ([]token, error) {
	var tokens []token
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		c := rest[0]
		switch {
		case isNameByte(c) && (c < '0' || c > '9'):
			n := 1
			for n < len(rest) && isNameByte(rest[n]) {
				n++
			}
			tokens = append(tokens, token{tokenName, rest[:n]})
			rest = rest[n:]
		case c == '\'' || c == '"':
			value, n, err := lexString(rest)
			if err != nil {
				return nil, err
			}
			tokens = append(tokens, token{tokenString, value})
			rest = rest[n:]
		case strings.HasPrefix(rest, "==") || strings.HasPrefix(rest, "!="):
			tokens = append(tokens, token{tokenMark, rest[:2]})
			rest = rest[2:]
		case strings.IndexByte("()[],", c) >= 0:
			tokens = append(tokens, token{tokenMark, rest[:1]})
			rest = rest[1:]
		default:
			return nil, fmt.Errorf("unexpected %q; %s", rest, expressionHelp)
		}
	}
	return append(tokens, token{}), nil
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// lexString reads the string that text begins with and returns its value and its length with quotes.
func lexString(text string) (value string, n int, err error) {
	escapes := map[byte]byte{'\\': '\\', '\'': '\'', '"': '"', 'n': '\n', 't': '\t', 'r': '\r'}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == text[0]:
			return b.String(), i + 1, nil
		case c == '\\':
			i++
			if i == len(text) || escapes[text[i]] == 0 {
				return "", 0, fmt.Errorf("unknown escape in string %s", text)
			}
			b.WriteByte(escapes[text[i]])
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, fmt.Errorf("string %s has no end", text)
}
