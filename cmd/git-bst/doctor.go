package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/ui"
)

func doctorCommand() command {
	return command{
		name: "doctor", help: "check what this machine allows, and say what to do",
		about: "Checks git, the settings, the cache, the sandbox, compilers, man pages and completions. " +
			"Each line is ok, warn (it works, but not at its best) or FAIL (git bst can't build here), with what to do. Exit code 1 if anything fails.",
		examples: []string{"git bst doctor", "git bst doctor --json"},
		action:   doctor,
	}
}

// finding is one line of doctor.
type finding struct {
	Schema string `json:"schema"`
	Format int    `json:"version"`
	Name   string `json:"name"`
	State  string `json:"state"` // one of the states
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

const (
	stateOK   = "ok"
	stateWarn = "warn"
	stateFail = "FAIL"
)

func ok(name, format string, args ...any) finding {
	return finding{Name: name, State: stateOK, Detail: fmt.Sprintf(format, args...)}
}

func warn(name, advice, format string, args ...any) finding {
	return finding{Name: name, State: stateWarn, Advice: advice, Detail: fmt.Sprintf(format, args...)}
}

func fail(name, advice, format string, args ...any) finding {
	return finding{Name: name, State: stateFail, Advice: advice, Detail: fmt.Sprintf(format, args...)}
}

func doctor(a *app, cc *cli.Context) error {
	settings, err := a.looseSettings(cc)
	findings := []finding{a.checkGit(cc.Context), a.checkRepository(cc.Context), a.checkSettings(settings, err)}
	if err == nil {
		findings = append(findings, checkCache(settings))
	}
	findings = append(findings, checkSandbox(cc.Context, settings)...)
	findings = append(findings, a.checkCompiler(), a.checkManPage(cc.Context))
	failed := 0
	for _, f := range findings {
		if f.State == stateFail {
			failed++
		}
		if err := a.printFinding(f); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed%w", failed, len(findings), silent{errTold})
	}
	return cc.Context.Err()
}

func (a *app) printFinding(f finding) error {
	if a.json {
		f.Schema, f.Format = "git-bst.check", 1
		return writeJSONLine(a.stdout, f)
	}
	if a.quiet && f.State == stateOK {
		return nil
	}
	fmt.Fprintf(a.stdout, "%-4s  %s: %s\n", f.State, f.Name, ui.Safe(f.Detail))
	if f.Advice != "" && (f.State != stateOK || a.verbose) {
		for _, line := range strings.Split(f.Advice, "\n") {
			fmt.Fprintf(a.stdout, "      %s\n", ui.Safe(line))
		}
	}
	return nil
}

// oldestGit is the first with rev-parse --path-format, which finding the repository needs.
var oldestGit = [2]int{2, 31}

func (a *app) checkGit(ctx context.Context) finding {
	const advice = "install git 2.31 or newer"
	out, err := a.git(ctx, "version")
	if err != nil {
		return fail("git", advice, "%v", err)
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(out)), "git version ")
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return warn("git", advice, "can't read its version: %s", version)
	}
	if major < oldestGit[0] || major == oldestGit[0] && minor < oldestGit[1] {
		return fail("git", advice, "version %s is too old", version)
	}
	return ok("git", "version %s", version)
}

func (a *app) checkRepository(ctx context.Context) finding {
	where, err := a.gitPlace(ctx)
	switch {
	case errors.Is(err, gitint.ErrUnsafe):
		return fail("repository", strings.Join(hint.Lines(err), "\n"), "%v", err)
	case errors.Is(err, errNoRepository):
		return warn("repository", "go to a git work tree, or make one: git init", "none here")
	case err != nil:
		return fail("repository", "see what git says: git status", "%v", err)
	case where.top == "":
		return warn("repository", "git worktree add ../FOLDER", "%s is bare: it has no work tree", where.common)
	}
	return ok("repository", "%s", where.top)
}

func (a *app) checkSettings(settings config.Config, err error) finding {
	if err != nil {
		return fail("settings", "see: git bst config", "%v", err)
	}
	if err := settings.CheckTrust(); err != nil {
		return warn("settings", "git bst trust --list", "%v", err)
	}
	return ok("settings", "no mistakes")
}

// fewBytes is what a build of a middling C project takes, with its build tree.
const fewBytes = 2 << 30

func checkCache(settings config.Config) finding {
	dir := settings.Cache.Dir
	if dir == "" {
		return fail("cache", "set HOME, or: git config --global bst.cache.dir /FOLDER", "there is no home to put it into")
	}
	advice := "git config --global bst.cache.dir /FOLDER/WITH/ROOM"
	if err := tryToWrite(dir); err != nil {
		return fail("cache", advice, "%v", err)
	}
	disk, err := fsx.DiskFree(dir)
	if err != nil {
		return warn("cache", advice, "%v", err)
	}
	detail := fmt.Sprintf("%s, %s free, budget %s", dir, config.FormatSize(disk.FreeBytes), config.FormatSize(settings.Cache.Budget.Of(disk.TotalBytes)))
	if disk.FreeBytes < fewBytes {
		return warn("cache", "git bst cache gc --budget SIZE, or "+advice, "%s", detail)
	}
	return ok("cache", "%s", detail)
}

// tryToWrite makes the folder and a file in it, which it removes.
func tryToWrite(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	file, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return fmt.Errorf("write to the cache: %w", err)
	}
	defer os.Remove(file.Name())
	if _, err = file.Write([]byte("x")); err != nil {
		err = fmt.Errorf("write to the cache: %w", err)
	}
	return errors.Join(err, file.Close())
}

// checkSandbox reports whether builds can be kept apart here, and each thing that was tried.
func checkSandbox(ctx context.Context, settings config.Config) []finding {
	report := sandbox.Probe(ctx)
	var findings []finding
	switch kind, err := report.Choose(); {
	case settings.Build.Sandbox == "none":
		findings = append(findings, warn("sandbox", "git config --unset bst.build.sandbox", "switched off: what is built can't be promoted"))
	case err != nil:
		findings = append(findings, fail("sandbox", "one of the next lines says what to enable; in a container that forbids it, run builds outside", "%v", err))
	default:
		findings = append(findings, ok("sandbox", "builds run in %s", kind))
	}
	for _, c := range report.Checks {
		f := finding{Name: "sandbox/" + c.Name, State: stateOK, Detail: c.Detail, Advice: c.Advice}
		if !c.OK {
			f.State = stateWarn
		}
		findings = append(findings, f)
	}
	return findings
}

func (a *app) checkCompiler() finding {
	for _, name := range []string{"cc", "gcc", "clang"} {
		if file, err := a.program(name); err == nil {
			if strings.HasPrefix(file, "/usr/") || strings.HasPrefix(file, "/bin/") {
				return ok("compiler", "%s", file)
			}
			return warn("compiler", "install one below /usr: builds with build.root = host see nothing else", "%s is outside of /usr", file)
		}
	}
	return warn("compiler", "install gcc and make: git bst init builds with this machine's compilers", "no C compiler in PATH")
}

func (a *app) checkManPage(ctx context.Context) finding {
	const advice = "install git-bst with scripts/install, so that git bst --help and TAB work"
	man, err := a.program("man")
	if err != nil {
		return warn("man page", "install man, or use: git bst -h", "there is no man on this machine")
	}
	cmd := exec.CommandContext(ctx, man, "-w", "git-bst")
	cmd.Env = a.environ
	out, err := cmd.Output()
	if err != nil {
		return warn("man page", advice, "man does not find git-bst(1)")
	}
	page := strings.TrimSpace(string(out))
	share := filepath.Dir(filepath.Dir(filepath.Dir(page)))
	if _, err := os.Stat(filepath.Join(share, "bash-completion", "completions", "git-bst")); err != nil && runtime.GOOS == "linux" {
		return warn("man page", advice, "%s, but no completions beside it", page)
	}
	if !anyExists("/usr/share/bash-completion/bash_completion", "/etc/bash_completion", "/usr/local/share/bash-completion/bash_completion") {
		return warn("man page", "install the package bash-completion, so that TAB works in bash", "%s, and completions, but bash does not load them", page)
	}
	return ok("man page", "%s, and completions", page)
}

func anyExists(files ...string) bool {
	for _, file := range files {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}
