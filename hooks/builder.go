package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
)

// ErrSuperseded ends the build of a commit when a newer one of its work tree is wanted.
var ErrSuperseded = errors.New("a newer commit is wanted")

// ErrStopped ends the builder when the user asked for it.
var ErrStopped = errors.New("background builds were stopped")

// look is how often a running builder looks for newer wishes, and at a rebase that it waits for: a
// person does not notice it, and it costs nothing measurable.
const look = 200 * time.Millisecond

// Builder builds what is wanted of one repository, one commit after the other, the newest first.
type Builder struct {
	Queue Queue
	// Build builds one commit and says in a line what was done. It ends soon when ctx is done.
	Build func(ctx context.Context, want Wanted) (text string, err error)
	// GitDir returns a work tree's own git directory, where git notes an unfinished rebase.
	GitDir func(ctx context.Context, dir string) (string, error)
	// Older is what becomes of a build that a newer commit ends.
	Older Older
	// Wait bounds how long an unfinished rebase is waited for; what is wanted stays in the queue.
	Wait time.Duration
	Now  func() time.Time
}

// Run builds until nothing is wanted any more. Where another builder runs it returns at once: that
// one finds what was wanted. The elements' failures are on the board, not errors.
func (b Builder) Run(ctx context.Context) error {
	for {
		if err := b.Queue.make(); err != nil {
			return err
		}
		release, err := b.take(ctx)
		if errors.Is(err, fsx.ErrLocked) {
			return nil
		}
		if err != nil {
			return err
		}
		err = b.drain(ctx)
		release()
		if err != nil {
			return err
		}
		// What was wanted after the last look and before the release found the lock taken.
		if board := b.Queue.Read(); len(board.Waiting) == 0 || board.Stop {
			return nil
		}
	}
}

// take takes the builder's lock. ErrLocked when another builder has it: who only looks whether one runs has
// it too, for an instant.
func (b Builder) take(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, look, fsx.ErrLocked)
	defer cancel()
	release, err = fsx.Lock(ctx, b.Queue.path("builder.lock"))
	if err != nil && errors.Is(context.Cause(ctx), fsx.ErrLocked) {
		return nil, fsx.ErrLocked
	}
	return release, err
}

// drain builds all that waits.
func (b Builder) drain(ctx context.Context) error {
	for {
		want, err := b.next(ctx)
		if err != nil || want == nil {
			return err
		}
		err = b.settled(ctx, want.Dir)
		var text string
		if err == nil {
			text, err = b.build(ctx, *want)
		}
		done := Done{Wanted: *want, Result: Built, Text: text, Ended: b.Now().UTC()}
		switch {
		case errors.Is(err, ErrSuperseded):
			done.Result = Superseded
		case errors.Is(err, ErrStopped), ctx.Err() != nil:
			done.Result = Stopped
		case err != nil:
			done.Result, done.Text = Failed, err.Error()
		}
		if err := b.note(context.WithoutCancel(ctx), done); err != nil {
			return err
		}
		if done.Result == Stopped {
			return nil
		}
	}
}

// next takes the newest commit that waits; nil when none does.
func (b Builder) next(ctx context.Context) (*Wanted, error) {
	var want *Wanted
	_, err := b.Queue.change(ctx, func(board *Board) {
		board.PID, board.Running = os.Getpid(), nil
		if n := len(board.Waiting); n > 0 && !board.Stop {
			taken := board.Waiting[n-1]
			want, board.Running = &taken, &taken
			board.Waiting = slices.Clone(board.Waiting[:n-1])
			return
		}
		board.PID = 0
	})
	return want, err
}

func (b Builder) note(ctx context.Context, done Done) error {
	_, err := b.Queue.change(ctx, func(board *Board) {
		board.Running, board.PID = nil, 0
		if done.Result == Superseded && b.Older == OlderLast {
			board.Waiting = slices.Insert(board.Waiting, 0, done.Wanted)
		}
		board.Last = append(board.Last, done)
		if over := len(board.Last) - keptDone; over > 0 {
			board.Last = slices.Clone(board.Last[over:])
		}
	})
	return err
}

// build builds one commit, until it is superseded or stopped.
func (b Builder) build(ctx context.Context, want Wanted) (string, error) {
	inner, end := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(inner, want, end)
	}()
	text, err := b.Build(inner, want)
	cause := context.Cause(inner)
	end(nil)
	<-watched
	if err != nil && cause != nil && ctx.Err() == nil {
		return "", cause
	}
	return text, err
}

// watch ends a build with a cause when the board says so.
func (b Builder) watch(ctx context.Context, want Wanted, end context.CancelCauseFunc) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		board := b.Queue.Read()
		newer := func(w Wanted) bool { return w.Dir == want.Dir && w.Commit != want.Commit && w.Time.After(want.Time) }
		switch {
		case board.Stop:
			end(ErrStopped)
			return
		case slices.ContainsFunc(board.Waiting, newer):
			end(ErrSuperseded)
			return
		}
	}
}

// unfinished are what git keeps in a work tree's git directory while it makes several commits.
var unfinished = []string{"rebase-merge", "rebase-apply", "sequencer"}

// settled waits until git does not rebase or pick in a work tree any more: what is in between nobody
// wants to have built. A commit that comes meanwhile supersedes the one that waits.
func (b Builder) settled(ctx context.Context, dir string) error {
	gitDir, err := b.GitDir(ctx, dir)
	if err != nil {
		return fmt.Errorf("find the git directory of %s: %w", dir, err)
	}
	timer := time.NewTimer(b.Wait)
	defer timer.Stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for busy(gitDir) {
		board := b.Queue.Read()
		if board.Stop {
			return ErrStopped
		}
		if slices.ContainsFunc(board.Waiting, func(w Wanted) bool { return w.Dir == dir }) {
			return ErrSuperseded
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return fmt.Errorf("%w: a rebase in %s did not end", ErrStopped, dir)
		case <-ticker.C:
		}
	}
	return nil
}

func busy(gitDir string) bool {
	for _, name := range unfinished {
		if _, err := os.Lstat(filepath.Join(gitDir, name)); err == nil {
			return true
		}
	}
	return false
}
