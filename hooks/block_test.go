package hooks_test

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/hooks"
)

func TestInsertAndRemove(t *testing.T) {
	for name, file := range map[string]string{
		"empty":              "",
		"sh":                 "#!/bin/sh\necho theirs\n",
		"env bash":           "#!/usr/bin/env bash\nset -euo pipefail\nexec theirs \"$@\"\n",
		"env -S":             "#!/usr/bin/env -S bash -e\necho theirs\n",
		"busybox":            "#! /bin/busybox sh\necho theirs\n",
		"no interpreter":     "echo theirs",
		"no last line feed":  "#!/bin/sh\necho theirs",
		"carriage returns":   "#!/bin/sh\necho theirs\r\n",
		"only a shebang":     "#!/bin/sh\n",
		"a manager's":        "#!/usr/bin/env sh\n. \"$(dirname \"$0\")/h\"",
		"our words as text":  "#!/bin/sh\necho '# >>> git-bst >>>'\n",
		"bytes of no coding": "#!/bin/sh\n# \xff\xfe\n",
	} {
		with, err := hooks.Insert([]byte(file), hooks.PostCommit, "/usr/bin/git-bst")
		if err != nil {
			t.Errorf("%s: Insert: %v", name, err)
			continue
		}
		if has, err := hooks.Has(with); !has || err != nil {
			t.Errorf("%s: Has = %v, %v", name, has, err)
		}
		if again, err := hooks.Insert(with, hooks.PostCommit, "/usr/bin/git-bst"); err != nil || !bytes.Equal(again, with) {
			t.Errorf("%s: a second Insert made %q, %v", name, again, err)
		}
		if moved, err := hooks.Insert(with, hooks.PostCommit, "/opt/git-bst"); err != nil || !strings.Contains(string(moved), "/opt/git-bst") || strings.Contains(string(moved), "/usr/bin/git-bst") {
			t.Errorf("%s: another program gave %q, %v", name, moved, err)
		}
		without, err := hooks.Remove(with)
		if err != nil || string(without) != file {
			t.Errorf("%s: Remove gave %q, %v", name, without, err)
		}
	}
	made, err := hooks.Insert(nil, hooks.PostMerge, "/usr/bin/git-bst")
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := hooks.Remove(made); rest != nil || err != nil {
		t.Errorf("a file that was made for the block stays: %q, %v", rest, err)
	}
	added := append(bytes.Clone(made), "echo theirs\n"...)
	if rest, err := hooks.Remove(added); err != nil || !strings.HasSuffix(string(rest), "echo theirs\n") {
		t.Errorf("what was added to our file is gone: %q, %v", rest, err)
	}
}

func TestInsertRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		err  error
	}{
		"python":       {"#!/usr/bin/env python3\nprint()\n", hooks.ErrNotShell},
		"a program":    {"\x7fELF\x00\x01", hooks.ErrNotShell},
		"fish":         {"#!/usr/bin/fish\n", hooks.ErrNotShell},
		"no more line": {"#!/bin/sh", hooks.ErrNotShell},
		"half a block": {"#!/bin/sh\n# <<< git-bst <<<\n", hooks.ErrDamagedBlock},
	} {
		if got, err := hooks.Insert([]byte(test.file), hooks.PostCommit, "/p"); !errors.Is(err, test.err) {
			t.Errorf("%s: Insert = %q, %v", name, got, err)
		}
	}
	if _, err := hooks.Remove([]byte("#!/bin/sh\n# <<< git-bst <<<\n")); !errors.Is(err, hooks.ErrDamagedBlock) {
		t.Errorf("Remove of half a block = %v", err)
	}
}

// The block runs under the strictest shells, takes none of the input, prints nothing, and the hook's
// own part runs as before.
func TestBlockIsHarmless(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "it's git-bst")
	fifo, line := told(t)
	script := "#!/bin/sh\necho \"$@\" >'" + fifo + "'\necho noise; echo noise >&2\nexit 3\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"sh", "bash", "dash"} {
		if _, err := exec.LookPath(shell); err != nil && shell != "sh" {
			continue
		}
		for _, where := range []string{program, filepath.Join(dir, "gone")} {
			hook := filepath.Join(dir, "hook")
			with, err := hooks.Insert([]byte("#!/usr/bin/env "+shell+"\nset -eu\ncat\n"), hooks.PostRewrite, where)
			if err == nil {
				err = os.WriteFile(hook, with, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(hook, "amend")
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			cmd.Stdin = strings.NewReader("old new\n")
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "old new\n" {
				t.Errorf("%s, %s: %q, %v", shell, where, out, err)
			}
			if where != program {
				continue
			}
			if got := line(); got != "__hook post-rewrite amend\n" {
				t.Errorf("%s: started with %q", shell, got)
			}
		}
	}
}

// What starts nothing costs a shell only: each line of want is one start.
func TestGuards(t *testing.T) {
	for name, test := range map[string]struct {
		hook  string
		calls [][]string // arguments; "step" 2 3 is in the second of three steps of a rebase
		want  string
	}{
		"reference-transaction": {hooks.ReferenceTransaction, [][]string{{"preparing"}, {"prepared"}, {"aborted"}, {"committed"}}, "committed"},
		"checkout of files":     {hooks.PostCheckout, [][]string{{"a", "b", "0"}, {"a", "b", "1"}}, "a b 1"},
		"a rebase's steps":      {hooks.PostCommit, [][]string{{"step", "1", "3"}, {"step", "2", "3"}, {"step", "3", "3"}}, "step 3 3"},
		"no rebase":             {hooks.PostCommit, [][]string{{"x"}}, "x"},
	} {
		dir := t.TempDir()
		program := filepath.Join(dir, "git-bst")
		fifo, line := told(t)
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$@\" >'"+fifo+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		hook := filepath.Join(dir, "hook")
		with, err := hooks.Insert([]byte("#!/bin/sh\nset -eu\n"), test.hook, program)
		if err == nil {
			err = os.WriteFile(hook, with, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range test.calls {
			rebase := filepath.Join(dir, ".git", "rebase-merge")
			if call[0] == "step" {
				if err := errors.Join(os.MkdirAll(rebase, 0o755), os.WriteFile(filepath.Join(rebase, "msgnum"), []byte(call[1]+"\n"), 0o644),
					os.WriteFile(filepath.Join(rebase, "end"), []byte(call[2]+"\n"), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(hook, call...)
			cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin"}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v: %q, %v", name, call, out, err)
			}
		}
		if got := line(); got != "__hook "+test.hook+" "+test.want+"\n" { // the first line of all
			t.Errorf("%s: started with %q", name, got)
		}
	}
}

// told makes a fifo, and returns what reads the next line that is written to it.
func told(t *testing.T) (path string, line func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "told")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fifo.Close() })
	lines := bufio.NewReader(fifo)
	return path, func() string {
		if err := fifo.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the hook told nothing: %v", err)
		}
		return text
	}
}
