package fsx_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/git-bst/git-bst/internal/fsx"
)

// foreign returns a folder that belongs to somebody else.
func foreign(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return "/"
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 1, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOwnDir(t *testing.T) {
	dir := t.TempDir()
	made, file, link := filepath.Join(dir, "made"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := fsx.CheckOwnDir(made); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	for range 2 {
		if err := fsx.OwnDir(made); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(os.WriteFile(file, nil, 0o666), os.Symlink(made, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, foreign(t)} {
		if err := fsx.OwnDir(path); !errors.Is(err, fsx.ErrForeign) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := fsx.OwnDir(filepath.Join(dir, "no", "parent")); err == nil {
		t.Error("a folder was made in one that is not there")
	}
}

func TestReadOwn(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o666), os.Symlink(file, link), syscall.Mkfifo(fifo, 0o666)); err != nil {
		t.Fatal(err)
	}
	if data, err := fsx.ReadOwn(file); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
	for _, path := range []string{link, fifo, dir, foreign(t)} {
		if _, err := fsx.ReadOwn(path); !errors.Is(err, fsx.ErrForeign) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := fsx.ReadOwn(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	// A lock is never taken through a link: that would make a file wherever it leads.
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := fsx.TryLock(filepath.Join(dir, "lock")); err == nil {
		t.Error("locked through a link")
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("a lock made a file elsewhere")
	}
}
