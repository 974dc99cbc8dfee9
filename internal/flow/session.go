// Package flow has the journeys: from where the user stands to what was asked for, one function
// each, read from top to bottom. A Session is one opened project with its stores.
//
// A journey loads the project, identifies its sources, names every element, plans each one when
// its dependencies are done, and has the plan carried out (or shown). The decision is plan's, the
// doing is build's; flow only hands one's result to the other.
package flow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/workspace"
)

// Errors that have an exit code of their own.
var (
	// ErrBuildFailed: an element's own commands failed.
	ErrBuildFailed = errors.New("an element failed to build")
	// ErrNotCached: what was asked for is not in the cache.
	ErrNotCached = errors.New("not cached")
	// ErrRefused: refused as unsafe; a hint says how to insist.
	ErrRefused = errors.New("refused as unsafe")
	// ErrNoProject: there is no project.conf where the user stands.
	ErrNoProject = errors.New("no project")
)

// Options are what a Session is opened with.
type Options struct {
	Dir     string // where the user stands, absolute
	Config  config.Config
	Environ []string      // for git and for proxies: "NAME=value"
	Git     string        // path of the git binary; "" for the one in PATH
	Found   *gitint.Found // the repository at Dir, when it is known already; may be nil
	HTTP    *http.Client  // for downloads, with the user's proxies; nil: without
	Emit    func(build.Event)
	// Revision is the commit whose content stands for the work tree's, a workspace's too; "" for the
	// work tree itself.
	Revision string
	Now      func() time.Time
	Stage    func(build.Stage) // for tests; see build.Env
	// Standing is the workspace in which Dir is: then the project is the workspace's. nil for none.
	Standing *workspace.Standing
}

// Session is one opened project with its stores. Close it.
type Session struct {
	options Options
	config  config.Config
	repo    *gitint.Repo
	cas     *cas.Local
	lease   *cas.Lease
	env     build.Env
	dir     string // the folder that holds project.conf, absolute

	wholeTrees  sync.Map // trees of which all blobs are here, while the lease is held
	bases       sync.Map // by record, what was found out of earlier builds as bases, while the lease is held
	distances   sync.Map // between source trees
	snapMu      sync.Mutex
	snap        *gitint.Snapshot
	sandboxOnce sync.Once
	trySandbox  func() (sandbox.Kind, error) // once, what this machine allows
	sandboxErr  error
	sandboxMu   sync.Mutex
	hostMu      sync.Mutex
	hostSeen    *host
	works       works
	loaded      *project.Project // what is read in place of the project's files; nil: read them
	fetches     bool             // sources that junctions need are fetched when they are not here
	apart       bool             // builds leave the work tree's warm folder alone
}

// Open opens the repository and the cache for the project at options.Dir. It runs nothing but git
// and reads no project yet. Errors: gitint's, cas's, ErrNoProject.
func Open(ctx context.Context, options Options) (*Session, error) {
	s := &Session{options: options, config: options.Config}
	if s.options.Now == nil {
		s.options.Now = time.Now
	}
	if err := s.openStores(ctx); err != nil {
		return nil, err
	}
	if err := s.openProject(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openProject finds the project: that of the workspace in which the user stands, or the one around.
func (s *Session) openProject(ctx context.Context) error {
	dir := s.options.Dir
	if s.options.Standing != nil {
		dir = s.options.Standing.ProjectDir
	}
	var err error
	if s.repo, err = gitint.Open(ctx, dir, s.gitOptions(s.options.Found)); err != nil {
		return err
	}
	if s.options.Standing != nil {
		s.dir = dir
		return nil
	}
	s.dir, err = findProject(s.config, s.repo.TopLevel(), dir)
	return err
}

// gitOptions are what repositories are opened with.
func (s *Session) gitOptions(found *gitint.Found) gitint.Options {
	return gitint.Options{
		Store: s.cas, MemoDir: filepath.Join(s.config.Cache.Dir, "memo"), Git: s.options.Git, Env: s.options.Environ, Found: found,
	}
}

// OpenStores opens the cache only, for commands that need no project.
func OpenStores(ctx context.Context, options Options) (*Session, error) {
	s := &Session{options: options, config: options.Config}
	if s.options.Now == nil {
		s.options.Now = time.Now
	}
	return s, s.openStores(ctx)
}

func (s *Session) openStores(ctx context.Context) error {
	if err := s.checkCacheDir(ctx); err != nil {
		return err
	}
	dir := s.config.Cache.Dir
	store, err := cas.OpenLocal(filepath.Join(dir, "cas"), cas.Options{})
	if err != nil {
		return fmt.Errorf("open the cache: %w", err)
	}
	s.cas = store
	if s.lease, err = store.Lease(ctx); err != nil && !errors.Is(err, cas.ErrReadOnly) {
		return fmt.Errorf("open the cache: %w", err)
	}
	s.env = build.Env{
		CAS: store, Artifacts: artifact.Open(filepath.Join(dir, "artifacts"), store),
		Records: record.Open(filepath.Join(dir, "records")), Phases: action.OpenCache(filepath.Join(dir, "actions"), store),
		Cache: dir, Timeout: s.config.Build.Timeout, Keep: build.KeepTrees(s.config.Cache.KeepBuildTrees),
		Verdicts: action.OpenVerdicts(filepath.Join(dir, "verdicts")), LogLines: s.config.Log.Lines, Trace: s.config.Build.Continue == "auto", Emit: s.options.Emit, Now: s.options.Now, Stage: s.options.Stage,
	}
	if peer, ok := artifact.OpenPeer(s.config.Promote.BuildStream); ok {
		s.env.Peer = &peer
	}
	return nil
}

// Close gives back what the session holds. What it found in the cache may be collected then.
func (s *Session) Close() {
	if s.lease != nil {
		s.lease.Close()
		s.lease = nil
		s.wholeTrees.Clear()
		s.bases.Clear()
	}
}

// Env returns the stores, for commands that look into them.
func (s *Session) Env() *build.Env { return &s.env }

// Config returns the settings of the session.
func (s *Session) Config() config.Config { return s.config }

// Repo returns the repository; nil for a session without a project.
func (s *Session) Repo() *gitint.Repo { return s.repo }

// Dir returns the folder that holds project.conf.
func (s *Session) Dir() string { return s.dir }

// findProject returns the folder with project.conf: the configured one, else the nearest one at or
// above dir within the work tree.
func findProject(c config.Config, top, dir string) (string, error) {
	if c.Project.Path != "" {
		if !filepath.IsLocal(filepath.FromSlash(c.Project.Path)) {
			return "", fmt.Errorf("%w: project.path %q leads out of the work tree", ErrNoProject, c.Project.Path)
		}
		return filepath.Join(top, filepath.FromSlash(c.Project.Path)), nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, "project.conf")); err == nil {
			return at, nil
		}
		if at == top || at == filepath.Dir(at) {
			err := fmt.Errorf("%w: no project.conf in %s or above it in the work tree", ErrNoProject, dir)
			return "", hint.Add(err, "to make one for this repository: git bst init")
		}
	}
}

// snapshot returns the work tree, taken once a session.
func (s *Session) snapshot(ctx context.Context) (gitint.Snapshot, error) {
	s.snapMu.Lock()
	defer s.snapMu.Unlock()
	if s.snap == nil {
		read, what := s.repo.WorkTree, "the work tree"
		if rev := s.options.Revision; rev != "" && s.options.Standing == nil {
			read, what = func(ctx context.Context) (gitint.Snapshot, error) { return s.repo.Commit(ctx, rev) }, "commit "+rev
		}
		snap, err := read(ctx)
		if err != nil {
			return gitint.Snapshot{}, fmt.Errorf("read %s: %w", what, err)
		}
		s.snap = &snap
	}
	return *s.snap, nil
}

// Map reads the work tree, so that the digests of what is in it are known from then on.
func (s *Session) Map(ctx context.Context) error {
	_, err := s.snapshot(ctx)
	return err
}

// chooseSandbox finds out what this machine allows, once a session.
func (s *Session) chooseSandbox(ctx context.Context) error {
	s.sandboxOnce.Do(func() { s.env.Sandbox, s.sandboxErr = s.sandboxTrial(ctx)() })
	return s.sandboxErr
}

// sandboxTrial returns what finds that out. Who knows that it will be wanted calls it ahead, as a trial takes
// some milliseconds.
func (s *Session) sandboxTrial(ctx context.Context) func() (sandbox.Kind, error) {
	s.sandboxMu.Lock()
	defer s.sandboxMu.Unlock()
	if s.trySandbox == nil {
		s.trySandbox = sync.OnceValues(func() (sandbox.Kind, error) { return chooseSandbox(ctx, s.config.Build.Sandbox) })
	}
	return s.trySandbox
}

// chooseSandbox returns the kind of this name; auto is the best that works on this machine.
func chooseSandbox(ctx context.Context, name string) (sandbox.Kind, error) {
	for _, kind := range []sandbox.Kind{sandbox.Namespaces, sandbox.Bubblewrap, sandbox.None} {
		if kind.String() == name {
			return kind, nil
		}
	}
	trial := sandbox.Spec{Kind: sandbox.Namespaces, Args: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}}
	if result, err := sandbox.Run(ctx, trial); err == nil && result.Succeeded() {
		return sandbox.Namespaces, nil // the usual case, without asking what else there might be
	}
	return sandbox.Probe(ctx).Choose()
}
