package tree

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
)

// patcher is the state of one Patch.
type patcher struct {
	ctx      context.Context
	ex       *exporter // writes files
	w        *worker
	stamp    int64
	known    bool // the folder is known to hold the old sides, so nothing is looked for that a build made
	replaced []Replaced
}

// folder makes the changes below n in the open folder f: first what goes, so that a name that
// comes back with other letters' case is not lost where the file system does not tell them apart.
func (p *patcher) folder(f *folder, n *edits) error {
	names := slices.Sorted(maps.Keys(n.below))
	for _, adds := range []bool{false, true} {
		for _, name := range names {
			sub := n.below[name]
			if sub.adds != adds {
				continue
			}
			if err := p.ctx.Err(); err != nil {
				return err
			}
			if err := p.entry(f, name, sub); err != nil {
				return inFolder(name, err)
			}
		}
	}
	return nil
}

// found is what a folder holds under a name. Special files are of no kind, but there.
type found struct {
	kind Kind
	stat unix.Stat_t
	here bool
}

func (p *patcher) look(f *folder, name string) (found, error) { return lookAt(f.fd, name) }

func lookAt(dir int, name string) (found, error) {
	var at found
	err := unix.Fstatat(dir, name, &at.stat, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	at.here = true
	switch at.stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		at.kind = KindFile
	case unix.S_IFDIR:
		at.kind = KindDir
	case unix.S_IFLNK:
		at.kind = KindSymlink
	}
	return at, nil
}

// entry brings one name of f to its new state; its cases are those of applier.entry.
func (p *patcher) entry(f *folder, name string, n *edits) error {
	at, err := p.look(f, name)
	if err != nil {
		return err
	}
	switch {
	case n.change == nil:
		return p.inside(f, name, at, n)
	case n.change.New.Kind == KindNone && n.addsBelow():
		return fmt.Errorf("%w: something is added below what is deleted", ErrInvalid)
	case n.change.New.Kind == KindNone:
		return p.delete(f, name, at, n)
	case n.change.New.Kind == KindDir:
		return p.makeFolder(f, name, at, n)
	case n.addsBelow():
		return fmt.Errorf("%w: something is added below what becomes a %s", ErrInvalid, n.change.New.Kind)
	}
	return p.put(f, name, at, n)
}

// inside is for a name that is not changed itself.
func (p *patcher) inside(f *folder, name string, at found, n *edits) error {
	switch {
	case at.kind == KindDir:
		return p.descend(f, name, n)
	case !n.adds:
		return nil // what is to be deleted below is not there
	case at.here:
		return fmt.Errorf("it is a %s: %w", at.kind, ErrConflict)
	}
	if err := p.mkdir(f, name); err != nil {
		return err
	}
	return p.descend(f, name, n)
}

func (p *patcher) delete(f *folder, name string, at found, n *edits) error {
	if err := p.note(f, name, at, n.change); err != nil {
		return err
	}
	if at.kind == KindDir {
		if err := p.descend(f, name, n); err != nil {
			return err
		}
		return p.removeIfEmpty(f, name)
	}
	if !at.here || n.change.Old.Kind == KindDir {
		return nil // gone already, and what is there is something else
	}
	return unix.Unlinkat(f.fd, name, 0)
}

func (p *patcher) makeFolder(f *folder, name string, at found, n *edits) error {
	if at.kind != KindDir {
		if err := p.note(f, name, at, n.change); err != nil {
			return err
		}
		if err := p.remove(f, name, at); err != nil {
			return err
		}
		if err := p.mkdir(f, name); err != nil {
			return err
		}
	}
	return p.descend(f, name, n)
}

func (p *patcher) descend(f *folder, name string, n *edits) error {
	if len(n.below) == 0 {
		return nil
	}
	sub, err := p.open(f, name)
	if err != nil {
		return err
	}
	defer sub.release()
	return p.folder(sub, n)
}

// open opens a folder to change it, which a build may have forbidden.
func (p *patcher) open(f *folder, name string) (*folder, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	if st.Mode&0o700 != 0o700 {
		if err := chmodFolder(f, name, uint32(st.Mode)&0o777|0o700); err != nil {
			return nil, err
		}
	}
	return f.open(name)
}

// put makes the name a file or link. What the source changed gets the new time in any case.
func (p *patcher) put(f *folder, name string, at found, n *edits) error {
	to := n.change.New
	if at.kind == KindDir && n.change.Old.Kind == KindDir {
		left, err := p.emptied(f, name, n)
		if err != nil {
			return err
		}
		if at = left; at.here {
			p.replaced = append(p.replaced, Replaced{f.join(name), KindDir, to.Kind})
		}
	} else if err := p.note(f, name, at, n.change); err != nil {
		return err
	}
	if err := p.remove(f, name, at); err != nil {
		return err
	}
	if to.Kind == KindSymlink {
		if err := unix.Symlinkat(to.Target, f.fd, name); err != nil {
			return err
		}
	} else if err := p.ex.copy(p.w, f, File{name, to.Digest, to.Executable}); err != nil {
		return err
	}
	return setTime(f.fd, name, p.stamp)
}

// emptied makes the deletions below a folder that goes, and returns what is left of it: what a
// build put there.
func (p *patcher) emptied(f *folder, name string, n *edits) (found, error) {
	if err := p.descend(f, name, n); err != nil {
		return found{}, err
	}
	if err := p.removeIfEmpty(f, name); err != nil {
		return found{}, err
	}
	return p.look(f, name)
}

func (p *patcher) mkdir(f *folder, name string) error {
	if err := unix.Mkdirat(f.fd, name, 0o755); err != nil {
		return err
	}
	if !p.ex.chmod {
		return nil
	}
	return chmodFolder(f, name, 0o755)
}

// chmodFolder sets the mode of the folder of this name, and of nothing that a link leads to.
func chmodFolder(f *folder, name string, mode uint32) error {
	fd, err := openat(f.fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
}

// removeIfEmpty removes a folder in which nothing is left.
func (p *patcher) removeIfEmpty(f *folder, name string) error {
	err := unix.Unlinkat(f.fd, name, unix.AT_REMOVEDIR)
	if err == unix.ENOTEMPTY || err == unix.EEXIST {
		return nil
	}
	return err
}

// remove removes what is there, a folder with all in it.
func (p *patcher) remove(f *folder, name string, at found) error {
	switch {
	case !at.here:
		return nil
	case at.kind != KindDir:
		return unix.Unlinkat(f.fd, name, 0)
	}
	sub, err := p.open(f, name)
	if err != nil {
		return err
	}
	defer sub.release()
	names, err := sub.list(p.w.buf)
	if err != nil {
		return err
	}
	for _, e := range names {
		below, err := p.look(sub, e.name)
		if err == nil {
			err = p.remove(sub, e.name, below)
		}
		if err != nil {
			return err
		}
	}
	return unix.Unlinkat(f.fd, name, unix.AT_REMOVEDIR)
}

// note reports what is replaced, if that is the work of a build.
func (p *patcher) note(f *folder, name string, at found, c *Change) error {
	if p.known {
		return nil
	}
	was, err := p.read(f, name, at, c)
	if err != nil {
		return err
	}
	if replaces(was, *c) || at.here && at.kind == KindNone {
		p.replaced = append(p.replaced, Replaced{f.join(name), at.kind, c.New.Kind})
	}
	return nil
}

// read returns what is there as an entry; a file's content is read only if its size is one that
// the change knows.
func (p *patcher) read(f *folder, name string, at found, c *Change) (Entry, error) {
	e := Entry{Kind: at.kind}
	switch at.kind {
	case KindSymlink:
		target, err := f.readlink(name, p.w.buf)
		e.Target = target
		return e, err
	case KindFile:
		e.Executable = at.stat.Mode&unix.S_IXUSR != 0
		known := func(side Entry) bool { return side.Kind == KindFile && side.Digest.Size() == at.stat.Size }
		if !known(c.Old) && !known(c.New) {
			return e, nil
		}
		var err error
		if e.Digest, err = p.hash(f, name); err == unix.EACCES {
			return e, nil // the source's are readable
		}
		return e, err
	}
	return e, nil
}

func (p *patcher) hash(f *folder, name string) (digest.Digest, error) {
	fd, err := openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return digest.Digest{}, err
	}
	defer unix.Close(fd)
	return hashFd(p.ctx, p.w, fd)
}
