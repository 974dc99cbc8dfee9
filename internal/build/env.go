// Package build carries out plans. It decides nothing: a plan.Step and a Job come in, the element's
// artifact, or its failure, comes out.
//
// A Job is the element as values: recipe, keys, source tree, what is staged below it. Its phases
// run as a chain, each from the state that the one before left; after every phase that state is
// captured and put into the phase cache under the phase's key, so that a later build resumes there
// (rule 1). Every attempt leaves a record, also one that failed or was interrupted.
package build

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
)

// SourceTime is the time of every source file in a clean build, in seconds since 1970:
// 2011-11-11 11:11:11 UTC, the time that BuildStream gives to staged files. It is older than any
// build, so generated files that a source ships are not made again.
const SourceTime = 1321009871

// ErrClock is returned when a build tree can't be restored because the file system's clock is
// behind the times in it (rule 21). A clean build is right then.
var ErrClock = errors.New("the clock is behind the newest file of the build tree")

// KeepTrees says when an artifact names its build tree and sources.
type KeepTrees string

// The policies; BuildStream's cache-buildtrees has the same words.
const (
	KeepAuto   KeepTrees = "auto"   // when the build failed
	KeepAlways KeepTrees = "always" // every time
	KeepNever  KeepTrees = "never"
)

// Env is what builds share: stores, folders, settings. It is not changed while builds run.
type Env struct {
	CAS       *cas.Local
	Artifacts *artifact.Store
	Records   *record.Store
	Phases    *action.Cache
	Verdicts  *action.Verdicts
	Peer      *artifact.Peer // BuildStream's own cache; nil where there is none
	Cache     string         // the cache folder, absolute; work/, roots/, logs/ and locks/ lie below it
	Sandbox   sandbox.Kind
	Timeout   time.Duration // of the build of one element; 0 is none
	Keep      KeepTrees
	Trace     bool // whether builds are traced, so that a later one may be continued
	LogLines  int  // lines of the log in a Failure
	Emit      func(Event)
	Now       func() time.Time
	Stage     func(Stage) // nil but in tests, which end the process there
}

// Stage is a part of a build that a crash may interrupt. None may leave the cache damaged.
type Stage string

// The stages, in the order in which a build enters them. Those from StagePhase to StageCache come
// once for each phase; StageEnd is entered when all is stored, and StageWarm twice or after it.
const (
	StageStaging  Stage = "staging"  // sources and sysroot are made, or a state is restored
	StagePhase    Stage = "phase"    // commands run
	StageCapture  Stage = "capture"  // what they left goes into the store
	StageCache    Stage = "cache"    // the phase cache learns of it
	StageRecord   Stage = "record"   // the record is written
	StageArtifact Stage = "artifact" // the artifact is stored under its names
	StageEnd      Stage = "end"
	StageWarm     Stage = "warm" // the build folder that stays is changed: before what runs in it, and in the end
)

func (e *Env) reach(stage Stage) {
	if e.Stage != nil {
		e.Stage(stage)
	}
}

func (e *Env) dir(parts ...string) string {
	return filepath.Join(append([]string{e.Cache}, parts...)...)
}

// Report sends an event, with the time of now, to whoever listens.
func (e *Env) Report(event Event) { e.emit(event) }

func (e *Env) emit(event Event) {
	if e.Emit == nil {
		return
	}
	event.Time = e.Now()
	e.Emit(event)
}

func (e *Env) note(element string, lines ...string) {
	if len(lines) > 0 {
		e.emit(Event{Kind: EventNote, Element: element, Lines: lines})
	}
}

// detached is a context that outlives an interrupt: what was reached is still kept.
func detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
