// Package fsx holds the few file operations that must be done in one right way everywhere:
// writing a file so that a crash leaves the old or the new one, locks that the kernel frees when
// their holder dies, copies that share blocks where the file system can, and removal of trees
// that builds have made read-only.
package fsx

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// TempName returns a name for a temporary file that nobody else uses: 64 random bits between
// prefix and ".tmp". (Process ids would not do: containers may share a folder and repeat them.)
func TempName(prefix string) string {
	return prefix + strconv.FormatUint(rand.Uint64(), 36) + ".tmp"
}

// WriteFile puts data at path so that a reader, and a machine that crashes at any instant, sees
// the old file or the new one, never a part. The folder of path must exist. After success the
// file and its name are on disk.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	dir, name := filepath.Split(path)
	temp := filepath.Join(dir, TempName("."+name+"-"))
	if err := writeSynced(temp, data, perm); err != nil {
		os.Remove(temp)
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if err := SyncDir(dir); err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	return nil
}

func writeSynced(path string, data []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes the names in the folder dir ("" is the current one) survive a crash.
func SyncDir(dir string) error {
	if dir == "" {
		dir = "."
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// RemoveAll removes path and all below it, folders that are not writable too (builds leave such).
// It never follows a symbolic link. That nothing is there is no error.
func RemoveAll(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	openFolders(path)
	return os.RemoveAll(path)
}

// openFolders gives the owner all rights on every folder at and below path, as far as it can.
func openFolders(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		// Not readable by us: the mode must be changed by name, after Lstat saw a folder there.
		if os.Chmod(path, 0o700) != nil {
			return
		}
	} else {
		unix.Fchmod(fd, 0o700)
		unix.Close(fd)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.IsDir() {
			openFolders(filepath.Join(path, entry.Name()))
		}
	}
}

// Disk says how much room a file system has.
type Disk struct {
	FreeBytes  int64 // what an ordinary user may still write
	TotalBytes int64
}

// DiskFree returns the room on the file system that holds path.
func DiskFree(path string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Disk{}, fmt.Errorf("find the free space of %s: %w", path, err)
	}
	block := int64(st.Bsize)
	return Disk{FreeBytes: int64(st.Bavail) * block, TotalBytes: int64(st.Blocks) * block}, nil
}

// Umask returns the permission bits that the process takes away from new files, without changing
// them. Where the system does not tell, all bits: then every mode must be set explicitly.
func Umask() fs.FileMode {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fs.ModePerm
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "Umask:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32)
			if err == nil {
				return fs.FileMode(mask)
			}
		}
	}
	return fs.ModePerm
}

// cause strips the path that package os puts into its errors: ours are named by the caller.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
