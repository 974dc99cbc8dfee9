// Package ui prints what happens in a build: live lines on a terminal, plain lines elsewhere,
// or JSON events. It decides nothing and knows no flags: cmd/git-bst says how to print.
package ui

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns text with control characters (but line feeds and tabs) and bytes that are not
// UTF-8 written as escapes, so that a log or a file name can't move a terminal's cursor, change
// its title or look like another text.
func Safe(text string) string {
	clean := true
	for _, r := range text {
		if r == utf8.RuneError || isHarmful(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size <= 1:
			out.WriteString(`\x` + strconv.FormatUint(uint64(text[0])|0x100, 16)[1:])
		case isHarmful(r):
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		default:
			out.WriteRune(r)
		}
		text = text[size:]
	}
	return out.String()
}

// isHarmful reports whether r acts on the terminal or on the direction of the text.
func isHarmful(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
