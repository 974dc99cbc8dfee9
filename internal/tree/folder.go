package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// folder is an open folder that is shared by the tasks for its content, and closed by the last.
// All work on the file system goes through such descriptors and names of one part, with
// O_NOFOLLOW: no symbolic link is ever followed, whoever changes the tree meanwhile.
type folder struct {
	all   *folders
	fd    int
	users atomic.Int32
	path  string // slash-separated below the root, "" for it
	depth int
}

// folders are those of one walk that are open, to close them when it fails on the way.
type folders struct {
	mu   sync.Mutex
	open map[*folder]bool
}

func (all *folders) add(fd int, path string, depth int) *folder {
	f := &folder{all: all, fd: fd, path: path, depth: depth}
	f.users.Store(1)
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.open == nil {
		all.open = map[*folder]bool{}
	}
	all.open[f] = true
	return f
}

// close closes what is open. Nobody may be using it any more.
func (all *folders) close() {
	for f := range all.open {
		unix.Close(f.fd)
	}
	all.open = nil
}

func (f *folder) hold() { f.users.Add(1) }

func (f *folder) release() {
	if f.users.Add(-1) > 0 {
		return
	}
	f.all.mu.Lock()
	delete(f.all.open, f)
	f.all.mu.Unlock()
	unix.Close(f.fd)
}

// join returns the path of a name in the folder.
func (f *folder) join(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "/" + name
}

const openDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openRoot opens the folder at a path that the caller chose; a symbolic link there is followed.
func (all *folders) openRoot(path string) (*folder, error) {
	fd, err := openat(unix.AT_FDCWD, path, openDir&^unix.O_NOFOLLOW)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return all.add(fd, "", 0), nil
}

// open opens the folder of this name in f.
func (f *folder) open(name string) (*folder, error) {
	if f.depth >= maxDepth {
		return nil, fmt.Errorf("open %s: %w: more than %d folders deep", f.join(name), ErrInvalid, maxDepth)
	}
	fd, err := openat(f.fd, name, openDir)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", f.join(name), err)
	}
	return f.all.add(fd, f.join(name), f.depth+1), nil
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// dirent is one name of a folder, with the type that the file system tells (unix.DT_*).
type dirent struct {
	name string
	kind uint8
}

// list returns all names but "." and ".." in no order.
func (f *folder) list(buf []byte) ([]dirent, error) {
	var all []dirent
	for {
		n, err := unix.Getdents(f.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list folder %s: %w", f.path, err)
		}
		if n <= 0 {
			return all, nil
		}
		if all, err = parseDirents(all, buf[:n]); err != nil {
			return nil, fmt.Errorf("list folder %s: %w", f.path, err)
		}
	}
}

// parseDirents reads the kernel's struct linux_dirent64: ino 8 bytes, off 8, reclen 2, type 1, name.
func parseDirents(all []dirent, buf []byte) ([]dirent, error) {
	const header = 19
	for len(buf) > 0 {
		if len(buf) < header {
			return nil, errors.New("the kernel gave part of an entry")
		}
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size < header || size > len(buf) {
			return nil, errors.New("the kernel gave an entry of no size")
		}
		name, _, _ := bytes.Cut(buf[header:size], []byte{0})
		if s := string(name); s != "." && s != ".." {
			all = append(all, dirent{s, buf[18]})
		}
		buf = buf[size:]
	}
	return all, nil
}

// kindOf asks for the type where the listing did not tell it.
func (f *folder) kindOf(e dirent) (uint8, error) {
	if e.kind != unix.DT_UNKNOWN {
		return e.kind, nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(f.fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return 0, fmt.Errorf("look at %s: %w", f.join(e.name), err)
	}
	// The DT_ constants are the S_IFMT bits, shifted.
	return uint8(st.Mode & unix.S_IFMT >> 12), nil
}

// readlink returns the target of the symbolic link of this name.
func (f *folder) readlink(name string, buf []byte) (string, error) {
	n, err := unix.Readlinkat(f.fd, name, buf)
	if err != nil {
		return "", fmt.Errorf("read link %s: %w", f.join(name), err)
	}
	return string(buf[:n]), nil
}
