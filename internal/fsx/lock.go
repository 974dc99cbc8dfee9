package fsx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned by TryLock and TryRLock when someone else holds the lock.
var ErrLocked = errors.New("locked by another process")

// Locks are polled, since a blocked flock cannot be interrupted by a context: the first tries
// come quickly, for locks held for an instant; later ones cost less than 0.1 % of a core.
const (
	firstPoll = time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// Lock takes the exclusive lock on the file path, which is made if it is not there, and waits for
// it until ctx ends. The lock is the kernel's (flock): it ends with unlock or with the process,
// and works between goroutines too. The file stays; it must never be removed while in use.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	return wait(ctx, path, unix.LOCK_EX)
}

// RLock is Lock for readers: any number of them may hold it together, but none with a writer.
func RLock(ctx context.Context, path string) (unlock func(), err error) {
	return wait(ctx, path, unix.LOCK_SH)
}

// TryLock is Lock that does not wait: ErrLocked when someone else has it.
func TryLock(path string) (unlock func(), err error) { return try(path, unix.LOCK_EX) }

// TryRLock is RLock that does not wait: ErrLocked when a writer has it.
func TryRLock(path string) (unlock func(), err error) { return try(path, unix.LOCK_SH) }

func try(path string, how int) (func(), error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func wait(ctx context.Context, path string, how int) (func(), error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		err := flock(f, how)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if errors.Is(err, ErrLocked) {
			err = sleep(ctx, pause)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		// On a read-only file system an existing file still serves.
		if ro, roErr := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); roErr == nil {
			return ro, nil
		}
		return nil, fmt.Errorf("lock %s: %w", path, cause(err))
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch err {
		case unix.EINTR:
			continue
		case unix.EWOULDBLOCK:
			return ErrLocked
		default:
			return err
		}
	}
}
