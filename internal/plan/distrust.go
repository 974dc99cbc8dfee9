package plan

import (
	"fmt"

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
		if now < before {
			text := fmt.Sprintf("%s changed, but was read %d times, not %d as in the full build", change.Path, now, before)
			return Reason{CodeDistrustUnread, text}, nil, false
		}
		if before > 0 && !IsCompiled(change.Path) {
			verify = append(verify, change.Path)
		}
	}
	return Reason{}, verify, true
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
			if other.Includes && other.Path != change.Path {
				text := fmt.Sprintf("%s changed, and %s may include other files than before: it could not be told whether all its readers were built", change.Path, other.Path)
				return Reason{CodeDistrustReaders, text}, false
			}
		}
	}
	return Reason{}, true
}

// opens counts how often a path was opened before and now, in the phases that ran now.
func (c Continued) opens(path string) (before, now uint64) {
	for _, phase := range c.Now.Phases {
		now += uint64(phase.Find(path).Opens)
		if full, ok := c.Base.Phase(phase.Name); ok {
			before += uint64(full.Find(path).Opens)
		}
	}
	switch {
	case c.Partial && c.Said.Lines[path] > 0:
		before = 0
	case c.Partial:
		before -= min(before, uint64(c.Again.Find(path).Opens))
	}
	return before, now
}

// Exact reports whether a result that was reached in this way may go into the phase cache and feed
// later builds (rule 24): everything but a continued build.
func (v Verdict) Exact() bool { return v != Continue && v != Unknown && v != Failed }
