package gitint_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/gitint"
)

func TestGitEnvironment(t *testing.T) {
	g := gitint.Git{Env: []string{"HOME=/h", "GIT_DIR=/x", "GIT_INDEX_FILE=/i", "GIT_SSH_COMMAND=ssh -v", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=a.b", "GIT_CONFIG_VALUE_0=c", "GIT_TRACE=1", "SSH_ASKPASS=/ask", "GIT_ASKPASS=/ask", "LC_ALL=de_DE"}}
	env := g.Environment()
	for _, want := range []string{"HOME=/h", "GIT_SSH_COMMAND=ssh -v", "GIT_CONFIG_KEY_0=a.b", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "LC_ALL=C"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is not in %q", want, env)
		}
	}
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains([]string{"GIT_DIR", "GIT_INDEX_FILE", "GIT_TRACE", "SSH_ASKPASS", "GIT_ASKPASS"}, name) {
			t.Errorf("%s leaks", variable)
		}
	}
}

func TestGitRun(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	g := gitint.Git{Env: w.env}
	out, err := g.Run(ctx, w.repo, "rev-parse", "--is-inside-work-tree")
	if err != nil || string(out) != "true\n" {
		t.Errorf("%q, %v", out, err)
	}
	var exit *gitint.ExitError
	if _, err = g.Run(ctx, w.repo, "rev-parse", "--verify", "nonsense"); !errors.As(err, &exit) || exit.Code != 128 || exit.Stderr == "" {
		t.Errorf("failure: %v", err)
	}
	if _, err = g.Run(ctx, w.repo, "ls-remote", "ext::sh -c 'touch ran'"); !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "not allowed") {
		t.Errorf("ext protocol: %v", err)
	}
	if _, err := (gitint.Git{Bin: "/nonexistent/git"}).Run(ctx, w.repo, "version"); err == nil || errors.As(err, &exit) {
		t.Errorf("no git: %v", err)
	}
}

// TestGitIsCancelled starts a git that waits for its input for ever.
func TestGitIsCancelled(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := gitint.Git{Env: w.env}.Run(ctx, w.repo, "-c", "alias.wait=!tail -f /dev/null", "wait")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}
