package keys_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/git-bst/git-bst/keys"
)

func TestCanonical(t *testing.T) {
	value := map[string]any{
		"b": []any{1, true, nil, int64(-5), []any{}, map[string]any{}}, "a/<>&": "\u2028\x7f\x01\"\\\b\f\n\r\t",
		"é": "x", "\U0001F600": "😀", "A": "", "zz": map[string]any{"y": 1, "x": false},
		"s": []string{"q"}, "m": map[string]string{"k": "v"},
	}
	want := `{"A":"","a/<>&":"\u2028` + "\x7f" + `\u0001\"\\\b\f\n\r\t","b":[1,true,null,-5,[],{}],"m":{"k":"v"},"s":["q"],` +
		`"zz":{"x":false,"y":1},"\u00e9":"x","\ud83d\ude00":"\ud83d\ude00"}`
	got, err := keys.Canonical(value)
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
	for _, bad := range []any{1.5, "\xff", []any{"\xed\xa0\x80"}, map[string]any{"\xff": 1}, struct{}{}, []any{uint(1)}} {
		if got, err := keys.Canonical(bad); err == nil {
			t.Errorf("Canonical(%v) = %s, want an error", bad, got)
		}
	}
}

// The digest is of what ujson 6.1.0 writes for every code point, each followed by a line feed.
func TestCanonicalAllCodePoints(t *testing.T) {
	const want = "62be72f71965f52e5d4df3cea73a9b431adcbbd17b40bfcb659b4260ff5bcd67"
	sum := sha256.New()
	for r := rune(0); r <= 0x10ffff; r++ {
		if r == 0xd800 {
			r = 0xe000
		}
		data, err := keys.Canonical(string(r))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(append(data, '\n'))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}
