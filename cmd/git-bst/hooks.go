package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/hooks"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/ui"
)

func hooksCommand() command {
	place := []cli.Flag{
		&cli.BoolFlag{Name: "shared", Usage: "also where the hooks' folder serves other repositories"},
		&cli.BoolFlag{Name: "visible", Usage: "also where the hook is a file of the work tree, so that the change shows in git status"},
		&cli.BoolFlag{Name: "reference-transaction", Usage: "also after git reset --soft, update-ref and the like; it costs some ms in every git command"},
	}
	return command{
		name: "hooks", help: "build in the background when git makes a commit",
		about: "Installs hooks of git's beside those that are there, in git's configuration from git 2.54 on, else in the hooks' files: after a commit, merge, checkout, amend or rebase, what is new is built in the background, " +
			"at low priority. No git command waits for it, fails or prints anything because of it. Nothing depends on it: every command derives its answers from content.\n\n" +
			"What is done is up to the settings hooks.policy (build, promote, map or off) and hooks.branches. One build runs at a time in a repository; " +
			"a newer commit of the same work tree takes its place, and during a rebase the end is waited for.",
		examples: []string{"git bst hooks install", "git bst hooks status", "git bst hooks stop", "git bst hooks uninstall"},
		sub: []command{
			{name: "install", help: "put git-bst's lines into the repository's hooks", flags: place, action: installHooks,
				about: "A hook that is there keeps all it does. One that is no shell script, that git does not run, or that is a tracked file is left as it is, and nothing is installed.",
			},
			{name: "uninstall", help: "take them out again, to the byte, and stop what runs", action: uninstallHooks},
			{name: "status", help: "show which hooks are installed and what the builder does", action: hooksStatus},
			{name: "stop", help: "end the background build and forget what waits", action: stopHooks},
		},
	}
}

// hookPlace is the repository as hooks see it.
func (a *app) hookPlace(ctx context.Context) (hooks.Place, error) {
	where, err := a.gitPlace(ctx)
	if err != nil {
		return hooks.Place{}, err
	}
	if where.top == "" {
		return hooks.Place{}, fmt.Errorf("a bare repository has no work tree to build: %s", where.common)
	}
	program, err := a.program("git")
	if err != nil {
		return hooks.Place{}, err
	}
	return hooks.Place{Git: gitint.Git{Bin: program, Env: a.environ}, Top: where.top, Common: where.common}, nil
}

// usualHooks are all but the one that runs with every change of a ref.
func usualHooks(transactions bool) []string {
	return slices.DeleteFunc(slices.Clone(hooks.Names), func(name string) bool { return name == hooks.ReferenceTransaction && !transactions })
}

func installHooks(a *app, cc *cli.Context) error {
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return err
	}
	settings, err := a.settings(cc)
	if err != nil {
		return err
	}
	program, err := a.ownProgram()
	if err != nil {
		return err
	}
	names := usualHooks(cc.Bool("reference-transaction"))
	options := hooks.Options{Program: program, Shared: cc.Bool("shared"), Visible: cc.Bool("visible")}
	if err := place.Install(cc.Context, names, options); err != nil {
		return err
	}
	seal, err := config.MakeSeal(config.SealFile(a.environ), rand.Reader)
	if err != nil {
		return err
	}
	if err := hooks.OpenQueue(place.Common).Enable(hooksToken(seal, place.Common)); err != nil {
		return err
	}
	if a.json {
		return a.showHooks(cc, place)
	}
	a.talk("git-bst: hooks installed: %s; hooks.policy is %s", strings.Join(names, ", "), settings.Hooks.Policy)
	return nil
}

// hooksToken is what only this user can write, and for this git directory only.
func hooksToken(seal config.Seal, common string) string { return seal.On("hooks in " + common) }

// hooksEnabled reports whether this user installed the hooks in this git directory.
func (a *app) hooksEnabled(common string) bool {
	seal, err := config.ReadSeal(config.SealFile(a.environ))
	return err == nil && hooks.OpenQueue(common).Enabled(hooksToken(seal, common))
}

// ownProgram is the absolute path of this program, for hooks that run where the search path is
// another one.
func (a *app) ownProgram() (string, error) {
	if program, err := a.program("git-bst"); err == nil {
		return program, nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find git-bst: %w", err)
	}
	return program, nil
}

func uninstallHooks(a *app, cc *cli.Context) error {
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return err
	}
	queue := hooks.OpenQueue(place.Common)
	if err := errors.Join(place.Uninstall(cc.Context, hooks.Names), queue.Disable(), queue.Stop(cc.Context)); err != nil {
		return err
	}
	a.talk("git-bst: no hook of git-bst's is left in this repository")
	return nil
}

func stopHooks(a *app, cc *cli.Context) error {
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return err
	}
	if err := hooks.OpenQueue(place.Common).Stop(cc.Context); err != nil {
		return err
	}
	a.talk("git-bst: nothing is built in the background")
	return nil
}

func hooksStatus(a *app, cc *cli.Context) error {
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return err
	}
	return a.showHooks(cc, place)
}

// hooksInfo is the state of a repository's hooks.
type hooksInfo struct {
	Schema  string        `json:"schema"`
	Version int           `json:"version"`
	Enabled bool          `json:"enabled"`
	Policy  string        `json:"policy"`
	Hooks   []hookInfo    `json:"hooks"`
	Busy    bool          `json:"busy"`
	Log     string        `json:"log"`
	Waiting []hooksWanted `json:"waiting"`
	Running *hooksWanted  `json:"running,omitempty"`
	Last    []hooks.Done  `json:"last"`
}

type hooksWanted = hooks.Wanted

type hookInfo struct {
	Hook      string `json:"hook"`
	File      string `json:"file"`
	Key       string `json:"key,omitempty"` // of git's configuration, where git reads hooks from there
	Installed bool   `json:"installed"`
	Program   string `json:"program,omitempty"`
	Obstacle  string `json:"obstacle,omitempty"`
}

func (a *app) showHooks(cc *cli.Context, place hooks.Place) error {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	states, err := place.Look(cc.Context, hooks.Names)
	if err != nil {
		return err
	}
	queue := hooks.OpenQueue(place.Common)
	board := queue.Read()
	info := hooksInfo{Schema: "git-bst.hooks", Version: 1, Enabled: a.hooksEnabled(place.Common), Policy: settings.Hooks.Policy, Busy: queue.Busy(), Log: queue.Log(),
		Waiting: append([]hooksWanted{}, board.Waiting...), Last: append([]hooks.Done{}, board.Last...)}
	if info.Busy {
		info.Running = board.Running
	}
	for _, state := range states {
		one := hookInfo{Hook: state.Hook, File: state.File, Key: state.Key, Installed: state.Installed, Program: state.Program}
		if state.Why != nil {
			one.Obstacle = state.Why.Error()
		}
		info.Hooks = append(info.Hooks, one)
	}
	if a.json {
		return writeJSON(a.stdout, info)
	}
	a.printHooks(info)
	a.tellHidden(info.Enabled, states)
	return nil
}

// tellHidden says that git no longer runs hooks that were installed, or runs what does nothing.
func (a *app) tellHidden(enabled bool, states []hooks.State) {
	for _, state := range states {
		switch {
		case state.Hook != hooks.PostCommit || enabled == state.Installed:
		case state.Installed:
			a.talk("git-bst: git runs the hooks, but they do nothing: it was not you who installed them here, or the folder was another one; to switch them on: git bst hooks install")
		default:
			a.talk("git-bst: the hooks were installed, but git does not run them now: it looks for %s; to install them there: git bst hooks install", ui.Safe(state.File))
		}
	}
}

// tellHiddenHooks is tellHidden for a command that is not about hooks.
func (a *app) tellHiddenHooks(ctx context.Context) {
	if a.found == nil || a.quiet || a.json || !a.hooksEnabled(a.found.CommonDir()) {
		return
	}
	place, err := a.hookPlace(ctx)
	if err != nil {
		return
	}
	if states, err := place.Look(ctx, []string{hooks.PostCommit}); err == nil {
		a.tellHidden(true, states)
	}
}

func (a *app) printHooks(info hooksInfo) {
	for _, one := range info.Hooks {
		state := "not installed"
		switch {
		case one.Installed && one.Key != "":
			state = "installed in git's configuration as " + one.Key
		case one.Installed:
			state = "installed in " + one.File
		case one.Obstacle != "":
			state = "not installed: " + one.Obstacle
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", one.Hook, ui.Safe(state))
	}
	fmt.Fprintf(a.stdout, "hooks.policy: %s\n", info.Policy)
	if info.Running != nil {
		fmt.Fprintf(a.stdout, "running: %s in %s\n", brief(info.Running.Commit), ui.Safe(info.Running.Dir))
	}
	for _, one := range info.Waiting {
		fmt.Fprintf(a.stdout, "waiting: %s in %s\n", brief(one.Commit), ui.Safe(one.Dir))
	}
	for _, one := range info.Last {
		fmt.Fprintf(a.stdout, "%s: %s in %s%s\n", one.Result, brief(one.Commit), ui.Safe(one.Dir), ui.Safe(afterColon(one.Text)))
	}
	if len(info.Last) > 0 {
		fmt.Fprintf(a.stdout, "log: %s\n", ui.Safe(info.Log))
	}
}

func afterColon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// hookPolicy is what is to be done for a branch: that of the first pattern in alphabetical order
// that the branch matches, else hooks.policy. A detached HEAD is the branch "HEAD".
func hookPolicy(policy string, branches map[string]string, branch string) (string, error) {
	patterns := make([]string, 0, len(branches))
	for pattern := range branches {
		patterns = append(patterns, pattern)
	}
	slices.Sort(patterns)
	for _, pattern := range patterns {
		matched, err := filepath.Match(pattern, branch)
		if err != nil {
			return "", fmt.Errorf("setting hooks.branches: %q: %w", pattern, err)
		}
		if !matched {
			continue
		}
		if !slices.Contains(hookPolicies, branches[pattern]) {
			err := fmt.Errorf("setting hooks.branches: %q: %q is no policy", pattern, branches[pattern])
			return "", hint.Add(err, "one of: "+strings.Join(hookPolicies, ", "))
		}
		return branches[pattern], nil
	}
	return policy, nil
}

// hookPolicies are the values of hooks.policy.
var hookPolicies = []string{"build", "promote", "map", "off"}

// rebasePatience is how long the builder waits for a rebase that somebody left unfinished.
const rebasePatience = time.Hour
