package trace

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// resolve keeps a path that is opened inside the traced folder, whatever a build puts there.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openFolder opens a folder below the root to list it.
func (t *Tracer) openFolder(path string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: resolve}
	for {
		fd, err := unix.Openat2(t.root, path, &how)
		if err != unix.EINTR && err != unix.EAGAIN { // EAGAIN: something was moved meanwhile
			return fd, err
		}
	}
}

// watchTree watches a folder and all below it, the innermost first: so no event comes of our own
// looking.
func (t *Tracer) watchTree(ctx context.Context, path string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fd, err := t.openFolder(path)
	if err != nil {
		if path == "." {
			return err
		}
		t.trace.AddGap(GapFolder)
		return nil
	}
	defer unix.Close(fd)
	names, err := list(fd)
	if err != nil {
		return err
	}
	for _, e := range names {
		if !e.isFolder(fd) {
			continue
		}
		if err := t.watchTree(ctx, join(path, e.name)); err != nil {
			return err
		}
	}
	t.watch(fd, path)
	if t.started != 0 {
		t.drain() // what our own looking told, as folders are watched already
	}
	return nil
}

// watchKnown watches the root and these folders, in which nobody is at work.
func (t *Tracer) watchKnown(folders []string) {
	t.watch(t.root, ".")
	top := "/proc/self/fd/" + strconv.Itoa(t.root) + "/"
	for _, path := range folders {
		wd, err := t.addWatch(top+path, unix.IN_DONT_FOLLOW)
		if err == unix.ENOENT || err == unix.ENOTDIR {
			continue
		}
		t.watching(wd, err, path)
	}
}

// watch adds a watch for the open folder; nil when there is a gap now.
func (t *Tracer) watch(fd int, path string) *folder {
	wd, err := t.addWatch("/proc/self/fd/"+strconv.Itoa(fd), 0)
	return t.watching(wd, err, path)
}

func (t *Tracer) addWatch(path string, more uint32) (int, error) {
	if t.opts.MaxWatches > 0 && len(t.watched) >= t.opts.MaxWatches {
		return 0, unix.ENOSPC
	}
	return unix.InotifyAddWatch(t.fd, path, mask|more)
}

// watching notes the watch of a folder, or that there is none.
func (t *Tracer) watching(wd int, err error, path string) *folder {
	if err != nil {
		t.trace.AddGap(GapWatch)
		return nil
	}
	f := t.watched[int32(wd)]
	if f == nil {
		f = &folder{wd: int32(wd)}
		t.watched[f.wd] = f
	} else if t.byPath[f.path] == f {
		delete(t.byPath, f.path)
	}
	f.path = path
	t.byPath[path] = f
	return f
}

// watchFiles watches the files of Options.Precise themselves. An open of such a file is two events,
// its folder's and its own, so that equal ones are no neighbours and the kernel merges none.
func (t *Tracer) watchFiles() {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: resolve}
	for _, path := range t.opts.Precise {
		fd, err := unix.Openat2(t.root, path, &how)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			wd, err := unix.InotifyAddWatch(t.fd, "/proc/self/fd/"+strconv.Itoa(fd), unix.IN_OPEN)
			if err == nil {
				t.precise[int32(wd)] = path
			}
		}
		unix.Close(fd)
	}
}

// newFolder watches a folder that the build made, and then takes in what came to be there before
// it was watched. A folder that is gone by now, or moved, has events of its own to come.
func (t *Tracer) newFolder(path string) {
	fd, err := t.openFolder(path)
	switch err {
	case nil:
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		return
	default:
		t.trace.AddGap(GapFolder)
		return
	}
	defer unix.Close(fd)
	known := t.byPath[path]
	f := t.watch(fd, path)
	if f == nil || f == known {
		return // what is there was taken in, or can't be told
	}
	names, err := list(fd)
	if err != nil {
		t.trace.AddGap(GapFolder)
		return
	}
	t.use([]byte(path), Created|Listed)
	for _, e := range names {
		sub := join(path, e.name)
		if e.isFolder(fd) {
			t.use([]byte(sub), Created|Listed)
			t.newFolder(sub)
			continue
		}
		t.use([]byte(sub), Created)
		t.scratch = append(t.scratch[:0], sub...)
		t.lookAtNew()
	}
}

func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}

// dirent is one name of a folder, with the type that the file system tells (unix.DT_*).
type dirent struct {
	name string
	kind uint8
}

// isFolder asks for the type where the listing did not tell it.
func (e dirent) isFolder(fd int) bool {
	if e.kind != unix.DT_UNKNOWN {
		return e.kind == unix.DT_DIR
	}
	var st unix.Stat_t
	err := unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// list returns all names of an open folder but "." and "..".
func list(fd int) ([]dirent, error) {
	var all []dirent
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return all, nil
		}
		all = appendDirents(all, buf[:n])
	}
}

// appendDirents reads the kernel's struct linux_dirent64: ino 8 bytes, off 8, reclen 2, type 1, name.
func appendDirents(all []dirent, buf []byte) []dirent {
	const header = 19
	for len(buf) >= header {
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size < header || size > len(buf) {
			return all
		}
		name, _, _ := bytes.Cut(buf[header:size], []byte{0})
		if s := string(name); s != "." && s != ".." {
			all = append(all, dirent{s, buf[18]})
		}
		buf = buf[size:]
	}
	return all
}

// walkChanged yields all regular files of the folder with their change times.
func (t *Tracer) walkChanged(yield func(path string, changed int64) bool) {
	t.walkFolder(".", yield)
}

func (t *Tracer) walkFolder(path string, yield func(string, int64) bool) bool {
	fd, err := t.openFolder(path)
	if err != nil {
		t.trace.AddGap(GapFolder)
		return true
	}
	defer unix.Close(fd)
	names, err := list(fd)
	if err != nil {
		t.trace.AddGap(GapFolder)
		return true
	}
	for _, e := range names {
		var st unix.Stat_t
		switch {
		case e.isFolder(fd):
			if !t.walkFolder(join(path, e.name), yield) {
				return false
			}
		case unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
			if !yield(join(path, e.name), st.Ctim.Nano()) {
				return false
			}
		}
	}
	return true
}

// markLinked notes the files that changed while they were traced though no event tells how: their
// number of names did. They count for the last phase.
func (t *Tracer) markLinked(changed func(yield func(string, int64) bool)) {
	last := &t.trace.Phases[len(t.trace.Phases)-1]
	var linked []Path
	for path, nano := range changed {
		if nano <= max(t.started, t.own[path]) || t.trace.Uses(path)&Changed != 0 {
			continue
		}
		linked = append(linked, Path{Name: path, Uses: Linked})
	}
	last.Paths = merge(last.Paths, slices.CompactFunc(sorted(linked), func(a, b Path) bool { return a.Name == b.Name }), last.Name, larger)
}
