package hooks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/gitint"
)

// From git 2.54 on, the configuration may name hooks: git runs them beside those in files, wherever
// core.hooksPath points and whatever a hooks manager does with the files.
const configuredMajor, configuredMinor = 2, 54

// configKey is the section of git's configuration for one hook; the name must not be git's own.
func configKey(hook string) string { return "hook.git-bst-" + hook }

// configured reports whether git runs hooks that its configuration names.
func (p Place) configured(ctx context.Context) (bool, error) {
	out, err := p.Git.Run(ctx, p.Common, "version")
	if err != nil {
		return false, fmt.Errorf("ask git for its version: %w", err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return false, nil // one that counts otherwise: hooks in files work everywhere
	}
	return major > configuredMajor || major == configuredMajor && minor >= configuredMinor, nil
}

// Command returns what the configuration says for one hook, to start program, an absolute path. Git
// gives it to a shell with the hook's arguments behind it.
func Command(hook, program string) string {
	return fmt.Sprintf("git_bst() { if %s; then %s; if %s; then %s fi; fi; }; git_bst", guard(hook), find(program), there, start(hook))
}

// readCommand returns what the repository's configuration says for a hook; "" for nothing.
func (p Place) readCommand(ctx context.Context, hook string) (string, error) {
	out, err := p.Git.Run(ctx, p.Top, "config", "--local", "--null", "--get", configKey(hook)+".command")
	var exit *gitint.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the configured hook %s: %w", hook, err)
	}
	return strings.TrimSuffix(string(out), "\x00"), nil
}

// configure makes git's configuration name the hook.
func (p Place) configure(ctx context.Context, hook, program string) error {
	for _, setting := range [][2]string{{".command", Command(hook, program)}, {".event", hook}} {
		if _, err := p.Git.Run(ctx, p.Top, "config", "--local", "--replace-all", configKey(hook)+setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// unconfigure takes that back.
func (p Place) unconfigure(ctx context.Context, hook string) error {
	command, err := p.readCommand(ctx, hook)
	if err != nil || command == "" {
		return err
	}
	_, err = p.Git.Run(ctx, p.Top, "config", "--local", "--remove-section", configKey(hook))
	return err
}
