package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
)

// BeginMark begins the line in the builder's log that begins a build.
const BeginMark = "git-bst: building "

// Watcher is told what a background builder does. All calls come from Watch's goroutine.
type Watcher struct {
	State func(board Board, busy bool) error // at first, and when it has changed
	Line  func(line string) error            // of the log
	Tick  func()                             // now and then; may be nil
}

// starting is how long Watch waits for a builder that a hook has just started: as long as a program
// takes to start on a machine that is busy.
const starting = time.Second

// Watch tells what the builder does, and what it wrote since it began with what it builds, until none
// runs any more. It returns the context's error when that ends first, or the watcher's.
func (q Queue) Watch(ctx context.Context, w Watcher) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	log := follower{path: q.Log()}
	if q.Busy() {
		log.at = log.begin()
	} else {
		log.at = log.size()
	}
	told, seen, quiet := "", false, time.Duration(0)
	for {
		board, busy := q.Read(), q.Busy()
		for _, line := range log.lines() {
			if err := w.Line(line); err != nil {
				return err
			}
		}
		if state := fingerprint(board, busy); state != told {
			if err := w.State(board, busy); err != nil {
				return err
			}
			seen, told = seen || busy || told != "", state
		}
		switch {
		case busy:
			quiet = 0
		case seen && len(board.Waiting) == 0 || quiet >= starting:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		quiet += look
		if w.Tick != nil {
			w.Tick()
		}
	}
}

func fingerprint(board Board, busy bool) string {
	text, err := json.Marshal(board)
	if err != nil {
		return ""
	}
	if busy {
		return "busy " + string(text)
	}
	return string(text)
}

// follower reads what is added to a file.
type follower struct {
	path string
	at   int64
	part []byte // of a line that is not whole yet
}

// followed bounds what is read of a log at a time.
const followed = 1 << 20

func (f *follower) size() int64 {
	file, err := fsx.OpenOwn(f.path)
	if err != nil {
		return 0
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// begin is where the last build in the log begins; its end where none is found.
func (f *follower) begin() int64 {
	end := f.size()
	from := max(0, end-followed)
	data := f.read(from, end-from)
	at := bytes.LastIndex(data, []byte("\n"+BeginMark))
	if at >= 0 {
		return from + int64(at) + 1
	}
	if from == 0 && bytes.HasPrefix(data, []byte(BeginMark)) {
		return 0
	}
	return end
}

func (f *follower) read(from, n int64) []byte {
	file, err := fsx.OpenOwn(f.path)
	if err != nil {
		return nil
	}
	defer file.Close()
	data, _ := io.ReadAll(io.NewSectionReader(file, from, n)) // what can't be read now is later
	return data
}

// lines returns the whole lines that were added since the last call.
func (f *follower) lines() []string {
	if info, err := os.Lstat(f.path); err != nil || info.Size() < f.at { // it begins anew
		f.at, f.part = 0, nil
	}
	data := f.read(f.at, followed)
	f.at += int64(len(data))
	f.part = append(f.part, data...)
	end := bytes.LastIndexByte(f.part, '\n')
	if end < 0 {
		return nil
	}
	text := string(f.part[:end])
	f.part = bytes.Clone(f.part[end+1:])
	return strings.Split(text, "\n")
}
