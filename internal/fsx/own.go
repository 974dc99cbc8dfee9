package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrForeign: what is there was not made by this user's programs: it is a symbolic link, of
// another kind, or somebody else's.
var ErrForeign = errors.New("it is a link, of another kind, or belongs to another user")

// OwnDir makes the folder if it is absent; the folder above must exist. ErrForeign unless it is a
// real folder that belongs to this user.
func OwnDir(path string) error {
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder %s: %w", path, cause(err))
	}
	return CheckOwnDir(path)
}

// CheckOwnDir is OwnDir without making anything: fs.ErrNotExist when it is absent.
func CheckOwnDir(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("use folder %s: %w", path, cause(err))
	}
	if !info.IsDir() || !own(info) {
		return fmt.Errorf("use folder %s: %w", path, ErrForeign)
	}
	return nil
}

// OpenOwn opens a regular file of this user for reading, and never waits: ErrForeign for anything
// else, fs.ErrNotExist for nothing.
func OpenOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) { // a link; a socket
		err = ErrForeign
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !own(info)) {
		err = ErrForeign
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	return f, nil
}

// ReadOwn returns the content of the file that OpenOwn opens.
func ReadOwn(path string) ([]byte, error) {
	f, err := OpenOwn(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	return data, nil
}

func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
