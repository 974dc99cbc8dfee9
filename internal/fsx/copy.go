package fsx

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNoReflink is returned by Reflink where the file system cannot share blocks between files.
var ErrNoReflink = errors.New("the file system cannot share blocks")

// Reflink makes dst, an empty file open for writing, share all of src's content. Later writes to
// either do not show in the other. ErrNoReflink where that is impossible; dst is then unchanged.
func Reflink(dst, src *os.File) error { return ReflinkFd(int(dst.Fd()), int(src.Fd())) }

// ReflinkFd is Reflink on plain file descriptors.
func ReflinkFd(dst, src int) error {
	err := unix.IoctlFileClone(dst, src)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL),
		errors.Is(err, unix.ENOTTY), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EISDIR):
		return ErrNoReflink
	}
	return err
}

// CopyFile copies the content and the permission bits of the regular file src to dst, which must
// not exist. Blocks are shared where the file system can. Nothing is left at dst after an error.
// A symbolic link at src is followed; times are not kept.
func CopyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("copy %s: %w", src, cause(err))
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("copy %s: %w", src, cause(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("copy %s: not a regular file", src)
	}
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy to %s: %w", dst, cause(err))
	}
	err = copyContent(out, in)
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(dst)
		return fmt.Errorf("copy %s to %s: %w", src, dst, cause(err))
	}
	return nil
}

func copyContent(out, in *os.File) error {
	err := Reflink(out, in)
	if errors.Is(err, ErrNoReflink) {
		// io.Copy between files is copy_file_range where that works.
		_, err = io.Copy(out, in)
	}
	return err
}
