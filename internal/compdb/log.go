package compdb

import (
	"bufio"
	"io"
	"path"
	"regexp"
	"strings"
)

// maxLine bounds a line of a log, with its continuations. Link lines of a megabyte are real.
const maxLine = 8 << 20

// FromLog finds the compiler's commands in what a build printed: lines as make V=1, ninja -v, libtool,
// CMake's makefiles and sh -x print them. start is the absolute folder in which the build began. Which
// folder a command ran in is told by make's "Entering directory" and by cd in the line; where several
// makes print at once that may be wrong, so exists is asked whether a folder holds a file, and a
// command for whose file no folder is found is left out. Folders are absolute, as start is.
func FromLog(log io.Reader, start string, exists func(file string) bool) ([]Command, error) {
	p := &logParser{stack: []string{path.Clean(start)}, exists: exists}
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	pending := ""
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if more, ok := strings.CutSuffix(line, `\`); ok && len(pending) < maxLine {
			pending += more
			continue
		}
		p.line(pending + line)
		pending = ""
	}
	p.line(pending)
	return p.found, lines.Err()
}

type logParser struct {
	stack  []string // folders that makes entered; the last is the present one
	traced string   // the folder that sh -x has gone to; "" for none
	exists func(string) bool
	found  []Command
}

var entering = regexp.MustCompile("(?:\\A|[\\s])(Entering|Leaving) directory [`'\"](.*)['\"]")

func (p *logParser) line(line string) {
	if match := entering.FindStringSubmatch(line); match != nil {
		p.enter(match[1] == "Entering", match[2])
		return
	}
	if len(p.found) >= maxCommands || !mayCompile(line) && !strings.HasPrefix(line, "+ cd ") {
		return
	}
	line, isTrace := strings.CutPrefix(line, "+ ")
	line = strings.TrimPrefix(line, "libtool: compile:")
	line = progress.ReplaceAllString(line, "")
	dir := p.stack[len(p.stack)-1]
	if isTrace && p.traced != "" {
		dir = p.traced
	}
	for _, words := range split(line) {
		if len(words) >= 2 && words[0] == "cd" {
			if dir = join(dir, words[len(words)-1]); isTrace {
				p.traced = dir
			}
			continue
		}
		p.command(dir, compilerPart(words))
	}
}

// progress is what ninja prints before a command: "[12/64] ".
var progress = regexp.MustCompile(`\A\[\d+/\d+\] `)

// mayCompile is a quick look at a line: only some of a log's have anything to do with a compiler.
func mayCompile(line string) bool {
	for _, name := range sourceNames {
		if strings.Contains(line, name) {
			return true
		}
	}
	return false
}

func (p *logParser) enter(enter bool, dir string) {
	if enter {
		p.stack = append(p.stack, join(p.stack[len(p.stack)-1], dir))
		return
	}
	dir = join(p.stack[len(p.stack)-1], dir)
	for i := len(p.stack) - 1; i > 0; i-- {
		if p.stack[i] == dir {
			p.stack = append(p.stack[:i:i], p.stack[i+1:]...)
			return
		}
	}
}

func join(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// compilerPart returns a command from the compiler on: without assignments, ccache and libtool before
// it; nil when there is no compiler.
func compilerPart(words []string) []string {
	for i, word := range words {
		if isCompiler(word) {
			return words[i:]
		}
		name := path.Base(word)
		known := strings.HasPrefix(word, "-") || strings.Contains(word, "=") || strings.HasSuffix(name, "libtool") ||
			name == "sh" || name == "bash" || name == "env" || name == "ccache" || name == "distcc" || name == "exec" || name == "time" || name == "("
		if !known {
			return nil
		}
	}
	return nil
}

// command adds an entry for each source file of a compiler's command.
func (p *logParser) command(dir string, words []string) {
	if len(words) < 2 {
		return
	}
	for _, file := range sources(words) {
		if strings.HasPrefix(path.Base(file), "conftest") {
			continue // configure's trials
		}
		if at, ok := p.folderOf(dir, file); ok && len(p.found) < maxCommands {
			p.found = append(p.found, Command{at, file, words})
		}
	}
}

// folderOf finds the folder in which a command ran that compiled the file.
func (p *logParser) folderOf(dir, file string) (string, bool) {
	if p.exists(join(dir, file)) {
		return dir, true
	}
	for i := len(p.stack) - 1; i >= 0; i-- {
		if p.exists(join(p.stack[i], file)) {
			return p.stack[i], true
		}
	}
	return "", false
}
