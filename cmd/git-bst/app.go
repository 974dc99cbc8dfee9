package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/workspace"
)

// app is what every command gets: the surroundings, and the global flags once they are parsed.
type app struct {
	machine
	results *results // what stdout writes to, through it
	json    bool
	quiet   bool
	verbose bool
	found   *gitint.Found // the project's repository, once settings have been read; nil for none
	// standing is the workspace in which the user is, once settings have been read; nil for none.
	standing *workspace.Standing
	unsure   error // why a workspace in which the user may be is not believed
	color    bool  // colours on stderr and stdout wherever these are terminals
}

func newApp(m machine) *app {
	a := &app{machine: m, results: &results{to: m.stdout}}
	a.stdout = a.results
	return a
}

// setUp carries out the global flags. It runs once, before the command.
func (a *app) setUp(cc *cli.Context) error {
	a.json, a.quiet, a.verbose = a.flag(cc, "json"), a.flag(cc, "quiet"), a.flag(cc, "verbose")
	a.color = !a.flag(cc, "no-color") && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
	a.dir = aliasDir(a.dir, a.env("GIT_PREFIX"))
	to := cc.String("C")
	if to == "" {
		return nil
	}
	dir := a.path(to)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usagef("git bst: -C %s: no such folder", to)
	}
	a.dir = dir
	return nil
}

// aliasDir is the folder in which the user is. Git runs an alias with "!" at the top of the work
// tree and names the user's folder in GIT_PREFIX; elsewhere that variable says nothing.
func aliasDir(dir, prefix string) string {
	if prefix == "" || !filepath.IsLocal(prefix) {
		return dir
	}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return dir
	}
	inside := filepath.Join(dir, prefix)
	if info, err := os.Stat(inside); err != nil || !info.IsDir() {
		return dir
	}
	return inside
}

// flag reports whether a common flag was given, before the command or after it.
func (a *app) flag(cc *cli.Context, name string) bool {
	for _, level := range cc.Lineage() {
		if level.Command != nil && level.Bool(name) {
			return true
		}
	}
	return false
}

// arguments are the command's arguments with the "--" that the parser takes out when it stands
// before all of them.
func (a *app) arguments(cc *cli.Context) []string {
	args := cc.Args().Slice()
	at := slices.Index(a.args, "--")
	if at < 0 || slices.Contains(args, "--") {
		return args
	}
	tail := a.args[at+1:]
	if len(tail) > len(args) || !slices.Equal(args[len(args)-len(tail):], tail) {
		return args
	}
	return slices.Insert(slices.Clone(args), len(args)-len(tail), "--")
}

// env returns a variable of the environment, "" if it is not there.
func (a *app) env(name string) string {
	for i := len(a.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(a.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// path makes a path that the user wrote absolute.
func (a *app) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(a.dir, name)
}

// talk prints a line for the user on stderr, unless -q.
func (a *app) talk(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}
