package gitint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/git-bst/git-bst/internal/hint"
)

// batch reads objects by git cat-file --batch, which reads everything that git does. The process
// starts when the first object is asked for and lives until Close.
type batch struct {
	repo *Repo
	env  []string // e.g. an object directory of ours

	mu   sync.Mutex
	proc *batchProcess
}

type batchProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	err  *tail
	stop context.CancelFunc
	last bool // no more names will come: git may keep output back until it knows that
}

func newBatch(repo *Repo, env ...string) *batch { return &batch{repo: repo, env: env} }

// batchBulk is from how many objects on a process of its own is worth its start (3 ms), because
// it may buffer its output.
const batchBulk = 200

// each implements reader.
func (b *batch) each(ctx context.Context, oids []string, visit visitor) error {
	if len(oids) == 0 {
		return nil
	}
	if len(oids) >= batchBulk {
		proc, err := b.start(ctx, "--buffer")
		if err != nil {
			return err
		}
		defer proc.close()
		proc.last = true
		return proc.each(ctx, oids, visit)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		proc, err := b.start(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		b.proc = proc
	}
	err := b.proc.each(ctx, oids, visit)
	if err != nil { // its output may be in the middle of an object
		b.proc.close()
		b.proc = nil
	}
	return err
}

// Close implements reader.
func (b *batch) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil {
		b.proc.close()
		b.proc = nil
	}
	return nil
}

func (b *batch) start(ctx context.Context, flags ...string) (*batchProcess, error) {
	ctx, stop := context.WithCancel(ctx)
	p := &batchProcess{err: &tail{}, stop: stop}
	args := append([]string{"cat-file", "--batch"}, flags...)
	p.cmd = b.repo.git.command(ctx, b.repo.local(Command{Args: args, Stderr: p.err, Env: b.env}))
	in, err := p.cmd.StdinPipe()
	if err == nil {
		p.in = in
		var out io.ReadCloser
		if out, err = p.cmd.StdoutPipe(); err == nil {
			p.out = bufio.NewReaderSize(out, 64<<10)
			err = p.cmd.Start()
		}
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return p, nil
}

func (p *batchProcess) close() {
	p.in.Close()
	p.stop()
	_ = p.cmd.Wait()
}

// each writes names in one goroutine while it reads answers, so that git never waits for us.
func (p *batchProcess) each(ctx context.Context, names []string, visit visitor) error {
	written := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(p.in)
		for _, name := range names {
			w.WriteString(name)
			w.WriteByte('\n')
		}
		err := w.Flush()
		if p.last {
			err = errors.Join(err, p.in.Close())
		}
		written <- err
	}()
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			p.stop()
			<-written
			return fmt.Errorf("read objects: %w", context.Cause(ctx))
		}
		if err := p.answer(i, name, visit); err != nil {
			p.stop()
			<-written
			return err
		}
	}
	return <-written
}

// answer reads one object: "oid type size\n", the bytes, "\n".
func (p *batchProcess) answer(i int, name string, visit visitor) error {
	header, err := p.out.ReadString('\n')
	if err != nil {
		p.in.Close()
		_ = p.cmd.Wait() // now all that it said is there
		return fmt.Errorf("%w: read object %s: %s", ErrGit, name, p.err)
	}
	fields := strings.Fields(header)
	if strings.HasSuffix(header, " missing\n") || strings.HasSuffix(header, " ambiguous\n") || len(fields) != 3 {
		return hint.Add(fmt.Errorf("%w: %s", ErrMissingObject, name),
			"git fetch gets what a partial or shallow clone left out; git fsck says what is damaged")
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("%w: read object %s: header %q", ErrGit, name, header)
	}
	body := &io.LimitedReader{R: p.out, N: size}
	if err := visit(i, fields[1], size, body); err != nil {
		return err
	}
	if _, err := p.out.Discard(int(body.N)); err != nil {
		return fmt.Errorf("read object %s: %w", name, err)
	}
	if _, err := p.out.Discard(1); err != nil {
		return fmt.Errorf("read object %s: %w", name, err)
	}
	return nil
}
