package artifact_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// full has every field set. BuildStream's own serialisation of the same message has fullSize bytes
// and the SHA-256 fullHash.
func full() artifact.Artifact {
	of := func(text string) digest.Digest { return digest.Of([]byte(text)) }
	key := func(letter string) string { return strings.Repeat(letter, 64) }
	return artifact.Artifact{
		Version: 2, BuildSuccess: true, BuildError: "succeeded", BuildErrorDetails: "détails",
		StrongKey: key("a"), WeakKey: key("b"), StrictKey: key("c"), WasWorkspaced: true,
		Files: digest.Empty,
		BuildDeps: []artifact.Dep{
			{Project: "p", Element: "base.bst", Key: key("d")},
			{Project: "p", Element: "sub/lib.bst", Key: key("d"), WasWorkspaced: true},
		},
		PublicData: of("public"), LowDiversityMeta: of("low"), HighDiversityMeta: of("high"),
		Logs:      []artifact.Log{{Name: "1.log", Digest: of("1.log")}, {Name: "2.log", Digest: of("2.log")}},
		BuildTree: of("bt"), Sources: of("src"), BuildRoot: of("root"),
		BuildSandbox: &artifact.Sandbox{
			Environment:      []artifact.Variable{{Name: "A", Value: "1"}, {Name: "B"}},
			WorkingDirectory: "/w", MarkedDirectories: []string{"/w", "/i"}, Subsandboxes: []digest.Digest{of("sub")},
		},
	}
}

const (
	fullSize = 1138
	fullHash = "57de118f15b80d04e98dde63037beb920177475c9c188fab024d8e478cd66da3"
)

func TestEncodeAsBuildStream(t *testing.T) {
	data, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if d := digest.Of(data); d.Hash() != fullHash || d.Size() != fullSize {
		t.Errorf("Encode gives %s, BuildStream %s/%d", d, fullHash, fullSize)
	}
	back, err := artifact.Decode(data)
	if err != nil || !reflect.DeepEqual(back, full()) {
		t.Errorf("Decode = %+v, %v", back, err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, change := range map[string]func(*artifact.Artifact){
		"text not UTF-8": func(a *artifact.Artifact) { a.BuildDeps[0].Element = "\xff" },
		"log of nothing": func(a *artifact.Artifact) { a.Logs[1].Digest = digest.Digest{} },
		"newer version":  func(a *artifact.Artifact) { a.Version = 3 },
		"tree of none":   func(a *artifact.Artifact) { a.BuildSandbox.Subsandboxes[0] = digest.Digest{} },
	} {
		a := full()
		change(&a)
		if _, err := a.Encode(); !errors.Is(err, artifact.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeHostile(t *testing.T) {
	version := []byte{0x08, 0x02}
	message := func(field protowire.Number, inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(bytes.Clone(version), field, protowire.BytesType), inner)
	}
	text := func(field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s)
	}
	hash := digest.Empty.Hash()
	for name, test := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":           {nil, artifact.ErrInvalid},
		"version 0":         {[]byte{0x08, 0x00}, artifact.ErrInvalid},
		"version negative":  {protowire.AppendVarint([]byte{0x08}, 1<<64-2), artifact.ErrInvalid},
		"version newer":     {[]byte{0x08, 0x03}, cas.ErrNewerFormat},
		"version twice":     {[]byte{0x08, 0x02, 0x08, 0x02}, artifact.ErrInvalid},
		"version as text":   {text(1, "2"), artifact.ErrInvalid},
		"cut off":           {[]byte{0x08, 0x02, 0x1a, 0x05, 'a'}, artifact.ErrInvalid},
		"text not UTF-8":    {append(bytes.Clone(version), text(3, "\xc3\x28")...), artifact.ErrInvalid},
		"hash too short":    {message(8, text(1, "abc")), artifact.ErrInvalid},
		"hash a path":       {message(8, text(1, strings.Repeat("../", 21)+"a")), artifact.ErrInvalid},
		"size negative":     {message(8, protowire.AppendVarint(append(text(1, hash), 0x10), 1<<63)), artifact.ErrInvalid},
		"size without hash": {message(8, []byte{0x10, 0x01}), artifact.ErrInvalid},
		"log of nothing":    {message(11, text(1, "x.log")), artifact.ErrInvalid},
		"length too long":   {append(bytes.Clone(version), 0x42, 0xff, 0xff, 0xff, 0xff, 0x0f), artifact.ErrInvalid},
		"empty digest":      {message(8, nil), nil},
		"unknown fields":    {append(message(99, []byte("x")), 0xa0, 0x06, 0x01), nil},
	} {
		_, err := artifact.Decode(test.data)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0x08, 0x02, 0x42, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := artifact.Decode(data)
		if err != nil {
			if !errors.Is(err, artifact.ErrInvalid) && !errors.Is(err, cas.ErrNewerFormat) {
				t.Fatalf("an error without its sentinel: %v", err)
			}
			return
		}
		again, err := a.Encode()
		if err != nil {
			t.Fatalf("Decode accepts what Encode refuses: %v", err)
		}
		if back, err := artifact.Decode(again); err != nil || !reflect.DeepEqual(back, a) {
			t.Fatalf("round trip: %+v, %v, from %+v", back, err, a)
		}
	})
}

func TestRootsHaveEveryDigest(t *testing.T) {
	a := full()
	want := artifact.Roots{
		Trees: []digest.Digest{a.Files, a.BuildTree, a.Sources, a.BuildRoot, a.BuildSandbox.Subsandboxes[0]},
		Blobs: []digest.Digest{a.PublicData, a.LowDiversityMeta, a.HighDiversityMeta, a.Logs[0].Digest, a.Logs[1].Digest},
	}
	if got := a.Roots(); !reflect.DeepEqual(got, want) {
		t.Errorf("Roots = %v, want %v", got, want)
	}
	if got := (artifact.Artifact{}).Roots(); len(got.Trees)+len(got.Blobs) > 0 {
		t.Errorf("Roots of nothing = %v", got)
	}
}
