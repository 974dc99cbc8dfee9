package source

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// ErrTooLarge is returned for a download, or an archive's content, beyond what Limits allow.
var ErrTooLarge = errors.New("larger than the limit allows")

// zstdWindowBytes bounds the memory of the zstd decoder: 128 MiB is what the zstd tool itself
// accepts without being told to (--long=27).
const zstdWindowBytes = 128 << 20

// magics are the first bytes of what decompress reads; the name of the file says nothing.
var magics = []struct {
	prefix []byte
	open   func(ctx context.Context, e Env, r io.Reader) (io.ReadCloser, error)
}{
	{[]byte("\x1f\x8b"), openGzip},
	{[]byte("BZh"), openBzip2},
	{[]byte("\xfd7zXZ\x00"), openXZ},
	{[]byte("\x28\xb5\x2f\xfd"), openZstd},
	{[]byte("LZIP"), openLzip},
}

// decompress returns what r holds, unpacked when its first bytes say that it is packed by gzip,
// bzip2, xz, zstd or lzip. Close it before r is closed.
func decompress(ctx context.Context, e Env, r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	head, err := buffered.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, magic := range magics {
		if bytes.HasPrefix(head, magic.prefix) {
			return magic.open(ctx, e, buffered)
		}
	}
	return io.NopCloser(buffered), nil
}

func openGzip(_ context.Context, _ Env, r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

func openBzip2(_ context.Context, _ Env, r io.Reader) (io.ReadCloser, error) {
	return io.NopCloser(bzip2.NewReader(r)), nil
}

func openXZ(_ context.Context, _ Env, r io.Reader) (io.ReadCloser, error) {
	reader, err := xz.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(reader), nil
}

func openZstd(_ context.Context, _ Env, r io.Reader) (io.ReadCloser, error) {
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindowBytes))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}

// openLzip reads through the lzip tool, as BuildStream does: there is no reader of its own.
func openLzip(ctx context.Context, e Env, r io.Reader) (io.ReadCloser, error) {
	tool, err := e.tool("lzip", "read a .tar.lz archive")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, tool, "-d", "-c")
	cmd.Env = e.Environ
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("run lzip: %w", err)
	}
	return &commandReader{out: out, cmd: cmd, cancel: cancel}, nil
}

// commandReader is the output of a child process. Its failure takes the place of io.EOF.
type commandReader struct {
	out    io.Reader
	cmd    *exec.Cmd
	cancel context.CancelFunc
	waited bool
}

func (c *commandReader) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if errors.Is(err, io.EOF) && !c.waited {
		c.waited = true
		if failed := c.cmd.Wait(); failed != nil {
			return n, fmt.Errorf("run lzip: %w", failed)
		}
	}
	return n, err
}

func (c *commandReader) Close() error {
	c.cancel()
	if !c.waited {
		c.waited = true
		_ = c.cmd.Wait() // stopped before its end on purpose: how it ended says nothing
	}
	return nil
}

// boundedReader passes on at most left bytes; a byte more is ErrTooLarge. It also ends when ctx does.
type boundedReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
