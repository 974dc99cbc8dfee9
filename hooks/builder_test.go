package hooks_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/git-bst/git-bst/hooks"
)

// bench is a queue with a builder whose builds the test ends.
type bench struct {
	t       *testing.T
	common  string
	queue   hooks.Queue
	begun   chan string
	release chan error

	mu    sync.Mutex
	clock time.Time
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, common: t.TempDir(), begun: make(chan string), release: make(chan error), clock: time.Unix(1_800_000_000, 0)}
	b.queue = hooks.OpenQueue(b.common)
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(time.Second)
	return b.clock
}

func (b *bench) want(commit string, older hooks.Older) {
	b.t.Helper()
	if err := b.queue.Want(b.t.Context(), hooks.Wanted{Dir: "/w", Commit: commit, Hook: hooks.PostCommit, Time: b.now()}, older); err != nil {
		b.t.Fatal(err)
	}
}

// builder tells when a build begins and ends it when told, or when its context is.
func (b *bench) builder(older hooks.Older) hooks.Builder {
	return hooks.Builder{
		Queue: b.queue, Wait: time.Minute, Now: b.now, Older: older,
		GitDir: func(context.Context, string) (string, error) { return b.common, nil },
		Build: func(ctx context.Context, want hooks.Wanted) (string, error) {
			b.begun <- want.Commit
			select {
			case err := <-b.release:
				return "did " + want.Commit, err
			case <-ctx.Done():
				return "", ctx.Err()
			}
		},
	}
}

func (b *bench) start(older hooks.Older) (ended chan error) {
	ended = make(chan error, 1)
	go func() { ended <- b.builder(older).Run(b.t.Context()) }()
	return ended
}

func (b *bench) results() string {
	var all []string
	for _, done := range b.queue.Read().Last {
		all = append(all, done.Commit+" "+string(done.Result))
	}
	return strings.Join(all, ", ")
}

func (b *bench) begins(commit string) {
	b.t.Helper()
	if got := <-b.begun; got != commit {
		b.t.Fatalf("%s is built, not %s", got, commit)
	}
}

func (b *bench) ends(ended chan error, results string) {
	b.t.Helper()
	if err := <-ended; err != nil {
		b.t.Fatal(err)
	}
	if got := b.results(); got != results {
		b.t.Errorf("results: %s; want %s", got, results)
	}
	if board := b.queue.Read(); board.Running != nil || board.PID != 0 || b.queue.Busy() {
		b.t.Errorf("something runs: %+v", board)
	}
}

func TestBuilderNewestFirst(t *testing.T) {
	b := newBench(t)
	b.want("a", hooks.DropOlder)
	b.want("b", hooks.DropOlder)
	ended := b.start(hooks.DropOlder)
	b.begins("b")
	if !b.queue.Busy() || b.queue.Read().Running.Commit != "b" {
		t.Errorf("nothing runs: %+v", b.queue.Read())
	}
	b.want("b", hooks.DropOlder) // runs already
	b.release <- nil
	b.ends(ended, "b built")
}

func TestBuilderSuperseded(t *testing.T) {
	b := newBench(t)
	b.want("a", hooks.DropOlder)
	ended := b.start(hooks.DropOlder)
	b.begins("a")
	b.want("b", hooks.DropOlder)
	b.begins("b")
	b.release <- errors.New("app.bst: build failed")
	b.ends(ended, "a superseded, b failed")
	if last := b.queue.Read().Last; last[1].Text != "app.bst: build failed" {
		t.Errorf("its text: %q", last[1].Text)
	}
}

func TestBuilderOlderLast(t *testing.T) {
	b := newBench(t)
	b.want("a", hooks.OlderLast)
	ended := b.start(hooks.OlderLast)
	b.begins("a")
	b.want("b", hooks.OlderLast)
	b.begins("b")
	b.release <- nil
	b.begins("a")
	b.release <- nil
	b.ends(ended, "a superseded, b built, a built")
}

func TestBuilderStops(t *testing.T) {
	b := newBench(t)
	if err := b.queue.Stop(t.Context()); err != nil {
		t.Fatalf("Stop where nothing ever ran: %v", err)
	}
	b.want("a", hooks.DropOlder)
	ended := b.start(hooks.DropOlder)
	b.begins("a")
	b.want("a2", hooks.DropOlder)
	b.begins("a2")
	if err := b.queue.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.ends(ended, "a superseded, a2 stopped")
	if board := b.queue.Read(); len(board.Waiting) > 0 || board.Stop {
		t.Errorf("after Stop: %+v", board)
	}
}

// A second builder leaves the work to the one that runs.
func TestBuilderIsAlone(t *testing.T) {
	b := newBench(t)
	b.want("a", hooks.DropOlder)
	ended := b.start(hooks.DropOlder)
	b.begins("a")
	if err := b.builder(hooks.DropOlder).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.release <- nil
	b.ends(ended, "a built")
}

func TestBuilderWaitsForRebase(t *testing.T) {
	b := newBench(t)
	rebase := filepath.Join(b.common, "rebase-merge")
	if err := os.Mkdir(rebase, 0o777); err != nil {
		t.Fatal(err)
	}
	b.want("between", hooks.DropOlder)
	ended := b.start(hooks.DropOlder)
	for b.queue.Read().Running == nil { // it has taken it, and waits
		if t.Context().Err() != nil {
			t.Fatal("it never began")
		}
	}
	b.want("end", hooks.DropOlder)
	if err := os.Remove(rebase); err != nil {
		t.Fatal(err)
	}
	for got := range b.begun { // "between" too, if the rebase ended before the builder looked
		if got == "end" {
			break
		}
	}
	b.release <- nil
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := b.results(); !strings.HasSuffix(got, "end built") {
		t.Errorf("results: %s", got)
	}
}

// The board may be damaged, and somebody else's is not believed.
func TestBoard(t *testing.T) {
	b := newBench(t)
	b.want("a", hooks.DropOlder)
	file := filepath.Join(b.common, "bst", "hooks", "board.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if board := b.queue.Read(); len(board.Waiting) > 0 {
		t.Errorf("a damaged board: %+v", board)
	}
	b.want("b", hooks.DropOlder)
	if board := b.queue.Read(); len(board.Waiting) != 1 || board.Waiting[0].Commit != "b" {
		t.Errorf("after a damaged board: %+v", board)
	}
	elsewhere := filepath.Join(t.TempDir(), "board.json")
	if err := errors.Join(os.Rename(file, elsewhere), os.Symlink(elsewhere, file)); err != nil {
		t.Fatal(err)
	}
	if board := b.queue.Read(); len(board.Waiting) > 0 {
		t.Errorf("a board behind a link: %+v", board)
	}
}

// Many hooks at once lose no wish.
func TestQueueConcurrent(t *testing.T) {
	b := newBench(t)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			want := hooks.Wanted{Dir: "/w" + string(rune('a'+i)), Commit: "c", Time: b.now()}
			if err := b.queue.Want(t.Context(), want, hooks.DropOlder); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	var dirs []string
	for _, w := range b.queue.Read().Waiting {
		dirs = append(dirs, w.Dir)
	}
	slices.Sort(dirs)
	if len(slices.Compact(dirs)) != 20 {
		t.Errorf("%d of 20 are there: %q", len(dirs), dirs)
	}
}

// Who looks whether a builder runs keeps none from building.
func TestLookingKeepsNobodyFromBuilding(t *testing.T) {
	queue := hooks.OpenQueue(t.TempDir())
	var ended atomic.Bool
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for !ended.Load() {
			queue.Busy()
		}
	}()
	defer func() {
		ended.Store(true)
		<-looked
	}()
	for range 30 {
		built := false
		builder := hooks.Builder{
			Queue: queue, Now: time.Now, Wait: time.Second,
			GitDir: func(context.Context, string) (string, error) { return t.TempDir(), nil },
			Build:  func(context.Context, hooks.Wanted) (string, error) { built = true; return "", nil },
		}
		if err := queue.Want(t.Context(), hooks.Wanted{Dir: "/w", Commit: "c", Time: time.Now()}, hooks.DropOlder); err != nil {
			t.Fatal(err)
		}
		if err := builder.Run(t.Context()); err != nil || !built {
			t.Fatalf("what was wanted is built: %v, %v", built, err)
		}
	}
}

// A queue that came with an archive is not built when the user installs the hooks; the user's own stays.
func TestEnableTakesNobodyElsesQueue(t *testing.T) {
	queue := hooks.OpenQueue(t.TempDir())
	want := func() {
		t.Helper()
		if err := queue.Want(t.Context(), hooks.Wanted{Dir: "/w", Commit: "c", Time: time.Now()}, hooks.DropOlder); err != nil {
			t.Fatal(err)
		}
	}
	want()
	for _, waiting := range []int{0, 1} {
		if err := queue.Enable("token"); err != nil {
			t.Fatal(err)
		}
		if board := queue.Read(); len(board.Waiting) != waiting {
			t.Errorf("%d wait, want %d", len(board.Waiting), waiting)
		}
		want()
	}
}
