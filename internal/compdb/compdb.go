// Package compdb makes compilation databases (compile_commands.json) for editors: from such a file
// that a build left, or from the commands that a build printed. It runs nothing and reads nothing but
// what it is given; both come from builds that nobody trusts.
package compdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Command is how one source file was compiled.
type Command struct {
	Directory string   `json:"directory"` // absolute, slash-separated
	File      string   `json:"file"`      // absolute or below Directory
	Arguments []string `json:"arguments"`
}

// FileName is the name by which editors find a database.
const FileName = "compile_commands.json"

// ErrInvalid is returned for what is no compilation database.
var ErrInvalid = errors.New("not a compilation database")

// maxCommands bounds a database: four times the source files of the largest known projects.
const maxCommands = 1 << 18

// Parse reads a compilation database. Entries without a file or directory are left out.
func Parse(data []byte) ([]Command, error) {
	var read []struct {
		Directory, File, Command string
		Arguments                []string
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(read) > maxCommands {
		return nil, fmt.Errorf("%w: %d entries", ErrInvalid, len(read))
	}
	var commands []Command
	for _, e := range read {
		if len(e.Arguments) == 0 {
			for _, line := range split(e.Command) {
				e.Arguments = append(e.Arguments, line...)
			}
		}
		if e.File != "" && path.IsAbs(e.Directory) && len(e.Arguments) > 0 {
			commands = append(commands, Command{path.Clean(e.Directory), e.File, e.Arguments})
		}
	}
	return commands, nil
}

// sourceNames are the endings of what compilers of C and its relatives compile.
var sourceNames = []string{".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".m", ".mm", ".cu", ".S"}

// isSource reports whether a name is that of a source file.
func isSource(name string) bool { return slices.Contains(sourceNames, path.Ext(name)) }

// compilers are the names of what compiles C and its relatives, with a target before and a version
// behind: x86_64-linux-gnu-gcc-14.
var compilers = regexp.MustCompile(`\A(?:[A-Za-z0-9_.+-]+-)?(?:cc|c\+\+|gcc|g\+\+|clang|clang\+\+|c89|c99|tcc|icc|icpc|icx|icpx|nvcc)(?:-[0-9][0-9.]*)?\z`)

// isCompiler reports whether a program is a compiler.
func isCompiler(program string) bool {
	return compilers.MatchString(program[strings.LastIndexByte(program, '/')+1:])
}

// sources returns the files that a compiler's arguments name to be compiled.
func sources(arguments []string) []string {
	var found []string
	for i := 1; i < len(arguments); i++ {
		arg := arguments[i]
		switch {
		case slices.Contains(withValue, arg):
			i++
		case !strings.HasPrefix(arg, "-") && isSource(arg):
			found = append(found, arg)
		}
	}
	return found
}

// withValue are the flags whose value is the next argument.
var withValue = []string{"-o", "-I", "-D", "-U", "-x", "-include", "-imacros", "-isystem", "-iquote", "-idirafter", "-isysroot", "--sysroot",
	"-MF", "-MT", "-MQ", "-L", "-l", "-arch", "-target", "-Xclang", "-Xlinker", "-Xassembler", "-Xpreprocessor", "-T", "-z", "-u", "-e", "--param"}
