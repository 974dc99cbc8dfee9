package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// ErrMismatch is returned when what a server sent is not what the ref names.
var ErrMismatch = errors.New("the downloaded file is not the one that ref names")

// ErrDownload is returned when no URL of a source could be read.
var ErrDownload = errors.New("download failed")

// maxRedirects is the bound that browsers and net/http use.
const maxRedirects = 10

// maxAttempts is how often one URL is tried: BuildStream's default is two retries.
const maxAttempts = 3

// idleTimeout ends a download of which nothing arrives; BuildStream waits ten minutes for the
// whole, which large files on slow lines need.
const idleTimeout = 2 * time.Minute

// downloads is the mirror of one file's URL: DIR/SHA256 for each version of it that was fetched,
// beside it SHA256.etag, the server's name for that version, and SHA256.part while it is fetched.
type downloads struct {
	env  Env
	dir  string
	from origin
}

func (e Env) downloads(from origin) downloads {
	return downloads{env: e, dir: filepath.Join(e.MirrorDir, "downloads", mirrorName(from.url)), from: from}
}

func (d downloads) file(ref string) string { return filepath.Join(d.dir, ref) }

func (d downloads) has(ref string) bool {
	info, err := os.Lstat(d.file(ref))
	return err == nil && info.Mode().IsRegular()
}

// fetch brings the file whose SHA-256 is ref. It appears under its name only when it is whole and
// right; a part stays for the next attempt, whoever makes it. A wrong file is ErrMismatch.
func (d downloads) fetch(ctx context.Context, ref string) error {
	if d.has(ref) {
		return nil
	}
	unlock, err := d.lock(ctx, ref)
	if err != nil {
		return err
	}
	defer unlock()
	if d.has(ref) {
		return nil // another process was quicker
	}
	part := d.file(ref) + ".part"
	var failures []error
	for _, from := range d.from.all() {
		etag, err := d.fetchFrom(ctx, from, part, ref)
		if err == nil {
			return d.keep(part, ref, etag)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// fetchFrom fills part from one URL and compares it with ref. What was resumed and turned out
// wrong is fetched once more from its beginning: the part may have been another file's.
func (d downloads) fetchFrom(ctx context.Context, from, part, ref string) (etag string, err error) {
	resumed := sizeOf(part) > 0
	sum, etag, err := d.env.download(ctx, from, part)
	if err == nil && sum != ref && resumed {
		_ = os.Remove(part)
		sum, etag, err = d.env.download(ctx, from, part)
	}
	if err != nil {
		return "", err
	}
	if sum != ref {
		_ = os.Remove(part)
		return "", fmt.Errorf("%w: %s has sha256 %s, ref is %s", ErrMismatch, redact(from), sum, ref)
	}
	return etag, nil
}

// track returns the SHA-256 of what is at the URL now; mirrors are not asked, they may be behind.
// When the server says that the version of old is still its own, nothing is downloaded.
func (d downloads) track(ctx context.Context, old string) (string, error) {
	unlock, err := d.lock(ctx, "track")
	if err != nil {
		return "", err
	}
	defer unlock()
	dir, remove, err := d.env.temporary("track")
	if err != nil {
		return "", err
	}
	defer remove()
	if d.unchanged(ctx, d.from.url, old) {
		return old, nil
	}
	part := filepath.Join(dir, "part")
	sum, etag, err := d.env.download(ctx, d.from.url, part)
	if err != nil {
		return "", err
	}
	return sum, d.keep(part, sum, etag)
}

// unchanged asks the server whether it still has the version that old names.
func (d downloads) unchanged(ctx context.Context, from, old string) bool {
	etag, err := os.ReadFile(d.file(old) + ".etag")
	if err != nil || old == "" || !d.has(old) || !isHTTP(from) {
		return false
	}
	request, err := newRequest(ctx, from)
	if err != nil {
		return false
	}
	request.Header.Set("If-None-Match", string(etag))
	response, err := d.env.client().Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusNotModified
}

func (d downloads) lock(ctx context.Context, name string) (func(), error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make mirror: %w", err)
	}
	unlock, err := fsx.Lock(ctx, filepath.Join(d.dir, name+".lock"))
	if err != nil {
		return nil, fmt.Errorf("lock mirror: %w", err)
	}
	return unlock, nil
}

// keep moves a verified file to its name. The tag is a help only, so a crash between loses nothing.
func (d downloads) keep(part, ref, etag string) error {
	if err := syncFile(part); err != nil {
		return fmt.Errorf("keep download: %w", err)
	}
	_ = os.Remove(part + ".etag")
	if err := os.Rename(part, d.file(ref)); err != nil {
		return fmt.Errorf("keep download: %w", err)
	}
	if etag == "" {
		return nil
	}
	return fsx.WriteFile(d.file(ref)+".etag", []byte(etag), 0o644)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

func sizeOf(path string) int64 {
	info, err := os.Lstat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func isHTTP(from string) bool {
	return strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://")
}

// download fills part with what is at a URL, going on behind what part holds where the server
// can, and returns the SHA-256 of the whole and the server's tag for it.
func (e Env) download(ctx context.Context, from, part string) (sum, etag string, err error) {
	parsed, err := url.Parse(from)
	if err != nil {
		return "", "", fmt.Errorf("%w: %q is not a URL", ErrDownload, redact(from))
	}
	switch parsed.Scheme {
	case "file":
		if err := copyFile(parsed, part, e.Limits.orDefault().DownloadBytes); err != nil {
			return "", "", fmt.Errorf("%w: %w", ErrDownload, err)
		}
	case "http", "https":
		if etag, err = e.downloadHTTP(ctx, from, part); err != nil {
			return "", "", err
		}
	default:
		err := fmt.Errorf("%w: %s: the scheme %q is not http, https or file", ErrDownload, redact(from), parsed.Scheme)
		return "", "", hint.Add(err, "if it is an alias, add it to aliases in project.conf")
	}
	sum, err = sha256File(part)
	return sum, etag, err
}

func copyFile(from *url.URL, to string, limit int64) error {
	if from.Host != "" && from.Host != "localhost" {
		return fmt.Errorf("%s: a file URL names no other machine", redact(from.String()))
	}
	in, err := os.Open(from.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a file", redact(from.String()))
	}
	if info.Size() > limit {
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, info.Size())
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func sha256File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read download: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("read download: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
