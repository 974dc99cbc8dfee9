package tree

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// errDiffers ends a look at a folder that is not what its index says.
var errDiffers = errors.New("not what the index says")

// Holds reports whether the folder dir is what an Import found that skipped nothing and made this
// index. It returns what the next Import would find, at the price of one stat for each file and folder:
// names are not listed, as a folder's times show that they are the same ones. What was changed at the
// very time of that Import is read.
func Holds(ctx context.Context, dir string, index *StatIndex) (Imported, bool) {
	var open folders
	defer open.close()
	root, err := open.openRoot(dir)
	if err != nil || len(index.Folders) == 0 {
		return Imported{}, false
	}
	taken, err := indexTime()
	if err != nil {
		return Imported{}, false
	}
	h := &holder{ctx: ctx, root: root, index: index}
	err = runPool(ctx, 0, func(p *pool) {
		for part := range slices.Chunk(index.Folders, filesPerTask) {
			p.push(func(w *worker) error { return h.folders(w, part) })
		}
		for part := range slices.Chunk(index.Stats, filesPerTask) {
			p.push(func(w *worker) error { return h.files(w, part) })
		}
	})
	if err != nil {
		return Imported{}, false
	}
	return (&StatIndex{Taken: taken, Stats: index.Stats, Folders: index.Folders}).imported(), true
}

// holder is the state of one Holds. Paths are looked up from the root without a thought of links on
// the way: where one took the place of a folder, the folder above differs.
type holder struct {
	ctx   context.Context
	root  *folder
	index *StatIndex
}

// folders looks at these folders.
func (h *holder) folders(w *worker, part []FolderStat) error {
	for _, old := range part {
		path := old.Path
		if path == "" {
			path = "."
		}
		var st unix.Stat_t
		if err := unix.Fstatat(h.root.fd, path, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		now := newFolderStat(old.Path, &st)
		if now.MTime != old.MTime || now.CTime != old.CTime || now.Inode != old.Inode || now.Mode != old.Mode {
			return errDiffers
		}
		if !h.index.settled(old.MTime, old.CTime) {
			if err := h.list(w, old); err != nil {
				return err
			}
		}
	}
	return h.ctx.Err()
}

// list looks whether the names in a folder are those of the index, and its links.
func (h *holder) list(w *worker, old FolderStat) error {
	f := h.root
	if old.Path != "" {
		fd, err := openat(h.root.fd, old.Path, openDir)
		if err != nil {
			return err
		}
		f = h.root.all.add(fd, old.Path, 1)
		defer f.release()
	}
	names, err := f.list(w.buf)
	if err != nil {
		return err
	}
	links := 0
	for _, e := range names {
		i, ok := slices.BinarySearchFunc(old.Links, e.name, func(l Symlink, name string) int { return strings.Compare(l.Name, name) })
		if !ok {
			continue
		}
		if target, err := f.readlink(e.name, w.buf); err != nil || target != old.Links[i].Target {
			return errDiffers
		}
		links++
	}
	// Each file and folder of the index is there, as its stat shows; so with their number the names are equal.
	if links != len(old.Links) || len(names) != links+h.index.directly(old.Path) {
		return errDiffers
	}
	return nil
}

// files looks at these files.
func (h *holder) files(w *worker, part []Stat) error {
	at, folder := -1, ""
	defer func() { closeFd(at) }()
	for _, old := range part {
		slash := strings.LastIndexByte(old.Path, '/')
		if at < 0 || old.Path[:max(slash, 0)] != folder {
			closeFd(at)
			folder = old.Path[:max(slash, 0)]
			var err error
			if at, err = openat(h.root.fd, "./"+folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC); err != nil {
				return err
			}
		}
		if err := h.file(w, at, old.Path[slash+1:], old); err != nil {
			return err
		}
	}
	return h.ctx.Err()
}

func closeFd(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

func (h *holder) file(w *worker, at int, name string, old Stat) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mtim.Nano() != old.MTime || st.Ctim.Nano() != old.CTime || st.Size != old.Size || st.Ino != old.Inode || st.Mode != old.Mode {
		return errDiffers
	}
	if h.index.settled(old.MTime, old.CTime) {
		return nil
	}
	fd, err := openat(at, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if now, err := hashFd(h.ctx, w, fd); err != nil || now != old.Digest {
		return errors.Join(err, errDiffers)
	}
	return nil
}
