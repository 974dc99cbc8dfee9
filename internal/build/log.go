package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// phaseLog is the log file of one phase.
type phaseLog struct {
	path string
	id   string // unique among all logs
	file *os.File
}

// openLog makes a new log file at logs/<project>/<element>/<time>-<phase>-….log.
func (e *Env) openLog(job Job, phase string) (*phaseLog, error) {
	clean := func(name string) string { return strings.NewReplacer("/", "-", "\x00", "").Replace(name) }
	dir := e.dir("logs", clean(job.Project), clean(strings.TrimSuffix(job.Element, ".bst")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	id := strings.TrimSuffix(fsx.TempName(""), ".tmp")
	name := e.Now().UTC().Format("20060102-150405") + "-" + clean(phase) + "-" + id + ".log"
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &phaseLog{path: file.Name(), id: id, file: file}, nil
}

// Write implements io.Writer.
func (l *phaseLog) Write(p []byte) (int, error) { return l.file.Write(p) }

func (l *phaseLog) close() { _ = l.file.Close() }

// store puts what was logged so far into the store.
func (l *phaseLog) store(ctx context.Context, store *cas.Local) (digest.Digest, error) {
	return store.PutFile(ctx, l.path)
}

// tail returns the last n lines.
func (l *phaseLog) tail(n int) []string { return Tail(l.path, n) }

// maxLog is how much of a log is read to be understood, in bytes: no build that people wait for says more.
const maxLog = 64 << 20

// ErrLongLog: a log is too long to be read whole.
var ErrLongLog = errors.New("log too long")

// ReadLog returns the whole log in the file at path. ErrLongLog from 64 MiB on: what is not in a part
// of it may be in the rest, so a part says nothing.
func ReadLog(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the log: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxLog+1))
	if err != nil {
		return "", fmt.Errorf("read the log: %w", err)
	}
	if len(text) > maxLog {
		return "", fmt.Errorf("%w: more than %d bytes", ErrLongLog, maxLog)
	}
	return string(text), nil
}

// Tail returns the last n lines of the file at path; nil when it can't be read.
func Tail(path string, n int) []string {
	const most = 1 << 20 // bytes that are looked at: lines in a log are short
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > most {
		if _, err := file.Seek(-most, 2); err != nil {
			return nil
		}
	}
	var lines []string
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, most+1)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
		if len(lines) > n {
			lines = lines[1:]
		}
	}
	return lines
}
