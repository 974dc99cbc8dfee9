package tree_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

var (
	blobA = digest.Of([]byte("a"))
	blobB = digest.Of([]byte("b"))
)

// The bytes of this message were written out by hand from remote_execution.proto.
func TestGoldenMessage(t *testing.T) {
	dir := tree.Directory{
		Files:    []tree.File{{Name: "f", Digest: blobA}, {Name: "x", Digest: digest.Empty, Executable: true}},
		Dirs:     []tree.Dir{{Name: "d", Digest: digest.Empty}},
		Symlinks: []tree.Symlink{{Name: "l", Target: "../t"}},
	}
	text := func(s string) string { return hex.EncodeToString([]byte(s)) }
	want := "0a49" + "0a01" + text("f") + "1244" + "0a40" + text(blobA.Hash()) + "1001" +
		"0a49" + "0a01" + text("x") + "1242" + "0a40" + text(digest.Empty.Hash()) + "2001" +
		"1247" + "0a01" + text("d") + "1242" + "0a40" + text(digest.Empty.Hash()) +
		"1a09" + "0a01" + text("l") + "1204" + text("../t")
	got, err := dir.Encode()
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("Encode = %x, %v\nwant     %s", got, err, want)
	}
	if back, err := tree.Decode(got); err != nil || !reflect.DeepEqual(back, dir) {
		t.Errorf("Decode = %+v, %v", back, err)
	}
	if empty, err := (tree.Directory{}).Encode(); err != nil || len(empty) != 0 {
		t.Errorf("the empty folder is %x, %v", empty, err)
	}
}

// hostileNames are what no part of a path may be.
var hostileNames = []string{"", ".", "..", "/", "a/b", "/etc/passwd", "../x", "a\x00b", "\x00", "\xff\xfe", "a\xc3"}

func TestHostileNames(t *testing.T) {
	for _, name := range hostileNames {
		for _, dir := range []tree.Directory{
			{Files: []tree.File{{Name: name, Digest: blobA}}},
			{Dirs: []tree.Dir{{Name: name, Digest: blobA}}},
			{Symlinks: []tree.Symlink{{Name: name, Target: "t"}}},
		} {
			if _, err := dir.Encode(); !errors.Is(err, tree.ErrInvalid) {
				t.Errorf("Encode of the name %q: %v", name, err)
			}
			if _, err := tree.Decode(rawDirectory(dir)); !errors.Is(err, tree.ErrInvalid) {
				t.Errorf("Decode of the name %q: %v", name, err)
			}
		}
	}
}

func TestHostileDirectories(t *testing.T) {
	for name, dir := range map[string]tree.Directory{
		"unsorted files":    {Files: []tree.File{{Name: "b", Digest: blobA}, {Name: "a", Digest: blobA}}},
		"a file twice":      {Files: []tree.File{{Name: "a", Digest: blobA}, {Name: "a", Digest: blobB}}},
		"file and folder":   {Files: []tree.File{{Name: "a", Digest: blobA}}, Dirs: []tree.Dir{{Name: "a", Digest: blobA}}},
		"file and link":     {Files: []tree.File{{Name: "a", Digest: blobA}}, Symlinks: []tree.Symlink{{Name: "a", Target: "/"}}},
		"folder and link":   {Dirs: []tree.Dir{{Name: "a", Digest: blobA}}, Symlinks: []tree.Symlink{{Name: "a", Target: "/"}}},
		"unsorted folders":  {Dirs: []tree.Dir{{Name: "b", Digest: blobA}, {Name: "a", Digest: blobA}}},
		"unsorted links":    {Symlinks: []tree.Symlink{{Name: "b", Target: "x"}, {Name: "a", Target: "x"}}},
		"empty target":      {Symlinks: []tree.Symlink{{Name: "a"}}},
		"NUL in the target": {Symlinks: []tree.Symlink{{Name: "a", Target: "x\x00y"}}},
		"no digest":         {Files: []tree.File{{Name: "a"}}},
		"folder, no digest": {Dirs: []tree.Dir{{Name: "a"}}},
	} {
		if _, err := dir.Encode(); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: Encode: %v", name, err)
		}
		if _, err := tree.Decode(rawDirectory(dir)); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: Decode: %v", name, err)
		}
	}
}

func TestAMillionEntriesInOneFolder(t *testing.T) {
	var dir tree.Directory
	for i := range 1_000_000 {
		dir.Symlinks = append(dir.Symlinks, tree.Symlink{Name: fmt.Sprintf("%07d", i), Target: "t"})
	}
	if _, err := dir.Encode(); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Encode: %v", err)
	}
	if _, err := tree.Decode(rawDirectory(dir)); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("Decode: %v", err)
	}
	dir.Symlinks = dir.Symlinks[1:]
	if _, err := tree.Decode(rawDirectory(dir)); err != nil {
		t.Errorf("one less: %v", err)
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	dir := tree.Directory{Files: []tree.File{{Name: "f", Digest: blobA}}}
	node := rawFile(dir.Files[0])
	node = protowire.AppendTag(node, 6, protowire.BytesType) // node_properties
	node = protowire.AppendBytes(node, []byte{0x0a, 0x00})
	data := protowire.AppendTag(nil, 1, protowire.BytesType)
	data = protowire.AppendBytes(data, node)
	data = protowire.AppendTag(data, 5, protowire.BytesType) // node_properties
	data = protowire.AppendBytes(data, []byte("anything"))
	data = protowire.AppendTag(data, 99, protowire.Fixed64Type)
	data = protowire.AppendFixed64(data, 7)
	if got, err := tree.Decode(data); err != nil || !reflect.DeepEqual(got, dir) {
		t.Errorf("Decode = %+v, %v", got, err)
	}
	twice := protowire.AppendTag(rawFile(dir.Files[0]), 1, protowire.BytesType)
	twice = protowire.AppendString(twice, "other")
	data = protowire.AppendTag(nil, 1, protowire.BytesType)
	if _, err := tree.Decode(protowire.AppendBytes(data, twice)); !errors.Is(err, tree.ErrInvalid) {
		t.Errorf("two names of one node: %v", err)
	}
}

// rawDirectory encodes without any check.
func rawDirectory(dir tree.Directory) []byte {
	var out []byte
	add := func(field protowire.Number, node []byte) {
		out = protowire.AppendTag(out, field, protowire.BytesType)
		out = protowire.AppendBytes(out, node)
	}
	for _, f := range dir.Files {
		add(1, rawFile(f))
	}
	for _, d := range dir.Dirs {
		add(2, rawFile(tree.File{Name: d.Name, Digest: d.Digest}))
	}
	for _, l := range dir.Symlinks {
		node := protowire.AppendTag(nil, 1, protowire.BytesType)
		node = protowire.AppendString(node, l.Name)
		node = protowire.AppendTag(node, 2, protowire.BytesType)
		add(3, protowire.AppendString(node, l.Target))
	}
	return out
}

func rawFile(f tree.File) []byte {
	var d []byte
	if !f.Digest.IsZero() {
		d = protowire.AppendTag(d, 1, protowire.BytesType)
		d = protowire.AppendString(d, f.Digest.Hash())
		d = protowire.AppendTag(d, 2, protowire.VarintType)
		d = protowire.AppendVarint(d, uint64(f.Digest.Size()))
	}
	node := protowire.AppendTag(nil, 1, protowire.BytesType)
	node = protowire.AppendString(node, f.Name)
	if d != nil {
		node = protowire.AppendTag(node, 2, protowire.BytesType)
		node = protowire.AppendBytes(node, d)
	}
	return node
}

// saveRaw puts an unchecked folder into the store.
func saveRaw(t testing.TB, s cas.Store, dir tree.Directory) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(context.Background(), s, rawDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, name := range append(hostileNames, "ok") {
		f.Add(rawDirectory(tree.Directory{Files: []tree.File{{Name: name, Digest: blobA}}}))
	}
	f.Add(rawDirectory(tree.Directory{Dirs: []tree.Dir{{Name: "d", Digest: blobB}}, Symlinks: []tree.Symlink{{Name: "l", Target: "/"}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, err := tree.Decode(data)
		if err != nil {
			if !errors.Is(err, tree.ErrInvalid) {
				t.Fatalf("another error: %v", err)
			}
			return
		}
		again, err := dir.Encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if back, err := tree.Decode(again); err != nil || !reflect.DeepEqual(back, dir) {
			t.Fatalf("round trip: %+v, %v", back, err)
		}
		for _, file := range dir.Files {
			if strings.ContainsAny(file.Name, "/\x00") || file.Name == ".." || file.Name == "." || file.Name == "" {
				t.Fatalf("the name %q got through", file.Name)
			}
		}
	})
}
