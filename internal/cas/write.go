package cas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// smallBlob is up to where content is read into memory and hashed before anything is written, so
// that a blob that is there costs no write. Nearly all sources and Directory messages are smaller.
const smallBlob = 256 << 10

// temp is a file in dir/tmp that may become a blob.
type temp struct {
	l    *Local
	fd   int
	name string
}

func (l *Local) newTemp() (*temp, error) {
	if l.readOnly {
		return nil, unix.EROFS
	}
	name := fsx.TempName("")
	fd, err := unix.Openat(l.tmp, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o444)
	if err != nil {
		return nil, fmt.Errorf("create a temporary file: %w", err)
	}
	return &temp{l: l, fd: fd, name: name}, nil
}

// Write implements io.Writer.
func (t *temp) Write(p []byte) (int, error) {
	write := unix.Write
	if t.l.faults.write != nil {
		write = t.l.faults.write
	}
	total := 0
	for total < len(p) {
		n, err := write(t.fd, p[total:])
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// discard removes the file, unless it has become a blob.
func (t *temp) discard() {
	if t.fd >= 0 {
		unix.Close(t.fd)
		unix.Unlinkat(t.l.tmp, t.name, 0)
		t.fd = -1
	}
}

// finish makes the file the one below objects with this name, whatever was there, with content
// of this size. The file is complete before it has the name.
func (t *temp) finish(name string, mode uint32, size int64) error {
	l := t.l
	if err := l.step("written"); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(t.fd, &st); err != nil {
		return err
	}
	if st.Size != size {
		return fmt.Errorf("%w: %d of %d bytes are in the file", io.ErrShortWrite, st.Size, size)
	}
	if l.chmod || mode != 0o444 {
		if err := unix.Fchmod(t.fd, mode); err != nil {
			return err
		}
	}
	times := []unix.Timespec{unix.NsecToTimespec(l.now().UnixNano()), unix.NsecToTimespec(FileTime.UnixNano())}
	if err := unix.UtimesNanoAt(l.tmp, t.name, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if err := l.step("named"); err != nil {
		return err
	}
	if err := l.rename(t.name, name); err != nil {
		return err
	}
	l.unsynced.Store(true)
	unix.Close(t.fd)
	t.fd = -1
	return l.step("done")
}

func (l *Local) rename(from, name string) error {
	err := unix.Renameat(l.tmp, from, l.objects, name)
	if err != unix.ENOENT {
		return err
	}
	if err := unix.Mkdirat(l.objects, name[:2], 0o777); err != nil && err != unix.EEXIST {
		return err
	}
	return unix.Renameat(l.tmp, from, l.objects, name)
}

// Put implements Store: ErrReadOnly, ErrNoSpace. The blob is not on disk before Sync.
func (l *Local) Put(ctx context.Context, r io.Reader) (digest.Digest, error) {
	buf := l.headBuffer()
	defer l.buffers.Put(buf)
	head := *buf
	n, err := io.ReadFull(r, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return l.putBytes(ctx, head[:n])
	}
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put blob: %w", err)
	}
	d, err := l.stream(ctx, head, r)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put blob: %w", writeError(err))
	}
	return d, nil
}

func (l *Local) headBuffer() *[]byte {
	if buf, ok := l.buffers.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, smallBlob)
	return &buf
}

// stream writes head and then all of r, hashing on the way.
func (l *Local) stream(ctx context.Context, head []byte, r io.Reader) (digest.Digest, error) {
	t, err := l.newTemp()
	if err != nil {
		return digest.Digest{}, err
	}
	defer t.discard()
	hash := digest.NewHasher()
	if _, err := t.Write(head); err != nil {
		return digest.Digest{}, err
	}
	hash.Write(head)
	buf := make([]byte, copyBuffer)
	for {
		if err := ctx.Err(); err != nil {
			return digest.Digest{}, err
		}
		n, err := r.Read(buf)
		hash.Write(buf[:n])
		if _, err := t.Write(buf[:n]); err != nil {
			return digest.Digest{}, err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return digest.Digest{}, err
		}
	}
	return l.keep(t, hash.Sum())
}

// keep makes t the blob d, unless that is there.
func (l *Local) keep(t *temp, d digest.Digest) (digest.Digest, error) {
	if l.has(d) {
		return d, nil
	}
	if err := t.finish(objectName(d), 0o444, d.Size()); err != nil {
		return digest.Digest{}, err
	}
	return d, nil
}

// putBytes implements bytesPutter.
func (l *Local) putBytes(ctx context.Context, data []byte) (digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return digest.Digest{}, err
	}
	d := digest.Of(data)
	if l.has(d) {
		return d, nil
	}
	if err := l.write(d, data); err != nil {
		return digest.Digest{}, fmt.Errorf("put blob: %w", writeError(err))
	}
	return d, nil
}

func (l *Local) write(d digest.Digest, data []byte) error {
	t, err := l.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	if err := l.step("created"); err != nil {
		return err
	}
	if _, err := t.Write(data); err != nil {
		return err
	}
	return t.finish(objectName(d), 0o444, d.Size())
}

// PutFile stores the content of the regular file path and returns its digest; a symbolic link is
// followed. The blob is what was read: a file that changes meanwhile gives some mixture of its
// contents, under the right digest of that mixture.
func (l *Local) PutFile(ctx context.Context, path string) (digest.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return digest.Digest{}, fmt.Errorf("put file %s: not a regular file", path)
	}
	d, err := l.PutFd(ctx, int(f.Fd()), info.Size())
	if err != nil {
		return digest.Digest{}, fmt.Errorf("put file %s: %w", path, err)
	}
	return d, nil
}

// PutFd is PutFile for an open file that is at its beginning; size is about how large it is.
func (l *Local) PutFd(ctx context.Context, fd int, size int64) (digest.Digest, error) {
	if size > smallBlob {
		d, err := l.clone(ctx, fd)
		if !errors.Is(err, fsx.ErrNoReflink) {
			return d, writeError(err)
		}
	}
	return l.Put(ctx, fdReader(fd))
}

// clone shares the file's blocks with the store; what is hashed is the clone, which nobody changes.
func (l *Local) clone(ctx context.Context, fd int) (digest.Digest, error) {
	t, err := l.newTemp()
	if err != nil {
		return digest.Digest{}, err
	}
	defer t.discard()
	if err := fsx.ReflinkFd(t.fd, fd); err != nil {
		return digest.Digest{}, err
	}
	hash := digest.NewHasher()
	buf := make([]byte, copyBuffer)
	for {
		if err := ctx.Err(); err != nil {
			return digest.Digest{}, err
		}
		n, err := readFd(t.fd, buf)
		if err != nil {
			return digest.Digest{}, err
		}
		if n == 0 {
			return l.keep(t, hash.Sum())
		}
		hash.Write(buf[:n])
	}
}

type fdReader int

func (r fdReader) Read(p []byte) (int, error) {
	n, err := readFd(int(r), p)
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

const execSuffix = ".x"

// File returns the path of a read-only file with the blob's content, mode 0444, or 0555 when
// executable: to copy from, or to hard-link into trees that are mounted read-only (rule 29: never
// into anything that a build can write). ErrNotFound, ErrCorrupt. The content is read first only
// when a crash may have spoilt it; it stays until a garbage collection.
func (l *Local) File(ctx context.Context, d digest.Digest, executable bool) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	name, err := l.file(ctx, d, executable)
	if err != nil {
		return "", err
	}
	return l.dir + "/objects/" + name, nil
}

// file is File with a name below objects.
func (l *Local) file(ctx context.Context, d digest.Digest, executable bool) (string, error) {
	if d.IsZero() {
		return "", notFound(d)
	}
	name := objectName(d)
	if err := l.checkFile(d, name); err != nil {
		if d != digest.Empty || !errors.Is(err, ErrNotFound) {
			return "", err
		}
		if err := l.write(d, nil); err != nil {
			return "", fmt.Errorf("make the empty blob: %w", writeError(err))
		}
	}
	if !executable {
		return name, nil
	}
	err := l.checkFile(d, name+execSuffix)
	if err == nil {
		return name + execSuffix, nil
	}
	if err := l.makeTwin(ctx, d, name); err != nil {
		return "", fmt.Errorf("make blob %s executable: %w", d, writeError(err))
	}
	return name + execSuffix, nil
}

// checkFile returns nil when the file is there and its content can be believed.
func (l *Local) checkFile(d digest.Digest, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(l.objects, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == d.Size() &&
		!l.trust.doubts(name, ctime(&st)) && l.use(name, &st) {
		return nil
	}
	return l.verify(d, name)
}

// makeTwin copies the blob to its executable twin.
func (l *Local) makeTwin(ctx context.Context, d digest.Digest, name string) error {
	// A program started by another goroutine would inherit the open file until its exec, and
	// executing the twin meanwhile would be "text file busy".
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	r, err := l.openVerified(d, name)
	if err != nil {
		return err
	}
	defer r.Close()
	t, err := l.newTemp()
	if err != nil {
		return err
	}
	defer t.discard()
	buf := make([]byte, min(copyBuffer, d.Size()+1))
	for {
		n, err := r.Read(buf)
		if err == io.EOF {
			return t.finish(name+execSuffix, 0o555, d.Size())
		}
		if err == nil {
			_, err = t.Write(buf[:n])
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}
