package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// root is the project's directory. Nothing outside it is read.
type root struct {
	dir    string // absolute, as found
	real   string // without symbolic links
	prefix string // of its files' names in Places: the junctions that lead here
}

func newRoot(dir string) (root, error) {
	real, err := filepath.EvalSymlinks(dir)
	return root{dir: dir, real: real}, err
}

// relative names a path in Places.
func (r root) relative(path string) string {
	if rel, err := filepath.Rel(r.dir, path); err == nil {
		return r.prefix + filepath.ToSlash(rel)
	}
	return path
}

// checkInside refuses a path, named by node, that leads outside. A path that does not exist passes.
func (r root) checkInside(path string, node *Node) error {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = filepath.Clean(path), nil
		if within(r.dir, real) {
			return nil
		}
	}
	if err != nil {
		return &LoadError{Reason: ProjPathInvalid, At: node.At(), Detail: "resolve path", Err: err}
	}
	if !within(r.real, real) {
		return fail(ProjPathInvalid, node.At(), "path %q leads outside of the project", r.relative(path))
	}
	return nil
}

func within(dir, path string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// PathKind is what a path in a project must be.
type PathKind uint8

// What a path must be.
const (
	AnyPath PathKind = iota
	FilePath
	DirPath
)

// path checks a path that a project names, relative to its directory, and returns its text. It must
// exist, stay inside, and its last part must not be a symbolic link.
func (r root) path(node *Node, kind PathKind) (string, error) {
	name, at := node.value, node.At()
	full := filepath.Join(r.dir, filepath.FromSlash(name))
	absolute := strings.HasPrefix(name, "/")
	if absolute {
		full = name
	}
	if info, err := os.Lstat(full); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return "", fail(ProjPathInvalidKind, at, "path %q must not be a symbolic link", name)
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return "", fail(ProjPathInvalid, at, "path %q must not begin with ..", name)
	}
	real, err := filepath.EvalSymlinks(full)
	if err != nil {
		return "", fail(MissingFile, at, "path %q does not exist", name)
	}
	if !within(r.real, real) {
		return "", fail(ProjPathInvalid, at, "path %q leads outside of the project", name)
	}
	if absolute {
		return "", fail(ProjPathInvalid, at, "path %q must be relative to the project", name)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fail(MissingFile, at, "path %q does not exist", name)
	}
	mode := info.Mode()
	switch {
	case mode&(fs.ModeSocket|fs.ModeNamedPipe) != 0, mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return "", fail(ProjPathInvalidKind, at, "path %q is neither a file nor a folder", name)
	case kind == FilePath && !mode.IsRegular():
		return "", fail(ProjPathInvalidKind, at, "path %q must be a regular file", name)
	case kind == DirPath && !mode.IsDir():
		return "", fail(ProjPathInvalidKind, at, "path %q must be a folder", name)
	}
	return name, nil
}
