package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// TestMain lets the test binary be git-bst, and the sandbox's init, for the scripts, and a git-bst
// that is killed on its way.
func TestMain(m *testing.M) {
	sandbox.MaybeInit(os.Args)
	if plan := os.Getenv(killPlan); plan != "" {
		os.Exit(killedMain(plan))
	}
	if signal.Ignored(syscall.SIGHUP) { // begun by nohup: what the tests begin would ignore it too
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(m, map[string]func(){"git-bst": func() { os.Exit(mainCode()) }})
}

// TestScript runs testscripts/*.txtar, the behaviour of every command. One of them:
//
//	go test ./cmd/git-bst -run Script/^init$
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testscripts"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		Setup:               setUpScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":    scriptAwait,
			"code":     scriptCode,
			"repo":     scriptRepo,
			"commit":   scriptCommit,
			"miniroot": scriptMiniroot,
		},
		Condition: scriptCondition,
	})
}

// setUpScript gives a script its own home, and git an identity and a calendar.
func setUpScript(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	scripts, err := filepath.Abs(filepath.Join("..", "..", "scripts"))
	if err != nil {
		return err
	}
	vars := map[string]string{
		"HOME": home, "XDG_CACHE_HOME": filepath.Join(home, "cache"), "XDG_CONFIG_HOME": filepath.Join(home, "config"),
		"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": filepath.Join(home, "gitconfig"), "GIT_CEILING_DIRECTORIES": env.WorkDir,
		"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
		"LC_ALL": "C.UTF-8", "TERM": "dumb", "CI": "", "NO_COLOR": "",
		"BST": os.Getenv("GIT_BST_TEST_BST"), "NL": "\n", "SCRIPTS": scripts, "TAB": "\t", "ESC": "\x1b",
	}
	for name, value := range vars {
		env.Setenv(name, value)
	}
	if err := os.MkdirAll(filepath.Join(home, "config"), 0o777); err != nil {
		return err
	}
	if err := rememberHost(filepath.Join(home, "cache")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, "gitconfig"), []byte("[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"), 0o666)
}

// scriptCode runs a command and checks its exit code: code 129 git-bst build --bad.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		text := err.Error()
		got = strings.TrimPrefix(text, "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%s: exit code %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// scriptAwait runs a command again and again until its output has a line that matches, for what runs
// in the background: await REGEXP command [args...].
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP command [args...]")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	deadline := time.Now().Add(30 * time.Second)
	for ; ; time.Sleep(20 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		out := ts.ReadFile("stdout")
		if pattern.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no line matches %s:\n%s", args[0], out)
		}
	}
}

// scriptRepo makes a git repository in a folder: repo DIR.
func scriptRepo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: repo DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(ts.Exec("git", "-C", dir, "init", "--quiet"))
}

// scriptCommit commits all that is in a work tree: commit DIR [message].
func scriptCommit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: commit DIR [message]")
	}
	message := append(args, "change")[1]
	ts.Check(ts.Exec("git", "-C", ts.MkAbs(args[0]), "add", "-A"))
	ts.Check(ts.Exec("git", "-C", ts.MkAbs(args[0]), "commit", "--quiet", "--allow-empty", "-m", message))
}

// scriptCondition knows [root], and [has:PROGRAM], which must hold in CI: a missing program is a
// failure there, not a skipped test.
func scriptCondition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Getuid() == 0, nil
	case "bst": // BuildStream itself; scripts/peers installs it
		return os.Getenv("GIT_BST_TEST_BST") != "" || os.Getenv("CI") == "true", nil
	}
	name, ok := strings.CutPrefix(cond, "has:")
	if !ok {
		return false, os.ErrInvalid
	}
	_, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		return true, nil
	}
	return err == nil, nil
}
