package build

import (
	"context"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// Job is all that is needed to build one element, as values.
type Job struct {
	Element string // its name in the project
	Name    string // as the user names it, with the junctions that lead to its project
	Project string
	Recipe  recipe.Recipe
	Chain   keys.Chain
	Parts   keys.Parts
	Source  digest.Digest // tree that is staged at the build root; zero without sources
	Stack   []Placed      // what is staged, in staging order
	Refs    []artifact.Ref
	Strict  string // strict key; "" where it has none or must not be used (rules 7, 8, 10)
	Weak    string
	Meta    artifact.Metadata
	Deps    []artifact.Dep // build dependencies as an Artifact lists them
	Stands  []Stand        // the artifacts of the build dependencies
	Trust   record.Trust   // the least of the build dependencies' (rule 32)
	// FatalWarnings are the project's choice of which warnings are errors.
	FatalWarnings []string
	Host          HostRoot     // where Parts.Root.Kind is "host"
	Facts         record.Facts // where the source came from
	Warnings      []string     // about its sources, shown when it is built
	// Warm is the id under which its build folder stays materialised between builds; "" when it does not.
	Warm string
	// Base is the earlier build from which it may be continued; nil without.
	Base *ContinuedBase
	// Fetch brings all of Source into the store, where a build that is continued needs it after all: then
	// only what changed since Base is there for sure. nil: it is all there.
	Fetch func(context.Context) error
}

// refs are the names under which a result of this trust is stored: the weak one, which is there for
// BuildStream only, wants better than what was built on an old tree (rule 12).
func (j Job) refs(trust record.Trust) []artifact.Ref {
	if trust.How == record.Clean || trust.How == record.Resumed {
		return j.Refs
	}
	return slices.DeleteFunc(slices.Clone(j.Refs), func(ref artifact.Ref) bool { return ref.Key == j.Weak && j.Weak != j.Strict })
}

// Stand is an artifact that a build stands on.
type Stand struct {
	Element  string
	BuildKey string // "" where it is not known
	Artifact digest.Digest
}

// HostRoot is what a build on the host's system sees of it.
type HostRoot struct {
	Extra []string      // further host folders, absolute, by the user's consent
	Lines digest.Digest // the fingerprint's inputs as text, kept for comparison
}

// Placed is one dependency's files in a sysroot.
type Placed struct {
	Name        string // element
	Project     string
	Files       digest.Digest
	Location    string
	Integrate   bool     // its integration commands are run
	Integration []string // with Environment, in "/"
	Environment map[string]string
	Whitelist   []string // overlap-whitelist globs
	SplitRules  artifact.Rules
}

// Built is an element whose artifact is here.
type Built struct {
	Artifact artifact.Artifact
	Files    digest.Digest
	BuildKey string
	Record   string // id of the record that made the files; "" when they came from elsewhere
	Trust    record.Trust
	Ran      int // phases that ran
	// Instead is the step that was carried out where the planned one came to nothing; nil otherwise.
	Instead *plan.Step
	Took    time.Duration // wall clock of this step
	// Times and BaseTimes are those of the build folder and of its base's, where both are at hand; else
	// the records have them.
	Times, BaseTimes tree.Times
}

// Failure is an element whose commands failed, now or (Replayed) earlier with the same inputs.
type Failure struct {
	Element   string
	Phase     string
	Command   string
	ExitCode  int
	Signal    string
	Result    record.Result
	Log       string   // absolute path of the failing phase's log
	Tail      []string // its last lines
	Record    string
	Replayed  bool
	Diagnosed string        // the changed file in which a compiler found the error, of a continued build; else ""
	Limit     time.Duration // of build.timeout, where it took longer; 0 where that is not known
}

// Error implements error in one line.
func (f *Failure) Error() string {
	what := f.Phase
	if what == "" {
		what = "build"
	}
	return f.Element + ": " + what + " " + f.Summary()
}
