package artifact

import (
	"errors"

	"github.com/git-bst/git-bst/internal/digest"
)

// Version is the version of the message that Encode writes, and the newest that Decode reads.
const Version = 2

// Succeeded is BuildError of an artifact whose build succeeded: BuildStream writes it so.
const Succeeded = "succeeded"

// ErrInvalid is returned for bytes that are no artifact, and for an artifact, reference or rule
// that could not be written or applied as it is.
var ErrInvalid = errors.New("not a valid artifact")

// Artifact is one built element. The zero Digest means "not kept" for every tree.
type Artifact struct {
	// Version is the version of the message; 0 is written as Version.
	Version int32
	// BuildSuccess is false for an artifact that stands for a cached failure.
	BuildSuccess bool
	// BuildError is Succeeded or one line on the failure; BuildErrorDetails may be longer.
	BuildError, BuildErrorDetails string
	// StrongKey, StrictKey and WeakKey are the names it was built under; "" when there is none.
	StrongKey, StrictKey, WeakKey string
	// WasWorkspaced taints in BuildStream: such an artifact is never pushed.
	WasWorkspaced bool
	// Files is the tree that the element produced; zero when nothing was collected.
	Files digest.Digest
	// BuildDeps are the artifacts that were staged for the build, in staging order.
	BuildDeps []Dep
	// PublicData, LowDiversityMeta and HighDiversityMeta are YAML blobs (see Metadata).
	PublicData, LowDiversityMeta, HighDiversityMeta digest.Digest
	// Logs are text blobs.
	Logs []Log
	// BuildTree, Sources and BuildRoot are trees, kept for failures and workspaces.
	BuildTree, Sources, BuildRoot digest.Digest
	// BuildSandbox is how the sandbox was set up; nil when not recorded.
	BuildSandbox *Sandbox
}

// Dep names the artifact of a build dependency.
type Dep struct {
	Project, Element, Key string
	WasWorkspaced         bool
}

// Log is a log file: its base name and its content.
type Log struct {
	Name   string
	Digest digest.Digest
}

// Sandbox is the state of a build's sandbox, kept beside a build root.
type Sandbox struct {
	// Environment is sorted by name.
	Environment []Variable
	// WorkingDirectory is absolute inside the sandbox.
	WorkingDirectory string
	// Subsandboxes are trees.
	Subsandboxes []digest.Digest
	// MarkedDirectories are the writable ones, absolute inside the sandbox.
	MarkedDirectories []string
}

// Variable is one environment variable.
type Variable struct{ Name, Value string }

// trees returns the trees that a names: those that it needs to count as complete first.
func (a Artifact) trees() (needed, optional []digest.Digest) {
	if !a.Files.IsZero() {
		needed = append(needed, a.Files)
	}
	for _, d := range []digest.Digest{a.BuildTree, a.Sources, a.BuildRoot} {
		if !d.IsZero() {
			optional = append(optional, d)
		}
	}
	if a.BuildSandbox != nil {
		optional = append(optional, a.BuildSandbox.Subsandboxes...)
	}
	return needed, optional
}

// blobs returns the blobs that a names and needs to count as complete.
func (a Artifact) blobs() []digest.Digest {
	blobs := []digest.Digest{a.PublicData, a.LowDiversityMeta, a.HighDiversityMeta}
	for _, log := range a.Logs {
		blobs = append(blobs, log.Digest)
	}
	return blobs
}
