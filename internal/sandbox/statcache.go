package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/fsx"
)

// racy is how much older than now a file must be for its stat to stand for its content: a
// change within the same tick of the file system's clock would not be seen.
const racy = 2 * time.Second

// statCache remembers what was read of files by their stat. A broken or missing one is empty;
// one that cannot be written costs time only.
type statCache struct {
	file    string // "": no cache
	now     func() time.Time
	old     map[string]string
	used    map[string]string
	changed bool
}

func openCache(options HostOptions) *statCache {
	c := &statCache{now: options.Now, old: map[string]string{}, used: map[string]string{}}
	if c.now == nil {
		c.now = time.Now
	}
	if options.CacheDir == "" {
		return c
	}
	c.file = filepath.Join(options.CacheDir, "host-files-1.json")
	if data, err := os.ReadFile(c.file); err == nil {
		_ = json.Unmarshal(data, &c.old)
	}
	return c
}

// derive returns what f makes of a file's content. what names f: another function needs another name.
func (c *statCache) derive(what, path string, f func([]byte) string) (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", fmt.Errorf("look at %s: %w", path, err)
	}
	key := fmt.Sprintf("%s %d %d %d %d %s", what, st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Ino, path)
	if value, ok := c.old[key]; ok {
		c.used[key] = value
		return value, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	value := f(data)
	if c.now().Sub(time.Unix(st.Ctim.Unix())) > racy {
		c.used[key], c.changed = value, true
	}
	return value, nil
}

// hash returns the hex SHA-256 of a file.
func (c *statCache) hash(path string) (string, error) {
	return c.derive("sha256", path, func(data []byte) string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	})
}

// save keeps what was used this time, if there is anything new.
func (c *statCache) save() {
	if c.file == "" || !c.changed {
		return
	}
	if data, err := json.Marshal(c.used); err == nil {
		_ = fsx.WriteFile(c.file, data, 0o600)
	}
}
