package plan

import (
	"fmt"
	"path"
	"slices"

	"github.com/git-bst/git-bst/internal/trace"
)

// Continued is what is known when a continued build has ended.
type Continued struct {
	Changes  []Change
	Base     trace.Trace            // of the chain, without this build
	Now      trace.Trace            // of this build alone
	IsSource func(path string) bool // whether the source that was built has a file or link there
	Failed   bool                   // a command failed
	// Partial: the base's build phase did not end with success. Again is what it did when it was run
	// once more, the zero Phase when it was not; who failed for a file of which something was Said
	// made nothing of it (see Accounted).
	Partial bool
	Again   trace.Phase
	Said    Diagnoses
	// Remade are files that are no source, which both builds left, with other contents; New are files
	// that only this one left. Both are known where !Failed.
	Remade, New []string
	// Told counts by file the lines about places in it that compilers wrote now and did not before:
	// for each of them the file may have been opened once more, to show the line.
	Told func(path string) int
}

// Distrust judges a continued build (rule 23). With ok false its result is thrown away and the
// element is built clean, once; the reason names the file. Else verify lists the changed files
// whose readers may write several outputs of which the build system knows one: a strict name
// waits for a verification then.
func Distrust(c Continued) (reason Reason, verify []string, ok bool) {
	switch {
	case c.Failed:
		return Reason{CodeContinuedFailed, "the continued build failed: it is built clean, to be sure"}, nil, false
	case !c.Now.Complete():
		return Reason{CodeDistrustTrace, "the continued build could not be traced in full"}, nil, false
	}
	for _, phase := range c.Now.Phases {
		for _, used := range phase.Paths {
			if used.Uses&trace.Changed != 0 && c.IsSource(used.Name) && c.Base.Uses(used.Name)&trace.Changed == 0 {
				return Reason{CodeDistrustWrote, "the continued build wrote " + used.Name + ", which the full build did not"}, nil, false
			}
		}
	}
	for _, change := range c.Changes {
		before, now := c.opens(change.Path)
		shown := uint64(0)
		if c.Told != nil && now >= before && before > 1 {
			shown = min(now, uint64(c.Told(change.Path)))
		}
		if now-shown < before {
			text := fmt.Sprintf("%s changed, but was read %d times, not %d as in the full build", change.Path, now-shown, before)
			return Reason{CodeDistrustUnread, text}, nil, false
		}
		if before > 0 && !IsCompiled(change.Path) {
			verify = append(verify, change.Path)
		}
	}
	if reason, ok := c.outputs(); !ok {
		return reason, nil, false
	}
	return Reason{}, verify, true
}

// outputs asks of what the build made the same as of what changed: who read it before must read it
// again. A makefile that knows what a generated header is made of may not know who includes it.
func (c Continued) outputs() (reason Reason, ok bool) {
	for _, name := range c.Remade {
		before, now := c.counts(name)
		if now < before && !c.steady(name) {
			text := fmt.Sprintf("%s was made anew, but was opened %d times, not %d as in the full build", name, now, before)
			return Reason{CodeDistrustUnread, text}, false
		}
	}
	if c.Partial || slices.ContainsFunc(c.Changes, func(change Change) bool { return change.Op == Added }) {
		return Reason{}, true
	}
	for _, phase := range c.Now.Phases {
		for _, name := range c.New {
			if phase.Name != BuildPhase && phase.Find(name).Uses&trace.Opened != 0 {
				return Reason{CodeDistrustUnread, "the continued build made and used " + name + ", which the full build did not make: what it made in its place may be left over"}, false
			}
		}
	}
	return Reason{}, true
}

// steady reports whether a file that was made anew need not be read again by all who read it: what
// build systems keep for themselves, and shared libraries of whose symbols meson keeps a list, as
// who is linked with them is linked again only when that changes.
// Archives neither: ar opens one that it updates another number of times than one that it makes, so
// the count says nothing of who links it. A link that the build files do not know of is what verify is for.
func (c Continued) steady(name string) bool {
	return IsOwn(name) || path.Ext(name) == ".a" || c.Base.Uses(name+".p/"+path.Base(name)+".symbols") != 0
}

// IsOwn reports whether a file of this name is one that a build system or compiler keeps for its own
// next run.
func IsOwn(name string) bool {
	base := path.Base(name)
	return slices.Contains(ownFiles, base) || slices.Contains(ownEndings, path.Ext(base))
}

// Leftovers lists the files that a base's phases after the build phase made, and no other: a clean
// build would not find them. isSource says whether the source has a file there.
func Leftovers(base trace.Trace, isSource func(path string) bool) []string {
	var left []string
	for _, phase := range base.Phases {
		if !IsLate(phase.Name) {
			continue
		}
		for _, used := range phase.Paths {
			early := func(other trace.Phase) bool { return !IsLate(other.Name) && other.Uses(used.Name)&trace.Changed != 0 }
			if used.Uses&trace.Created != 0 && !isSource(used.Name) && !slices.ContainsFunc(base.Phases, early) {
				left = append(left, used.Name)
			}
		}
	}
	return left
}

// Altered returns a file that a base's phases after the build phase changed and did not make, "" for
// none: where one did, other commands of theirs can't go on from where it ended.
func Altered(base trace.Trace, isSource func(path string) bool) string {
	left := Leftovers(base, isSource)
	for _, phase := range base.Phases {
		for _, used := range phase.Paths {
			if IsLate(phase.Name) && used.Uses&trace.Changed != 0 && !slices.Contains(left, used.Name) {
				return used.Name
			}
		}
	}
	return ""
}

// IsLate reports whether a phase comes after the build phase.
func IsLate(phase string) bool {
	return !slices.Contains([]string{ConfigurePhase, BuildPhase, ProbePhase, AgainPhase}, phase)
}

// ownFiles and ownEndings are what build systems and compilers keep for their own next run.
var (
	ownFiles   = []string{".ninja_log", ".ninja_deps", "compiler_depend.make", "compiler_depend.internal", "compiler_depend.ts", "depend.make", "progress.marks"}
	ownEndings = []string{".d", ".Po", ".Plo", ".log"}
)

// counts is how often a path was opened before and now, in the phases that ran now.
func (c Continued) counts(name string) (before, now uint64) {
	for _, phase := range c.Now.Phases {
		now += uint64(phase.Find(name).Opens)
		if full, ok := c.Base.Phase(phase.Name); ok {
			before += uint64(full.Find(name).Opens)
		}
	}
	return before, now
}

// Countable reports whether the readers of the changed files can be counted at all: a file that gets
// a new reader in the same build could hide that an old one is not built again. Else it is built
// clean; the reason names the files. Change.Includes is known.
func Countable(changes []Change, base trace.Trace) (reason Reason, ok bool) {
	for _, change := range changes {
		if isUnit(change.Path) || base.Uses(change.Path)&trace.Opened == 0 {
			continue
		}
		for _, other := range changes {
			if other.mayInclude(base) && (other.Path != change.Path || other.Unguarded) {
				text := fmt.Sprintf("%s changed, and %s may include other files than before: it could not be told whether all its readers were built", change.Path, other.Path)
				return Reason{CodeDistrustReaders, text}, false
			}
		}
	}
	return Reason{}, true
}

// MayInclude reports whether one of the changes may have given a file a new reader: then the
// readers of a chain's builds are to be added up, see trace.Sum.
func MayInclude(changes []Change, base trace.Trace) bool {
	return slices.ContainsFunc(changes, func(change Change) bool { return change.mayInclude(base) })
}

// mayInclude: what nobody reads makes nobody read anything.
func (c Change) mayInclude(base trace.Trace) bool {
	return (c.Includes || c.Unguarded) && (c.Op == Added || base.Uses(c.Path)&trace.Opened != 0)
}

// opens is counts of a changed file, less what a failed base's build phase did again.
func (c Continued) opens(name string) (before, now uint64) {
	before, now = c.counts(name)
	switch {
	case c.Partial && c.Said.Lines[name] > 0:
		before = 0
	case c.Partial:
		before -= min(before, uint64(c.Again.Find(name).Opens))
	}
	return before, now
}

// Exact reports whether a result that was reached in this way may go into the phase cache and feed
// later builds (rule 24): everything but a continued build.
func (v Verdict) Exact() bool { return v != Continue && v != Unknown && v != Failed }

// Distrusts reports whether a code says that what was continued was not believed (rule 23).
func (c Code) Distrusts() bool {
	switch c {
	case CodeContinuedFailed, CodeDistrustUnread, CodeDistrustWrote, CodeDistrustTrace, CodeDistrustIdle, CodeDistrustReaders:
		return true
	}
	return false
}
