package plan

import (
	"path"
	"regexp"
	"strings"
)

// Diagnoses is what compilers said of source files in a log.
type Diagnoses struct {
	// Lines counts the lines that name a place in a file, by its path in the source; warnings are
	// left out. A compiler that runs again on the same says the same number of lines.
	Lines map[string]int
	// Wrong are the files in which a line found an error, as opposed to those that only include them.
	Wrong map[string]bool
	// Places counts all lines that name a place in a file, warnings and notes too: for each of them
	// a compiler may have opened the file to show it.
	Places map[string]int
	// Errors: one of them, of whatever file, says that it is an error, as opposed to a linker's or
	// a tool's message that names no place.
	Errors bool
}

// Of returns the first of the changed files in which an error was found, else the first of which
// something was said, "" when there is none.
func (d Diagnoses) Of(changes []Change) string {
	for _, change := range changes {
		if d.Wrong[change.Path] {
			return change.Path
		}
	}
	for _, change := range changes {
		if d.Lines[change.Path] > 0 {
			return change.Path
		}
	}
	return ""
}

var (
	// placeLine is "a.c:5:3: error: …" as most compilers write it, also where it is about an include
	// ("In file included from h.h:2,", " from h.h:2:") or points elsewhere (" --> src/main.rs:2:5").
	placeLine = regexp.MustCompile(`^(?:In file included from |[ \t]+from |[ \t]*--> )?([^\s:][^:]*):(\d+)(?:[.:-]\d+)*(?:[:,](.*))?$`)
	// parenLine is "src/a.ts(5,3): error …".
	parenLine = regexp.MustCompile(`^([^\s(]+)\((\d+)(?:,\d+)*\) ?:(.*)$`)
	// quotedLine is a line of Python's traceback: `  File "setup.py", line 3`.
	quotedLine = regexp.MustCompile(`^\s+File "([^"]+)", line (\d+)()`)
	// folderLine says where make or ninja go to: "make[1]: Entering directory '/buildstream/p/e.bst/lib'".
	folderLine  = regexp.MustCompile("^[^\\s:]*(?:make(?:\\[\\d+\\])?|ninja): (Entering|Leaving) directory [`'](.*)'$")
	errorWord   = regexp.MustCompile(`(?i)\berror\b`)
	warningWord = regexp.MustCompile(`(?i)^\s*warning\b`)
	// errorLine begins a message whose place is on the next line, or ends a traceback.
	errorLine = regexp.MustCompile(`^(?:error(?:\[\w+\])?: |\w*(?:Error|Exception)(?:: |$))`)
)

// Diagnose finds what a log says of source files. root is the absolute path of the build folder as the
// commands see it; sources lists the source's paths, true for those that are no folders, and is called
// only where a line may be about one. Names from a folder that is not known are taken where just one
// source ends so.
func Diagnose(log, root string, sources func() map[string]bool) Diagnoses {
	d := Diagnoses{Lines: map[string]int{}, Wrong: map[string]bool{}, Places: map[string]int{}}
	names := resolver{root: root, sources: sources}
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if match := folderLine.FindStringSubmatch(line); match != nil {
			names.enter(match[1] == "Entering", match[2])
			continue
		}
		if errorLine.MatchString(line) {
			d.Errors = true
			continue
		}
		for _, form := range []*regexp.Regexp{placeLine, parenLine, quotedLine} {
			match := form.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			wrong := errorWord.MatchString(match[3])
			d.Errors = d.Errors || wrong
			name := names.resolve(match[1])
			for _, place := range names.maybe(name, match[1]) {
				d.Places[place]++
			}
			if name != "" && !warningWord.MatchString(match[3]) {
				d.Lines[name]++
				d.Wrong[name] = d.Wrong[name] || wrong
			}
			break
		}
	}
	return d
}

// resolver finds out which source file a name in a log stands for.
type resolver struct {
	root    string
	sources func() map[string]bool
	folders []string            // that were entered, as they were named
	byBase  map[string][]string // the sources by the last part of their names
}

func (r *resolver) enter(in bool, folder string) {
	switch {
	case in && !path.IsAbs(folder):
		r.folders = append(r.folders, path.Join(r.root, folder))
	case in:
		r.folders = append(r.folders, folder)
	case len(r.folders) > 0:
		r.folders = r.folders[:len(r.folders)-1]
	}
}

// resolve returns the path of a source, or "".
func (r *resolver) resolve(name string) string {
	if path.IsAbs(name) {
		return r.within(path.Clean(name))
	}
	if len(r.folders) > 0 {
		if found := r.within(path.Join(r.folders[len(r.folders)-1], name)); found != "" {
			return found
		}
	}
	name = path.Clean(name)
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	found := ""
	for _, source := range r.named(name) {
		if source == name || strings.HasSuffix(source, "/"+name) {
			if found != "" {
				return "" // which of them is not known
			}
			found = source
		}
	}
	return found
}

// named lists the sources whose names end as this one does.
func (r *resolver) named(name string) []string {
	if r.byBase == nil {
		r.byBase = map[string][]string{}
		for source, is := range r.sources() {
			if is {
				r.byBase[path.Base(source)] = append(r.byBase[path.Base(source)], source)
			}
		}
	}
	return r.byBase[path.Base(name)]
}

// maybe lists the sources that a name, which was resolved or not, may stand for.
func (r *resolver) maybe(resolved, name string) []string {
	if resolved != "" {
		return []string{resolved}
	}
	return r.named(name)
}

func (r *resolver) within(absolute string) string {
	if name, ok := strings.CutPrefix(absolute, strings.TrimSuffix(r.root, "/")+"/"); ok && r.sources()[name] {
		return name
	}
	return ""
}
