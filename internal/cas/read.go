package cas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// copyBuffer is the piece in which large blobs are read and written: large enough that system
// calls do not show beside SHA-256, small enough for a cache of the second level.
const copyBuffer = 128 << 10

// Open implements Store. A blob found corrupt is moved to dir/corrupt, so that the next Open is
// ErrNotFound and the blob can be put again.
func (l *Local) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.IsZero() {
		return nil, notFound(d)
	}
	r, err := l.openVerified(d, objectName(d))
	if err != nil && d == digest.Empty && errors.Is(err, ErrNotFound) {
		return io.NopCloser(eof{}), nil
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// openObject opens the file of a blob. What GC has only moved to look at it again is waited for.
func (l *Local) openObject(name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	fd, err := unix.Openat(l.objects, name, flags, 0)
	if err != unix.ENOENT {
		return fd, err
	}
	l.untrash(name)
	return unix.Openat(l.objects, name, flags, 0)
}

// trashName is what a blob, or its twin, is called in tmp while GC decides about it.
func trashName(name string) string { return "trash-" + name[:2] + name[3:] }

// untrash waits until no collection is deciding, and brings back a blob whose collection was
// killed while it was.
func (l *Local) untrash(name string) {
	unlock, err := fsx.RLock(context.Background(), filepath.Join(l.dir, "trash.lock"))
	if err != nil {
		return
	}
	defer unlock()
	if !l.readOnly && unix.Linkat(l.tmp, trashName(name), l.objects, name, 0) == nil {
		unix.Unlinkat(l.tmp, trashName(name), 0)
	}
}

// blobReader gives the content of one file below objects and checks it against the digest.
type blobReader struct {
	l    *Local
	name string
	want digest.Digest
	fd   int
	ino  uint64
	hash *digest.Hasher
	err  error // sticky
}

// openVerified opens a blob for use.
func (l *Local) openVerified(d digest.Digest, name string) (*blobReader, error) {
	var st unix.Stat_t
	r, err := l.openBlob(d, name, &st)
	if err != nil {
		return nil, err
	}
	l.use(name, &st)
	return r, nil
}

// openBlob opens a file below objects; its stat goes to st, if not nil.
func (l *Local) openBlob(d digest.Digest, name string, st *unix.Stat_t) (*blobReader, error) {
	if st == nil {
		st = new(unix.Stat_t)
	}
	fd, err := l.openObject(name)
	if errors.Is(err, unix.ENOENT) {
		return nil, notFound(d)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	if err := unix.Fstat(fd, st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	r := &blobReader{l: l, name: name, want: d, fd: fd, ino: st.Ino, hash: digest.NewHasher()}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		r.Close()
		return nil, corrupt(d, "not a regular file")
	}
	if st.Size != d.Size() {
		defer r.Close()
		return nil, r.judgeSize(st.Size)
	}
	return r, nil
}

// judgeSize finds out which of the two lies when sizes differ: the digest asked for, or the file.
func (r *blobReader) judgeSize(size int64) error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := readFd(r.fd, buf)
		if err != nil {
			return fmt.Errorf("read blob %s: %w", r.want, err)
		}
		if n == 0 {
			break
		}
		r.hash.Write(buf[:n])
	}
	if r.hash.Sum().Hash() == r.want.Hash() {
		return corrupt(r.want, fmt.Sprintf("the blob with this hash has %d bytes", size))
	}
	return r.reject(fmt.Sprintf("its file has %d bytes", size))
}

// Read implements io.Reader; see Store.Open.
func (r *blobReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := readFd(r.fd, p)
	if err != nil {
		r.err = fmt.Errorf("read blob %s: %w", r.want, err)
		return 0, r.err
	}
	r.hash.Write(p[:n])
	if n > 0 {
		return n, nil
	}
	r.err = io.EOF
	if r.hash.Sum() != r.want {
		r.err = r.reject("its content has another digest")
	}
	return 0, r.err
}

// drain reads to the end; nil means that the content is right.
func (r *blobReader) drain() error {
	buf := make([]byte, copyBuffer)
	for {
		if _, err := r.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Close implements io.Closer.
func (r *blobReader) Close() error {
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
		if r.err == nil {
			r.err = io.ErrClosedPipe
		}
	}
	return nil
}

// reject moves the file aside, if it is still the one that was read.
func (r *blobReader) reject(why string) error {
	var st unix.Stat_t
	err := unix.Fstatat(r.l.objects, r.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Ino == r.ino && !r.l.readOnly {
		r.l.moveAside(r.name)
	}
	return corrupt(r.want, why)
}

func (l *Local) moveAside(name string) {
	to := filepath.Join(l.dir, "corrupt", name[:2]+name[3:])
	if unix.Renameat(l.objects, name, unix.AT_FDCWD, to) != nil {
		unix.Unlinkat(l.objects, name, 0)
	}
	unix.Unlinkat(l.objects, name+execSuffix, 0)
}

// getBytes implements bytesGetter.
func (l *Local) getBytes(ctx context.Context, d digest.Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d == digest.Empty {
		return nil, nil
	}
	if d.IsZero() {
		return nil, notFound(d)
	}
	r, err := l.openVerified(d, objectName(d))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.whole(make([]byte, d.Size()+1))
}

// whole reads the content into buf, which is at least a byte larger, and verifies it.
func (r *blobReader) whole(buf []byte) ([]byte, error) {
	n, err := readFull(r.fd, buf[:r.want.Size()+1]) // one more, to see the end
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", r.want, err)
	}
	if digest.Of(buf[:n]) != r.want {
		return nil, r.reject("its content has another digest")
	}
	return buf[:n], nil
}

// readFd is read(2) that is not interrupted; 0 is the end.
func readFd(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// readFull reads until p is full or the file ends.
func readFull(fd int, p []byte) (int, error) {
	total := 0
	for total < len(p) {
		n, err := readFd(fd, p[total:])
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
	return total, nil
}

// CopyTo writes the content of a blob to the file descriptor to, by way of buf, and verifies it on
// the way: after an error what has been written is not to be believed. ErrNotFound, ErrCorrupt.
func (l *Local) CopyTo(ctx context.Context, d digest.Digest, to int, buf []byte) error {
	if d.IsZero() {
		return notFound(d)
	}
	r, err := l.openVerified(d, objectName(d))
	if err != nil {
		if d == digest.Empty && errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	defer r.Close()
	if d.Size() < int64(len(buf)) {
		data, err := r.whole(buf)
		if err != nil {
			return err
		}
		return writeFull(to, data)
	}
	for {
		n, err := r.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = writeFull(to, buf[:n])
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// CloneTo makes the empty file open at to share the blob's blocks, where the file system can; else
// fsx.ErrNoReflink. The content is believed as File believes it.
func (l *Local) CloneTo(ctx context.Context, d digest.Digest, to int) error {
	name, err := l.file(ctx, d, false)
	if err != nil {
		return err
	}
	fd, err := l.openObject(name)
	if err != nil {
		return fmt.Errorf("open blob %s: %w", d, err)
	}
	defer unix.Close(fd)
	return fsx.ReflinkFd(to, fd)
}

func writeFull(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
