package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// Errors of Install.
var (
	// ErrVisible: the hook's file belongs to the work tree, so a change would show in git status.
	ErrVisible = errors.New("the hook is a file of the work tree")
	// ErrSwitchedOff: the hook is there, but not executable, so git does not run it; to make it
	// executable for our block would switch on the rest too.
	ErrSwitchedOff = errors.New("the hook is not executable, so git does not run it")
	// ErrShared: the hooks' folder serves other repositories too.
	ErrShared = errors.New("the hooks' folder is not this repository's")
	// ErrLink: the hook is a symbolic link, or no regular file.
	ErrLink = errors.New("the hook is not a regular file")
)

// Place is a repository as the hooks see it.
type Place struct {
	Git    gitint.Git
	Top    string // of the work tree, absolute
	Common string // the git directory that all its work trees share, absolute
}

// Folder returns where git looks for hooks: what core.hooksPath says in the user's or the
// repository's settings, or the git directory's own. A relative path begins at the work tree's top.
func (p Place) Folder(ctx context.Context) (string, error) {
	out, err := p.Git.Run(ctx, p.Top, "config", "--null", "--show-scope", "--type=path", "--get-all", "core.hooksPath")
	var exit *gitint.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.Code == 1) {
		return "", fmt.Errorf("find the hooks: %w", err)
	}
	folder := filepath.Join(p.Common, "hooks")
	fields := strings.Split(string(out), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "command" { // what we say ourselves, to run none
			continue
		}
		folder = fields[i+1]
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(p.Top, folder)
	}
	return folder, nil
}

// State is what is known of one hook.
type State struct {
	Hook string
	File string // absolute
	// Key is the section of git's configuration that names our hook, for a git that reads it.
	Key       string
	Installed bool
	Program   string // that it starts; "" where it is not installed
	// Runs reports whether git runs the file: it is there and executable.
	Runs bool
	// Why says what is in the way of installing; nil when nothing is.
	Why error

	block bool // the file has one
}

// Look returns the state of each hook of these names.
func (p Place) Look(ctx context.Context, names []string) ([]State, error) {
	folder, err := p.Folder(ctx)
	if err != nil {
		return nil, err
	}
	configured, err := p.configured(ctx)
	if err != nil {
		return nil, err
	}
	var states []State
	for _, name := range names {
		state := p.lookAtFile(ctx, State{Hook: name, File: filepath.Join(folder, name)})
		if configured {
			command, err := p.readCommand(ctx, name)
			if err != nil {
				return nil, err
			}
			state.Key, state.Why = configKey(name), nil
			if command != "" {
				state.Installed, state.Program = true, programOf([]byte(command))
			}
		}
		states = append(states, state)
	}
	return states, nil
}

// lookAtFile fills in what the hook's file says.
func (p Place) lookAtFile(ctx context.Context, state State) State {
	file, info, err := readHook(state.File)
	switch {
	case err != nil:
		state.Why = err
	case file != nil:
		state.Runs = info.Mode()&0o111 != 0
		if state.block, err = Has(file); err != nil {
			state.Why = err
		} else if state.block {
			state.Installed, state.Program = true, programOf(file)
		}
	}
	if state.Why == nil {
		state.Why = p.obstacle(ctx, state, file)
	}
	return state
}

// programOf returns the program that a block or a command starts.
func programOf(file []byte) string {
	_, rest, _ := bytes.Cut(file, []byte("git_bst='"))
	program, _, _ := bytes.Cut(rest, []byte("'; ["))
	return strings.ReplaceAll(string(program), `'\''`, "'")
}

// readHook returns a hook's file; nil without one.
func readHook(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, info, fmt.Errorf("%s: %w", path, ErrLink)
	}
	file, err := os.ReadFile(path)
	if file == nil {
		file = []byte{}
	}
	return file, info, err
}

// obstacle says why a hook can't be installed.
func (p Place) obstacle(ctx context.Context, state State, file []byte) error {
	if file != nil && !state.Installed {
		if !state.Runs {
			return fmt.Errorf("%s: %w", state.File, ErrSwitchedOff)
		}
		if _, err := firstLine(file); err != nil {
			return fmt.Errorf("%s: %w", state.File, err)
		}
	}
	at := filepath.Join(real(filepath.Dir(state.File)), state.Hook) // the folder may be a link to another
	name := state.File
	if at != name {
		name += " (" + at + ")"
	}
	switch {
	case within(real(p.Common), at):
		return nil
	case !within(real(p.Top), at):
		return fmt.Errorf("%s: %w", name, ErrShared)
	}
	if _, err := p.Git.Run(ctx, p.Top, "check-ignore", "--quiet", "--", at); err != nil {
		return fmt.Errorf("%s: %w", name, ErrVisible)
	}
	return nil
}

// real is a path without links; of one that does not exist, as much of it as does.
func real(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}

func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

// Options say how to install.
type Options struct {
	Program string // absolute
	// Shared allows a folder that other repositories use too, Visible a file of the work tree.
	Shared, Visible bool
}

// Install makes git run our hooks of these names, and none of the others of Names: by its
// configuration where it reads that, else by our block in its files. It changes nothing when one of
// them can't have it; the error then wraps that state's Why, and a hint says what to do.
func (p Place) Install(ctx context.Context, names []string, options Options) error {
	states, err := p.Look(ctx, names)
	if err != nil {
		return err
	}
	for _, state := range states {
		if err := options.allow(state); err != nil {
			return fmt.Errorf("install the hook %s: %w", state.Hook, err)
		}
	}
	for _, state := range states {
		if state.Key != "" {
			err = errors.Join(p.configure(ctx, state.Hook, options.Program), takeOutIf(state.block, state.File))
		} else {
			err = errors.Join(put(state, options.Program), p.unconfigure(ctx, state.Hook))
		}
		if err != nil {
			return fmt.Errorf("install the hook %s: %w", state.Hook, err)
		}
	}
	others := slices.DeleteFunc(slices.Clone(Names), func(name string) bool { return slices.Contains(names, name) })
	return p.Uninstall(ctx, others)
}

// allow returns what is in the way, with what can be done about it.
func (o Options) allow(state State) error {
	line := strings.TrimSpace(Block(state.Hook, o.Program))
	switch err := state.Why; {
	case err == nil, o.Shared && errors.Is(err, ErrShared), o.Visible && errors.Is(err, ErrVisible):
		return nil
	case errors.Is(err, ErrShared):
		return hint.Add(err, "other repositories may run it too, where it does nothing; to install it there: git bst hooks install --shared")
	case errors.Is(err, ErrVisible):
		return hint.Add(err, "to change it all the same: git bst hooks install --visible")
	case errors.Is(err, ErrSwitchedOff):
		return hint.Addf(err, "to switch it on: chmod +x %s", state.File)
	case errors.Is(err, ErrDamagedBlock):
		return hint.Addf(err, "look at the lines with >>> git-bst >>> and <<< git-bst <<< in %s, and remove them", state.File)
	default:
		return hint.Add(err, "call these lines from it:\n"+line)
	}
}

func put(state State, program string) error {
	file, info, err := readHook(state.File)
	if err != nil {
		return err
	}
	with, err := Insert(file, state.Hook, program)
	if err != nil || bytes.Equal(with, file) {
		return err
	}
	mode := fs.FileMode(0o755)
	if info != nil {
		mode = info.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(state.File), 0o777); err != nil {
		return err
	}
	return fsx.WriteFile(state.File, with, mode)
}

// Uninstall takes what is ours out of the hooks of these names; every byte that is not ours stays. A
// file that was made for our block goes.
func (p Place) Uninstall(ctx context.Context, names []string) error {
	folder, err := p.Folder(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := errors.Join(takeOut(filepath.Join(folder, name)), p.unconfigure(ctx, name)); err != nil {
			return fmt.Errorf("take out the hook %s: %w", name, err)
		}
	}
	return nil
}

func takeOutIf(there bool, path string) error {
	if !there {
		return nil
	}
	return takeOut(path)
}

func takeOut(path string) error {
	file, info, err := readHook(path)
	if errors.Is(err, ErrLink) || file == nil && err == nil {
		return nil
	}
	if err != nil {
		return err
	}
	rest, err := Remove(file)
	switch {
	case err != nil:
		return hint.Addf(err, "look at the lines with >>> git-bst >>> and <<< git-bst <<< in %s, and remove them", path)
	case rest == nil:
		return os.Remove(path)
	case bytes.Equal(rest, file):
		return nil
	}
	return fsx.WriteFile(path, rest, info.Mode().Perm())
}
