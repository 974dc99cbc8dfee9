package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// sha256Text is the form of a ref of one file.
var sha256Text = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// downloadKeys are the keys that tar and remote share.
var downloadKeys = []string{"url", "ref", "version", "version-guess-pattern"}

// downloaded is a source that is one file at a URL.
type downloaded struct {
	env    Env
	mirror downloads
	url    string // expanded
	ref    string // SHA-256; "" is none
}

func (e Env) openDownload(el *project.Element, src project.Source, more ...string) (downloaded, error) {
	if err := src.Config.ValidateKeys(append(more, downloadKeys...)...); err != nil {
		return downloaded{}, err
	}
	from, err := originOf(el, src)
	if err != nil {
		return downloaded{}, err
	}
	ref, err := src.Config.StrOr("ref", "")
	if err != nil {
		return downloaded{}, err
	}
	if ref != "" && !sha256Text.MatchString(ref) {
		return downloaded{}, fmt.Errorf("%s: ref %q is not a SHA-256 in 64 lower-case digits", src.At, ref)
	}
	return downloaded{env: e, mirror: e.downloads(from), url: from.url, ref: ref}, nil
}

func (d downloaded) cached(context.Context) bool { return d.ref != "" && d.mirror.has(d.ref) }

func (d downloaded) fetch(ctx context.Context) error {
	if d.ref == "" {
		return ErrNoRef
	}
	return d.mirror.fetch(ctx, d.ref)
}

func (d downloaded) track(ctx context.Context) (string, error) { return d.mirror.track(ctx, d.ref) }

// open returns the file in the mirror. Its check must be asked before what was read is used.
func (d downloaded) open() (*checkedFile, error) {
	if d.ref == "" {
		return nil, ErrNoRef
	}
	f, err := os.Open(d.mirror.file(d.ref))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFetched, redact(d.url))
	}
	if err != nil {
		return nil, fmt.Errorf("read mirror: %w", err)
	}
	hash := sha256.New()
	return &checkedFile{Reader: io.TeeReader(f, hash), file: f, sum: hash.Sum, want: d.ref}, nil
}

// checkedFile hashes what is read of a mirror's file.
type checkedFile struct {
	io.Reader
	file *os.File
	sum  func([]byte) []byte
	want string
}

// check reads the rest and compares. A file that was damaged is removed, so that it can be fetched
// again, and is ErrNotFetched.
func (c *checkedFile) check() error {
	if _, err := io.Copy(io.Discard, c); err != nil {
		return fmt.Errorf("read mirror: %w", err)
	}
	if hex.EncodeToString(c.sum(nil)) == c.want {
		return nil
	}
	_ = os.Remove(c.file.Name())
	return fmt.Errorf("%w: the file in the mirror was damaged", ErrNotFetched)
}

// remote is a source that is one file, staged as it is.
type remote struct {
	downloaded
	filename   string
	executable bool
}

func (e Env) openRemote(el *project.Element, src project.Source) (kind, error) {
	d, err := e.openDownload(el, src, "filename", "executable")
	if err != nil {
		return nil, err
	}
	r := remote{downloaded: d}
	base := d.url[strings.LastIndexByte(d.url, '/')+1:]
	if r.filename, err = src.Config.StrOr("filename", base); err != nil {
		return nil, err
	}
	if r.executable, err = src.Config.BoolOr("executable", false); err != nil {
		return nil, err
	}
	if strings.ContainsAny(r.filename, "/\x00") || r.filename == "" || path.Clean("/"+r.filename) != "/"+r.filename {
		err := fmt.Errorf("%s: %q is not the name of a file", src.At, r.filename)
		return nil, hint.Add(err, "set filename to a name without folders")
	}
	return r, nil
}

func (r remote) stage(ctx context.Context, _ digest.Digest) (layer, error) {
	f, err := r.open()
	if err != nil {
		return layer{}, err
	}
	defer f.file.Close()
	content, err := r.env.Store.Put(ctx, f)
	if err := errors.Join(f.check(), err); err != nil {
		return layer{}, err
	}
	file := tree.File{Name: r.filename, Digest: content, Executable: r.executable}
	root, err := tree.Save(ctx, r.env.Store, tree.Directory{Files: []tree.File{file}})
	return layer{root: root}, err
}
