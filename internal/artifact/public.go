package artifact

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// Metadata is what an artifact says about its element beside files. Every `any` in it is nested
// map[string]any, map[string]string, map[string][]string, []any, []string, string, bool or int.
type Metadata struct {
	// Public is the element's public data, by domain: "bst" first of all.
	Public map[string]any
	// Environment is the build's environment.
	Environment map[string]string
	// Sandbox is the sandbox's configuration: "build-os" and "build-arch" at least.
	Sandbox map[string]any
	// Variables are the element's variables, expanded.
	Variables map[string]string
}

// MetadataDigests name the three blobs of an artifact's metadata.
type MetadataDigests struct{ Public, LowDiversity, HighDiversity digest.Digest }

// PutMetadata stores the three blobs, in YAML's flow style, sorted: equal metadata has equal
// digests. ErrInvalid for a value of a type that is not listed, or text that is not UTF-8.
func PutMetadata(ctx context.Context, store cas.Store, m Metadata) (MetadataDigests, error) {
	var digests MetadataDigests
	for _, blob := range []struct {
		name   string
		value  map[string]any
		digest *digest.Digest
	}{
		{"public data", m.Public, &digests.Public},
		{"environment", map[string]any{"environment": m.Environment, "sandbox-config": m.Sandbox}, &digests.LowDiversity},
		{"variables", map[string]any{"variables": m.Variables}, &digests.HighDiversity},
	} {
		text, err := YAML(blob.value)
		if err == nil {
			*blob.digest, err = cas.PutBytes(ctx, store, text)
		}
		if err != nil {
			return MetadataDigests{}, fmt.Errorf("store %s: %w", blob.name, err)
		}
	}
	return digests, nil
}

// YAML returns value as one line of YAML in flow style: every text in double quotes, mappings
// sorted by key. It takes the types that Metadata lists, ErrInvalid for others.
func YAML(value any) ([]byte, error) {
	out, err := appendYAML(nil, value)
	if err != nil {
		return nil, err
	}
	return append(out, '\n'), nil
}

func appendYAML(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		return appendQuoted(out, v)
	case bool:
		return strconv.AppendBool(out, v), nil
	case int:
		return strconv.AppendInt(out, int64(v), 10), nil
	case []string:
		return appendList(out, v)
	case []any:
		return appendList(out, v)
	case map[string]string:
		return appendMap(out, v)
	case map[string][]string:
		return appendMap(out, v)
	case map[string]any:
		return appendMap(out, v)
	}
	return nil, fmt.Errorf("%w: no YAML for a %T", ErrInvalid, value)
}

func appendList[T any](out []byte, list []T) (_ []byte, err error) {
	out = append(out, '[')
	for i, item := range list {
		if i > 0 {
			out = append(out, ", "...)
		}
		if out, err = appendYAML(out, item); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendMap[T any](out []byte, m map[string]T) (_ []byte, err error) {
	out = append(out, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			out = append(out, ", "...)
		}
		if out, err = appendQuoted(out, key); err != nil {
			return nil, err
		}
		out = append(out, ": "...)
		if out, err = appendYAML(out, m[key]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// appendQuoted writes text in double quotes. YAML lets fewer characters stand for themselves than
// JSON: the controls after the ASCII ones, the byte order mark and the last two of the basic plane
// must be escaped.
func appendQuoted(out []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: text is not UTF-8: %q", ErrInvalid, text)
	}
	out = append(out, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r < 0x20 || (r >= 0x7f && r < 0xa0):
			out = fmt.Appendf(out, `\x%02x`, r)
		case strings.ContainsRune("\u2028\u2029\ufeff\ufffe\uffff", r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"'), nil
}
