package build

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
)

// runTraced is Env.runCommands of a phase, traced.
func (c *chain) runTraced(ctx context.Context, phase string, commands []string, log *phaseLog) (result sandbox.Result, running string, err error) {
	result, err = c.traced(ctx, phase, func(ctx context.Context, spec sandbox.Spec) (sandbox.Result, error) {
		var err error
		result, running, err = c.env.runCommands(ctx, spec, commands, c.environment(), log)
		return result, err
	})
	return result, running, err
}

// traced runs a phase's commands while the build folder is watched, and adds what it learned to
// what the chain did before. One tracer goes through the whole chain, as to begin means to look into
// every folder. Where nothing can be watched the trace has a gap, and no more.
func (c *chain) traced(ctx context.Context, phase string, run func(context.Context, sandbox.Spec) (sandbox.Result, error)) (sandbox.Result, error) {
	c.captured, c.newestTime = nil, time.Time{}
	if !c.env.Trace || c.job.Parts.Layout.BuildRoot == "" {
		c.touched = nil
		return run(ctx, c.spec())
	}
	if c.tracer == nil {
		tracer, err := trace.Start(ctx, c.path("build"), trace.Options{Precise: c.changed(), Folders: c.knownFolders()})
		if err != nil {
			c.touched = nil
			c.now.AddGap(trace.GapWatch)
			return run(ctx, c.spec())
		}
		c.tracer, c.earlier, c.wasTraced = tracer, c.now, true
	}
	c.tracer.Phase(phase)
	result, err := c.told(ctx, c.tracer.Ending, run)
	if err != nil || !orderly(result) {
		c.touched = nil
		c.untrace()
		return result, err
	}
	c.tracer.Pause()
	c.touchTraced(c.tracer.Learned(), c.tracer.MayLink())
	c.now = follow(c.earlier, c.tracer.Learned())
	return result, nil
}

// learn tells the tracer what a capture showed: which files got further names.
func (c *chain) learn() {
	captured, ok := c.captured["build"]
	if c.tracer == nil || !ok {
		return
	}
	c.tracer.Links(captured.Index.Changed)
	c.now = follow(c.earlier, c.tracer.Learned())
}

// untrace ends the tracing.
func (c *chain) untrace() {
	if c.tracer == nil {
		return
	}
	learned, err := c.tracer.Stop()
	if err != nil {
		learned.AddGap(trace.GapOverflow)
	}
	c.now, c.tracer = follow(c.earlier, learned), nil
}

// told runs a phase's commands. When they are to end, as ctx is done or their time is over, ending
// is called, and only then are they told: what they write from then on may be cut off.
func (c *chain) told(ctx context.Context, ending func(), run func(context.Context, sandbox.Spec) (sandbox.Result, error)) (sandbox.Result, error) {
	inner, tell := context.WithCancelCause(context.WithoutCancel(ctx))
	defer tell(nil)
	stop := context.AfterFunc(ctx, func() { ending(); tell(context.Cause(ctx)) })
	defer stop()
	spec := c.spec()
	if spec.Timeout > 0 {
		timer := time.AfterFunc(spec.Timeout, func() { ending(); tell(context.DeadlineExceeded) })
		defer timer.Stop()
		spec.Timeout = 0
	}
	result, err := run(inner, spec)
	if result.Interrupted && context.Cause(inner) == context.DeadlineExceeded && ctx.Err() == nil {
		result.Interrupted, result.TimedOut = false, true
	}
	return result, err
}

// knownFolders lists the folders of a warm tree, which was looked at when it was entered; nil where there
// may be others now.
func (c *chain) knownFolders() []string {
	if c.touched == nil || c.wasTraced {
		return nil
	}
	for _, change := range c.job.Base.Changes {
		if change.Old.Kind == tree.KindDir || change.New.Kind == tree.KindDir {
			return nil
		}
	}
	var folders []string
	for _, folder := range c.index["build"].Folders[1:] {
		folders = append(folders, folder.Path)
	}
	return folders
}

// changed names the files whose readers are to be counted, as rule 23 compares the counts.
func (c *chain) changed() []string {
	if c.job.Base == nil {
		return nil
	}
	var names []string
	for _, change := range c.job.Base.Changes {
		names = append(names, change.Path)
	}
	return names
}

// orderly reports whether a phase's processes ended in order, so that its trace has all it did.
func orderly(result sandbox.Result) bool {
	return !result.OutOfMemory && !result.Killed && Outcome(result) != record.Signal
}

// follow is trace.Union for a chain that may only begin with next.
func follow(before, next trace.Trace) trace.Trace {
	if len(before.Phases) == 0 && len(before.Gaps) == 0 {
		return next
	}
	if len(next.Phases) == 0 && len(next.Gaps) == 0 {
		return before
	}
	return trace.Union(before, next)
}

// chainTrace is the trace of the whole chain, this build's part included (rule 16).
func (c *chain) chainTrace() trace.Trace {
	if !c.readers || len(c.now.Phases) == 0 {
		return follow(c.before, c.now)
	}
	before := c.before
	if again, ok := before.Phase(plan.AgainPhase); ok { // the build phase, under another name
		again.Name = plan.BuildPhase
		before.Phases = slices.DeleteFunc(slices.Clone(before.Phases), func(p trace.Phase) bool { return p.Name == plan.AgainPhase })
		before = trace.Sum(before, trace.Trace{Phases: []trace.Phase{again}}, fresh)
	}
	whole := trace.Sum(before, c.now, fresh)
	if c.judged {
		whole = trace.Recount(whole, c.now, slices.Concat(c.changed(), c.remade))
	}
	return whole
}

// fresh reports whether a file may have got a new reader in a build where the lines about other files
// changed: nothing includes what linkers read, and what is no build phase runs whole each time.
func fresh(phase, name string) bool {
	return phase == plan.BuildPhase && !slices.Contains([]string{".o", ".a", ".so", ".lo", ".la", ".obj", ".lib"}, path.Ext(name))
}

// saveTrace stores the trace of the chain; the zero Digest where nothing was traced.
func (c *chain) saveTrace(ctx context.Context) (digest.Digest, error) {
	whole := c.chainTrace()
	if len(whole.Phases) == 0 {
		return digest.Digest{}, nil
	}
	data, err := trace.Encode(whole)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("store the trace: %w", err)
	}
	return cas.PutBytes(ctx, c.env.CAS, data)
}

// LoadTrace reads a stored trace; that there is none is a trace with a gap, of which nothing follows.
func LoadTrace(ctx context.Context, store cas.Store, d digest.Digest) trace.Trace {
	missing := trace.Trace{}
	missing.AddGap(trace.GapMissing)
	if d.IsZero() {
		return missing
	}
	data, err := cas.Get(ctx, store, d)
	if err != nil {
		return missing
	}
	found, err := trace.Decode(data)
	if err != nil {
		return missing
	}
	return found
}
