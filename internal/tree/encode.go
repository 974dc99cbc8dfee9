package tree

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/digest"
)

// Field numbers of build.bazel.remote.execution.v2.
const (
	dirFiles, dirDirs, dirSymlinks = 1, 2, 3
	nodeName, nodeDigest           = 1, 2
	fileExecutable                 = 4
	symlinkTarget                  = 2
	digestHash, digestSize         = 1, 2
)

// Encode returns the canonical message; ErrInvalid for a Directory that is not sorted, unique and
// of legal names.
func (dir Directory) Encode() ([]byte, error) {
	if err := dir.check(); err != nil {
		return nil, err
	}
	var out, node []byte
	for _, f := range dir.Files {
		node = appendNode(node[:0], f.Name, f.Digest)
		if f.Executable {
			node = protowire.AppendTag(node, fileExecutable, protowire.VarintType)
			node = protowire.AppendVarint(node, 1)
		}
		out = appendMessage(out, dirFiles, node)
	}
	for _, d := range dir.Dirs {
		node = appendNode(node[:0], d.Name, d.Digest)
		out = appendMessage(out, dirDirs, node)
	}
	for _, l := range dir.Symlinks {
		node = appendText(node[:0], nodeName, l.Name)
		node = appendText(node, symlinkTarget, l.Target)
		out = appendMessage(out, dirSymlinks, node)
	}
	return out, nil
}

func appendNode(b []byte, name string, d digest.Digest) []byte {
	b = appendText(b, nodeName, name)
	hash := d.Hash()
	size := 1 + 1 + len(hash)
	if d.Size() > 0 {
		size += 1 + protowire.SizeVarint(uint64(d.Size()))
	}
	b = protowire.AppendTag(b, nodeDigest, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = appendText(b, digestHash, hash)
	if d.Size() > 0 {
		b = protowire.AppendTag(b, digestSize, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d.Size()))
	}
	return b
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, text)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// Decode reads a Directory message. ErrInvalid for: bytes that are no message; names that are
// empty, ".", "..", not UTF-8, or hold a slash or NUL; names not sorted or not unique; nodes
// without a digest, or with one that is none; empty link targets; more than 999 999 entries;
// a field that may occur once occurring twice. Unknown fields are ignored.
func Decode(data []byte) (Directory, error) {
	if len(data) > maxMessageBytes {
		return Directory{}, fmt.Errorf("%w: a message of %d bytes", ErrInvalid, len(data))
	}
	var dir Directory
	count := 0
	err := fields(data, func(f field) error {
		if f.number < dirFiles || f.number > dirSymlinks {
			return nil
		}
		if f.kind != protowire.BytesType {
			return fmt.Errorf("%w: field %d has another type", ErrInvalid, f.number)
		}
		if count++; count > maxFolderEntries {
			return fmt.Errorf("%w: more than %d entries in one folder", ErrInvalid, maxFolderEntries)
		}
		n, err := decodeNode(f.bytes, int(f.number))
		if err != nil {
			return err
		}
		dir.add(int(f.number), n)
		return nil
	})
	if err == nil {
		err = dir.check()
	}
	if err != nil {
		return Directory{}, err
	}
	return dir, nil
}

// node is any of the three kinds of nodes.
type node struct {
	name, target string
	digest       digest.Digest
	executable   bool
}

func (dir *Directory) add(kind int, n node) {
	switch kind {
	case dirFiles:
		dir.Files = append(dir.Files, File{n.name, n.digest, n.executable})
	case dirDirs:
		dir.Dirs = append(dir.Dirs, Dir{n.name, n.digest})
	case dirSymlinks:
		dir.Symlinks = append(dir.Symlinks, Symlink{n.name, n.target})
	}
}

func decodeNode(data []byte, kind int) (node, error) {
	var n node
	var seen once
	err := fields(data, func(f field) error {
		switch {
		case f.number == nodeName:
			n.name = string(f.bytes)
			return seen.mark(f, protowire.BytesType)
		case f.number == symlinkTarget && kind == dirSymlinks:
			n.target = string(f.bytes)
			return seen.mark(f, protowire.BytesType)
		case f.number == nodeDigest && kind != dirSymlinks:
			var err error
			if n.digest, err = decodeDigest(f.bytes); err != nil {
				return err
			}
			return seen.mark(f, protowire.BytesType)
		case f.number == fileExecutable && kind == dirFiles:
			n.executable = f.varint != 0
			return seen.mark(f, protowire.VarintType)
		}
		return nil
	})
	return n, err
}

func decodeDigest(data []byte) (digest.Digest, error) {
	var hash string
	var size uint64
	var seen once
	err := fields(data, func(f field) error {
		switch f.number {
		case digestHash:
			hash = string(f.bytes)
			return seen.mark(f, protowire.BytesType)
		case digestSize:
			size = f.varint
			return seen.mark(f, protowire.VarintType)
		}
		return nil
	})
	if err != nil {
		return digest.Digest{}, err
	}
	if size > math.MaxInt64 {
		return digest.Digest{}, fmt.Errorf("%w: a negative size", ErrInvalid)
	}
	d, err := digest.New(hash, int64(size))
	if err != nil {
		return digest.Digest{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return d, nil
}

// field is one field of a message: bytes or varint is set, by its kind.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte
	varint uint64
}

// once refuses a second occurrence of a field, and another type than the expected.
type once uint64

func (o *once) mark(f field, want protowire.Type) error {
	bit := once(1) << f.number
	if f.kind != want || *o&bit != 0 {
		return fmt.Errorf("%w: field %d is there twice or has another type", ErrInvalid, f.number)
	}
	*o |= bit
	return nil
}

// fields calls yield for every field of a message.
func fields(data []byte, yield func(field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrInvalid, protowire.ParseError(n))
		}
		data = data[n:]
		f := field{number: number, kind: kind}
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrInvalid, protowire.ParseError(n))
		}
		data = data[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
