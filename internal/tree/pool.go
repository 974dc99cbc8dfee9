package tree

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// pool runs tasks that give rise to further tasks, on a fixed number of goroutines. The newest
// task runs first: so a tree is walked depth first, and few folders are open at once.
type pool struct {
	mu     sync.Mutex
	wake   sync.Cond
	stack  []task
	active int // tasks that are running
	failed bool
}

// A task runs on one of the pool's goroutines, with that goroutine's buffer.
type task func(w *worker) error

// worker is what a goroutine of the pool keeps between tasks.
type worker struct{ buf []byte }

// workerBuffer holds a folder's listing or a small file.
const workerBuffer = 256 << 10

// runPool runs first, and all that it and others push, on jobs goroutines (0: one per processor).
// It returns the first error; then tasks that have not begun are dropped.
func runPool(ctx context.Context, jobs int, start func(*pool)) error {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	p := &pool{}
	p.wake.L = &p.mu
	start(p)
	group, ctx := errgroup.WithContext(ctx)
	for range jobs {
		group.Go(func() error { return p.work(ctx) })
	}
	return group.Wait()
}

// push adds tasks; the last is the next to run.
func (p *pool) push(tasks ...task) {
	p.mu.Lock()
	p.stack = append(p.stack, tasks...)
	p.mu.Unlock()
	for range tasks {
		p.wake.Signal()
	}
}

func (p *pool) work(ctx context.Context) error {
	w := &worker{buf: make([]byte, workerBuffer)}
	for {
		t := p.next()
		if t == nil {
			return nil
		}
		err := ctx.Err()
		if err == nil {
			err = t(w)
		}
		p.done(err)
		if err != nil {
			return err
		}
	}
}

// next waits for a task; nil when there will be none.
func (p *pool) next() task {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.stack) == 0 && p.active > 0 && !p.failed {
		p.wake.Wait()
	}
	if len(p.stack) == 0 || p.failed {
		return nil
	}
	t := p.stack[len(p.stack)-1]
	p.stack = p.stack[:len(p.stack)-1]
	p.active++
	return t
}

func (p *pool) done(err error) {
	p.mu.Lock()
	p.active--
	p.failed = p.failed || err != nil
	idle := p.failed || (p.active == 0 && len(p.stack) == 0)
	p.mu.Unlock()
	if idle {
		p.wake.Broadcast()
	}
}
