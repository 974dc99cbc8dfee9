package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// hostname is what a build sees as its machine's name.
const hostname = sandbox.DefaultHostname

// grace is how long a build's processes have after TERM before they are killed: short enough for
// Ctrl-C to end a build within a second.
const grace = 500 * time.Millisecond

// chain is one run of an element's phases in a work folder of its own.
type chain struct {
	env   *Env
	job   Job
	dir   string // the work folder: build, install, tmp and shm lie below it
	root  staged
	rec   *record.Record
	how   record.How                 // what the work folder stands on, for the phase cache (rule 24)
	index map[string]*tree.StatIndex // by folder: what needs no hashing again
	last  action.Outputs             // the state that the newest captured phase left

	baseTimes tree.Times // of the warm tree, where it was the base's as it is; else nil
	warm      *warmTree  // locked by this chain; nil for none
	// captured is by folder what is in them now; nil when something may have changed since.
	captured   map[string]tree.Imported
	contents   map[string]warmContent // the same by digest
	newestTime time.Time              // of a file in the build folder; zero when that is not known

	tracer    *trace.Tracer // of this build; nil while nothing is traced
	wasTraced bool          // something ran in the build folder
	earlier   trace.Trace   // of this build, from before the tracer was started
	before    trace.Trace   // of the chain up to the state that this build began from
	now       trace.Trace   // of this build
	// readers: files may have got readers that they did not have, so both's opens count.
	readers bool
	// judged: all that reads the changed files ran in this build, so its count of opens holds.
	judged bool
	// remade are the files which a continued build left with other content than its base's.
	remade []string
	// touched are the folders in which something may have changed since the build folder was as its index
	// says; true where that holds for all below it too. nil: it may have changed anywhere.
	touched map[string]bool

	sets map[digest.Digest]*sourceSet // of the source trees that were asked about
}

// folders are the parts of a work folder that a build writes, and where it sees them.
func (c *chain) folders() []string { return []string{"build", "install", "tmp", "shm"} }

// path is where a folder is on the host. Without a sandbox nothing can show it elsewhere, so the
// build and install folders are where the build sees them.
func (c *chain) path(folder string) string {
	if c.env.Sandbox == sandbox.None {
		layout := c.job.Parts.Layout
		switch {
		case folder == "build" && layout.BuildRoot != "":
			return layout.BuildRoot
		case folder == "install" && layout.InstallRoot != "":
			return layout.InstallRoot
		}
	}
	if c.warm != nil && c.warm.inside && folder != "install" {
		return filepath.Join(c.warm.dir, folder)
	}
	return filepath.Join(c.dir, folder)
}

// claim makes way for the folders of a build without a sandbox, whose paths are fixed: one such
// build of an element runs at a time. Below the cache only; elsewhere nothing is removed.
func (c *chain) claim(ctx context.Context) (release func(), err error) {
	if c.env.Sandbox != sandbox.None {
		return func() {}, nil
	}
	mine := []string{c.path("build"), c.path("install")}
	for _, dir := range mine {
		if !strings.HasPrefix(dir, c.env.Cache+string(filepath.Separator)) {
			return nil, fmt.Errorf("internal error: build without a sandbox at %s: expected a folder of the cache", dir)
		}
	}
	sum := digest.Of([]byte(mine[0])).Hash()
	unlock, err := fsx.Lock(ctx, c.env.dir("locks", "none-"+sum))
	if err != nil {
		return nil, err
	}
	clear := func() error {
		return errors.Join(fsx.RemoveAll(mine[0]), fsx.RemoveAll(mine[1]))
	}
	if err := errors.Join(clear(), os.MkdirAll(filepath.Dir(mine[0]), 0o755), os.MkdirAll(filepath.Dir(mine[1]), 0o755)); err != nil {
		unlock()
		return nil, err
	}
	return func() { _ = clear(); unlock() }, nil
}

// stage makes the work folder for a build from the first phase on: the sources, all with one time.
func (c *chain) stage(ctx context.Context) error {
	for _, folder := range c.folders()[1:] {
		if err := c.makeFolder(folder); err != nil {
			return err
		}
	}
	if c.job.Source.IsZero() {
		return c.makeFolder("build")
	}
	options := tree.ExportOptions{Default: time.Unix(SourceTime, 0)}
	if err := tree.Export(ctx, c.env.CAS, c.job.Source, c.path("build"), options); err != nil {
		return fmt.Errorf("stage the sources: %w", err)
	}
	return nil
}

// makeFolder makes one of the folders, empty, with permissions that are not the caller's umask's.
func (c *chain) makeFolder(folder string) error {
	if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
		return err
	}
	return os.Chmod(c.path(folder), folderMode(folder))
}

func folderMode(folder string) os.FileMode {
	if folder == "tmp" || folder == "shm" {
		return 0o777 | os.ModeSticky
	}
	return 0o755
}

// restore makes the work folder as outputs describe it, with its times to the nanosecond. The
// clock must be ahead of them (rule 21): ErrClock otherwise.
func (c *chain) restore(ctx context.Context, outputs action.Outputs) error {
	parts := []struct {
		folder       string
		tree, times_ digest.Digest
	}{
		{"build", outputs.BuildTree, outputs.BuildTimes},
		{"install", outputs.InstallTree, outputs.InstallTimes},
		{"tmp", outputs.Tmp, digest.Digest{}},
		{"shm", outputs.Shm, digest.Digest{}},
	}
	for _, part := range parts {
		options := tree.ExportOptions{Default: time.Unix(SourceTime, 0)}
		if !part.times_.IsZero() {
			times, err := c.env.loadTimes(ctx, part.times_)
			if err != nil {
				return fmt.Errorf("restore the times of %s: %w", part.folder, err)
			}
			if err := c.env.ahead(ctx, times.Newest()); err != nil {
				return err
			}
			options.Times = times
			if part.folder == "build" {
				c.newestTime = times.Newest()
			}
		}
		if part.tree.IsZero() {
			if err := c.makeFolder(part.folder); err != nil {
				return err
			}
			continue
		}
		if err := tree.Export(ctx, c.env.CAS, part.tree, c.path(part.folder), options); err != nil {
			return fmt.Errorf("restore %s: %w", part.folder, err)
		}
		if err := os.Chmod(c.path(part.folder), folderMode(part.folder)); err != nil {
			return fmt.Errorf("restore %s: %w", part.folder, err)
		}
	}
	c.last = outputs
	if err := c.restoreSpecial(ctx, outputs.Special, c.folders()...); err != nil {
		return fmt.Errorf("restore permissions and links: %w", err)
	}
	return nil
}

// ahead waits until the clock is later than newest, for at most two seconds (rule 21).
func (e *Env) ahead(ctx context.Context, newest time.Time) error {
	wait := newest.Sub(e.Now())
	if wait < 0 {
		return nil
	}
	if wait > 2*time.Second {
		return ErrClock
	}
	timer := time.NewTimer(wait + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run runs one phase, captures what it left, and puts that into the phase cache.
func (c *chain) run(ctx context.Context, index int) error {
	phase, key := c.job.Parts.Phases[index], c.job.Chain.Phases[index]
	log, err := c.env.openLog(c.job, phase.Name)
	if err != nil {
		return err
	}
	defer log.close()
	c.env.emit(Event{Kind: EventPhase, Element: c.job.Name, Phase: phase.Name, LogPath: log.path})
	c.env.reach(StagePhase)
	started := c.env.Now()
	result, running, err := c.runTraced(ctx, phase.Name, phase.Commands, log)
	if err != nil {
		return fmt.Errorf("run the %s phase: %w", phase.Name, err)
	}
	entry := record.Phase{Name: phase.Name, Key: key.Key, How: record.Run, Started: started, Duration: result.Duration,
		ExitCode: result.ExitCode, Signal: int(result.Signal)}
	failure := c.env.failure(c.job, phase.Name, running, result, log)
	var captured action.Outputs
	whole, captureErr := false, error(nil)
	ends := failure != nil || index == len(c.job.Parts.Phases)-1
	if ends || c.how != record.Continued {
		c.env.reach(StageCapture)
		captured, whole, captureErr = c.capture(detached(ctx))
		c.learn()
	} // else nobody could use it: nothing is fed by what stands on an old tree (rule 24)
	if ends {
		c.untrace()
	}
	captured.Duration, captured.MaxRSS = result.Duration, result.MaxRSS
	if captured.Log, err = log.store(detached(ctx), c.env.CAS); err != nil && failure == nil {
		return err // of a failure, the log's file is there all the same
	}
	entry.Log = captured.Log
	c.rec.Phases = append(c.rec.Phases, entry)
	if failure != nil {
		c.last = captured
		return failure
	}
	if captureErr != nil {
		return fmt.Errorf("capture what the %s phase left: %w", phase.Name, captureErr)
	}
	captured.Record, captured.How = c.rec.ID, c.how
	c.last = captured
	if !whole || c.how == record.Continued {
		return nil // rule 24: what stands on an old tree feeds nothing
	}
	if captured.Trace, err = c.saveTrace(detached(ctx)); err != nil {
		return err
	}
	c.env.reach(StageCache)
	_, err = c.env.Phases.Put(ctx, action.Phase, key.Key, captured)
	return err
}

// environment is the job's whole environment, with what is not part of keys.
func (c *chain) environment() map[string]string { return c.job.Recipe.Env }

// timeLeft is what is left of the time that the build of the element may take; 0 is no limit.
func (c *chain) timeLeft() time.Duration {
	if c.env.Timeout == 0 || c.rec == nil {
		return 0
	}
	return max(c.env.Timeout-c.env.Now().Sub(c.rec.Started), time.Millisecond)
}

func (c *chain) spec() sandbox.Spec {
	layout := c.job.Parts.Layout
	spec := sandbox.Spec{
		Root: c.root.root, RootWritable: layout.RootWritable, Binds: append([]sandbox.Bind(nil), c.root.binds...),
		Dir: layout.WorkDir, UID: layout.UID, GID: layout.GID, Hostname: hostname,
		TmpDir: c.path("tmp"), ShmDir: c.path("shm"), Timeout: c.timeLeft(), Kind: c.env.Sandbox,
	}
	if c.env.Sandbox == sandbox.None {
		spec.TmpDir, spec.ShmDir = "", ""
	}
	if layout.BuildRoot != "" {
		spec.Binds = append(spec.Binds, sandbox.Bind{Source: c.path("build"), Target: layout.BuildRoot, Writable: true})
	}
	if layout.InstallRoot != "" {
		spec.Binds = append(spec.Binds, sandbox.Bind{Source: c.path("install"), Target: layout.InstallRoot, Writable: true})
	}
	return spec
}

// runCommands runs commands in one sandbox, as BuildStream's batch, and returns the command that
// ran last. The error is the sandbox's; what the commands did is in the result.
func (e *Env) runCommands(ctx context.Context, spec sandbox.Spec, commands []string, environment map[string]string, log *phaseLog) (sandbox.Result, string, error) {
	mark := "git-bst-" + log.id
	out := newCommandLog(log, mark, commands)
	spec.Args, spec.Env = phaseArgs(mark, commands), environ(environment, spec.Dir)
	spec.Stdout, spec.Stderr, spec.Grace = out, out, grace
	result, err := sandbox.Run(ctx, spec)
	return result, out.running(), errors.Join(err, out.flush())
}

// remark tells the user something about capturing, once, and puts it on record.
func (c *chain) remark(text string) {
	if !slices.Contains(c.rec.Notes, text) {
		c.rec.Notes = append(c.rec.Notes, text)
		c.env.note(c.job.Name, text)
	}
}

func (e *Env) saveSpecial(ctx context.Context, special []tree.Special) (digest.Digest, error) {
	if len(special) == 0 {
		return digest.Digest{}, nil
	}
	data, err := tree.EncodeSpecial(special)
	if err != nil {
		return digest.Digest{}, err
	}
	return cas.PutBytes(ctx, e.CAS, data)
}

// restoreSpecial gives these restored folders what their trees do not hold.
func (c *chain) restoreSpecial(ctx context.Context, d digest.Digest, folders ...string) error {
	if d.IsZero() {
		return nil
	}
	all, err := c.env.loadSpecial(ctx, d)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := tree.RestoreSpecial(c.path(folder), below(all, folder)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) saveTimes(ctx context.Context, times tree.Times) (digest.Digest, error) {
	data, err := tree.EncodeTimes(times)
	if err != nil {
		return digest.Digest{}, err
	}
	return cas.PutBytes(ctx, e.CAS, data)
}

func (e *Env) loadTimes(ctx context.Context, d digest.Digest) (tree.Times, error) {
	data, err := cas.Get(ctx, e.CAS, d)
	if err != nil {
		return nil, err
	}
	return tree.DecodeTimes(data)
}

// where says on what a job's commands run, for its trust.
func where(job Job) record.Where {
	switch {
	case job.Parts.Root.Sandbox != "":
		return record.None
	case job.Parts.Root.Kind == keys.RootHost:
		return record.Host
	default:
		return record.Sysroot
	}
}
