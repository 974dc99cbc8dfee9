package plan

import (
	"path"
	"slices"
	"strings"
)

// Op says how a path of the source differs from the base's.
type Op string

// The ways.
const (
	Added   Op = "added"
	Deleted Op = "deleted"
	Content Op = "content" // other content of a file that stays a file
	Mode    Op = "mode"    // another executable bit, same content
	Link    Op = "link"    // another target of a symbolic link
	Type    Op = "type"    // another kind: file, folder, link
)

// Change is a path whose source differs from that which is physically in the base's build tree
// (rule 17).
type Change struct {
	Path string
	Op   Op
	// Folder: it is a folder that came or went; its content has changes of its own.
	Folder bool
	// Empty: the old or the new content has no bytes.
	Empty bool
	// Was and Is name the old and the new content; "" for what is no file.
	Was, Is string
	// Copied: the old content is also in the base's artifact, or elsewhere in its build tree.
	// Needed only where Unread says so.
	Copied bool
	// Rewritten: the base's build tree holds there what is neither the old nor the new version.
	Rewritten bool
	// Includes: it may make those who read it read other files than before: its lines about other
	// files differ, or it is of a language of which that can't be told. Needed only for Countable.
	Includes bool
	// Unguarded: it is a header that nothing keeps from being read several times for one unit, as
	// something did before. Needed only for Countable.
	Unguarded bool
}

// plain reports whether a change is of a kind that an opened file shows: the content of a file
// that had some and has some (rule 18). All others count as read.
func (c Change) plain() bool { return c.Op == Content && !c.Empty && !c.Folder }

// Policies are what a project or user says about an element's source files. A pattern without a
// slash is about names in any folder, one with a slash about the whole path; "**" is any number
// of folders, and in a part "*", "?" and "[...]" are as in a shell.
type Policies struct {
	// ConfigureInputs are files that configure depends on, whether a trace shows it or not.
	ConfigureInputs []string
	// Learned are such files too, by their whole paths, of which verifying has shown it.
	Learned []string
	// Allowed may come, go and be renamed without a clean build.
	Allowed []string
	// IgnoreListing makes a file no reader that only its folder was listed (see rule 18): make
	// lists the folders of its targets. Names do not change with content, sizes do.
	IgnoreListing bool
}

// ConfigureInput says what makes a file an input of configure; "" when nothing does.
func (p Policies) ConfigureInput(name string) string {
	if slices.Contains(p.Learned, name) {
		return "which git bst verify has found to be missed when a build is continued"
	}
	if pattern := Matches(p.ConfigureInputs, name); pattern != "" {
		return "which the project names as an input of configure (" + pattern + ")"
	}
	return ""
}

// Matches returns the first pattern that fits the path, "" when none does.
func Matches(patterns []string, name string) string {
	for _, pattern := range patterns {
		if !strings.Contains(pattern, "/") {
			if ok, err := path.Match(pattern, path.Base(name)); ok && err == nil {
				return pattern
			}
		} else if matchParts(strings.Split(strings.TrimPrefix(pattern, "/"), "/"), strings.Split(name, "/")) {
			return pattern
		}
	}
	return ""
}

func matchParts(pattern, parts []string) bool {
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	if pattern[0] == "**" {
		for i := range len(parts) + 1 {
			if matchParts(pattern[1:], parts[i:]) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], parts[0])
	return ok && err == nil && matchParts(pattern[1:], parts[1:])
}

// compiled lists the endings of files that only compilers read, each of which writes one output
// that the build system knows (rule 23).
var compiled = map[string]bool{
	".c": true, ".cc": true, ".cpp": true, ".cxx": true, ".c++": true, ".m": true, ".mm": true, ".s": true, ".S": true,
	".h": true, ".hh": true, ".hpp": true, ".hxx": true, ".h++": true, ".inl": true, ".tcc": true, ".ipp": true,
}

// IsCompiled reports whether only compilers read a file of this name.
func IsCompiled(name string) bool { return compiled[path.Ext(name)] }

// isUnit reports whether a compiled file is one that is compiled by itself, which no other includes.
func isUnit(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return IsCompiled(name) && (ext == ".s" || strings.HasPrefix(ext, ".c") || strings.HasPrefix(ext, ".m"))
}
