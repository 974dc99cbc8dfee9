// Package plan decides what is to be done for an element, and says why. Make is a pure function
// from facts to a Step: it reads no file, asks no clock and runs nothing, so the same Step can be
// shown by status, explained by explain and carried out by build (rules 13 to 25).
//
// A Verdict is what is to be done; a Reason is why, as a stable code for scripts and one sentence
// for people.
package plan

import (
	"fmt"
	"slices"
)

// Verdict is what a plan decides for one element.
type Verdict string

// The verdicts, in the order in which they are considered.
const (
	// Unknown: a dependency is not built yet, so the element's inputs do not exist (rule 2).
	Unknown Verdict = "unknown"
	// Skip: the artifact is here.
	Skip Verdict = "skip"
	// Promote: a successful build had equal parts; its files get this name, nothing runs.
	Promote Verdict = "promote"
	// Failed: equal parts failed before; the log is shown again.
	Failed Verdict = "failed"
	// Same: only files changed that the build never opened; the base's artifact stands.
	Same Verdict = "same"
	// Resume: the phases before Step.Phase are taken from the phase cache.
	Resume Verdict = "resume"
	// Continue: the base's build tree is brought to the new source and built on.
	Continue Verdict = "continue"
	// Clean: nothing may be reused.
	Clean Verdict = "clean"
)

// Code is a stable name of a reason, for scripts and tests.
type Code string

// The reason codes. A code is never renamed; a new cause gets a new one.
const (
	CodeDependencyNotBuilt Code = "dependency-not-built"
	CodeDependencyFailed   Code = "dependency-failed"
	CodeArtifactCached     Code = "artifact-cached"
	CodeEqualParts         Code = "equal-parts"
	CodeEqualPartsFailed   Code = "equal-parts-failed"
	CodeRetry              Code = "retry"
	CodePhasesCached       Code = "phases-cached"
	CodeAsked              Code = "asked-clean"
	CodeSoftReset          Code = "soft-reset"
	CodeVerify             Code = "asked-verify"
	CodeFirst              Code = "never-built"
	CodeChanged            Code = "inputs-changed"
	CodeClock              Code = "clock-behind"
	CodeNotFetched         Code = "source-not-fetched"
	CodeNoReference        Code = "source-no-reference"
	CodeUnknownKind        Code = "unknown-kind" // of the element, or of a source
	CodeNoTree             Code = "no-tree"      // of HEAD or the index
)

// The reason codes of rules 14 to 23.
const (
	CodeUnread         Code = "changes-unread"       // 18: Same
	CodeContinue       Code = "source-changed"       // 22: Continue
	CodeContinueEqual  Code = "continued-as-is"      // 22: Continue without a change
	CodeContinueLater  Code = "later-phases-changed" // 22: Continue with other commands after the build phase
	CodeReconfigure    Code = "asked-reconfigure"    // 22: Continue with configure
	CodeBaseGone       Code = "base-gone"            // 15, as those that follow
	CodeBaseRoot       Code = "base-other-root"      //
	CodeBaseKilled     Code = "base-killed"          //
	CodeBaseHalf       Code = "base-half-written"    //
	CodeBaseConfigure  Code = "base-not-configured"  //
	CodeBaseConfigures Code = "configures-late"      //
	CodeBaseUnjudged   Code = "base-unjudged"        //
	CodeBaseWithdrawn  Code = "base-withdrawn"       // 34
	CodeBaseSource     Code = "base-source-unknown"  // 17
	CodeClockCoarse    Code = "clock-coarse"         // 21
	CodeNoTrace        Code = "not-traced"           // 16
	CodeAdded          Code = "file-added"           // 19
	CodeAddedMade      Code = "file-added-made"      // 19
	CodeDeleted        Code = "file-deleted"         // 19
	CodeDeletedRead    Code = "file-deleted-read"    // 19
	CodeRenamed        Code = "file-renamed"         // 19
	CodeConfigureInput Code = "configure-input"      // 20, by the project's word
	CodeConfigureRead  Code = "configure-read"       // 20
	CodeBuildWrote     Code = "build-wrote"          // 20
	CodeBuildSystem    Code = "build-system-read"    // 20
	CodeCountsAsRead   Code = "counts-as-read"       // 18 and 20

	CodeContinuedFailed Code = "continued-failed"       // 23, as those that follow
	CodeDistrustUnread  Code = "continued-unread"       //
	CodeDistrustWrote   Code = "continued-wrote-source" //
	CodeDistrustTrace   Code = "continued-untraced"     //
	CodeDistrustIdle    Code = "continued-not-idle"     //
	CodeDistrustReaders Code = "continued-uncountable"  //
	CodeUnfinished      Code = "base-unfinished"        // before anything runs
	CodeOutputs         Code = "several-outputs"        // before anything runs
	CodeFailedContinued Code = "failed-continued"       // asked for again
)

// Reason says why a verdict was reached.
type Reason struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // one sentence without a full stop
}

// Phase is one phase of the element's recipe, and whether the phase cache holds its result.
type Phase struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	Cached bool   `json:"cached"`
}

// Attempt is an earlier build with equal parts.
type Attempt struct {
	Record     string // its id
	Success    bool
	Replayable bool   // the failure is the element's own (rule 31)
	Summary    string // of a failure: "install failed with exit code 2"
	// Continued: it failed on an old build tree, which may be the cause.
	Continued bool
}

// Previous is the newest build of this element that had other parts: what it is compared with.
type Previous struct {
	Record  string
	Differs []string // the parts that differ, in words: "source", "install-commands", "dependency zlib.bst"
}

// Asked is what the user asked for on the command line.
type Asked struct {
	Clean bool // --clean: use no earlier result
	Retry bool // --retry: build again what failed
	// SoftReset: the user reset its workspace softly: use no earlier result, whatever else is asked.
	SoftReset bool
	// Reconfigure: --reconfigure: continue, and run configure again on the old tree.
	Reconfigure bool
	// From is the record of --from: continue that, or say why not; "" without.
	From string
}

// OldTree reports whether an old build tree is to be continued, whatever artifact is here.
func (a Asked) OldTree() bool { return a.Reconfigure || a.From != "" }

// Anew reports whether an artifact that is here does not do.
func (a Asked) Anew() bool { return a.FromScratch() || a.OldTree() }

// FromScratch reports whether no earlier result may be used.
func (a Asked) FromScratch() bool { return a.Clean || a.SoftReset }

// Facts is all that a decision for one element depends on.
type Facts struct {
	Element  string
	Blocked  *Reason   // dependencies or sources are missing: nothing can be decided
	Artifact string    // the name (strict key or artifact key) under which an artifact is here; "" without
	Attempts []Attempt // with equal parts, the newest first
	Phases   []Phase   // in order; empty for kinds that run no phases
	Previous *Previous // nil when the element was never built
	Base     *Case     // the nearest usable base against this build; nil without
	Spoiled  *Reason   // without a Base: why the nearest build that differs in its source only is none; nil without one
	Asked    Asked
}

// Step is the decision for one element.
type Step struct {
	Element string  `json:"element"`
	Verdict Verdict `json:"verdict"`
	Reason  Reason  `json:"reason"`
	Phase   int     `json:"phase,omitempty"`  // Resume, Continue: the index of the first phase that runs
	Record  string  `json:"record,omitempty"` // Promote, Failed: the record with equal parts; Same, Continue: the base
	Probe   bool    `json:"probe,omitempty"`  // Continue: see Judgement.Probe, and so on
	After   bool    `json:"after,omitempty"`
	Again   bool    `json:"again,omitempty"`
}

// Runs reports whether commands run to carry the step out.
func (s Step) Runs() bool { return s.Verdict == Clean || s.Verdict == Resume || s.Verdict == Continue }

// Make decides what is to be done for one element. Equal facts give equal steps.
func Make(facts Facts) Step {
	step := Step{Element: facts.Element}
	switch {
	case facts.Blocked != nil:
		step.Verdict, step.Reason = Unknown, *facts.Blocked
	case facts.Asked.Clean:
		step.Verdict, step.Reason = Clean, Reason{CodeAsked, "a clean build was asked for"}
	case facts.Asked.SoftReset:
		step.Verdict, step.Reason = Clean, Reason{CodeSoftReset, "its workspace was reset softly, or opened with --fresh: it is built from its sources alone"}
	case facts.Asked.OldTree():
		return oldTree(facts, step)
	case facts.Artifact != "":
		step.Verdict, step.Reason = Skip, Reason{CodeArtifactCached, "its artifact is in the cache"}
	default:
		return decide(facts, step)
	}
	return step
}

// oldTree is for who asks that an old build tree be continued: nothing else will do, and where the
// rules say no the build is clean.
func oldTree(facts Facts, step Step) Step {
	if facts.Base == nil {
		step.Verdict, step.Reason = Clean, cleanReason(facts, false)
		return step
	}
	j := Judge(*facts.Base)
	step.Verdict, step.Reason = j.Verdict, j.Reason
	if j.Verdict != Clean {
		step.Record, step.Phase, step.Probe, step.After, step.Again = facts.Base.Base.Record, j.Phase, j.Probe, j.After, j.Again
	}
	return step
}

// decide handles an element whose inputs are known and whose artifact is not here.
func decide(facts Facts, step Step) Step {
	failed, doubtful := -1, false
	for i, attempt := range facts.Attempts {
		if attempt.Success {
			step.Verdict, step.Record = Promote, attempt.Record
			step.Reason = Reason{CodeEqualParts, "a build with the same inputs is in the cache"}
			return step
		}
		if attempt.Replayable && failed < 0 {
			failed = i
		}
		doubtful = doubtful || attempt.Continued && failed < 0
	}
	if failed >= 0 && !facts.Asked.Retry {
		attempt := facts.Attempts[failed]
		step.Verdict, step.Record = Failed, attempt.Record
		step.Reason = Reason{CodeEqualPartsFailed, "the same inputs failed before: " + attempt.Summary}
		return step
	}
	n := cachedPrefix(facts.Phases)
	if doubtful { // rule 23: what failed on an old tree is built clean when it is asked for again
		facts.Base = nil
	}
	var judged *Judgement
	if facts.Base != nil {
		j := Judge(*facts.Base)
		judged = &j
		if j.Verdict == Same || j.Verdict == Continue && !built(facts.Phases, n) {
			step.Verdict, step.Reason, step.Record = j.Verdict, j.Reason, facts.Base.Base.Record
			step.Phase, step.Probe, step.After, step.Again = j.Phase, j.Probe, j.After, j.Again
			return step
		}
	}
	if n > 0 {
		step.Verdict, step.Phase = Resume, n
		step.Reason = Reason{CodePhasesCached, resumeText(facts, n)}
		return step
	}
	step.Verdict, step.Reason = Clean, cleanReason(facts, failed >= 0)
	if doubtful && failed < 0 {
		step.Reason = Reason{CodeFailedContinued, "these inputs failed on an old build tree, so they are built clean"}
	}
	if judged != nil && judged.Verdict == Clean && step.Reason.Code == CodeChanged {
		step.Reason = judged.Reason
	}
	if facts.Spoiled != nil && step.Reason.Code == CodeChanged && slices.Equal(facts.Previous.Differs, []string{"source"}) {
		step.Reason = *facts.Spoiled
	}
	return step
}

// built reports whether the first n phases, which are cached, include the build phase: then to
// resume, which is exact, costs no more than to continue.
func built(phases []Phase, n int) bool {
	for _, phase := range phases[:n] {
		if phase.Name == BuildPhase {
			return true
		}
	}
	return false
}

// cachedPrefix returns how many phases may be taken from the cache: the longest prefix of the
// chain that it holds (rule 1). A phase's result contains those before it, so only the last one
// of the prefix has to be there.
func cachedPrefix(phases []Phase) int {
	for n := len(phases); n > 0; n-- {
		if phases[n-1].Cached {
			return n
		}
	}
	return 0
}

func resumeText(facts Facts, n int) string {
	if n == len(facts.Phases) {
		return "all its phases are in the cache"
	}
	return fmt.Sprintf("%s unchanged, %s runs%s", phaseNames(facts.Phases[:n]), facts.Phases[n].Name, differs(facts.Previous))
}

func cleanReason(facts Facts, retry bool) Reason {
	switch {
	case retry:
		return Reason{CodeRetry, "its failed build is tried again as asked"}
	case facts.Previous == nil:
		return Reason{CodeFirst, "it was never built here"}
	default:
		return Reason{CodeChanged, "its inputs changed" + differs(facts.Previous)}
	}
}

func differs(previous *Previous) string {
	if previous == nil || len(previous.Differs) == 0 {
		return ""
	}
	const most = 3
	text := ""
	for i, part := range previous.Differs {
		if i == most {
			return ": " + text + fmt.Sprintf(" and %d more", len(previous.Differs)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += part
	}
	return ": " + text
}

func phaseNames(phases []Phase) string {
	text := ""
	for i, phase := range phases {
		if i > 0 {
			text += ", "
		}
		text += phase.Name
	}
	return text
}
