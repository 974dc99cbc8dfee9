package digest_test

import (
	"errors"
	"testing"

	"github.com/git-bst/git-bst/internal/digest"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestEmptyIsNotZero(t *testing.T) {
	if digest.Empty.Hash() != emptyHash || digest.Empty.Size() != 0 || digest.Empty.IsZero() {
		t.Fatalf("Empty = %v", digest.Empty)
	}
	if !(digest.Digest{}).IsZero() || (digest.Digest{}).String() != "" || (digest.Digest{}) == digest.Empty {
		t.Fatal("the zero Digest must name nothing")
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"empty blob", emptyHash + "/0", true},
		{"no size", emptyHash, false},
		{"signed size", emptyHash + "/+1", false},
		{"negative size", emptyHash + "/-1", false},
		{"size with zero in front", emptyHash + "/01", false},
		{"upper case", "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855/0", false},
		{"too short", "e3b0/0", false},
		{"path", "../../../../../../../../../../../../../../../../../etc/passwd00000/1", false},
	} {
		d, err := digest.Parse(test.text)
		if (err == nil) != test.ok || (err != nil && !errors.Is(err, digest.ErrInvalid)) {
			t.Errorf("%s: Parse(%q) = %v, %v", test.name, test.text, d, err)
		}
		if err == nil && d.String() != test.text {
			t.Errorf("%s: round trip gives %q", test.name, d)
		}
	}
}

func TestHasherEqualsOf(t *testing.T) {
	h := digest.NewHasher()
	for _, part := range []string{"one", "", "two"} {
		if _, err := h.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if h.Sum() != digest.Of([]byte("onetwo")) {
		t.Fatalf("Sum = %v", h.Sum())
	}
}

func TestTextRoundTrip(t *testing.T) {
	for _, d := range []digest.Digest{{}, digest.Empty, digest.Of([]byte("x"))} {
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back digest.Digest
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Errorf("%q: %v, %v", text, back, err)
		}
	}
}
