package gitint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
)

// SubmodulePolicy says what stands where a submodule is.
type SubmodulePolicy int

// Policies. The zero value is Expand.
const (
	SubmodulesExpand SubmodulePolicy = iota // its files; ErrSubmodule when they are not there
	SubmodulesLoose                         // its files; an empty folder when they are not there
	SubmodulesEmpty                         // always an empty folder
)

// Options are what Open needs besides the folder.
type Options struct {
	Store        *cas.Local // where directories and blobs go
	MemoDir      string     // folder of the memo, shared by all repositories; made when absent
	Git          string     // the git program; "" is git
	Env          []string   // the whole environment of git: HOME, PATH, …
	AllowFilters bool       // the user consents to running the filters that their configuration names
	Submodules   SubmodulePolicy
	Found        *Found // what Find said of the folder a moment ago; may be nil
}

// Git returns the safe runner with these options' program and environment.
func (o Options) runner() Git { return Git{Bin: o.Git, Env: o.Env} }

// Repo is an opened repository. It may be used by several goroutines.
type Repo struct {
	opts        Options
	git         Git
	place       place
	config      config
	memo        *memo
	force       backend // for tests: read objects this way …
	objectsOnly bool    // … and never from the work tree
	depth       int     // how many repositories this one is nested in
}

// place is where the parts of a repository are: absolute paths, but prefix.
type place struct {
	gitDir, commonDir string
	objects, index    string
	topLevel, prefix  string // topLevel is "" without a work tree; prefix is slash-separated
	format            string // sha1 or sha256
}

// TopLevel returns the absolute path of the work tree's top.
func (r *Repo) TopLevel() string { return r.place.topLevel }

// GitDir returns the absolute path of the git directory; a linked work tree has its own.
func (r *Repo) GitDir() string { return r.place.gitDir }

// CommonDir returns the absolute path of the git directory that all linked work trees share.
func (r *Repo) CommonDir() string { return r.place.commonDir }

// Prefix returns the slash-separated path of the opened folder below TopLevel; "" at the top.
func (r *Repo) Prefix() string { return r.place.prefix }

// Open opens the repository whose work tree dir is in. The errors are ErrNoRepository, ErrBare,
// ErrUnsafe and ErrGit. Nothing is written.
func Open(ctx context.Context, dir string, opts Options) (*Repo, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	r, err := open(ctx, dir, opts)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	if r.place.topLevel == "" {
		return nil, fmt.Errorf("open repository %s: %w", dir, hint.Add(ErrBare, "run it in a work tree; git worktree add DIR makes one"))
	}
	return r, nil
}

// OpenGitDir opens the repository whose git directory (bare or not) gitDir is, for its commits
// only: WorkTree and Index return ErrBare.
func OpenGitDir(ctx context.Context, gitDir string, opts Options) (*Repo, error) {
	gitDir, err := filepath.Abs(gitDir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	r, err := open(ctx, gitDir, opts, "--git-dir="+gitDir)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", gitDir, err)
	}
	r.place.topLevel, r.place.prefix = "", ""
	return r, nil
}

// Found is a repository that was found: where it is and how it is configured.
type Found struct {
	dir    string
	place  place
	config config
}

// TopLevel returns the absolute path of the work tree's top; "" without a work tree.
func (f *Found) TopLevel() string { return f.place.topLevel }

// GitDir returns the absolute path of the git directory; a linked work tree has its own.
func (f *Found) GitDir() string { return f.place.gitDir }

// CommonDir returns the absolute path of the git directory that all linked work trees share.
func (f *Found) CommonDir() string { return f.place.commonDir }

// Settings returns git's whole configuration there, the user's and the machine's included.
func (f *Found) Settings() []Setting { return f.config.all }

// Find looks for the repository that dir is in. The errors are those of Open but ErrBare, without
// its words about dir.
func Find(ctx context.Context, dir string, git Git) (*Found, error) { return find(ctx, dir, git) }

// find asks git where everything is and how it is configured: two calls, at once.
func find(ctx context.Context, dir string, git Git, global ...string) (*Found, error) {
	f := &Found{dir: dir}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%w: no such folder", ErrNoRepository)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		f.place, err = discover(ctx, git, dir, global)
		return err
	})
	group.Go(func() error {
		out, err := git.Run(ctx, dir, append(global[:len(global):len(global)], "config", "-z", "--show-origin", "--list")...)
		if err == nil {
			f.config = parseConfig(out)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, explainOpen(err, dir)
	}
	return f, nil
}

// open opens what was found, or finds it.
func open(ctx context.Context, dir string, opts Options, global ...string) (*Repo, error) {
	found := opts.Found
	opts.Found = nil // not for submodules
	if found == nil || found.dir != dir || len(global) > 0 {
		var err error
		if found, err = find(ctx, dir, opts.runner(), global...); err != nil {
			return nil, err
		}
	}
	return &Repo{opts: opts, git: opts.runner(), place: found.place, config: found.config, memo: openMemo(opts.MemoDir)}, nil
}

// discover finds the parts of the repository in one call. The last questions are those that a
// repository without a work tree cannot answer.
func discover(ctx context.Context, git Git, dir string, global []string) (place, error) {
	args := append(global[:len(global):len(global)], "rev-parse", "--path-format=absolute", "--is-inside-work-tree", "--git-dir", "--git-common-dir",
		"--git-path", "objects", "--git-path", "index", "--show-object-format", "--show-prefix", "--show-toplevel")
	out, err := git.Run(ctx, dir, args...)
	lines := strings.Split(string(out), "\n")
	inside := lines[0] == "true"
	if err != nil && (inside || len(lines) < 7) {
		return place{}, err
	}
	want := 7
	if inside {
		want = 8
	}
	if inside && len(lines) != want+1 || !inside && len(lines) < want {
		return place{}, fmt.Errorf("%w: a line break in its path", ErrGit)
	}
	p := place{gitDir: lines[1], commonDir: lines[2], objects: lines[3], index: lines[4], format: lines[5]}
	if inside {
		p.prefix, p.topLevel = strings.TrimSuffix(lines[6], "/"), lines[7]
	}
	return p, nil
}

// explainOpen turns git's refusals into our errors. Git tells them apart by text only, which is
// in English because the runner sets LC_ALL=C.
func explainOpen(err error, dir string) error {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return err
	}
	switch {
	case strings.Contains(exit.Stderr, "dubious ownership"):
		return hint.Addf(ErrUnsafe, "if you trust it: git config --global --add safe.directory %s", dir)
	case strings.Contains(exit.Stderr, "not a git repository"):
		return hint.Add(ErrNoRepository, "git init makes one here")
	case strings.Contains(exit.Stderr, "safe.bareRepository"), strings.Contains(exit.Stderr, "cannot use bare repository"):
		return hint.Add(ErrBare, "run it in a work tree; git worktree add DIR makes one")
	}
	return fmt.Errorf("%w: %s", ErrGit, exit.Stderr)
}

// Do runs git on this repository, at the top of its work tree unless c says otherwise: never with the
// network, never with filters unless Options allow them, and as safely as Git does.
func (r *Repo) Do(ctx context.Context, c Command) error { return r.run(ctx, c) }

// run calls git on this repository: never with the network, never with filters unless allowed.
func (r *Repo) run(ctx context.Context, c Command) error {
	return r.git.Do(ctx, r.local(c))
}

// local returns c for this repository.
func (r *Repo) local(c Command) Command {
	args := []string{"--git-dir=" + r.place.gitDir}
	if r.place.topLevel != "" {
		args = append(args, "--work-tree="+r.place.topLevel)
	}
	args = append(args, "-c", "core.splitIndex=false", "-c", "core.looseCompression=0")
	c.Args = append(args, c.Args...)
	c.Env = append([]string{"GIT_ALLOW_PROTOCOL=none", withSettings(r.git.Environment(), r.config.disarm(r.opts.AllowFilters))}, c.Env...)
	if c.Dir == "" {
		c.Dir = r.dir()
	}
	return c
}

// dir is where git runs for this repository.
func (r *Repo) dir() string {
	if r.place.topLevel != "" {
		return r.place.topLevel
	}
	return r.place.gitDir
}
