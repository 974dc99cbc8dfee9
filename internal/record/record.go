// Package record keeps what is known about every build: what went in, what came of each phase,
// how far the result can be trusted, and why it was made at all. Records are what `git bst log`
// shows, what decides whether a failure is replayed, and what a later build continues from.
//
// A record is written once, when the build has ended, and never changed. A withdrawal is a file
// of its own, a tombstone: it says that an artifact of a build key must not be used (rule 34).
package record

import (
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/digest"
)

// Version is the version of the form that Put writes, and the newest that is read.
const Version = 1

// Result is how a build ended.
type Result string

// The results. Only Failed is the element's own doing for sure (rule 31).
const (
	Success     Result = "success"
	Failed      Result = "failed"      // a command exited with a code other than 0
	Signal      Result = "signal"      // a command was killed by a signal
	Timeout     Result = "timeout"     // it took longer than allowed
	Interrupted Result = "interrupted" // the user stopped it
	Machine     Result = "machine"     // out of memory, disk full, sandbox, server
)

// How says what a result stands on. The order is that of trust, the best first.
type How string

// The values of How (rule 32); the empty one is as bad as Continued.
const (
	Clean     How = "clean"
	Resumed   How = "resumed"
	Continued How = "continued"
)

// Where says what a build stood on: it is part of trust (rule 32).
type Where string

// The values of Where.
const (
	Sysroot Where = "sysroot"
	Host    Where = "host"
	None    Where = "none"
)

// Trust says how far a result can be relied on.
type Trust struct {
	How How `json:"how"`
	// Verified is set when a clean build gave the same.
	Verified bool  `json:"verified,omitempty"`
	Where    Where `json:"where"`
	// Remote names the caches that parts came from, sorted, between commas; "" when all was made
	// here.
	Remote string `json:"remote,omitempty"`
}

// Public reports whether BuildStream, its cache and servers may see the result under a strict key
// (rule 33): made in a sysroot, and clean, resumed or verified.
func (t Trust) Public() bool {
	return t.Where == Sysroot && t.Solid()
}

// Solid reports whether the result is as a clean build's: it was built clean, resumed, or verified.
func (t Trust) Solid() bool { return t.Verified || solid(t) }

// Least returns the lesser trust of a and b, field by field, as rule 32 asks of a chain.
func Least(a, b Trust) Trust {
	least := a
	if howRank(b.How) > howRank(a.How) {
		least.How = b.How
	}
	least.Verified = a.Verified && b.Verified
	// A clean part needs no verification: only what is not clean must have been verified.
	if solid(a) != solid(b) {
		least.Verified = (solid(a) || a.Verified) && (solid(b) || b.Verified)
	}
	if whereRank(b.Where) > whereRank(a.Where) {
		least.Where = b.Where
	}
	least.Remote = joinRemotes(a.Remote, b.Remote)
	return least
}

func joinRemotes(a, b string) string {
	names := slices.Concat(strings.Split(a, ","), strings.Split(b, ","))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

func solid(t Trust) bool { return howRank(t.How) < howRank(Continued) }

func howRank(h How) int {
	switch h {
	case Clean:
		return 0
	case Resumed:
		return 1
	}
	return 2
}

func whereRank(w Where) int {
	switch w {
	case Sysroot:
		return 0
	case Host:
		return 1
	}
	return 2
}

// Reason says why a step was taken: a stable code for scripts, a line for people.
type Reason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// PhaseHow says where a phase's outputs came from.
type PhaseHow string

// The values of PhaseHow.
const (
	Run    PhaseHow = "run"
	Cached PhaseHow = "cached"
	Empty  PhaseHow = "empty" // it has no commands
)

// Phase is what became of one phase of a build.
type Phase struct {
	Name     string        `json:"name"`
	Key      string        `json:"key,omitempty"`
	How      PhaseHow      `json:"how"`
	Started  time.Time     `json:"started,omitzero"`
	Duration time.Duration `json:"ns,omitempty"` // nanoseconds
	ExitCode int           `json:"exit,omitempty"`
	Signal   int           `json:"signal,omitempty"`
	// Log is what the phase printed.
	Log digest.Digest `json:"log,omitzero"`
}

// Failure says which command ended a build that did not succeed.
type Failure struct {
	Phase    string `json:"phase,omitempty"`
	Command  string `json:"command,omitempty"`
	ExitCode int    `json:"exit,omitempty"`
	Signal   int    `json:"signal,omitempty"`
	// LogPath is where the failing phase's log was written, absolute; it may be gone.
	LogPath string `json:"log-path,omitempty"`
	// Text says more where no command is to blame: "no space left on device".
	Text string `json:"text,omitempty"`
}

// Parts are the digests of what names a build (rule 1); the blobs are the pre-images, so that any
// two builds can be compared input by input.
type Parts struct {
	// PreImage is the canonical JSON of all inputs of the build key (keys.Chain.PreImage).
	PreImage digest.Digest `json:"pre-image,omitzero"`
	Recipe   digest.Digest `json:"recipe,omitzero"`
	Source   digest.Digest `json:"source,omitzero"`
	Sysroot  digest.Digest `json:"sysroot,omitzero"`
	Root     digest.Digest `json:"root,omitzero"`
	// Phases are the pre-images of the phase keys, by name of the phase.
	Phases map[string]digest.Digest `json:"phases,omitempty"`
}

// Facts are what a person wants to read about where a build came from.
type Facts struct {
	WorkDir   string `json:"workdir,omitempty"`   // absolute
	Workspace string `json:"workspace,omitempty"` // its id; "" for none
	Branch    string `json:"branch,omitempty"`    // without refs/heads/; "" for none
	Commit    string `json:"commit,omitempty"`
	Dirty     bool   `json:"dirty,omitempty"`
}

// Record is one build of one element. Zero fields are left out on disk.
type Record struct {
	// ID is unique, and IDs sort by the time of the build (see NewID).
	ID      string `json:"id"`
	Project string `json:"project"`
	Element string `json:"element"`
	// BuildKey and StrictKey are "" where unknown.
	BuildKey  string `json:"build-key,omitempty"`
	StrictKey string `json:"strict-key,omitempty"`
	Parts     Parts  `json:"parts,omitzero"`
	// Verdict is what the plan said: "clean", "resume", "continue", ...
	Verdict string `json:"verdict,omitempty"`
	Reason  Reason `json:"reason,omitzero"`

	Phases  []Phase `json:"phases,omitempty"`
	Result  Result  `json:"result"`
	Failure Failure `json:"failure,omitzero"`

	// Artifact is the digest of the artifact's message; zero when none was made. The message may
	// not be in the blob store: it is the name, for tombstones.
	Artifact digest.Digest `json:"artifact,omitzero"`
	// Files, BuildTree, InstallTree, Tmp, Shm and SourceTree are trees; Times, InstallTimes, Trace
	// and Log are blobs. SourceTree is what is physically in BuildTree (rule 17).
	Files        digest.Digest `json:"files,omitzero"`
	BuildTree    digest.Digest `json:"build-tree,omitzero"`
	Times        digest.Digest `json:"times,omitzero"`
	InstallTree  digest.Digest `json:"install-tree,omitzero"`
	InstallTimes digest.Digest `json:"install-times,omitzero"`
	Special      digest.Digest `json:"special,omitzero"` // what the trees do not hold, as in a phase's outputs
	Tmp          digest.Digest `json:"tmp,omitzero"`
	Shm          digest.Digest `json:"shm,omitzero"`
	SourceTree   digest.Digest `json:"source-tree,omitzero"`
	Trace        digest.Digest `json:"trace,omitzero"`
	Log          digest.Digest `json:"log,omitzero"`

	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"ns"` // nanoseconds
	// Base is the id of the record whose tree, phases or files this one took up; "" for none.
	Base  string `json:"base,omitempty"`
	Trust Trust  `json:"trust"`
	// Sandbox is the kind of sandbox: "namespaces", "bubblewrap", "none".
	Sandbox string `json:"sandbox"`
	// Host is the blob with the lines of the host's fingerprint (rule 10).
	Host  digest.Digest `json:"host,omitzero"`
	Facts Facts         `json:"facts,omitzero"`
	// Notes are lines on what went wrong beside the build (rule 28).
	Notes []string `json:"notes,omitempty"`
}

// Replayable reports whether the record stands for a failure that would come again: a command of
// the element that exited with a code, with nothing of the machine's in it (rule 31). Only such is
// shown again in place of a build of equal parts (rule 13). What was continued may have failed
// for what an older build left behind (rule 23), so it is not.
func (r Record) Replayable() bool {
	return r.Result == Failed && r.Failure.ExitCode != 0 && r.Failure.Signal == 0 &&
		r.BuildKey != "" && solid(r.Trust)
}

// Promotable reports whether the result may get a strict name in our own store (rule 33): a
// success inside a sandbox. Whether parts agree is the promoter's question; see Trust.Public for
// what others may see.
func (r Record) Promotable() bool {
	return r.Result == Success && r.Trust.Where == Sysroot && r.Sandbox != "" && r.Sandbox != string(None)
}
