package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/trace"
)

// wait returns how long the clock is behind the newest file; below 0 when it is ahead.
func (c *Case) wait() time.Duration {
	if c.Clock.Now.IsZero() {
		return -1
	}
	return c.Clock.Newest.Sub(c.Clock.Now) + 1
}

func (c *Case) clockBehind() *finding {
	if c.wait() > clockPatience {
		return &finding{text: "the clock is behind the newest file of the build tree"}
	}
	return nil
}

func (c *Case) clockCoarse() *finding {
	if c.Clock.Coarse {
		return &finding{text: "the file system does not keep times to the nanosecond"}
	}
	return nil
}

// untraced is rule 16: without a trace of all up to configure every change counts as read. Phases
// that a failure cut off did less than they would have, which harms nothing here.
func (c *Case) untraced() *finding {
	if len(c.Changes) == 0 || c.Reconfigure && c.Base.Trace.Gapless() {
		return nil
	}
	path, t := c.Changes[0].Path, c.Base.Trace
	if !t.Gapless() {
		why := "it was not traced"
		if len(t.Gaps) > 0 {
			why = "its trace has gaps (" + string(t.Gaps[0]) + ")"
		}
		return &finding{path, "it is not known whether the last build read " + path + ": " + why}
	}
	traced, ok := t.Phase(ConfigurePhase)
	for _, phase := range c.Base.Phases {
		if phase.Name == ConfigurePhase && (!ok || !traced.Ended) {
			return &finding{path, "it is not known whether configure read " + path + ": it was not traced"}
		}
	}
	return nil
}

func (c *Case) configureInput(change Change) string {
	why := c.Policies.ConfigureInput(change.Path)
	if why == "" || c.Reconfigure && !slices.Contains(c.Policies.Learned, change.Path) {
		return ""
	}
	return change.Path + " changed, " + why
}

// addedMade: a build that made a file of its own there would not have done so in a clean build.
func (c *Case) addedMade(change Change) string {
	if change.Op == Added && (c.Base.Trace.Uses(change.Path)&trace.Changed != 0 || change.Rewritten) && !c.onlyFolder(change) {
		return change.Path + " was added, which the last build made itself"
	}
	return ""
}

func (c *Case) deletedRead(change Change) string {
	if change.Op == Deleted && !change.Folder && c.Base.Trace.Uses(change.Path)&^trace.Listed != 0 {
		return change.Path + " was deleted, which the last build used"
	}
	return ""
}

func (c *Case) renamed(change Change) string {
	if change.Op != Deleted || change.Was == "" || c.allowed(change) {
		return ""
	}
	for _, other := range c.Changes {
		if other.Op == Added && other.Is == change.Was {
			return change.Path + " was renamed to " + other.Path
		}
	}
	return ""
}

func (c *Case) added(change Change) string {
	if change.Op == Added && !c.allowed(change) {
		return change.Path + " was added"
	}
	return ""
}

func (c *Case) deleted(change Change) string {
	if change.Op == Deleted && !c.allowed(change) {
		return change.Path + " was deleted"
	}
	return ""
}

// allowed reports whether the user's policy lets the path come and go. A folder goes with what is
// in it, whose changes are asked for themselves.
func (c *Case) allowed(change Change) bool {
	return Matches(c.Policies.Allowed, change.Path) != "" || c.onlyFolder(change)
}

// onlyFolder reports whether the change is that of a folder with other changes below it.
func (c *Case) onlyFolder(change Change) bool {
	if !change.Folder {
		return false
	}
	for _, other := range c.Changes {
		if strings.HasPrefix(other.Path, change.Path+"/") {
			return true
		}
	}
	return false
}

func (c *Case) buildWrote(change Change) string {
	if change.Op == Added || change.Op == Deleted {
		return "" // asked by rule 19
	}
	if c.Base.Trace.Uses(change.Path)&trace.Changed != 0 || change.Rewritten {
		return change.Path + " changed, which the last build wrote or moved itself"
	}
	return ""
}

func (c *Case) configureRead(change Change) string {
	if !c.Reconfigure && c.uses(change, true)&trace.Opened != 0 {
		return change.Path + " changed, which configure read"
	}
	return ""
}

// countsAsRead: no trace shows who asked for a link's target, a mode, a type or whether a file is
// empty, so configure may have.
func (c *Case) countsAsRead(change Change) string {
	if change.Op == Added || change.Op == Deleted || change.plain() {
		return ""
	}
	what := map[Op]string{Mode: "the mode of ", Link: "the target of ", Type: "the type of ", Content: "whether there is anything in "}[change.Op]
	return what + change.Path + " changed, and no trace shows who asked for it"
}

// severalOutputs: what is made of such a file may be several files of which the build system knows
// one. A strict name waits for a verification then, which is a clean build.
func (c *Case) severalOutputs(change Change) string {
	if !c.Strict || IsCompiled(change.Path) || c.uses(change, false)&trace.Opened == 0 {
		return ""
	}
	return change.Path + " changed, of which several files may be made, and the result is to have BuildStream's own name"
}

// untriable: where there is no build phase nothing can be tried without changes (see
// Judgement.Probe), and all that there is runs in full anyway.
func (c *Case) untriable(change Change) string {
	build := func(p Phase) bool { return p.Name == BuildPhase }
	if c.Base.Noop != nil || slices.ContainsFunc(c.Phases, build) || c.uses(change, false)&trace.Opened == 0 {
		return ""
	}
	return change.Path + " changed, and there is no build phase that could be tried without changes"
}

func (c *Case) buildSystem(change Change) string {
	if c.Base.Noop != nil && c.Base.Noop.Uses(change.Path)&trace.Opened != 0 {
		return change.Path + " changed, which the build reads even when there is nothing to do"
	}
	return ""
}
