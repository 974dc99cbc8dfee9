package fsx_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/fsx"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two", ""} {
		if err := fsx.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("read %q, %v; want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := fsx.WriteFile(filepath.Join(dir, "no", "f"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	// What cannot be replaced stays, and nothing else is left.
	if err := os.MkdirAll(filepath.Join(dir, "sub", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fsx.WriteFile(filepath.Join(dir, "sub"), []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	ctx := t.Context()
	unlock, err := fsx.Lock(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fsx.TryLock(path); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("TryLock beside a lock: %v", err)
	}
	if _, err := fsx.TryRLock(path); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("TryRLock beside a lock: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := fsx.Lock(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock goes on after the context has ended: %v", err)
	}
	got := make(chan error)
	go func() {
		unlock, err := fsx.RLock(ctx, path)
		if err == nil {
			defer unlock()
		}
		got <- err
	}()
	unlock()
	if err := <-got; err != nil {
		t.Errorf("waiting for a lock that is freed: %v", err)
	}
	first, err1 := fsx.TryRLock(path)
	second, err2 := fsx.TryRLock(path)
	if err1 != nil || err2 != nil {
		t.Fatal("two readers:", err1, err2)
	}
	first()
	if _, err := fsx.TryLock(path); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("TryLock beside a reader: %v", err)
	}
	second()
	if unlock, err := fsx.TryLock(path); err != nil {
		t.Errorf("a lock that nobody has: %v", err)
	} else {
		unlock()
	}
}

func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := os.WriteFile(src, []byte("content"), 0o751); err != nil {
		t.Fatal(err)
	}
	if err := fsx.CopyFile(dst, src); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dst)
	if err != nil || info.Mode() != 0o751 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got, err := os.ReadFile(dst); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if err := fsx.CopyFile(dst, src); !errors.Is(err, fs.ErrExist) {
		t.Errorf("copying over a file: %v", err)
	}
	if err := fsx.CopyFile(filepath.Join(dir, "new"), dir); err == nil {
		t.Error("a folder was copied")
	}
}

func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	tree := filepath.Join(dir, "tree")
	for _, path := range []string{outside, filepath.Join(tree, "a", "b")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "f"), nil, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(tree, "a", "link")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(tree, "a", "b"), filepath.Join(tree, "a"), outside} {
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := fsx.RemoveAll(tree); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("the link was followed: %v, %v", info, err)
	}
	if err := os.Chmod(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fsx.RemoveAll(tree); err != nil {
		t.Errorf("removing nothing: %v", err)
	}
}

func TestDiskFree(t *testing.T) {
	d, err := fsx.DiskFree(t.TempDir())
	if err != nil || d.TotalBytes <= 0 || d.FreeBytes < 0 || d.FreeBytes > d.TotalBytes {
		t.Errorf("DiskFree = %+v, %v", d, err)
	}
}
