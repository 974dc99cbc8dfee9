package compdb

import (
	"slices"
	"strings"
)

// Mapping says where the paths of a build are for who reads its database.
type Mapping struct {
	// Has reports whether the build had a file of this absolute path.
	Has func(name string) bool
	// File returns where a file of the build is, by its absolute path there.
	File func(name string) string
	// Folders returns where the content of a folder of the build is: one place or two.
	Folders func(name string) []string
	// Directory returns the folder that stands for one in which a command ran.
	Directory func(name string) string
}

// Map returns the commands with the mapping's paths, one for each file, the first one that names it;
// sorted as they come. What a compiler is told to write (-o, dependency files) is left out.
func Map(commands []Command, m Mapping) []Command {
	seen := map[string]bool{}
	var out []Command
	for _, c := range commands {
		file := m.File(join(c.Directory, c.File))
		if seen[file] {
			continue
		}
		seen[file] = true
		arguments := mapArguments(c, m)
		out = append(out, Command{Directory: m.Directory(c.Directory), File: file, Arguments: append(arguments, file)})
	}
	return out
}

// folderFlags name a folder to look for headers in, joined to the folder or before it.
var folderFlags = []string{"-I", "-isystem", "-iquote", "-idirafter"}

// fileFlags name a file to be read, before the file.
var fileFlags = []string{"-include", "-imacros"}

// written are flags of what is written, with a value as the next argument.
var written = []string{"-o", "-MF", "-MT", "-MQ"}

// writtenAlone are flags of what is written, without a value.
var writtenAlone = []string{"-MD", "-MMD", "-MP", "-MG", "-M", "-MM"}

func mapArguments(c Command, m Mapping) []string {
	all := sources(c.Arguments)
	out := []string{c.Arguments[0]}
	for i := 1; i < len(c.Arguments); i++ {
		arg, value := c.Arguments[i], ""
		if i+1 < len(c.Arguments) {
			value = c.Arguments[i+1]
		}
		switch {
		case slices.Contains(writtenAlone, arg):
		case slices.Contains(written, arg):
			i++
		case slices.Contains(folderFlags, arg):
			out = append(out, folders(arg, join(c.Directory, value), m)...)
			i++
		case slices.Contains(fileFlags, arg):
			out = append(out, arg, includeOf(c.Directory, value, m))
			i++
		case slices.Contains(withValue, arg):
			out = append(out, arg, value)
			i++
		case joinedFolder(arg) != "":
			flag := joinedFolder(arg)
			out = append(out, folders(flag, join(c.Directory, arg[len(flag):]), m)...)
		case slices.Contains(all, arg) && !strings.HasPrefix(arg, "-"):
		case strings.HasPrefix(arg, ">") || strings.HasPrefix(arg, "2>"):
			return out // a redirection
		default:
			out = append(out, arg)
		}
	}
	return out
}

func joinedFolder(arg string) string {
	for _, flag := range folderFlags {
		if strings.HasPrefix(arg, flag) && len(arg) > len(flag) {
			return flag
		}
	}
	return ""
}

func folders(flag, dir string, m Mapping) []string {
	var out []string
	for _, place := range m.Folders(dir) {
		if flag == "-I" {
			out = append(out, flag+place)
		} else {
			out = append(out, flag, place)
		}
	}
	return out
}

// includeOf is the file of an -include: one where the command ran, or one of the search path.
func includeOf(dir, name string, m Mapping) string {
	if file := join(dir, name); m.Has(file) {
		return m.File(file)
	}
	return name
}
