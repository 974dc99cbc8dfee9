package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/fsx"
)

// contents remembers what was read of files in areas by their stat. It is read only when an area
// is not as it was. It may be used by several goroutines.
type contents struct {
	file  string // "": none
	now   func() time.Time
	limit int64 // maxContent

	mu   sync.Mutex
	old  map[string]fileSum // nil: not read yet
	seen map[string]fileSum
}

// fileSum is the digest of a file while it has that stat.
type fileSum struct{ Stat, Sum string }

// hash returns the hex SHA-256 of a file whose stat was taken before.
func (c *contents) hash(path string, st *unix.Stat_t) (string, error) {
	stat := string(hex.EncodeToString(appendStat(nil, st)))
	if known, ok := c.known(path); ok && known.Stat == stat {
		c.keep(path, known)
		return known.Sum, nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	found := fileSum{stat, hex.EncodeToString(sum.Sum(nil))}
	if c.now().Sub(time.Unix(st.Ctim.Unix())) > racy {
		c.keep(path, found)
	}
	return found.Sum, nil
}

func (c *contents) known(path string) (fileSum, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.old == nil {
		c.old, c.seen = map[string]fileSum{}, map[string]fileSum{}
		if data, err := os.ReadFile(c.file); err == nil {
			_ = json.Unmarshal(data, &c.old)
		}
	}
	known, ok := c.old[path]
	return known, ok
}

func (c *contents) keep(path string, sum fileSum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[path] = sum
}

// save keeps what was seen, and what is outside the areas that were walked.
func (c *contents) save(walked []area) {
	if c.file == "" || c.old == nil {
		return
	}
	for path, sum := range c.old {
		if _, ok := c.seen[path]; !ok && !within(path, walked) {
			c.seen[path] = sum
		}
	}
	if data, err := json.Marshal(c.seen); err == nil {
		_ = fsx.WriteFile(c.file, data, 0o600)
	}
}

func within(path string, areas []area) bool {
	for _, a := range areas {
		if path == a.path || strings.HasPrefix(path, a.path+"/") {
			return true
		}
	}
	return false
}
