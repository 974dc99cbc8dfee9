package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// hostMemo is what git-bst remembers of the host's files from one fingerprint of it to the next:
// name and content of the files in $cache/host. To read all of the host takes seconds: the tests do
// it once, not for every cache.
var hostMemo = sync.OnceValues(func() (memo map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "git-bst-host")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := sandbox.Fingerprint(context.Background(), sandbox.HostOptions{CacheDir: dir}); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	memo = map[string][]byte{}
	for _, entry := range entries {
		if memo[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return memo, nil
})

// rememberHost puts the memo of the host into a new cache ($XDG_CACHE_HOME).
func rememberHost(cache string) error {
	memo, err := hostMemo()
	if err != nil {
		return err
	}
	dir := filepath.Join(cache, "git-bst", "host")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range memo {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
