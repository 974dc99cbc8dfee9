package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
)

// Clock is what rule 21 asks of the file system on which a base is to be continued.
type Clock struct {
	Now    time.Time // its time; the zero time when it was not asked
	Newest time.Time // the newest recorded time of the base's files
	Coarse bool      // it does not keep a time one nanosecond later as a later one
}

// clockPatience is how long a build waits for the clock to pass the newest file: more than the
// ticks of any file system, less than a person notices as hanging (rule 21).
const clockPatience = 2 * time.Second

// Case is one base against the build that is wanted.
type Case struct {
	Base        Base
	Differs     []string // the parts but the source that differ, in words (rule 14)
	Later       []string // the same of the phases after build: these run, and so need not be equal
	Changes     []Change // from Base.Source to the wanted source, sorted by path
	Phases      []Phase  // of the wanted build
	Policies    Policies
	Clock       Clock
	Reconfigure bool // --reconfigure: configure runs again on the old tree
	Strict      bool // the result gets BuildStream's own name
}

// Judgement is what the rules say about a Case: Same, Continue or Clean.
type Judgement struct {
	Verdict Verdict
	Reason  Reason
	Rule    int    // the number in the rules of correctness that decided
	Path    string // the file that decided; "" when none did
	// Phase is, for Continue, the index in Case.Phases of the first phase that runs.
	Phase int
	// Wait is, for Continue, how long to wait first for the clock (rule 21).
	Wait time.Duration
	// Probe says that Continue holds only if a run of the base's build phase without changes does
	// not open the changed files: a makefile may read any of them, headers too. The caller makes
	// that run, traced, before the changes are applied, and judges again with Base.Noop; it keeps
	// what it learned for the next time. Who can't make that run builds clean.
	Probe bool
	// After says the same of a run after the build phase, with the changes: where the base's build
	// phase did not end with success.
	After bool
	// Again says that the base's build phase, which failed, is to be run once more before the changes
	// are applied, traced: see Accounted.
	Again bool
}

// finding is why a rule says Clean, about a file or about all.
type finding struct{ path, text string }

// rule is one line of the table. Its question is asked of the whole case, or of one change.
type rule struct {
	number int
	code   Code
	of     func(c *Case) *finding
	each   func(c *Case, change Change) string // a sentence, or "" when the rule does not apply
}

// cleanRules are asked in this order; the first that applies makes the build clean. Rule 14 comes
// before and Same (rule 18) between, see Judge; rule 22 is what is left.
var cleanRules = []rule{
	{number: 20, code: CodeConfigureInput, each: (*Case).configureInput},
	{number: 19, code: CodeAddedMade, each: (*Case).addedMade},
	{number: 19, code: CodeDeletedRead, each: (*Case).deletedRead},
	{number: 19, code: CodeRenamed, each: (*Case).renamed},
	{number: 19, code: CodeAdded, each: (*Case).added},
	{number: 19, code: CodeDeleted, each: (*Case).deleted},
	{number: 16, code: CodeNoTrace, of: (*Case).untraced},
	{number: 20, code: CodeBuildWrote, each: (*Case).buildWrote},
	{number: 20, code: CodeConfigureRead, each: (*Case).configureRead},
	{number: 18, code: CodeCountsAsRead, each: (*Case).countsAsRead},
	{number: 20, code: CodeBuildSystem, each: (*Case).buildSystem},
	{number: 20, code: CodeBuildSystem, each: (*Case).untriable},
	{number: 23, code: CodeUnfinished, each: (*Case).unfinished},
	{number: 23, code: CodeOutputs, each: (*Case).severalOutputs},
	{number: 21, code: CodeClock, of: (*Case).clockBehind},
	{number: 21, code: CodeClockCoarse, of: (*Case).clockCoarse},
}

// Judge applies rules 14 to 22 to one base. Equal cases give equal judgements.
func Judge(c Case) Judgement {
	if len(c.Differs) > 0 {
		return clean(14, CodeChanged, "", "its inputs changed"+differs(&Previous{Differs: c.Differs}))
	}
	if len(c.Later) > 0 && len(c.Changes) > 0 {
		return clean(14, CodeChanged, c.Changes[0].Path, "its inputs changed"+differs(&Previous{Differs: append([]string{"source"}, c.Later...)}))
	}
	if text := c.same(); text != "" {
		return Judgement{Verdict: Same, Reason: Reason{CodeUnread, text}, Rule: 18, Path: c.Changes[0].Path}
	}
	if c.Base.Source == "" {
		return clean(17, CodeBaseSource, "", c.Base.Usable().Text)
	}
	if reason := c.Base.Usable(); reason != nil {
		return clean(15, reason.Code, "", reason.Text)
	}
	asked := c
	asked.Changes = c.asked()
	for _, r := range cleanRules {
		if found := r.find(&asked); found != nil {
			return clean(r.number, r.code, found.path, found.text)
		}
	}
	return c.proceed()
}

func clean(number int, code Code, path, text string) Judgement {
	return Judgement{Verdict: Clean, Reason: Reason{code, text}, Rule: number, Path: path}
}

func (r rule) find(c *Case) *finding {
	if r.of != nil {
		return r.of(c)
	}
	for _, change := range c.Changes {
		if text := r.each(c, change); text != "" {
			return &finding{change.Path, text}
		}
	}
	return nil
}

// proceed is rule 22.
func (c *Case) proceed() Judgement {
	j := Judgement{Verdict: Continue, Rule: 22, Phase: c.first(), Wait: max(0, c.wait())}
	switch {
	case c.Reconfigure:
		j.Reason = Reason{CodeReconfigure, "configure runs again on the old build tree, as asked"}
	case len(c.Later) > 0:
		j.Reason = Reason{CodeContinueLater, "only what comes after building is done again" + differs(&Previous{Differs: c.Later})}
	case len(c.Changes) == 0:
		j.Reason = Reason{CodeContinueEqual, "the last build is continued where it ended"}
	default:
		j.Path = c.Changes[0].Path
		j.Reason = Reason{CodeContinue, "only what depends on " + c.names() + " is built"}
	}
	opened := slices.ContainsFunc(c.asked(), func(change Change) bool { return c.uses(change, false)&trace.Opened != 0 })
	trial, partial := opened && c.Base.Noop == nil, c.Base.Partial()
	j.Probe, j.After, j.Again = trial && !partial, trial && partial, c.again()
	return j
}

// first returns the first phase after configure, or configure itself where it is to run again.
func (c *Case) first() int {
	i := slices.IndexFunc(c.Phases, func(p Phase) bool { return p.Name == ConfigurePhase })
	if c.Reconfigure && i >= 0 {
		return i
	}
	return i + 1
}

// names lists the changed files, a few of them.
func (c *Case) names() string {
	const most = 3
	var names []string
	for _, change := range c.Changes {
		if !change.Folder {
			names = append(names, change.Path)
		}
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// uses is what the configure phase, or the other phases, did with a changed path (rule 16).
func (c *Case) uses(change Change, configure bool) trace.Use {
	var uses trace.Use
	for _, phase := range c.Base.Trace.Phases {
		if (phase.Name == ConfigurePhase) == configure {
			uses |= phase.Uses(change.Path)
		}
	}
	return uses
}

// Unread reports whether rule 18 holds for all changes but for what only the caller can look up:
// Change.Copied and Change.Rewritten. Where it is false these need not be looked up for that rule.
func (c Case) Unread() bool {
	c.Changes = slices.Clone(c.Changes)
	for i := range c.Changes {
		c.Changes[i].Copied, c.Changes[i].Rewritten = false, false
	}
	return c.same() != ""
}

// same is rule 18: it returns why the base's artifact stands, or "".
func (c *Case) same() string {
	b := c.Base
	if b.Result != record.Success || !b.Artifact || b.Source == "" || !b.SameRoot || !b.Trace.Complete() || len(c.Changes) == 0 || c.Reconfigure {
		return ""
	}
	for _, change := range c.asked() {
		used := b.Trace.Uses(change.Path) != 0 || c.listed(change)
		if !change.plain() || used || change.Copied || change.Rewritten || c.Policies.ConfigureInput(change.Path) != "" {
			return ""
		}
	}
	return "the build never opened what changed: " + c.names()
}

// asked are the changes of which the rules are asked: all but those in a .git folder of which no
// build opened or listed anything. There, additions are unread too: commits add objects.
func (c *Case) asked() []Change {
	hidden := func(change Change) bool { return c.inUnreadGit(change.Path) }
	if !slices.ContainsFunc(c.Changes, hidden) {
		return c.Changes
	}
	return slices.DeleteFunc(slices.Clone(c.Changes), hidden)
}

// inUnreadGit reports whether a path is in a .git folder into which the whole chain never looked.
func (c *Case) inUnreadGit(name string) bool {
	const folder = ".git/"
	at := 0
	if !strings.HasPrefix(name, folder) {
		if at = strings.Index(name, "/"+folder) + 1; at == 0 {
			return false
		}
	}
	if c.untraced() != nil {
		return false
	}
	git := name[:at+len(folder)-1]
	for _, phase := range c.Base.Trace.Phases {
		within := func(used trace.Path) bool { return used.Uses != 0 && strings.HasPrefix(used.Name, git+"/") }
		if phase.Uses(git) != 0 || slices.ContainsFunc(phase.Paths, within) {
			return false
		}
	}
	return true
}

// listed reports whether a phase listed the folder that the changed file is in.
func (c *Case) listed(change Change) bool {
	if c.Policies.IgnoreListing {
		return false
	}
	folder := "."
	if i := strings.LastIndexByte(change.Path, '/'); i >= 0 {
		folder = change.Path[:i]
	}
	return c.Base.Trace.Uses(folder)&trace.Listed != 0
}
