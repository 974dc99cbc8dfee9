package hooks_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/hooks"
)

// newPlace is a repository, with a git that says it is of some version.
func newPlace(t *testing.T, version string) hooks.Place {
	t.Helper()
	dir := t.TempDir()
	git := filepath.Join(dir, "git")
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(dir, "r")
	script := "#!/bin/sh\nfor word; do :; done\nif [ \"$word\" = version ]; then echo 'git version " + version + "'; else exec '" + real + "' \"$@\"; fi\n"
	if err := os.WriteFile(git, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
	cmd := exec.Command(real, "init", "-q", top)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return hooks.Place{Git: gitint.Git{Bin: git, Env: env}, Top: top, Common: filepath.Join(top, ".git")}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// From git 2.54 on the hooks are in the configuration, files stay as they are, and what an older git
// needed goes; an older git gets them back in files.
func TestInstallByVersion(t *testing.T) {
	ctx := context.Background()
	names := []string{hooks.PostCommit, hooks.PostMerge}
	for version, configured := range map[string]bool{
		"2.39.5": false, "2.53.9": false, "2.54.0": true, "2.54.0.rc1": true, "2.55.GIT": true, "2.100.0": true, "3.0.0": true, "2.60.1 (Apple Git-9)": true, "next": false,
	} {
		p := newPlace(t, version)
		file, config := filepath.Join(p.Common, "hooks", hooks.PostCommit), filepath.Join(p.Common, "config")
		theirs := "#!/usr/bin/env python3\n"
		if !configured {
			theirs = "#!/bin/sh\necho theirs\n"
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(theirs), 0o755); err != nil {
			t.Fatal(err)
		}
		before := read(t, config)
		for range 2 {
			if err := p.Install(ctx, names, hooks.Options{Program: "/opt/it's/git-bst"}); err != nil {
				t.Fatalf("%s: %v", version, err)
			}
		}
		if got := read(t, file); (got == theirs) != configured {
			t.Errorf("%s: the file is\n%s", version, got)
		}
		if got := read(t, config); strings.Count(got, "[hook \"git-bst-post-commit\"]") != map[bool]int{true: 1}[configured] || strings.Count(got, "event = ") != map[bool]int{true: 2}[configured] {
			t.Errorf("%s: the configuration is\n%s", version, got)
		}
		states, err := p.Look(ctx, append(names, hooks.PostRewrite))
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if want := state.Hook != hooks.PostRewrite; state.Installed != want || want && state.Program != "/opt/it's/git-bst" || (state.Key != "") != configured {
				t.Errorf("%s: %+v", version, state)
			}
		}
		if err := p.Uninstall(ctx, hooks.Names); err != nil {
			t.Fatal(err)
		}
		if got := read(t, config) + read(t, file); got != before+theirs {
			t.Errorf("%s: uninstalling left\n%s", version, got)
		}
	}
}

// A git that was made newer or older has the hooks in one place only once they are installed again.
func TestInstallAfterAnotherVersion(t *testing.T) {
	ctx := context.Background()
	older, newer := newPlace(t, "2.39.5"), newPlace(t, "2.54.0")
	newer.Top, newer.Common = older.Top, older.Common
	file, config := filepath.Join(older.Common, "hooks", hooks.PostCommit), filepath.Join(older.Common, "config")
	for _, p := range []hooks.Place{older, newer, older} {
		if err := p.Install(ctx, []string{hooks.PostCommit}, hooks.Options{Program: "/git-bst"}); err != nil {
			t.Fatal(err)
		}
		_, err := os.Lstat(file)
		inFile, inConfig := err == nil, strings.Contains(read(t, config), "git-bst-post-commit")
		if inFile == inConfig || inConfig != (p.Git.Bin == newer.Git.Bin) {
			t.Errorf("in a file: %v, in the configuration: %v", inFile, inConfig)
		}
	}
}

// What the configuration names is started as git does it: by a shell, with the arguments behind it.
func TestCommandIsHarmless(t *testing.T) {
	program := filepath.Join(t.TempDir(), "it's git-bst")
	fifo, line := told(t)
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$@\" >'"+fifo+"'\necho noise; echo noise >&2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	call := func(hook, program string, args ...string) {
		t.Helper()
		cmd := exec.Command("sh", append([]string{"-c", hooks.Command(hook, program) + ` "$@"`, "hook"}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		cmd.Stdin = strings.NewReader("old new\n")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Equal(out, nil) {
			t.Errorf("%s: %q, %v", hook, out, err)
		}
	}
	call(hooks.PostRewrite, program+"gone", "amend")
	call(hooks.PostRewrite, program, "amend")
	if got := line(); got != "__hook post-rewrite amend\n" {
		t.Errorf("started with %q", got)
	}
	for _, state := range []string{"preparing", "prepared", "aborted", "committed"} {
		call(hooks.ReferenceTransaction, program, state)
	}
	if got := line(); got != "__hook reference-transaction committed\n" {
		t.Errorf("started with %q", got)
	}
}
