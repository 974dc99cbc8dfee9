package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Git calls the git program safely (rule 39): hooks, the file system monitor, replace objects,
// the ext protocol, implicit bare repositories, lazy fetching and every prompt are off. The
// environment is Env without the variables by which a calling git would point it elsewhere.
type Git struct {
	Bin string   // the program; "" means git, looked up in this process's search path
	Env []string // the whole environment to start from: HOME, PATH, proxies, …
}

// Command is one call of git.
type Command struct {
	Dir    string   // where it runs; absolute
	Args   []string // without the program's name
	Env    []string // added last, e.g. GIT_INDEX_FILE
	Stdin  io.Reader
	Stdout io.Writer // nil: discarded
	Stderr io.Writer // nil: kept for the error
}

// ExitError is a git that ran and failed.
type ExitError struct {
	Args   []string
	Code   int    // exit code; -1 after a signal
	Stderr string // what it said, trimmed, at most some KB
}

// Error implements error.
func (e *ExitError) Error() string {
	text := e.Stderr
	if text == "" {
		text = fmt.Sprintf("exit status %d", e.Code)
	}
	return fmt.Sprintf("git %s: %s", e.verb(), text)
}

func (e *ExitError) verb() string {
	if len(e.Args) == 0 {
		return ""
	}
	return e.Args[0]
}

// safeConfig goes before every subcommand; the command line wins over every file.
var safeConfig = []string{
	"-c", "core.fsmonitor=false",
	"-c", "core.hooksPath=/dev/null",
	"-c", "safe.bareRepository=explicit",
	"-c", "protocol.ext.allow=never",
	"-c", "core.askPass=",
	"-c", "gc.auto=0",
	"-c", "maintenance.auto=false",
}

// safeEnv is set last in every call.
var safeEnv = []string{
	"GIT_NO_LAZY_FETCH=1",
	"GIT_NO_REPLACE_OBJECTS=1",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_OPTIONAL_LOCKS=0",
	"LC_ALL=C",
	"LANGUAGE=",
}

// keptVariables are the GIT_* variables of the caller that say who the user is and how to reach
// servers. All others (GIT_DIR, GIT_INDEX_FILE, GIT_TRACE, …) belong to the calling git.
var keptVariables = []string{
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_PARAMETERS",
	"GIT_CONFIG_COUNT", "GIT_ATTR_NOSYSTEM", "GIT_EXEC_PATH", "GIT_CEILING_DIRECTORIES",
	"GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT",
	"GIT_PROXY_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY",
	"GIT_SSL_NO_VERIFY", "GIT_HTTP_USER_AGENT", "GIT_HTTP_LOW_SPEED_LIMIT", "GIT_HTTP_LOW_SPEED_TIME",
}

// Environment returns the environment in which git is started.
func (g Git) Environment() []string {
	var env []string
	for _, variable := range g.Env {
		name, _, _ := strings.Cut(variable, "=")
		switch {
		case name == "SSH_ASKPASS" || name == "LC_ALL" || name == "LANGUAGE":
		case !strings.HasPrefix(name, "GIT_") || slices.Contains(keptVariables, name):
			env = append(env, variable)
		case strings.HasPrefix(name, "GIT_CONFIG_KEY_") || strings.HasPrefix(name, "GIT_CONFIG_VALUE_"):
			env = append(env, variable)
		}
	}
	return append(env, safeEnv...)
}

// Run calls git in dir and returns what it wrote to standard output. A git that fails is an
// *ExitError; what it wrote is returned with it.
func (g Git) Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := g.Do(ctx, Command{Dir: dir, Args: args, Stdout: &out})
	return out.Bytes(), err
}

// Do runs c to its end. A git that fails is an *ExitError; a cancelled ctx is its cause.
func (g Git) Do(ctx context.Context, c Command) error {
	stderr := &tail{}
	if c.Stderr == nil {
		c.Stderr = stderr
	}
	cmd := g.command(ctx, c)
	err := cmd.Run()
	return exitError(ctx, c.Args, err, stderr)
}

// Start starts c and returns it running; the caller waits for it. Cancelling ctx ends it.
func (g Git) Start(ctx context.Context, c Command) (*exec.Cmd, error) {
	cmd := g.command(ctx, c)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git: %w", err)
	}
	return cmd, nil
}

// command is c made ready. Git runs in a session of its own, so that nothing below it can ask
// at the terminal, and is ended with all its children.
func (g Git) command(ctx context.Context, c Command) *exec.Cmd {
	bin := g.Bin
	if bin == "" {
		bin = "git"
	}
	cmd := exec.CommandContext(ctx, bin, slices.Concat(safeConfig, c.Args)...)
	cmd.Dir = c.Dir
	cmd.Env = append(g.Environment(), c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second // git ends at once on TERM; a helper of its may not
	return cmd
}

func exitError(ctx context.Context, args []string, err error, stderr *tail) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("git: %w", context.Cause(ctx))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &ExitError{Args: args, Code: exit.ExitCode(), Stderr: stderr.String()}
	}
	return fmt.Errorf("run git: %w", err)
}

// tail keeps the last bytes written to it.
type tail struct{ text []byte }

const tailBytes = 8 << 10 // enough for git's longest advice

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append([]byte(nil), t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.text)) }
