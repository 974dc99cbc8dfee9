package plan

import (
	"fmt"
	"path"
	"strings"

	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// A *partial* base is one whose build phase did not end with success. Nothing can be tried there
// without changes: the rest would be built, or fail, as it did. So the trial is made after the build
// phase that continues it, when all is built (Judgement.After). What remains to be told is whether
// something that the base had built reads a changed file and is not built again: to count readers
// does not tell, as those that come new would hide those that are missing. So it must be known that
// nothing that was built has read the file: that all who did failed, and fail again (Judgement.Again,
// Accounted). Or, of a compile unit, nothing but its own objects, which every build system knows.

// Partial reports whether the base's build phase did not end with success.
func (b Base) Partial() bool {
	if b.Result == record.Success {
		return false
	}
	for _, phase := range b.Phases {
		if phase.Name == BuildPhase {
			return !phase.Ended
		}
	}
	return true
}

// opens is how often the base's build phase opened a file.
func (b Base) opens(name string) uint32 {
	phase, _ := b.Trace.Phase(BuildPhase)
	return phase.Find(name).Opens
}

// own reports whether all who read a unit in the base's build phase made objects of it: each of these
// has read it once at least.
func (b Base) own(unit string) bool {
	if !isUnit(unit) {
		return false
	}
	phase, _ := b.Trace.Phase(BuildPhase)
	base := path.Base(unit)
	stem := strings.TrimSuffix(base, path.Ext(base))
	objects := uint32(0)
	for _, used := range phase.Paths {
		name := path.Base(used.Name)
		if used.Name != unit && isUnit(name) && strings.TrimSuffix(name, path.Ext(name)) == stem && used.Uses&trace.Opened != 0 {
			return false // whose object it is is not known
		}
		object, ok := strings.CutSuffix(name, ".o")
		if ok && used.Uses&trace.Written != 0 && (object == stem || object == base || strings.HasSuffix(object, "-"+stem) || strings.HasSuffix(object, "_"+base)) {
			objects++
		}
	}
	return phase.Find(unit).Opens <= objects
}

// unfinished: what was interrupted may not be run once more only to see who reads what.
func (c *Case) unfinished(change Change) string {
	if !c.Base.Partial() || c.Base.opens(change.Path) == 0 || c.Base.own(change.Path) {
		return ""
	}
	if c.Base.Result == record.Failed && (!isUnit(change.Path) || c.Base.Said.Lines[change.Path] > 0) {
		return "" // asked by Accounted
	}
	return change.Path + " changed, and the last build ended before it was done: it could not be told whether all that reads it is built"
}

// again reports whether the failed base must fail once more to tell who read the changed files: not
// for a unit that only its objects were made of, or that was opened once and failed.
func (c *Case) again() bool {
	if !c.Base.Partial() || c.Base.Result != record.Failed {
		return false
	}
	for _, change := range c.asked() {
		opens := c.Base.opens(change.Path)
		once := isUnit(change.Path) && c.Base.Said.Lines[change.Path] > 0 && opens == 1
		if opens > 0 && !once && !c.Base.own(change.Path) {
			return true
		}
	}
	return false
}

// Accounted judges what the failed base's build phase did when it was run once more, and failed,
// before the changes: whether who read the changed files failed, so that nothing that is there was
// made of them. said is what its log says. With ok false the element is built clean.
func Accounted(c Case, again trace.Phase, said Diagnoses) (reason Reason, ok bool) {
	former, _ := c.Base.Trace.Phase(BuildPhase)
	var made string
	for _, used := range again.Paths {
		if used.Uses&(trace.Written|trace.Created) != 0 && former.Find(used.Name).Uses&trace.Changed == 0 {
			made = used.Name
			break
		}
	}
	for _, change := range c.asked() {
		before, now := c.Base.opens(change.Path), again.Find(change.Path).Opens
		failed := c.Base.Said.Lines[change.Path] > 0
		text := ""
		switch {
		case before == 0 || c.Base.own(change.Path) || isUnit(change.Path) && failed && before == 1:
		case before > now:
			text = fmt.Sprintf("the last build read it %d times and failed, and %d times when it was tried again", before, now)
		case c.Base.Said.Lines[change.Path] != said.Lines[change.Path]:
			text = "the last build failed in another way when it was tried again"
		case !isUnit(change.Path) && made != "":
			text = "the last build made " + made + " when it was tried again"
		}
		if text != "" {
			return Reason{CodeDistrustReaders, change.Path + " changed, and it could not be told who read it: " + text}, false
		}
	}
	return Reason{}, true
}
