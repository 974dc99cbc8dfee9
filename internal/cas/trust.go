package cas

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

const stateHeader = "git-bst cas state 1"

// maxSpans bounds the state file: with more suspect spans than this the whole time between the
// first and the last is suspect. Each is a crash that nobody has cleaned up after with fsck.
const maxSpans = 16

// A span is a range of file system time, both ends included; nanoseconds since 1970.
type span struct{ from, to int64 }

// trust knows which blobs can be believed without reading them.
type trust struct {
	syncedTo atomic.Int64
	spans    atomic.Pointer[[]span]
	verified sync.Map // object name → true; for read-only stores, which cannot renew a ctime
}

// state is the content of the file of that name.
type state struct {
	boot   string
	synced int64
	spans  []span
}

func (t *trust) synced(ctime int64) bool { return ctime < t.syncedTo.Load() }

// doubts reports whether the file of this name must be read before it is believed.
func (t *trust) doubts(name string, ctime int64) bool {
	if !t.suspects(ctime) {
		return false
	}
	_, verified := t.verified.Load(name)
	return !verified
}

func (t *trust) suspects(ctime int64) bool {
	spans := t.spans.Load()
	if spans == nil {
		return false
	}
	for _, s := range *spans {
		if s.from <= ctime && ctime <= s.to {
			return true
		}
	}
	return false
}

func (t *trust) set(s state) {
	t.syncedTo.Store(s.synced)
	t.spans.Store(&s.spans)
}

// loadTrust reads the state, and brings it up to the running kernel.
func (l *Local) loadTrust() error {
	boot := bootID()
	if s := l.readState(); s.boot == boot && boot != "" {
		l.trust.set(s)
		return nil
	}
	if !l.readOnly {
		err := l.updateState(context.Background(), func(s state, now int64) state {
			if s.boot == boot && boot != "" {
				return s
			}
			return afterCrash(s, boot, now)
		})
		// On a full disk the store must open, if only to collect garbage.
		if !errors.Is(err, ErrNoSpace) {
			return err
		}
	}
	l.trust.set(afterCrash(l.readState(), boot, l.now().UnixNano()))
	return nil
}

// afterCrash returns the state after a machine that wrote s has stopped and boot runs.
func afterCrash(s state, boot string, now int64) state {
	spans := append(slices.Clone(s.spans), span{from: s.synced, to: now})
	return state{boot: boot, synced: s.synced, spans: merge(spans)}
}

func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	if len(merged) > maxSpans {
		merged = []span{{from: merged[0].from, to: merged[len(merged)-1].to}}
	}
	return merged
}

// updateState changes the state file under its lock. change gets the current state and the time
// of the file system.
func (l *Local) updateState(ctx context.Context, change func(s state, now int64) state) error {
	unlock, err := fsx.Lock(ctx, filepath.Join(l.dir, "state.lock"))
	if err != nil {
		return writeError(err)
	}
	defer unlock()
	now, err := l.fileSystemTime()
	if err != nil {
		return writeError(err)
	}
	s := change(l.readState(), now)
	if err := writeState(l.dir, s); err != nil {
		return writeError(err)
	}
	l.trust.set(s)
	return nil
}

func writeState(dir string, s state) error {
	return fsx.WriteFile(filepath.Join(dir, "state"), s.encode(), 0o666)
}

// fileSystemTime returns the ctime that a file changed now gets.
func (l *Local) fileSystemTime() (int64, error) {
	name := fsx.TempName("time-")
	fd, err := unix.Openat(l.tmp, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("create a file in %s: %w", filepath.Join(l.dir, "tmp"), err)
	}
	defer unix.Close(fd)
	defer unix.Unlinkat(l.tmp, name, 0)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return ctime(&st), nil
}

// readState returns what the state file says; all is suspect where it says nothing.
func (l *Local) readState() state {
	text, err := os.ReadFile(filepath.Join(l.dir, "state"))
	if err != nil {
		return state{}
	}
	s, ok := decodeState(string(text))
	if !ok {
		return state{}
	}
	return s
}

func (s state) encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nboot %s\nsynced %d\n", stateHeader, s.boot, s.synced)
	for _, span := range s.spans {
		fmt.Fprintf(&b, "suspect %d %d\n", span.from, span.to)
	}
	return []byte(b.String())
}

func decodeState(text string) (state, bool) {
	header, rest, _ := strings.Cut(text, "\n")
	if header != stateHeader {
		return state{}, false
	}
	var s state
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 2 && fields[0] == "boot":
			s.boot = fields[1]
		case len(fields) == 2 && fields[0] == "synced":
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return state{}, false
			}
			s.synced = n
		case len(fields) == 3 && fields[0] == "suspect":
			from, err1 := strconv.ParseInt(fields[1], 10, 64)
			to, err2 := strconv.ParseInt(fields[2], 10, 64)
			if err1 != nil || err2 != nil {
				return state{}, false
			}
			s.spans = append(s.spans, span{from, to})
		}
	}
	return s, true
}

// bootID names the running kernel's life; "" where the system does not tell, which makes every
// opening count as one after a crash.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Sync makes every blob that this Local has put, or has reported or handed out as present,
// survive a crash of the machine: one syncfs, and nothing when all of them are known to be on
// disk. Call it before a reference that names blobs is written.
func (l *Local) Sync(ctx context.Context) error {
	if l.readOnly || !l.unsynced.Swap(false) {
		return nil
	}
	err := l.sync(ctx)
	if err != nil {
		l.unsynced.Store(true)
		return fmt.Errorf("sync the store: %w", writeError(err))
	}
	return nil
}

func (l *Local) sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Blobs that are named after this instant count as not synced, though they may be.
	before, err := l.fileSystemTime()
	if err != nil {
		return err
	}
	if err := l.step("sync"); err != nil {
		return err
	}
	if err := unix.Syncfs(l.objects); err != nil {
		return fmt.Errorf("syncfs: %w", err)
	}
	return l.updateState(ctx, func(s state, _ int64) state {
		s.synced = max(s.synced, before)
		return s
	})
}

// verify reads a blob whose content is in doubt. It returns nil when the content is right, and
// then it is no longer in doubt; else the blob is moved aside.
func (l *Local) verify(d digest.Digest, name string) error {
	r, err := l.openVerified(d, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.drain(); err != nil {
		return err
	}
	if l.readOnly || l.touch(name, l.now().UnixNano()) != nil {
		l.trust.verified.Store(name, true)
	}
	return nil
}

// trustAll is for after a check of every blob: it ends the suspicion of what was written up to to.
func (l *Local) trustAll(ctx context.Context, to int64) error {
	return l.updateState(ctx, func(s state, _ int64) state {
		s.spans = slices.DeleteFunc(s.spans, func(s span) bool { return s.to <= to })
		return s
	})
}
