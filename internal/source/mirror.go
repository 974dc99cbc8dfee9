package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/project"
)

// readableBytes is how much of a URL its folder's name shows; the hash behind it tells them apart.
const readableBytes = 80

// staleAfter is the age at which what a killed process left in the temporary folder is removed: no
// download or checkout goes on for a day without touching its folder.
const staleAfter = 24 * time.Hour

// origin is where a source comes from.
type origin struct {
	url     string   // with its alias replaced
	mirrors []string // other places of the same, which the project prefers
}

// all are the places to fetch from, in BuildStream's order: the project's mirrors first.
func (o origin) all() []string { return append(slices.Clone(o.mirrors), o.url) }

func originOf(el *project.Element, src project.Source) (origin, error) {
	written, err := src.Config.Str("url")
	if err != nil {
		return origin{}, err
	}
	found := origin{mirrors: el.MirrorURLs(written)}
	found.url, err = el.ExpandURL(written)
	return found, err
}

// mirrorName is the folder's name for a URL: readable, bounded, without credentials, and different
// for different URLs.
func mirrorName(rawURL string) string {
	shown := redact(rawURL)
	sum := sha256.Sum256([]byte(shown))
	var b strings.Builder
	for _, r := range shown {
		switch {
		case b.Len() >= readableBytes:
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return strings.TrimLeft(b.String(), ".-") + "-" + hex.EncodeToString(sum[:6])
}

// redact returns a URL as it may be shown: without user name and password, and without a query,
// which may be a signature.
func redact(rawURL string) string {
	parsed, err := url.Parse(rawURL)
	if err != nil || parsed.Scheme == "" {
		if _, after, ok := strings.Cut(rawURL, "@"); ok && strings.Contains(after, ":") {
			return after // the scp form of ssh, user@host:path
		}
		return rawURL
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return parsed.String()
}

// temporary makes a folder beside the mirrors, on the same file system. The caller removes it with
// the returned function.
func (e Env) temporary(name string) (dir string, remove func(), err error) {
	parent := filepath.Join(e.MirrorDir, "tmp")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, fmt.Errorf("make temporary folder: %w", err)
	}
	dir, err = os.MkdirTemp(parent, name+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make temporary folder: %w", err)
	}
	return dir, func() { _ = fsx.RemoveAll(dir) }, nil // what stays is found by removeStale
}

// removeStale removes temporary folders that a process left which was killed.
func (e Env) removeStale() {
	parent := filepath.Join(e.MirrorDir, "tmp")
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // there is none yet
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && e.now().Sub(info.ModTime()) > staleAfter {
			_ = fsx.RemoveAll(filepath.Join(parent, entry.Name())) // tried again next time
		}
	}
}
