package source

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
)

// errNoBaseDir is returned when base-dir matches no folder of the archive.
var errNoBaseDir = errors.New("no folder in the archive matches base-dir")

// symlinkHops is how many symlinks one path may go through: as in Linux.
const symlinkHops = 40

// node is a file, folder or symlink while an archive is unpacked in memory. Hard links to one file
// share one node.
type node struct {
	kind       memberKind // never memberHardlink
	entries    map[string]*node
	target     string
	content    digest.Digest
	executable bool
}

func newFolder() *node { return &node{kind: memberDir, entries: map[string]*node{}} }

// unpack does in memory what BuildStream does on disk: it picks the base folder, then writes the
// members below it one after another. Nothing outside the result is ever named or written:
// a member below a symlink that leads outside is ErrUnsafeArchive.
func unpack(members []member, baseDir string) (*node, error) {
	chosen, earlier, err := below(members, baseDir)
	if err != nil {
		return nil, err
	}
	u := unpacking{root: newFolder(), all: earlier, byName: map[string]member{}}
	for _, m := range chosen {
		if err := u.write(m); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", m.name, err)
		}
	}
	return u.root, nil
}

// below returns the members of the base folder, by their names in it, and beside them all files
// of the archive, since a hard link may name one that is outside the base folder.
func below(members []member, baseDir string) (chosen []member, files []member, err error) {
	prefix, err := findBase(members, baseDir)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range members {
		keep := true
		if prefix != "" {
			m.name = strings.TrimPrefix(m.name, "./")
			if m.kind == memberHardlink {
				m.link = strings.TrimPrefix(strings.TrimPrefix(m.link, "./"), prefix)
			}
			m.name, keep = strings.CutPrefix(m.name, prefix)
		}
		if keep {
			chosen = append(chosen, m)
		}
		if m.kind == memberFile {
			files = append(files, m)
		}
	}
	return chosen, files, nil
}

// findBase returns the base folder with a slash at its end; "" is the whole archive.
func findBase(members []member, pattern string) (string, error) {
	if pattern == "" {
		return "", nil
	}
	base, ok, err := firstMatch(pattern, folders(members))
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", fmt.Errorf("%w: %q", errNoBaseDir, pattern)
	case base == "" || strings.HasSuffix(base, "/"):
		return base, nil
	}
	return base + "/", nil
}

// folders lists what BuildStream compares with base-dir: the folders that are members, and those
// that only stand in the name of one. It drops all leading dots and slashes of each name, of a
// hidden folder's too, and lists the archive's own root as "": with the usual base-dir "*" an
// archive with a member "./" is staged whole. That is so there; it must be so here.
func folders(members []member) []string {
	exists := make(map[string]bool, len(members))
	for _, m := range members {
		exists[strings.TrimRight(m.name, "/")] = true
	}
	var found []string
	implied := map[string]bool{}
	for _, m := range members {
		name := strings.TrimLeft(m.name, "./")
		if m.kind == memberDir {
			found = append(found, name)
			continue
		}
		for i := range len(name) {
			if name[i] == '/' && !implied[name[:i]] {
				implied[name[:i]] = true
				if !exists[strings.TrimRight(name[:i], "/")] {
					found = append(found, name[:i])
				}
			}
		}
	}
	return found
}

// unpacking is the state while members are written.
type unpacking struct {
	root   *node
	all    []member
	byName map[string]member // built from all when the first hard link needs it
}

func (u *unpacking) write(m member) error {
	switch m.kind {
	case memberDir:
		return u.writeDir(m)
	case memberSymlink:
		return u.writeSymlink(m)
	case memberHardlink:
		return u.writeHardlink(m)
	}
	return u.writeFile(m.name, m)
}

// writeFile writes through a symlink at name, as opening the file for writing does.
func (u *unpacking) writeFile(name string, m member) error {
	real, err := u.resolve(components(name))
	if err != nil {
		return err
	}
	if len(real) == 0 {
		return fmt.Errorf("%w: its name is that of the whole folder", ErrUnsafeArchive)
	}
	parent, err := u.folder(real[:len(real)-1])
	if err != nil {
		return err
	}
	last := real[len(real)-1]
	file := parent.entries[last]
	if file == nil {
		file = &node{kind: memberFile}
		parent.entries[last] = file
	}
	if file.kind != memberFile {
		return errors.New("a folder has this name already")
	}
	file.content, file.executable = m.content, m.executable
	return nil
}

func (u *unpacking) writeDir(m member) error {
	real, err := u.resolve(components(m.name))
	if err != nil {
		return err
	}
	_, err = u.folder(real)
	return err
}

func (u *unpacking) writeSymlink(m member) error {
	parent, last, err := u.place(m.name)
	if err != nil {
		return err
	}
	if old := parent.entries[last]; old != nil && old.kind == memberDir {
		return errors.New("a folder has this name already")
	}
	parent.entries[last] = &node{kind: memberSymlink, target: m.link}
	return nil
}

// writeHardlink shares the file that was written under the link's target. When that was left out,
// or the link's own name is taken, it becomes a copy of the member of that name.
func (u *unpacking) writeHardlink(m member) error {
	parent, last, err := u.place(m.name)
	if err != nil {
		return err
	}
	target, err := u.linked(m.link)
	if err != nil {
		return err
	}
	if target != nil && target.kind == memberDir {
		return fmt.Errorf("%w: hard link to the folder %q", ErrUnsafeArchive, m.link)
	}
	if target != nil && parent.entries[last] == nil {
		parent.entries[last] = target
		target.executable = m.executable
		return nil
	}
	original, ok := u.original(m.link)
	if !ok {
		return fmt.Errorf("%w: hard link to %q, which is not in the archive", ErrUnsafeArchive, m.link)
	}
	m.content = original.content
	return u.writeFile(m.name, m)
}

// linked returns what is at name, a symlink too; nil when there is nothing.
func (u *unpacking) linked(name string) (*node, error) {
	parts := components(name)
	if _, err := u.resolve(parts); err != nil || len(parts) == 0 {
		return nil, err
	}
	last := len(parts) - 1
	real, err := u.resolve(parts[:last])
	return u.lookup(real).child(parts[last]), err
}

// original returns the last file of the archive with this name.
func (u *unpacking) original(name string) (member, bool) {
	for _, m := range u.all {
		u.byName[path.Clean(m.name)] = m
	}
	u.all = nil
	m, ok := u.byName[path.Clean(name)]
	return m, ok
}

// place returns the folder, made when absent, and the last component of name, which is not
// followed when it is a symlink.
func (u *unpacking) place(name string) (*node, string, error) {
	parts := components(name)
	if len(parts) == 0 {
		return nil, "", fmt.Errorf("%w: a link in place of the whole folder", ErrUnsafeArchive)
	}
	real, err := u.resolve(parts[:len(parts)-1])
	if err != nil {
		return nil, "", err
	}
	parent, err := u.folder(real)
	return parent, parts[len(parts)-1], err
}

// folder returns the folder at real, which has no symlinks in it, making what is absent.
func (u *unpacking) folder(real []string) (*node, error) {
	at := u.root
	for i, name := range real {
		next := at.entries[name]
		if next == nil {
			next = newFolder()
			at.entries[name] = next
		}
		if next.kind != memberDir {
			return nil, fmt.Errorf("%q is not a folder", strings.Join(real[:i+1], "/"))
		}
		at = next
	}
	return at, nil
}

// resolve follows the symlinks in parts and returns the path that they lead to, which need not
// exist. A path that leaves the root is ErrUnsafeArchive.
func (u *unpacking) resolve(parts []string) ([]string, error) {
	todo := slices.Clone(parts)
	var real []string
	for hops := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			if len(real) == 0 {
				return nil, fmt.Errorf("%w: a symlink in its path leads outside", ErrUnsafeArchive)
			}
			real = real[:len(real)-1]
			continue
		}
		found := u.lookup(real).child(name)
		if found == nil || found.kind != memberSymlink {
			real = append(real, name)
			continue
		}
		if hops++; hops > symlinkHops || path.IsAbs(found.target) {
			return nil, fmt.Errorf("%w: the symlink %q in its path leads to %q", ErrUnsafeArchive,
				strings.Join(append(real, name), "/"), found.target)
		}
		todo = append(components(found.target), todo...)
	}
	return real, nil
}

// lookup returns the node at real, nil when there is none.
func (u *unpacking) lookup(real []string) *node {
	at := u.root
	for _, name := range real {
		at = at.child(name)
	}
	return at
}

func (n *node) child(name string) *node {
	if n == nil || n.kind != memberDir {
		return nil
	}
	return n.entries[name]
}

// components splits a path; empty and "." components say nothing.
func components(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
}
