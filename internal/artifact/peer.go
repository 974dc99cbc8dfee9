package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// Peer is BuildStream's own cache on this machine: references in artifacts/refs, blobs in cas/objects.
// Its blobs are copies, since what builds there do to them is not ours to say. BuildStream counts what
// it has put there itself, so its quota does not know of them until it counts again.
type Peer struct{ dir string }

// OpenPeer returns the cache in a folder; ok is false unless BuildStream has made one there for this
// user. Nothing is changed yet.
func OpenPeer(dir string) (p Peer, ok bool) {
	if dir == "" {
		return p, false
	}
	for _, name := range []string{"", "cas", "cas/objects", "cas/tmp", "artifacts", "artifacts/refs"} {
		if fsx.CheckOwnDir(filepath.Join(dir, filepath.FromSlash(name))) != nil {
			return p, false
		}
	}
	return Peer{dir: dir}, true
}

// Dir is the cache's folder.
func (p Peer) Dir() string { return p.dir }

// copyBuffer is the size of the pieces in which blobs are copied.
const copyBuffer = 1 << 20

// Put files the artifact under the references, after the blobs that it can't do without: cas.ErrNotFound
// where the store lacks one. After an error or a crash there are blobs and whole references, no others.
func (p Peer) Put(ctx context.Context, blobs *cas.Local, refs []Ref, a Artifact) error {
	data, err := a.Encode()
	if err == nil {
		err = p.copyBlobs(ctx, blobs, a)
	}
	if err != nil {
		return fmt.Errorf("copy to BuildStream's cache: %w", err)
	}
	for _, ref := range refs {
		file, err := p.file(ref)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o755)
		}
		if err == nil {
			err = fsx.WriteFile(file, data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("copy to BuildStream's cache: %w", err)
		}
	}
	return nil
}

// Has reports whether some artifact stands under a reference.
func (p Peer) Has(ref Ref) bool { return p.read(ref) != nil }

// Holds reports whether the artifact of this digest stands under a reference.
func (p Peer) Holds(ref Ref, made digest.Digest) bool { return digest.Of(p.read(ref)) == made }

// read returns what stands under a reference; nil for nothing.
func (p Peer) read(ref Ref) []byte {
	file, err := p.file(ref)
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return data
}

// Withdraw removes the artifact of this digest, if it stands under the reference, from there and from
// under its other names. Its blobs stay.
func (p Peer) Withdraw(ref Ref, made digest.Digest) error {
	data := p.read(ref)
	if digest.Of(data) != made {
		return nil
	}
	a, err := Decode(data)
	if err != nil {
		return fmt.Errorf("withdraw from BuildStream's cache: %w", err)
	}
	for _, key := range []string{ref.Key, a.StrongKey, a.StrictKey, a.WeakKey} {
		other := Ref{Project: ref.Project, Element: ref.Element, Key: key}
		if !p.Holds(other, made) {
			continue
		}
		file, err := p.file(other)
		if err == nil {
			err = os.Remove(file)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("withdraw from BuildStream's cache: %w", err)
		}
	}
	return nil
}

func (p Peer) file(ref Ref) (string, error) {
	path, err := ref.path()
	return filepath.Join(p.dir, "artifacts", filepath.FromSlash(path)), err
}

func (p Peer) object(d digest.Digest) string {
	return filepath.Join(p.dir, "cas", "objects", d.Hash()[:2], d.Hash()[2:])
}

// copyBlobs copies the blobs that the artifact names. They are on disk before any has its name, so a
// crash leaves none that is cut off.
func (p Peer) copyBlobs(ctx context.Context, blobs *cas.Local, a Artifact) error {
	copied := map[digest.Digest]string{}
	defer func() {
		for _, temp := range copied {
			_ = os.Remove(temp)
		}
	}()
	var failed error
	buffer := make([]byte, copyBuffer)
	needed, _ := a.trees() // nobody else goes on from our build trees
	err := Closure(ctx, blobs, Roots{Trees: needed, Blobs: a.blobs()}, func(d digest.Digest) bool {
		if p.has(d) {
			return true
		}
		temp, err := p.copyBlob(ctx, blobs, d, buffer)
		copied[d] = temp
		failed = err
		return err == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if err := syncFolder(filepath.Join(p.dir, "cas", "tmp")); err != nil {
		return err
	}
	for d, temp := range copied {
		if err := os.MkdirAll(filepath.Dir(p.object(d)), 0o755); err != nil {
			return err
		}
		if err := os.Rename(temp, p.object(d)); err != nil {
			return err
		}
		delete(copied, d)
	}
	return nil
}

// has reports whether a blob is there, and keeps it from being collected as one that nobody uses.
func (p Peer) has(d digest.Digest) bool {
	info, err := os.Lstat(p.object(d))
	if err != nil || !info.Mode().IsRegular() || info.Size() != d.Size() {
		return false
	}
	now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, p.object(d), now, 0) == nil
}

func (p Peer) copyBlob(ctx context.Context, blobs *cas.Local, d digest.Digest, buffer []byte) (string, error) {
	temp := filepath.Join(p.dir, "cas", "tmp", fsx.TempName("git-bst-"))
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return "", err
	}
	err = blobs.CopyTo(ctx, d, int(file.Fd()), buffer)
	return temp, errors.Join(err, file.Close())
}

// syncFolder writes all of a folder's file system to disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
