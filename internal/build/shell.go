package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
)

// Shell is a command to be run by hand where an element is built or runs.
type Shell struct {
	Job     Job
	Record  *record.Record // whose build tree is entered; nil: the staged sources
	Runtime digest.Digest  // without a build: files that are shown at the install root; zero for none
	Command []string       // none: an interactive sh
	Script  []byte         // a program of the user's: Command are its arguments then; nil: none
	TTY     *os.File       // the user's terminal; nil: none
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Enter runs a shell's command on private copies: what it changes is gone afterwards. The result's
// exit code is the command's own.
func (e *Env) Enter(ctx context.Context, shell Shell) (sandbox.Result, error) {
	work, release, err := e.workDir(ctx, "shell-"+fsx.TempName(""))
	if err != nil {
		return sandbox.Result{}, err
	}
	defer release()
	c := &chain{env: e, job: shell.Job, dir: work, index: map[string]*tree.StatIndex{}}
	unclaim, err := c.claim(ctx)
	if err != nil {
		return sandbox.Result{}, err
	}
	defer unclaim()
	if err := c.furnish(ctx, shell); err != nil {
		return sandbox.Result{}, err
	}
	script, err := c.putScript(shell)
	if err != nil {
		return sandbox.Result{}, err
	}
	if c.root, err = e.sysroot(ctx, shell.Job, work); err != nil {
		return sandbox.Result{}, err
	}
	defer c.root.release()
	spec := c.spec()
	spec.Timeout = 0
	spec.Args = append(script, shell.Command...)
	if len(spec.Args) == 0 {
		spec.Args = []string{"sh", "-i"}
	}
	environment := map[string]string{}
	for name, value := range shell.Job.Recipe.Env {
		environment[name] = value
	}
	if environment["TERM"] == "" || shell.TTY != nil {
		environment["TERM"] = "xterm"
	}
	spec.Env = environ(environment, spec.Dir)
	spec.TTY, spec.Stdin, spec.Stdout, spec.Stderr = shell.TTY, shell.Stdin, shell.Stdout, shell.Stderr
	return sandbox.Run(ctx, spec)
}

// scriptName is what a script of the user's is called in /tmp.
const scriptName = "git-bst-script"

// putScript writes a shell's script to where its command finds it, and returns that place as the
// beginning of a command line; nil without a script.
func (c *chain) putScript(shell Shell) ([]string, error) {
	if shell.Script == nil {
		return nil, nil
	}
	path := filepath.Join(c.path("tmp"), scriptName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("stage the script: %w", err)
	}
	if err := os.WriteFile(path, shell.Script, 0o755); err != nil {
		return nil, fmt.Errorf("stage the script: %w", err)
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		return nil, fmt.Errorf("stage the script: %w", err)
	}
	if c.env.Sandbox == sandbox.None {
		return []string{path}, nil
	}
	return []string{"/tmp/" + scriptName}, nil
}

// furnish fills the work folder with a record's state, the runtime files or the staged sources.
func (c *chain) furnish(ctx context.Context, shell Shell) error {
	switch rec := shell.Record; {
	case rec != nil:
		return c.restore(ctx, action.Outputs{BuildTree: rec.BuildTree, BuildTimes: rec.Times,
			InstallTree: rec.InstallTree, InstallTimes: rec.InstallTimes, Tmp: rec.Tmp, Shm: rec.Shm, Special: rec.Special})
	case !shell.Runtime.IsZero():
		for _, folder := range []string{"build", "tmp", "shm"} {
			if err := os.MkdirAll(c.path(folder), 0o755); err != nil {
				return err
			}
		}
		options := tree.ExportOptions{Default: time.Unix(SourceTime, 0)}
		if err := tree.Export(ctx, c.env.CAS, shell.Runtime, c.path("install"), options); err != nil {
			return fmt.Errorf("stage the artifact: %w", err)
		}
		return nil
	default:
		return c.stage(ctx)
	}
}
