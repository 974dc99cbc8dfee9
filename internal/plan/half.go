package plan

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// Ending is how a build ended without success, as far as half-written files go.
type Ending struct {
	Result   record.Result
	Phase    string                 // the one that ended the build
	Trace    trace.Trace            // of this build
	Log      string                 // of the phase
	IsSource func(path string) bool // whether the staged source has a file or link there
}

// makeFailed is make's line about a command that failed, with the target at the end of the
// brackets: "make[1]: *** [Makefile:12: gen.h] Error 1"; before 4.0 without the place.
var makeFailed = regexp.MustCompile(`(?m)^[^\s:]*make(?:\[\d+\])?: \*\*\* \[(?:[^\]\n]*: )?([^\]\n]+)\] `)

// ninjaFailed is ninja's last line. It notes an output as made only after its command succeeded,
// so what is half written is made again.
var ninjaFailed = regexp.MustCompile(`(?m)^ninja: build stopped: `)

// ninjaOwn are ninja's own files, which it writes until it ends. It knows how to read them when
// they are cut off; without them it would build all anew.
var ninjaOwn = []string{".ninja_log", ".ninja_deps"}

// HalfWritten tells which files were being written when a build ended, so that they can be deleted
// before it is continued (rule 15): after a signal or timeout those that were written after the
// processes had been told to end; after a command that failed, the targets that make names, which
// make itself would have deleted under .DELETE_ON_ERROR. known is false when it can't be told, or
// when a source file is among them. Some may be gone already.
func HalfWritten(e Ending) (files []string, known bool) {
	phase, traced := e.Trace.Phase(e.Phase)
	if !e.Trace.Gapless() || !traced {
		return nil, false
	}
	if e.Result != record.Failed && !phase.Told {
		return nil, false // nobody noted when it was told to end
	}
	targets := []string(nil)
	if e.Result == record.Failed {
		for _, match := range makeFailed.FindAllStringSubmatch(e.Log, -1) {
			targets = append(targets, strings.TrimPrefix(match[1], "./"))
		}
		if len(targets) == 0 {
			return nil, ninjaFailed.MatchString(e.Log)
		}
	}
	for _, used := range phase.Paths {
		half := used.Uses&trace.Late != 0 && !slices.Contains(ninjaOwn, path.Base(used.Name))
		if e.Result == record.Failed {
			named := slices.ContainsFunc(targets, func(target string) bool { return sameFile(used.Name, target) })
			half = named && used.Uses&(trace.Written|trace.Created) != 0
		}
		if half && e.IsSource(used.Name) {
			return nil, false
		}
		if half {
			files = append(files, used.Name)
		}
	}
	return files, true
}

// sameFile reports whether a target, which is named from a folder that is not known, may be this
// file: whichever has the longer name ends with the other.
func sameFile(file, target string) bool {
	for strings.HasPrefix(target, "../") {
		target = target[len("../"):]
	}
	return file == target || strings.HasSuffix(file, "/"+target) || strings.HasSuffix(target, "/"+file)
}
