package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// compileGlob translates one of BuildStream's globs: "*" and "?" stop at a slash, "**" does not,
// "[…]" and "[!…]" are classes, nothing can be escaped. The expression matches a whole path that
// begins with a slash; the pattern may leave its own out.
func compileGlob(pattern string) (*regexp.Regexp, error) {
	if !strings.HasPrefix(pattern, "/") {
		pattern = "/" + pattern
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		expression, n := globToken(pattern[i:])
		b.WriteString(expression)
		i += n
	}
	b.WriteString(`\z`)
	compiled, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("read glob %q: %w", pattern, err)
	}
	return compiled, nil
}

// globToken translates the token that pattern begins with, and says how many bytes it has.
func globToken(pattern string) (expression string, n int) {
	switch {
	case strings.HasPrefix(pattern, "**"):
		return `.*`, 2
	case pattern[0] == '*':
		return `[^/]*`, 1
	case pattern[0] == '?':
		return `[^/]`, 1
	case pattern[0] == '[':
		return globClass(pattern)
	}
	_, n = utf8.DecodeRuneInString(pattern)
	return regexp.QuoteMeta(pattern[:n]), n
}

// globClass translates the class that pattern begins with; a "[" that nothing closes is itself.
func globClass(pattern string) (expression string, n int) {
	start := 1
	if strings.HasPrefix(pattern[start:], "!") {
		start++
	}
	if strings.HasPrefix(pattern[start:], "]") {
		start++ // a "]" that comes first is a member of the class
	}
	end := strings.IndexByte(pattern[min(start, len(pattern)):], ']')
	if end < 0 {
		return `\[`, 1
	}
	end += start
	members, negated := strings.CutPrefix(pattern[1:end], "!")
	members = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(members)
	if negated {
		return "[^" + members + "]", end + 1
	}
	return "[" + members + "]", end + 1
}

// firstMatch returns the first of paths in code point order that pattern matches.
func firstMatch(pattern string, paths []string) (string, bool, error) {
	expression, err := compileGlob(pattern)
	if err != nil {
		return "", false, err
	}
	var matches []string
	for _, path := range paths {
		if expression.MatchString("/" + strings.TrimPrefix(path, "/")) {
			matches = append(matches, path)
		}
	}
	if len(matches) == 0 {
		return "", false, nil
	}
	return slices.Min(matches), true, nil
}
