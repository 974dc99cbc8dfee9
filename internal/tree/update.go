package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// State is all that is kept of a folder in which a build was at work.
type State struct {
	Root    digest.Digest
	Times   Times
	Special []Special // sorted by path, as Imported.Special returns it
}

// Updated is what Update did.
type Updated struct {
	Written int // files and links that were written
	Timed   int // files whose time only was set
}

// Update brings the folder dir from one state to another by what differs: so that what Export and
// RestoreSpecial would make of the new state is there, but for the times of folders, which no tree
// keeps, and of links that are in both. Files that are the same in both are not touched; those that
// are names of one file in one of the states only are written anew. Files without a recorded time,
// and links that are written, get the time without.
//
// The folder must be in the state from, and nobody else be at work in it. Folders that their owner
// may not enter are opened meanwhile. Links are never followed. After an error dir is in neither
// state.
func Update(ctx context.Context, store *cas.Local, dir string, from, to State, without time.Time) (Updated, error) {
	u := &updater{ctx: ctx, store: store, to: to, without: without.UnixNano(), written: map[string]bool{}}
	changes, err := u.changes(from)
	if err == nil {
		u.at.root, err = openat(unix.AT_FDCWD, dir, openDir&^unix.O_NOFOLLOW)
	}
	if err != nil {
		return Updated{}, fmt.Errorf("update %s: %w", dir, err)
	}
	defer u.at.close()
	for _, step := range []func() error{
		func() error { return u.unlock(from.Special) },
		func() error { return u.content(dir, changes) },
		u.links,
		func() error { return u.times(from.Times) },
		func() error { return u.modes(from.Special) },
	} {
		if err := step(); err != nil {
			return Updated{}, fmt.Errorf("update %s: %w", dir, err)
		}
	}
	return Updated{Written: len(changes), Timed: u.timed}, nil
}

// updater is the state of one Update.
type updater struct {
	ctx     context.Context
	store   *cas.Local
	to      State
	without int64
	at      places
	written map[string]bool // files that are written, with mode 0644 or 0755 at first
	timed   int
}

// changes are those of the trees, and the files whose further names are not the same in both.
func (u *updater) changes(from State) ([]Change, error) {
	changes, err := Compare(u.ctx, u.store, from.Root, u.to.Root)
	if err != nil {
		return nil, err
	}
	changed := make(map[string]bool, len(changes))
	for _, c := range changes {
		changed[c.Path] = true
		u.written[c.Path] = c.New.Kind == KindFile
	}
	for _, path := range regrouped(groups(from.Special), groups(u.to.Special), changed) {
		e, err := Lookup(u.ctx, u.store, u.to.Root, path)
		if errors.Is(err, ErrNotFound) || err == nil && e.Kind != KindFile {
			continue
		}
		if err != nil {
			return nil, err
		}
		u.written[path] = true
		changes = append(changes, Change{Path: path, Op: Modified, Old: e, New: e})
	}
	return changes, nil
}

// groups returns the names of each file that has several, by the first of them.
func groups(special []Special) map[string][]string {
	all := map[string][]string{}
	for _, s := range special {
		if s.Link != "" {
			all[s.Link] = append(all[s.Link], s.Path)
		}
	}
	return all
}

// regrouped returns the files that are of a group in one state which is not as it is in the other,
// or of which a part is changed, less those that are changed themselves.
func regrouped(from, to map[string][]string, changed map[string]bool) []string {
	var paths []string
	add := func(first string, names []string) {
		for _, path := range append(names, first) {
			if !changed[path] {
				changed[path] = true
				paths = append(paths, path)
			}
		}
	}
	isChanged := func(path string) bool { return changed[path] }
	// A file that is written anew for one group may break another: until nothing more is found.
	for found := -1; found != len(changed); {
		found = len(changed)
		for _, side := range []struct{ a, b map[string][]string }{{from, to}, {to, from}} {
			for first, names := range side.a {
				if !slices.Equal(names, side.b[first]) || changed[first] || slices.ContainsFunc(names, isChanged) {
					add(first, slices.Clone(names))
				}
			}
		}
	}
	return paths
}

// unlock lets the owner into folders that were closed, the outermost first.
func (u *updater) unlock(special []Special) error {
	for _, s := range special {
		if s.Link != "" || s.Mode&0o700 == 0o700 {
			continue
		}
		at, err := u.at.find(s.Path)
		if err == nil && at.kind == KindDir {
			err = u.at.chmod(s.Path, s.Mode|0o700)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// content makes the changes; what is written gets the time of what has none.
func (u *updater) content(dir string, changes []Change) error {
	root := &edits{}
	for _, c := range changes {
		if err := root.insert(c); err != nil {
			return err
		}
	}
	var open folders
	defer open.close()
	top, err := open.openRoot(dir)
	if err != nil {
		return err
	}
	p := &patcher{ctx: u.ctx, w: &worker{buf: make([]byte, workerBuffer)}, stamp: u.without, known: true,
		ex: &exporter{ctx: u.ctx, store: u.store, chmod: fsx.Umask()&0o755 != 0}}
	defer u.at.forget() // it may be another one now
	return p.folder(top, root)
}

// links makes the further names of the files that were written.
func (u *updater) links() error {
	for _, s := range u.to.Special {
		if s.Link == "" || !u.written[s.Path] {
			continue
		}
		if err := u.at.link(s.Link, s.Path); err != nil {
			return err
		}
	}
	return nil
}

// times sets those that differ, and those of what was written.
func (u *updater) times(from Times) error {
	to := u.to.Times
	for len(from)+len(to) > 0 {
		var err error
		switch {
		case len(to) == 0 || len(from) > 0 && from[0].Path < to[0].Path:
			if !u.written[from[0].Path] {
				err = u.setTime(Time{from[0].Path, u.without}) // a file without a time, or no longer there
			}
			from = from[1:]
		case len(from) == 0 || to[0].Path < from[0].Path:
			err = u.setTime(to[0])
			to = to[1:]
		default:
			if to[0].Nano != from[0].Nano || u.written[to[0].Path] {
				err = u.setTime(to[0])
			}
			from, to = from[1:], to[1:]
		}
		if err != nil {
			return err
		}
	}
	return u.ctx.Err()
}

// setTime sets the time of a regular file; a name that is no longer one has none.
func (u *updater) setTime(t Time) error {
	at, err := u.at.find(t.Path)
	if err != nil || at.kind != KindFile {
		return err
	}
	if !u.written[t.Path] {
		u.timed++
	}
	return u.at.setTime(t.Path, t.Nano)
}

// modes sets the permissions that are not Export's, and those that are again.
func (u *updater) modes(from []Special) error {
	want, had := modesOf(u.to.Special), modesOf(from)
	paths := make([]string, 0, len(want)+len(had))
	for path := range want {
		paths = append(paths, path)
	}
	for path := range had {
		if _, ok := want[path]; !ok {
			paths = append(paths, path)
		}
	}
	// The deepest first: a folder may become one in which nothing can be found any more.
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(b, a) })
	for _, path := range paths {
		at, err := u.at.find(path)
		if err != nil {
			return err
		}
		mode, special := want[path]
		old, known := had[path]
		switch {
		case at.kind == KindDir && !special:
			mode = 0o755
		case at.kind == KindDir:
		case at.kind != KindFile, !special && u.written[path], special && known && mode == old && !u.written[path]:
			continue // it has no mode of its own, or that which it should have
		case !special && at.stat.Mode&unix.S_IXUSR != 0:
			mode = 0o755
		case !special:
			mode = 0o644
		}
		if err := u.at.chmod(path, mode); err != nil {
			return err
		}
	}
	return nil
}

func modesOf(special []Special) map[string]uint32 {
	modes := map[string]uint32{}
	for _, s := range special {
		if s.Link == "" {
			modes[s.Path] = s.Mode
		}
	}
	return modes
}

// places finds names below a folder, and follows no link on the way. It keeps the last folder open,
// as paths come sorted.
type places struct {
	root   int
	folder string // that is open
	fd     int    // its descriptor; 0 for none, and for the root
}

func (p *places) close() {
	p.forget()
	unix.Close(p.root)
}

// forget closes the folder that was looked into last.
func (p *places) forget() {
	if p.fd > 0 {
		unix.Close(p.fd)
	}
	p.folder, p.fd = "", 0
}

// parent opens the folder that holds path.
func (p *places) parent(path string) (fd int, name string, err error) {
	folder, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		folder, name = path[:i], path[i+1:]
	}
	if folder == "" {
		return p.root, name, nil
	}
	if p.fd > 0 && folder == p.folder {
		return p.fd, name, nil
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	for {
		fd, err = unix.Openat2(p.root, folder, &how)
		if err != unix.EINTR && err != unix.EAGAIN {
			break
		}
	}
	if err != nil {
		return 0, "", fmt.Errorf("open folder %s: %w", folder, err)
	}
	p.forget()
	p.folder, p.fd = folder, fd
	return fd, name, nil
}

// find looks at path. That nothing is there, or the way to it is none, is no error.
func (p *places) find(path string) (found, error) {
	fd, name, err := p.parent(path)
	if err == nil {
		return lookAt(fd, name)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return found{}, nil
	}
	return found{}, err
}

func (p *places) chmod(path string, mode uint32) error {
	fd, name, err := p.parent(path)
	if err == nil {
		err = unix.Fchmodat(fd, name, mode&permissions, 0) // find saw that it is no link
	}
	if err != nil {
		return fmt.Errorf("set the mode of %s: %w", path, err)
	}
	return nil
}

func (p *places) setTime(path string, nano int64) error {
	fd, name, err := p.parent(path)
	if err == nil {
		err = setTime(fd, name, nano)
	}
	if err != nil {
		return fmt.Errorf("set the time of %s: %w", path, err)
	}
	return nil
}

// link makes path, where there is a file, a further name of the file first.
func (p *places) link(first, path string) error {
	from, old, err := p.parent(first)
	if err == nil {
		from, err = unix.Dup(from)
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	defer unix.Close(from)
	fd, name, err := p.parent(path)
	if err == nil {
		err = unix.Unlinkat(fd, name, 0)
	}
	if err == nil {
		err = unix.Linkat(from, old, fd, name, 0)
	}
	if err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	return nil
}
