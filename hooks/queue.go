package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
)

// Wanted is a commit that a hook wants built.
type Wanted struct {
	Dir    string    `json:"dir"`    // top of the work tree, absolute
	Commit string    `json:"commit"` // id
	Hook   string    `json:"hook"`
	Time   time.Time `json:"time"`
}

// Result is what became of a wanted build.
type Result string

// The results.
const (
	Built      Result = "built"
	Failed     Result = "failed"
	Superseded Result = "superseded" // a newer commit of the same work tree was wanted
	Stopped    Result = "stopped"    // by the user, or the machine went down
)

// Done is a wanted build that has ended.
type Done struct {
	Wanted
	Result Result    `json:"result"`
	Text   string    `json:"text,omitempty"` // one line: what was done, or why not
	Ended  time.Time `json:"ended"`
}

// Board is what everybody may know of the background builder of a repository.
type Board struct {
	Version int      `json:"version"`
	Waiting []Wanted `json:"waiting,omitempty"` // the newest last
	Running *Wanted  `json:"running,omitempty"`
	PID     int      `json:"pid,omitempty"` // of the builder, while one runs
	Stop    bool     `json:"stop,omitempty"`
	Last    []Done   `json:"last,omitempty"` // the newest last
}

// Older says what becomes of commits that were wanted before the newest one.
type Older string

// The policies.
const (
	DropOlder Older = "drop"
	OlderLast Older = "last" // built when nothing newer is wanted
)

const (
	boardVersion = 1
	keptDone     = 20
	// patience bounds the time for which a hook waits for the board: others hold it for an instant.
	patience = 10 * time.Second
)

// A Queue holds what is wanted, in the git directory that all work trees share: a commit is the
// same whatever work tree made it. Any number of processes use it.
type Queue struct{ dir string }

// OpenQueue returns the queue of the repository whose shared git directory this is. Nothing is made.
func OpenQueue(common string) Queue { return Queue{filepath.Join(common, "bst", "hooks")} }

func (q Queue) path(name string) string { return filepath.Join(q.dir, name) }

// Log is where the builder writes what it does, absolute.
func (q Queue) Log() string { return q.path("log") }

// Read returns the board. One that does not exist or that nobody can read is empty: it holds nothing
// that could not be found again.
func (q Queue) Read() Board {
	data, err := fsx.ReadOwn(q.path("board.json"))
	var b Board
	if err != nil || json.Unmarshal(data, &b) != nil || b.Version != boardVersion {
		return Board{Version: boardVersion}
	}
	return b
}

// change lets edit change the board, alone.
func (q Queue) change(ctx context.Context, edit func(*Board)) (Board, error) {
	if err := q.make(); err != nil {
		return Board{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	unlock, err := fsx.Lock(ctx, q.path("board.lock"))
	if err != nil {
		return Board{}, fmt.Errorf("change the queue of background builds: %w", err)
	}
	defer unlock()
	b := q.Read()
	edit(&b)
	data, err := json.MarshalIndent(b, "", "  ")
	if err == nil {
		err = fsx.WriteFile(q.path("board.json"), append(data, '\n'), 0o600)
	}
	if err != nil {
		return b, fmt.Errorf("change the queue of background builds: %w", err)
	}
	return b, nil
}

// make makes the queue's folder, each part of it the user's own.
func (q Queue) make() error {
	if err := fsx.OwnDir(filepath.Dir(q.dir)); err != nil {
		return err
	}
	return fsx.OwnDir(q.dir)
}

// Want adds a commit. What waits of the same work tree is dropped, or comes after it. Wanting again
// what waits or runs changes nothing.
func (q Queue) Want(ctx context.Context, want Wanted, older Older) error {
	want.Time = want.Time.UTC()
	_, err := q.change(ctx, func(b *Board) {
		same := func(w Wanted) bool { return w.Dir == want.Dir && w.Commit == want.Commit }
		b.Stop = false
		if b.Running != nil && same(*b.Running) && !slices.ContainsFunc(b.Waiting, func(w Wanted) bool { return w.Dir == want.Dir && w.Time.After(b.Running.Time) }) {
			return
		}
		b.Waiting = slices.DeleteFunc(b.Waiting, func(w Wanted) bool { return same(w) || older != OlderLast && w.Dir == want.Dir })
		b.Waiting = append(b.Waiting, want)
	})
	return err
}

// Stop tells the builder to end and forgets what waits. It returns when no builder runs any more, or
// with ctx's error.
func (q Queue) Stop(ctx context.Context) error {
	if _, err := os.Lstat(q.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := q.change(ctx, func(b *Board) { b.Stop, b.Waiting = true, nil }); err != nil {
		return err
	}
	release, err := fsx.Lock(ctx, q.path("builder.lock"))
	if err != nil {
		return fmt.Errorf("stop the background builder: %w", err)
	}
	defer release()
	_, err = q.change(ctx, func(b *Board) { b.Stop, b.Running, b.PID = false, nil, 0 })
	return err
}

// Busy reports whether a builder runs now.
func (q Queue) Busy() bool {
	if _, err := os.Lstat(q.path("builder.lock")); err != nil {
		return false
	}
	release, err := fsx.TryLock(q.path("builder.lock"))
	if err == nil {
		release()
	}
	return errors.Is(err, fsx.ErrLocked)
}

// Enable notes with a token that the repository's owner installed the hooks: a folder of hooks that
// several repositories share does nothing in the others, and a git directory that came from somebody
// else, who does not know the token, does nothing at all.
func (q Queue) Enable(token string) error {
	if err := q.make(); err != nil {
		return fmt.Errorf("enable the hooks: %w", err)
	}
	for _, name := range []string{"log", "log.old", "board.json", "board.lock", "builder.lock", "notice"} { // an archive may bring links and pipes
		info, err := os.Lstat(q.path(name))
		foreign := name == "board.json" && !q.Enabled(token) // and what its maker wants built
		if err == nil && (foreign || !info.Mode().IsRegular()) {
			if err := os.RemoveAll(q.path(name)); err != nil {
				return fmt.Errorf("enable the hooks: %w", err)
			}
		}
	}
	return fsx.WriteFile(q.path("enabled"), []byte(token+"\n"), 0o600)
}

// Disable takes that back.
func (q Queue) Disable() error {
	if err := os.Remove(q.path("enabled")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("disable the hooks: %w", err)
	}
	return nil
}

// Enabled reports whether the hooks do anything in this repository: they were enabled with this
// token, which is not empty.
func (q Queue) Enabled(token string) bool {
	if token == "" || fsx.CheckOwnDir(q.dir) != nil {
		return false
	}
	data, err := fsx.ReadOwn(q.path("enabled"))
	return err == nil && string(data) == token+"\n"
}
