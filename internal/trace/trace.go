// Package trace learns which files of a folder a build uses: what was opened, listed, written,
// made, moved, linked and deleted there, phase by phase. It needs no privileges: it asks the
// kernel (inotify) about the folder on the host that is shown inside the sandbox.
//
// Words. A *use* is one way in which a path was used. A *phase* is a span of time that the caller
// names; what is used between phases is nobody's use and left out. A *gap* is a reason why uses
// may be missing; a trace without gaps whose phases all ended is *complete*. The *union* of the
// traces of a chain of builds is what holds for the last one's tree (rule 16).
//
// What no trace shows: asking whether a path exists, or for its size, mode or times; reading
// a symbolic link; a look-up that found nothing; and how often a file was opened where the kernel
// merges equal neighbours, so counts of opens are lower bounds.
package trace

import (
	"errors"
	"math"
	"slices"
	"strings"
)

// ErrInvalid is returned for bytes and values that are no trace.
var ErrInvalid = errors.New("not a valid trace")

// Use is a set of ways in which a path was used.
type Use uint16

// The ways. The numbers are part of the encoding and are never changed.
const (
	Opened     Use = 1 << iota // a file was opened, also for writing or to be executed
	Listed                     // a folder was opened
	Written                    // a file was written, or closed after it was open for writing
	Attributes                 // its mode, owner or times were set
	Created                    // it was made, or moved to here
	Deleted                    // it was deleted
	Moved                      // it was moved away from here
	Linked                     // it was given a further name, or changed in a way that no event shows
	Late                       // it was written after the phase had been told to end: it may be cut off

	allUses = 1<<iota - 1
)

// Changed is what makes a path's content the build's and not the source's.
const Changed = Written | Attributes | Created | Deleted | Moved | Linked

// spread is what, done to a folder, holds for all below it.
const spread = Created | Deleted | Moved

// Path is how one path was used in one phase.
type Path struct {
	Name  string // slash-separated below the traced folder, "." for it
	Uses  Use
	Opens uint32 // how often a file was opened, at least
}

// Phase is how paths were used in one phase.
type Phase struct {
	Name  string
	Ended bool   // Tracer.Pause or the next Phase was reached: nothing was cut off
	Told  bool   // Tracer.Ending was called: what was written from then on is Late
	Paths []Path // sorted by name, a name once
}

// Trace is how paths were used, by phases in the order in which they first ran.
type Trace struct {
	Phases []Phase // a name once
	Gaps   []Gap   // sorted, each once
}

// Gap is a stable name of a reason why uses may be missing.
type Gap string

// The gaps.
const (
	GapOverflow Gap = "overflow"  // the kernel dropped events: the build was faster than the tracer
	GapWatch    Gap = "watch"     // a folder could not be watched (fs.inotify.max_user_watches)
	GapFolder   Gap = "folder"    // a new folder could not be looked into
	GapMovedOut Gap = "moved-out" // a folder was moved out of the traced one
	GapPaths    Gap = "paths"     // more paths than a trace may hold
	GapMissing  Gap = "missing"   // a part of the chain was not traced at all
)

// Complete reports whether no use is missing (rule 16).
func (t Trace) Complete() bool {
	ended := !slices.ContainsFunc(t.Phases, func(p Phase) bool { return !p.Ended })
	return t.Gapless() && ended
}

// Gapless reports whether no use is missing but those of phases that did not end.
func (t Trace) Gapless() bool { return len(t.Phases) > 0 && len(t.Gaps) == 0 }

// Phase returns the phase of that name; ok is false when there is none.
func (t Trace) Phase(name string) (p Phase, ok bool) {
	i := slices.IndexFunc(t.Phases, func(p Phase) bool { return p.Name == name })
	if i < 0 {
		return Phase{}, false
	}
	return t.Phases[i], true
}

// Uses returns what was done with a path in any phase; see Phase.Uses.
func (t Trace) Uses(path string) Use {
	var uses Use
	for _, p := range t.Phases {
		uses |= p.Uses(path)
	}
	return uses
}

// Find returns the path's own entry, the zero Path when it was not used.
func (p Phase) Find(path string) Path {
	i, ok := slices.BinarySearchFunc(p.Paths, path, func(e Path, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return Path{}
	}
	return p.Paths[i]
}

// Uses returns what was done with a path, and what was done to a folder above it that holds for
// all below: made, deleted, moved.
func (p Phase) Uses(path string) Use {
	uses := p.Find(path).Uses
	for parent := range parents(path) {
		uses |= p.Find(parent).Uses & spread
	}
	return uses
}

// parents yields the folders above path but ".", the innermost first.
func parents(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for {
			i := strings.LastIndexByte(path, '/')
			if i < 0 {
				return
			}
			path = path[:i]
			if !yield(path) {
				return
			}
		}
	}
}

// Union returns the trace of a chain whose earlier part is base and whose last build is next: all
// uses of both by phase, and the greater number of opens, as a later build opens less. What was
// cut off in a phase that ran again was deleted before: Late and Told are the last run's.
func Union(base, next Trace) Trace {
	return union(base, next, larger)
}

// opensOf is how often a path was opened in a phase, of what two runs say.
type opensOf func(phase, path string, a, b uint32) uint32

func larger(_, _ string, a, b uint32) uint32 { return max(a, b) }

// Sum is Union with the opens of both added, of the files of which fresh says so: for a build in
// which these may have got readers that they did not have, while old ones, which did not run again,
// remain.
func Sum(base, next Trace, fresh func(phase, path string) bool) Trace {
	return union(base, next, func(phase, path string, a, b uint32) uint32 {
		switch {
		case !fresh(phase, path):
			return max(a, b)
		case a > math.MaxUint32-b:
			return math.MaxUint32
		}
		return a + b
	})
}

// Recount returns whole with the opens of these paths as they are in next, for the phases that next
// has: where all that reads them is known to have run there.
func Recount(whole, next Trace, paths []string) Trace {
	asked := make(map[string]bool, len(paths))
	for _, path := range paths {
		asked[path] = true
	}
	recounted := Trace{Phases: slices.Clone(whole.Phases), Gaps: whole.Gaps}
	for i, p := range recounted.Phases {
		ran, ok := next.Phase(p.Name)
		if !ok {
			continue
		}
		recounted.Phases[i].Paths = slices.Clone(p.Paths)
		for j := range recounted.Phases[i].Paths {
			path := &recounted.Phases[i].Paths[j]
			if opens := ran.Find(path.Name).Opens; opens > 0 && asked[path.Name] {
				path.Opens = opens
			}
		}
	}
	return recounted
}

func union(base, next Trace, opens opensOf) Trace {
	both := Trace{Phases: slices.Clone(base.Phases), Gaps: slices.Concat(base.Gaps, next.Gaps)}
	slices.Sort(both.Gaps)
	both.Gaps = slices.Compact(both.Gaps)
	if len(base.Phases) == 0 || len(next.Phases) == 0 {
		both.AddGap(GapMissing)
	}
	for _, p := range next.Phases {
		i := slices.IndexFunc(both.Phases, func(q Phase) bool { return q.Name == p.Name })
		if i < 0 {
			both.Phases = append(both.Phases, p)
			continue
		}
		q := both.Phases[i]
		both.Phases[i] = Phase{Name: p.Name, Ended: p.Ended && q.Ended, Told: p.Told, Paths: merge(whole(q.Paths), p.Paths, p.Name, opens)}
	}
	return both
}

// whole returns the paths without Late.
func whole(paths []Path) []Path {
	if !slices.ContainsFunc(paths, func(p Path) bool { return p.Uses&Late != 0 }) {
		return paths
	}
	paths = slices.Clone(paths)
	for i := range paths {
		paths[i].Uses &^= Late
	}
	return paths
}

// AddGap notes a reason why uses may be missing.
func (t *Trace) AddGap(gap Gap) {
	if i, ok := slices.BinarySearch(t.Gaps, gap); !ok {
		t.Gaps = slices.Insert(slices.Clone(t.Gaps), i, gap)
	}
}

func merge(a, b []Path, phase string, opens opensOf) []Path {
	merged := make([]Path, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch order := strings.Compare(a[0].Name, b[0].Name); {
		case order < 0:
			merged, a = append(merged, a[0]), a[1:]
		case order > 0:
			merged, b = append(merged, b[0]), b[1:]
		default:
			both := Path{a[0].Name, a[0].Uses | b[0].Uses, opens(phase, a[0].Name, a[0].Opens, b[0].Opens)}
			merged, a, b = append(merged, both), a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}
