package trace

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// event is one of the kernel's, with the folder that it is about.
type event struct {
	wd     int32
	mask   uint32
	cookie uint32
	name   []byte // "" for the folder itself
}

// drain takes in all events that the kernel has now. The lock is held.
func (t *Tracer) drain() {
	for {
		n, err := unix.Read(t.fd, t.buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return // EAGAIN: no more
		}
		for rest := t.buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			var e event
			e, rest = parseEvent(rest)
			t.handle(e)
		}
	}
}

// parseEvent reads the kernel's struct inotify_event: wd, mask, cookie, len, then the name with
// NULs up to len.
func parseEvent(b []byte) (event, []byte) {
	e := event{wd: int32(binary.NativeEndian.Uint32(b)), mask: binary.NativeEndian.Uint32(b[4:]), cookie: binary.NativeEndian.Uint32(b[8:])}
	end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
	if end > len(b) {
		return e, nil
	}
	e.name, _, _ = bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
	return e, b[end:]
}

func (t *Tracer) handle(e event) {
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		if t.current >= 0 {
			t.trace.AddGap(GapOverflow)
		} else {
			t.missed = true // only the caller's own work
		}
		return
	}
	if path, ok := t.precise[e.wd]; ok {
		if p := t.uses[path]; p != nil && e.mask&unix.IN_OPEN != 0 {
			p.precise++
		}
		return
	}
	f := t.watched[e.wd]
	if f == nil {
		return
	}
	if e.mask&unix.IN_IGNORED != 0 { // the folder is gone
		t.forget(f)
		return
	}
	if e.mask&unix.IN_ISDIR != 0 && len(e.name) > 0 {
		t.handleFolder(f, e)
		return
	}
	t.use(t.pathOf(f, e.name), usesOf(e.mask))
	if e.mask&unix.IN_ISDIR == 0 {
		t.count(e.mask)
	}
	if e.mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
		t.lookAtNew()
	}
}

// lookAtNew is for a new name of a file: see whether it is a further one of another file. The
// file may be gone or another by now; then nothing is known, so all are looked at in the end.
func (t *Tracer) lookAtNew() {
	if t.links || t.current < 0 {
		return
	}
	var st unix.Stat_t
	err := unix.Fstatat(t.root, string(t.scratch), &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
		t.links = true
	}
}

// usesOf translates the kernel's words.
func usesOf(mask uint32) Use {
	var uses Use
	for _, w := range [...]struct {
		mask uint32
		use  Use
	}{
		{unix.IN_MODIFY | unix.IN_CLOSE_WRITE, Written}, {unix.IN_ATTRIB, Attributes},
		{unix.IN_CREATE | unix.IN_MOVED_TO, Created}, {unix.IN_DELETE, Deleted}, {unix.IN_MOVED_FROM, Moved},
	} {
		if mask&w.mask != 0 {
			uses |= w.use
		}
	}
	if mask&unix.IN_OPEN != 0 {
		if mask&unix.IN_ISDIR != 0 {
			return uses | Listed
		}
		return uses | Opened
	}
	return uses
}

// pathOf returns the path of a name in f, in memory that the next call uses again.
func (t *Tracer) pathOf(f *folder, name []byte) []byte {
	t.scratch = append(t.scratch[:0], f.path...)
	if len(name) > 0 {
		if f.path == "." {
			t.scratch = t.scratch[:0]
		} else {
			t.scratch = append(t.scratch, '/')
		}
		t.scratch = append(t.scratch, name...)
	}
	return t.scratch
}

// use notes a use of the current phase.
func (t *Tracer) use(path []byte, uses Use) {
	if t.current < 0 && uses&Changed != 0 {
		t.own[string(path)] = 0
	}
	if t.current < 0 || uses == 0 {
		return
	}
	p := t.uses[string(path)]
	if p == nil {
		if len(t.uses) >= maxPaths/maxPhases {
			t.trace.AddGap(GapPaths)
			return
		}
		p = &used{Path: Path{Name: string(path)}}
		t.uses[p.Name] = p
	}
	if t.late && uses&Written != 0 { // what is only renamed is whole
		uses |= Late
	}
	p.Uses |= uses
}

// count counts an open or close of the file whose path is in scratch.
func (t *Tracer) count(mask uint32) {
	p := t.uses[string(t.scratch)]
	switch {
	case p == nil:
	case mask&unix.IN_OPEN != 0:
		p.Opens++
		p.open++
	case mask&(unix.IN_CLOSE_WRITE|unix.IN_CLOSE_NOWRITE) == 0:
	case p.open == 0:
		p.Opens++
	default:
		p.open--
	}
}

// handleFolder is for an event about a folder by its name in f.
func (t *Tracer) handleFolder(f *folder, e event) {
	name := slices.Clone(t.pathOf(f, e.name))
	t.use(name, usesOf(e.mask))
	path := string(name)
	switch {
	case e.mask&unix.IN_CREATE != 0:
		t.newFolder(path)
	case e.mask&unix.IN_MOVED_FROM != 0:
		if moved := t.byPath[path]; moved != nil {
			t.moving[e.cookie] = moved
		}
	case e.mask&unix.IN_MOVED_TO != 0:
		if moved := t.moving[e.cookie]; moved != nil {
			delete(t.moving, e.cookie)
			t.rename(moved, path)
		} else {
			t.newFolder(path)
		}
	}
}

// rename changes the paths of a folder and of those below it.
func (t *Tracer) rename(moved *folder, path string) {
	old := moved.path
	var affected []*folder
	for _, f := range t.byPath {
		if f == moved || strings.HasPrefix(f.path, old+"/") {
			affected = append(affected, f)
		}
	}
	for _, f := range affected {
		delete(t.byPath, f.path)
	}
	for _, f := range affected {
		f.path = path + f.path[len(old):]
		t.byPath[f.path] = f
	}
}

// forget drops the watch of a folder that is gone.
func (t *Tracer) forget(f *folder) {
	delete(t.watched, f.wd)
	if t.byPath[f.path] == f {
		delete(t.byPath, f.path)
	}
}

// forgetMoving ends the watching of folders that were moved away and did not arrive: what is done
// there is not known.
func (t *Tracer) forgetMoving() {
	for cookie, gone := range t.moving {
		delete(t.moving, cookie)
		t.trace.AddGap(GapMovedOut)
		for _, f := range t.watched {
			if f == gone || strings.HasPrefix(f.path, gone.path+"/") {
				_, _ = unix.InotifyRmWatch(t.fd, uint32(f.wd))
				t.forget(f)
			}
		}
	}
}

// result returns the uses of the phase that ends, less those below folders that it made and
// deleted again: that these were made holds for all below them, and configure scripts make
// thousands of such.
func (t *Tracer) result() []Path {
	for name := range t.uses {
		for parent := range parents(name) {
			p := t.uses[parent]
			if p != nil && p.Uses&(Created|Deleted) == Created|Deleted && t.byPath[parent] == nil {
				delete(t.uses, name)
				break
			}
		}
	}
	paths := make([]Path, 0, len(t.uses))
	for _, p := range t.uses {
		p.Opens = max(p.Opens, p.precise)
		paths = append(paths, p.Path)
	}
	return sorted(paths)
}

func sorted(paths []Path) []Path {
	slices.SortFunc(paths, func(a, b Path) int { return strings.Compare(a.Name, b.Name) })
	return paths
}
