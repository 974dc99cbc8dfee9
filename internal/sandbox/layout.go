package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxLinks is the number of symlinks followed on the way to a mount point, as in the kernel.
const maxLinks = 40

// A nodeKind is what a node of a layout is made of.
type nodeKind int

const (
	freshDir  nodeKind = iota // a directory on a tmpfs of ours
	hostPath                  // a file or directory of the host, bound
	hostBelow                 // a directory within a hostPath: there already, not bound by itself
	linkNode                  // a symlink on a tmpfs of ours; source is its target
	fileNode                  // a file on a tmpfs of ours; source is its content
	procNode
	ptsNode
)

// node is one name in the tree that the sandbox will see.
type node struct {
	kind     nodeKind
	source   string
	writable bool
	device   bool
	file     bool // a hostPath that is not a directory
	mount    bool // a freshDir that is a tmpfs of its own, not a folder in its parent's
	keep     bool // a freshDir that stays writable
	mode     uint32
	children map[string]*node
}

// layout is the tree of mounts of one sandbox, built by place and read by mounts. It looks at the
// host's files; it changes none but the mount points missing below what is writable (made).
type layout struct {
	root *node
	made []string // absolute host paths of mount points that were made, parents first
}

func newDir() *node { return &node{kind: freshDir, mode: 0o755, children: map[string]*node{}} }

func newTmpfs(mode uint32) *node {
	return &node{kind: freshDir, mount: true, keep: true, mode: mode, children: map[string]*node{}}
}

// newHost returns the node that binds a path of the host, whose symlinks are followed.
func newHost(source string, writable bool) (*node, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	return &node{kind: hostPath, source: source, writable: writable, file: !info.IsDir(), children: map[string]*node{}}, nil
}

// bind places a path of the host.
func (l *layout) bind(source, target string, writable bool) error {
	n, err := newHost(source, writable)
	if err != nil {
		return fmt.Errorf("bind %s: %w", target, err)
	}
	return l.place(target, n)
}

// place puts n at target, an absolute clean path; what is there is hidden.
func (l *layout) place(target string, n *node) error {
	if !path.IsAbs(target) || path.Clean(target) != target || target == "/" {
		return fmt.Errorf("%w: %q is no absolute clean path below /", ErrInvalid, target)
	}
	names := strings.Split(target[1:], "/")
	at, here, links := l.root, "/", 0
	for len(names) > 0 {
		name := names[0]
		next, err := at.lookup(name)
		if err != nil {
			return fmt.Errorf("place %s: %w", target, err)
		}
		if next != nil && next.kind == linkNode {
			if links++; links > maxLinks {
				return fmt.Errorf("%w: place %s: too many symlinks", ErrInvalid, target)
			}
			names = splitLink(here, next.source, names[1:])
			at, here = l.root, "/"
			continue
		}
		if len(names) == 1 {
			return l.put(at, name, next != nil, n)
		}
		if next == nil {
			if next, err = l.makeDir(at, name); err != nil {
				return fmt.Errorf("place %s: %w", target, err)
			}
		}
		at, here, names = next, path.Join(here, name), names[1:]
	}
	return fmt.Errorf("%w: %s is the root", ErrInvalid, target)
}

// splitLink returns the names to walk from the root where, in the folder here, a symlink to
// target is met on the way to rest. Nothing leaves the root: ".." of the root is the root.
func splitLink(here, target string, rest []string) []string {
	if !path.IsAbs(target) {
		target = path.Join(here, target)
	}
	full := path.Join(append([]string{"/", target}, rest...)...)
	if full == "/" {
		return nil
	}
	return strings.Split(full[1:], "/")
}

// lookup returns the node of that name, nil if there is none.
func (n *node) lookup(name string) (*node, error) {
	if child := n.children[name]; child != nil {
		return child, nil
	}
	if n.kind != hostPath && n.kind != hostBelow {
		if n.kind != freshDir {
			return nil, fmt.Errorf("%w: %s below something that is no directory", ErrInvalid, name)
		}
		return nil, nil
	}
	if n.file {
		return nil, fmt.Errorf("%w: %s is not a directory", ErrInvalid, n.source)
	}
	return hostChild(n, name)
}

// hostChild looks at a name within a bound directory.
func hostChild(n *node, name string) (*node, error) {
	source := filepath.Join(n.source, name)
	info, err := os.Lstat(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(source)
		return &node{kind: linkNode, source: target}, err
	}
	child := &node{kind: hostBelow, source: source, writable: n.writable, file: !info.IsDir(), children: map[string]*node{}}
	if info.IsDir() {
		n.children[name] = child // so that what is placed in it is found again
	}
	return child, nil
}

// put makes n the child of that name.
func (l *layout) put(at *node, name string, exists bool, n *node) error {
	if !exists {
		if err := l.makePoint(at, name, n); err != nil {
			return err
		}
	}
	at.children[name] = n
	return nil
}

// makePoint sees to it that something can be mounted at a name that does not exist.
func (l *layout) makePoint(at *node, name string, n *node) error {
	if at.kind == freshDir {
		return nil
	}
	if !at.writable {
		return at.explode()
	}
	point := filepath.Join(at.source, name)
	if n.kind == hostPath && n.file {
		file, err := os.OpenFile(point, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
		l.made = append(l.made, point)
		return file.Close()
	}
	if err := os.Mkdir(point, 0o755); err != nil {
		return fmt.Errorf("make mount point: %w", err)
	}
	l.made = append(l.made, point)
	return nil
}

// makeDir makes a directory on the way to a mount point.
func (l *layout) makeDir(at *node, name string) (*node, error) {
	child := newDir()
	if err := l.put(at, name, false, child); err != nil {
		return nil, err
	}
	if at.kind != freshDir { // made on the host
		*child = node{kind: hostBelow, source: filepath.Join(at.source, name), writable: true, children: child.children}
	}
	return child, nil
}

// explode turns a bound read-only directory into a fresh one with the same entries, each bound
// by itself, so that a mount point can be added without a change of the directory.
func (n *node) explode() error {
	entries, err := os.ReadDir(n.source)
	if err != nil {
		return fmt.Errorf("list %s: %w", n.source, err)
	}
	info, err := os.Stat(n.source)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if old := n.children[entry.Name()]; old != nil && old.kind != hostBelow {
			continue
		}
		child, err := hostChild(n, entry.Name())
		if err != nil {
			return err
		}
		if child == nil {
			continue
		}
		if child.kind == hostBelow {
			child.kind = hostPath
		}
		if old := n.children[entry.Name()]; old != nil {
			child.children = old.children
		}
		n.children[entry.Name()] = child
	}
	n.kind = freshDir
	n.mode = uint32(info.Mode().Perm())
	return nil
}

// mounts returns what the init is to do, in order; the first is the root itself.
func (l *layout) mounts() []mount {
	var list []mount
	emit(&list, "/", l.root, false)
	return list
}

// emit appends what makes n at the given path. point says that the name must be made first, as
// its folder is a fresh one.
func emit(list *[]mount, at string, n *node, point bool) {
	own := n.kind == freshDir && (n.mount || !point) // over what is there, a tmpfs is mounted
	m := mount{Path: at, Source: n.source, Writable: n.writable, Device: n.device, File: n.file, Mode: n.mode, Point: point}
	switch n.kind {
	case freshDir:
		m.Op, m.Source = opDir, ""
		if own {
			m.Op = opTmpfs
		}
	case hostPath:
		m.Op = opBind
	case linkNode:
		m.Op = opLink
	case fileNode:
		m.Op = opFile
	case procNode:
		m.Op = opProc
	case ptsNode:
		m.Op = opPts
	}
	if n.kind != hostBelow {
		*list = append(*list, m)
	}
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		emit(list, path.Join(at, name), n.children[name], n.kind == freshDir)
	}
	if own && !n.keep && at != "/" {
		*list = append(*list, mount{Op: opReadOnly, Path: at})
	}
}
