package build

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
)

// runner is the script that runs a phase's commands one after the other, as BuildStream's batch
// does: each in a shell of its own with -e, in the phase's working directory; the first that fails
// ends the phase with its exit code. Before each it writes a mark that commandLog takes out.
const runner = `n=0
for command do
  n=$((n+1))
  printf '\036%s %s\036\n' "$0" "$n"
  sh -c -e "$command
" || exit
done`

// phaseArgs returns the argument vector that runs commands; mark is what separates them in the output.
func phaseArgs(mark string, commands []string) []string {
	return append([]string{"sh", "-c", runner, mark}, commands...)
}

// environ returns env as sorted NAME=value lines, with PWD as BuildStream sets it.
func environ(env map[string]string, dir string) []string {
	list := []string{"PWD=" + dir}
	for name, value := range env {
		if name != "PWD" {
			list = append(list, name+"="+value)
		}
	}
	sort.Strings(list)
	return list
}

// commandLog writes a phase's output to a log, replaces the runner's marks by the commands' first
// lines, and remembers which command is running.
type commandLog struct {
	to       io.Writer
	mark     string
	commands []string
	current  int    // index of the running command; -1 before the first
	pending  []byte // the start of what may become a mark
}

func newCommandLog(to io.Writer, mark string, commands []string) *commandLog {
	return &commandLog{to: to, mark: mark, commands: commands, current: -1}
}

// Write implements io.Writer.
func (l *commandLog) Write(p []byte) (int, error) {
	data := append(l.pending, p...)
	l.pending = nil
	for len(data) > 0 {
		start := bytes.IndexByte(data, 0x1e)
		if start < 0 {
			_, err := l.to.Write(data)
			return len(p), err
		}
		if _, err := l.to.Write(data[:start]); err != nil {
			return len(p), err
		}
		data = data[start:]
		next := l.command()
		if len(data) < len(next) && bytes.HasPrefix(next, data) {
			l.pending = append([]byte(nil), data...)
			return len(p), nil
		}
		if !bytes.HasPrefix(data, next) {
			if _, err := l.to.Write(data[:1]); err != nil {
				return len(p), err
			}
			data = data[1:]
			continue
		}
		data = data[len(next):]
		if err := l.begin(); err != nil {
			return len(p), err
		}
	}
	return len(p), nil
}

// command returns the mark of the command that comes next.
func (l *commandLog) command() []byte {
	return fmt.Appendf(nil, "\x1e%s %d\x1e\n", l.mark, l.current+2)
}

func (l *commandLog) begin() error {
	l.current++
	if l.current >= len(l.commands) {
		return nil
	}
	_, err := fmt.Fprintf(l.to, "+ %s\n", strings.ReplaceAll(strings.TrimSpace(l.commands[l.current]), "\n", "\n> "))
	return err
}

// flush writes what was held back; call it when the phase has ended.
func (l *commandLog) flush() error {
	_, err := l.to.Write(l.pending)
	l.pending = nil
	return err
}

// running returns the command that ran last, "" before the first.
func (l *commandLog) running() string {
	if l.current < 0 || l.current >= len(l.commands) {
		return ""
	}
	return strings.TrimSpace(l.commands[l.current])
}
