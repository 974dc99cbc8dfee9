package keys

import (
	"fmt"
	"sort"
	"strconv"
	"unicode/utf8"
)

// Canonical returns value as JSON in the one form that BuildStream's keys are made of: no blanks,
// keys sorted by code point, everything that is not ASCII as \u with small hexadecimal digits, U+007F
// as it is, and no other escapes than JSON needs. Values are nil, bool, string, int, int64, []any,
// []string, map[string]any and map[string]string; anything else, and text that is not UTF-8, is an
// error.
func Canonical(value any) ([]byte, error) { return appendValue(nil, value) }

func appendValue(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case string:
		return appendString(out, v)
	case []any:
		return appendList(out, v)
	case []string:
		return appendList(out, v)
	case map[string]any:
		return appendMap(out, v)
	case map[string]string:
		return appendMap(out, v)
	}
	return nil, fmt.Errorf("write canonical JSON: value of type %T", value)
}

func appendList[V any](out []byte, list []V) (_ []byte, err error) {
	out = append(out, '[')
	for i, item := range list {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendValue(out, item); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendMap[V any](out []byte, m map[string]V) (_ []byte, err error) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names) // the order of UTF-8 bytes is that of code points
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendString(out, name); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = appendValue(out, m[name]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

const hexDigits = "0123456789abcdef"

func appendString(out []byte, text string) ([]byte, error) {
	out = append(out, '"')
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			out = appendASCII(out, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, fmt.Errorf("write canonical JSON: %q is not UTF-8", text)
		}
		if r > 0xffff {
			r -= 0x10000
			out = appendUnit(appendUnit(out, 0xd800+r>>10), 0xdc00+r&0x3ff)
		} else {
			out = appendUnit(out, r)
		}
		i += size
	}
	return append(out, '"'), nil
}

func appendASCII(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\b':
		return append(out, '\\', 'b')
	case '\f':
		return append(out, '\\', 'f')
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	}
	if c < 0x20 {
		return appendUnit(out, rune(c))
	}
	return append(out, c)
}

// appendUnit writes one UTF-16 unit.
func appendUnit(out []byte, unit rune) []byte {
	return append(out, '\\', 'u', hexDigits[unit>>12&15], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
}
