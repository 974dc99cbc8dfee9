// Package tree holds trees of files as values: a tree is the digest of its root Directory, an
// REAPI v2 message, whose nodes name files' blobs and further Directories by digest. Two trees
// with the same root digest are the same: names, contents, executable bits, symbolic links. Times,
// owners and further mode bits are no part of a tree; modification times are kept beside it (Times).
//
// The package brings folders into the store (Import) and back (Export), looks into trees (Walk,
// Lookup, Missing), makes new trees out of old ones (Insert, Remove, Apply, Merge) and tells how
// two differ (Compare).
//
// A path is slash-separated, relative, without "." and ".." and empty parts; "" is the root.
//
// # Directory messages
//
// The bytes are those of build.bazel.remote.execution.v2.Directory, canonical: fields in the order
// of their numbers, nodes sorted by the bytes of their names, default values left out (so size 0
// and "not executable" are not written), no unknown fields:
//
//	Directory { FileNode files = 1; DirectoryNode directories = 2; SymlinkNode symlinks = 3 }
//	FileNode { string name = 1; Digest digest = 2; bool is_executable = 4 }
//	DirectoryNode { string name = 1; Digest digest = 2 }
//	SymlinkNode { string name = 1; string target = 2 }
//	Digest { string hash = 1; int64 size_bytes = 2 }
//
// Decode takes messages with unknown fields and with node_properties and ignores these. It refuses
// what could lead out of a tree or makes it ambiguous: see Decode.
package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// What callers test for with errors.Is.
var (
	// ErrInvalid is returned for trees, paths and encodings that are not what they must be.
	ErrInvalid = errors.New("invalid tree")
	// ErrNotFound is returned when a path is not in a tree. A missing blob is cas.ErrNotFound.
	ErrNotFound = errors.New("not in the tree")
	// ErrConflict is returned by Insert and Apply when a path's parent is no folder.
	ErrConflict = errors.New("a parent is not a folder")
)

// Bounds on what is taken from anybody. The largest real trees that we know of (Chromium with its
// third-party folders) have 5·10^5 files in all, 3·10^4 in one folder, and are 30 deep.
const (
	maxFolderEntries = 999_999    // in one Directory
	maxMessageBytes  = 128 << 20  // of one Directory
	maxDepth         = 4096       // of a tree
	maxEntries       = 10_000_000 // of a tree, repeated subtrees counted each time
)

// Directory is one folder. Each list is sorted by the bytes of the names; a name occurs once in
// all three. The zero value is the empty folder.
type Directory struct {
	Files    []File
	Dirs     []Dir
	Symlinks []Symlink
}

// File is a regular file in a Directory.
type File struct {
	Name       string
	Digest     digest.Digest
	Executable bool
}

// Dir is a folder in a Directory, by the digest of its own Directory.
type Dir struct {
	Name   string
	Digest digest.Digest
}

// Symlink is a symbolic link. Any target but the empty one and one with NUL is legal, also an
// absolute one or one that leads out: nothing here follows it out of the tree.
type Symlink struct {
	Name   string
	Target string
}

// Load reads a Directory from the store. The empty folder (digest.Empty) is in every store.
// Errors: those of cas.Get, ErrInvalid.
func Load(ctx context.Context, s cas.Store, d digest.Digest) (Directory, error) {
	if d == digest.Empty {
		return Directory{}, nil
	}
	if d.Size() > maxMessageBytes {
		return Directory{}, fmt.Errorf("load folder %s: %w: larger than %d bytes", d, ErrInvalid, maxMessageBytes)
	}
	data, err := cas.Get(ctx, s, d)
	if err != nil {
		return Directory{}, fmt.Errorf("load folder: %w", err)
	}
	dir, err := Decode(data)
	if err != nil {
		return Directory{}, fmt.Errorf("load folder %s: %w", d, err)
	}
	return dir, nil
}

// Save puts a Directory into the store and returns its digest. What it names need not be there.
func Save(ctx context.Context, s cas.Store, dir Directory) (digest.Digest, error) {
	data, err := dir.Encode()
	if err != nil {
		return digest.Digest{}, fmt.Errorf("save folder: %w", err)
	}
	d, err := cas.PutBytes(ctx, s, data)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("save folder: %w", err)
	}
	return d, nil
}

// checkName refuses what is not one part of a path.
func checkName(name string) error {
	switch {
	case name == "", name == ".", name == "..":
		return fmt.Errorf("%w: the name %q", ErrInvalid, name)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("%w: a slash or NUL in the name %q", ErrInvalid, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the name %q is not UTF-8", ErrInvalid, name)
	}
	return nil
}

func checkTarget(target string) error {
	if target == "" || strings.Contains(target, "\x00") || !utf8.ValidString(target) {
		return fmt.Errorf("%w: a symbolic link to %q", ErrInvalid, target)
	}
	return nil
}

// check returns ErrInvalid unless dir is what the type says.
func (dir Directory) check() error {
	if n := len(dir.Files) + len(dir.Dirs) + len(dir.Symlinks); n > maxFolderEntries {
		return fmt.Errorf("%w: %d entries in one folder", ErrInvalid, n)
	}
	for i, f := range dir.Files {
		if err := checkNext(i, func(i int) string { return dir.Files[i].Name }); err != nil {
			return err
		}
		if f.Digest.IsZero() {
			return fmt.Errorf("%w: %q has no digest", ErrInvalid, f.Name)
		}
	}
	for i, d := range dir.Dirs {
		if err := checkNext(i, func(i int) string { return dir.Dirs[i].Name }); err != nil {
			return err
		}
		if d.Digest.IsZero() {
			return fmt.Errorf("%w: %q has no digest", ErrInvalid, d.Name)
		}
	}
	for i, l := range dir.Symlinks {
		if err := checkNext(i, func(i int) string { return dir.Symlinks[i].Name }); err != nil {
			return err
		}
		if err := checkTarget(l.Target); err != nil {
			return err
		}
	}
	return dir.checkUnique()
}

// checkNext checks name i and that it comes after name i-1.
func checkNext(i int, name func(int) string) error {
	if err := checkName(name(i)); err != nil {
		return err
	}
	if i > 0 && name(i-1) >= name(i) {
		return fmt.Errorf("%w: %q is not after %q", ErrInvalid, name(i), name(i-1))
	}
	return nil
}

// checkUnique merges the three sorted lists to find a name that is in two.
func (dir Directory) checkUnique() error {
	last := ""
	for entry := range dir.entries() {
		if entry.name == last {
			return fmt.Errorf("%w: %q twice in one folder", ErrInvalid, last)
		}
		last = entry.name
	}
	return nil
}
