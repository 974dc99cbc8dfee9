package artifact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Glob compiles one pattern as BuildStream understands it: "*" is any text without "/", "**" any
// text, "?" one character but "/", "[abc]", "[a-z]", "[!abc]" one character ("/" too). There are no
// escapes. It is matched against the whole of "/path". A range that runs backwards is ErrInvalid.
func Glob(glob string) (*regexp.Regexp, error) { return compileGlobs([]string{glob}) }

// translateGlob returns the regular expression for glob, not anchored.
func translateGlob(glob string) (string, error) {
	var out strings.Builder
	text := []rune(glob)
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '*':
			if i+1 < len(text) && text[i+1] == '*' {
				out.WriteString(`.*`)
				i++
			} else {
				out.WriteString(`[^/]*`)
			}
		case '?':
			out.WriteString(`[^/]`)
		case '[':
			end := classEnd(text, i+1)
			if end < 0 {
				out.WriteString(`\[`)
				continue
			}
			class, err := translateClass(text[i+1 : end])
			if err != nil {
				return "", fmt.Errorf("glob %q: %w", glob, err)
			}
			out.WriteString(class)
			i = end
		default:
			out.WriteString(regexp.QuoteMeta(string(text[i])))
		}
	}
	return out.String(), nil
}

// classEnd returns where the "]" is that ends the class whose inside begins at start; -1 if none.
// A "]" that comes first, or first after "!", is a member.
func classEnd(text []rune, start int) int {
	at := start
	if at < len(text) && text[at] == '!' {
		at++
	}
	if at < len(text) && text[at] == ']' {
		at++
	}
	if at > len(text) {
		return -1
	}
	offset := slices.Index(text[at:], ']')
	if offset < 0 {
		return -1
	}
	return at + offset
}

// translateClass returns the class for what stands between "[" and "]". Every character is
// written by its number, so that nothing in it means more here than it does there.
func translateClass(inside []rune) (string, error) {
	var out strings.Builder
	out.WriteString("[")
	if inside[0] == '!' {
		out.WriteString("^")
		inside = inside[1:]
	}
	for i := 0; i < len(inside); i++ {
		low, high := inside[i], inside[i]
		if i+2 < len(inside) && inside[i+1] == '-' {
			high = inside[i+2]
			i += 2
		}
		if low > high {
			return "", fmt.Errorf("%w: bad range %c-%c", ErrInvalid, low, high)
		}
		fmt.Fprintf(&out, `\x{%x}-\x{%x}`, low, high)
	}
	return out.String() + "]", nil
}
