package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/workspace"
)

// flagSettings says which flag gives which setting. A command that has the flag needs no more.
var flagSettings = map[string]string{
	"builders": "build.builders",
	"max-jobs": "build.max-jobs",
	"sandbox":  "build.sandbox",
	"root":     "build.root",
	"timeout":  "build.timeout",
	"option":   "project.options",
	"lines":    "log.lines",
	"budget":   "cache.budget",
}

// settings loads the settings for commands that build, fetch or run anything: what the repository
// asks for without consent is an error. Looking commands take looseSettings.
func (a *app) settings(cc *cli.Context) (config.Config, error) {
	c, err := a.looseSettings(cc)
	if err == nil {
		err = c.CheckTrust()
	}
	if err != nil {
		return config.Config{}, err
	}
	return c, nil
}

// looseSettings loads the settings for commands that only look (rule 38). What the repository
// asks for without consent is not in force.
func (a *app) looseSettings(cc *cli.Context) (config.Config, error) {
	where, entries, err := a.surroundings(cc.Context)
	if err != nil {
		return config.Config{}, err
	}
	from := config.Source{
		Environ: a.environ, TopLevel: where.top, Git: entries, Flags: a.withWorkspaceOptions(flagOverrides(cc)),
		Consented: func(r config.Request) bool {
			given, err := a.consents(where)
			return err == nil && given.Include(r)
		},
	}
	if file := globalString(cc, "config"); file != "" {
		from.UserFile = a.path(file)
	}
	return config.Load(from)
}

// surroundings returns where the user is and what git's configuration says to us. A usual
// repository is kept for the session, so that git is asked only once.
func (a *app) surroundings(ctx context.Context) (where gitPlace, entries []config.GitEntry, err error) {
	if found := a.find(ctx, a.dir); found != nil {
		if found, err = a.stand(ctx, found); err != nil {
			return where, nil, err
		}
		a.found = found
		for _, s := range found.Settings() {
			if strings.HasPrefix(s.Key, "bst.") {
				entries = append(entries, config.GitEntry{Key: s.Key, Value: s.Value, Origin: s.Origin})
			}
		}
		return gitPlace{common: found.CommonDir(), top: found.TopLevel()}, entries, nil
	}
	both, ctx := errgroup.WithContext(ctx) // a process each: half the time
	both.Go(func() (err error) {
		if where, err = a.gitPlace(ctx); errors.Is(err, errNoRepository) {
			err = nil
		}
		return err
	})
	both.Go(func() (err error) {
		entries, err = a.gitSettings(ctx)
		return err
	})
	return where, entries, both.Wait()
}

// projectPlace is gitPlace of the project: in a workspace that is where the settings come from.
func (a *app) projectPlace(ctx context.Context) (gitPlace, error) {
	where, _, err := a.surroundings(ctx)
	if err == nil && where.common != "" {
		return where, nil
	}
	return a.gitPlace(ctx)
}

// stand finds out whether the user is in a workspace; then the repository that counts is its project's.
func (a *app) stand(ctx context.Context, here *gitint.Found) (*gitint.Found, error) {
	dir, err := filepath.EvalSymlinks(a.dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	a.standing, a.unsure = workspace.At(ctx, workspace.Place{Top: here.TopLevel(), GitDir: here.GitDir()}, dir)
	if a.standing == nil {
		return here, nil
	}
	project := a.find(ctx, a.standing.ProjectDir)
	if project == nil {
		a.standing, a.unsure = nil, fmt.Errorf("%w: %s is in no work tree", workspace.ErrProjectGone, a.standing.ProjectDir)
		return here, nil
	}
	return project, nil
}

// find returns the repository around a folder, or nil if there is none with a work tree, or if the
// environment names another one.
func (a *app) find(ctx context.Context, dir string) *gitint.Found {
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_CONFIG"} {
		if a.env(name) != "" {
			return nil
		}
	}
	program, err := a.program("git")
	if err != nil {
		return nil
	}
	found, err := gitint.Find(ctx, dir, gitint.Git{Bin: program, Env: a.environ})
	if err != nil || found.TopLevel() == "" {
		return nil
	}
	return found
}

// globalString returns a flag that stands before the command.
func globalString(cc *cli.Context, name string) string {
	lineage := cc.Lineage()
	for i := len(lineage) - 1; i >= 0; i-- {
		if value := lineage[i].String(name); value != "" {
			return value
		}
	}
	return ""
}

func flagOverrides(cc *cli.Context) []config.Override {
	var out []config.Override
	for name, key := range flagSettings {
		if !cc.IsSet(name) {
			continue
		}
		values := cc.StringSlice(name)
		if values == nil {
			values = []string{cc.String(name)}
		}
		out = append(out, config.Override{Key: key, Values: values, Flag: "--" + name})
	}
	return out
}

// errNoRepository is for a folder that belongs to no git repository.
var errNoRepository = errors.New("not a git repository")

// gitPlace is where the user is, as git sees it.
type gitPlace struct {
	common string // the git directory that all work trees share; "" outside of a repository
	top    string // of the work tree; "" in a bare repository
}

// trustFile is where the user's consents are.
func (p gitPlace) trustFile() string { return filepath.Join(p.common, "bst", "trust.json") }

// consents returns what this user agreed to here; a seal of another user's counts for nothing.
func (a *app) consents(where gitPlace) (config.Consents, error) {
	given, err := config.ReadConsents(where.trustFile())
	if err != nil || len(given.Given) == 0 {
		return given, err
	}
	seal, err := config.ReadSeal(config.SealFile(a.environ))
	if errors.Is(err, fs.ErrNotExist) {
		seal, err = config.Seal{}, nil
	}
	return given.Own(seal), err
}

func (a *app) gitPlace(ctx context.Context) (gitPlace, error) {
	var p gitPlace
	// A bare repository tells the first and then fails; so does a folder in a git directory.
	out, err := a.git(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return p, err
	}
	p.common, p.top, _ = strings.Cut(strings.TrimSuffix(string(out), "\n"), "\n")
	if p.common == "" && err != nil && strings.Contains(err.Error(), "dubious ownership") { // LC_ALL=C: git's text is in English
		err = fmt.Errorf("%w: %s%w", gitint.ErrUnsafe, a.dir, silent{errNoRepository})
		return p, hint.Addf(err, "if you trust it: git config --global --add safe.directory %s", a.dir)
	}
	if p.common == "" {
		err = fmt.Errorf("%w: %s", errNoRepository, a.dir)
		return p, hint.Add(err, "to make one: git init")
	}
	return p, ctx.Err()
}

// gitSettings lists git's configuration below bst, as `git -c` and all files give it.
func (a *app) gitSettings(ctx context.Context) ([]config.GitEntry, error) {
	out, err := a.git(ctx, "config", "--null", "--show-origin", "--get-regexp", `^bst\.`)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil, nil // nothing is set
	}
	if err != nil {
		return nil, fmt.Errorf("read git's configuration: %w", err)
	}
	fields := strings.Split(string(out), "\x00")
	var entries []config.GitEntry
	for i := 0; i+1 < len(fields); i += 2 {
		key, value, ok := strings.Cut(fields[i+1], "\n")
		if !ok {
			value = "true" // git: a key without a value
		}
		entries = append(entries, config.GitEntry{Key: key, Value: value, Origin: fields[i]})
	}
	return entries, nil
}

// git runs git in the user's folder with the user's environment and returns what it prints. An
// exit code other than 0 is an *exec.ExitError.
func (a *app) git(ctx context.Context, args ...string) ([]byte, error) {
	program, err := a.program("git")
	if err != nil {
		return nil, hint.Add(err, "install git, version 2.31 or newer")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = a.dir, append(a.environ[:len(a.environ):len(a.environ)], "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return out, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimPrefix(text, "fatal: "))
	}
	return out, nil
}

// program finds a program in the user's PATH.
func (a *app) program(name string) (string, error) {
	for _, dir := range filepath.SplitList(a.env("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("find %s: not in PATH", name)
}
