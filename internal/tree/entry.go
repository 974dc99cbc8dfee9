package tree

import (
	"iter"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
)

// Kind says what an Entry is.
type Kind uint8

// The kinds. The zero Kind is that of no entry.
const (
	KindNone Kind = iota
	KindFile
	KindDir
	KindSymlink
)

// String returns "none", "file", "dir" or "symlink".
func (k Kind) String() string {
	return [...]string{"none", "file", "dir", "symlink"}[k]
}

// Entry is what a path of a tree holds. It is comparable; the zero Entry is "nothing there".
type Entry struct {
	Kind       Kind
	Digest     digest.Digest // of the blob of a file, of the Directory of a folder
	Executable bool          // of a file
	Target     string        // of a symbolic link
}

type named struct {
	name string
	Entry
}

// entries gives all entries, sorted by name. Names that are in two lists are given twice.
func (dir Directory) entries() iter.Seq[named] {
	return func(yield func(named) bool) {
		f, d, l := dir.Files, dir.Dirs, dir.Symlinks
		for len(f)+len(d)+len(l) > 0 {
			var next named
			switch {
			case len(f) > 0 && (len(d) == 0 || f[0].Name <= d[0].Name) && (len(l) == 0 || f[0].Name <= l[0].Name):
				next = named{f[0].Name, Entry{Kind: KindFile, Digest: f[0].Digest, Executable: f[0].Executable}}
				f = f[1:]
			case len(d) > 0 && (len(l) == 0 || d[0].Name <= l[0].Name):
				next = named{d[0].Name, Entry{Kind: KindDir, Digest: d[0].Digest}}
				d = d[1:]
			default:
				next = named{l[0].Name, Entry{Kind: KindSymlink, Target: l[0].Target}}
				l = l[1:]
			}
			if !yield(next) {
				return
			}
		}
	}
}

// lookup returns the entry of this name; the zero Entry where there is none.
func (dir Directory) lookup(name string) Entry {
	if i, ok := slices.BinarySearchFunc(dir.Files, name, func(f File, n string) int { return strings.Compare(f.Name, n) }); ok {
		return Entry{Kind: KindFile, Digest: dir.Files[i].Digest, Executable: dir.Files[i].Executable}
	}
	if i, ok := slices.BinarySearchFunc(dir.Dirs, name, func(d Dir, n string) int { return strings.Compare(d.Name, n) }); ok {
		return Entry{Kind: KindDir, Digest: dir.Dirs[i].Digest}
	}
	if i, ok := slices.BinarySearchFunc(dir.Symlinks, name, func(l Symlink, n string) int { return strings.Compare(l.Name, n) }); ok {
		return Entry{Kind: KindSymlink, Target: dir.Symlinks[i].Target}
	}
	return Entry{}
}

// with returns a copy of dir in which name holds e; the zero Entry removes it.
func (dir Directory) with(name string, e Entry) Directory {
	byFile := func(f File) bool { return f.Name == name }
	byDir := func(d Dir) bool { return d.Name == name }
	byLink := func(l Symlink) bool { return l.Name == name }
	out := Directory{
		Files:    slices.DeleteFunc(slices.Clone(dir.Files), byFile),
		Dirs:     slices.DeleteFunc(slices.Clone(dir.Dirs), byDir),
		Symlinks: slices.DeleteFunc(slices.Clone(dir.Symlinks), byLink),
	}
	switch e.Kind {
	case KindFile:
		i, _ := slices.BinarySearchFunc(out.Files, name, func(f File, n string) int { return strings.Compare(f.Name, n) })
		out.Files = slices.Insert(out.Files, i, File{name, e.Digest, e.Executable})
	case KindDir:
		i, _ := slices.BinarySearchFunc(out.Dirs, name, func(d Dir, n string) int { return strings.Compare(d.Name, n) })
		out.Dirs = slices.Insert(out.Dirs, i, Dir{name, e.Digest})
	case KindSymlink:
		i, _ := slices.BinarySearchFunc(out.Symlinks, name, func(l Symlink, n string) int { return strings.Compare(l.Name, n) })
		out.Symlinks = slices.Insert(out.Symlinks, i, Symlink{name, e.Target})
	}
	return out
}

func (dir Directory) isEmpty() bool {
	return len(dir.Files)+len(dir.Dirs)+len(dir.Symlinks) == 0
}

// sort puts the lists into order, for a Directory that was gathered in any.
func (dir *Directory) sort() {
	slices.SortFunc(dir.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(dir.Dirs, func(a, b Dir) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(dir.Symlinks, func(a, b Symlink) int { return strings.Compare(a.Name, b.Name) })
}
