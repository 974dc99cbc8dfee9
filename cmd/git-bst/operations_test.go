package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// operated is a repository in which the operations are done.
type operated struct {
	*testing.T
	name    string
	hooks   fires // up to which hooks are installed; "" for none
	dir     string
	environ []string
	built   map[string]bool   // git trees that are built for certain
	sources map[string]string // what git-bst says is built of a git tree, and back
}

// TestOperations does each of the operations of the table in three repositories at once: without
// hooks, with those that are usual, and with reference-transaction too. What git prints and returns
// must be the same, and HEAD, index and work tree must be known as built if, and where nothing builds
// behind only if, their content was built, whatever made it.
func TestOperations(t *testing.T) {
	t.Parallel()
	if len(operations) != 56 {
		t.Fatalf("%d operations, the table has 56", len(operations))
	}
	plain, hooked, watched := newOperated(t, "plain", onNothing), newOperated(t, "usual", onUsual), newOperated(t, "transactions", onRefs)
	all := []*operated{plain, hooked, watched}
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			var want string
			for _, o := range all {
				o.T = t
				o.shell(op.dir, op.prepare)
				got := o.shell(op.dir, op.run)
				if o == plain {
					want = got
					if !strings.HasSuffix(got, fmt.Sprintf("exit status %d", op.code)) {
						t.Fatalf("git ends otherwise than it should:\n%s", got)
					}
				} else if got != want {
					t.Errorf("%s: git prints and returns\n%s\nwithout hooks\n%s", o.name, got, want)
				}
				o.check(op)
			}
		})
		if t.Failed() {
			return // each operation begins with what the one before it left
		}
	}
	for _, o := range all {
		o.T = t
		o.builtOnce()
	}
}

func newOperated(t *testing.T, name string, hooks fires) *operated {
	o := &operated{T: t, name: name, hooks: hooks, dir: t.TempDir(), built: map[string]bool{}, sources: map[string]string{}}
	o.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "XDG_CONFIG_HOME=" + filepath.Join(o.dir, "config"), "XDG_CACHE_HOME=" + filepath.Join(o.dir, "cache"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C.UTF-8", "TERM=dumb", "GIT_EDITOR=true", "GIT_MERGE_AUTOEDIT=no",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.org", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z",
	}
	o.shell(".", `git init -q --bare -b main origin && git init -q -b main repo && cd repo && git remote add origin ../origin
		printf 'name: p\nmin-version: 2.0\n' >project.conf && printf 'kind: import\nsources:\n- kind: local\n  path: .\n' >p.bst
		printf '[project]\nelement = "p.bst"\n' >.git-bst.toml
		edit a 1 && edit c 1 && save one && git push -q -u origin main`)
	o.bst("", "build")
	o.built[o.tree("", "head")] = true
	switch hooks {
	case onUsual:
		o.bst("", "hooks", "install")
	case onRefs:
		o.bst("", "hooks", "install", "--reference-transaction")
	}
	return o
}

// folder is that of an operation.
func (o *operated) folder(dir string) string {
	if dir == "" {
		dir = "repo"
	}
	return filepath.Join(o.dir, dir)
}

// shell runs lines in a folder with its output captured, as an editor does, and says what was printed
// and returned.
func (o *operated) shell(dir, lines string) string {
	o.Helper()
	cmd := exec.Command("sh", "-c", shellHelp+lines)
	cmd.Dir, cmd.Env = o.folder(dir), o.environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.Fatal(err)
	}
	said := "stdout:\n" + stdout.String() + "stderr:\n" + stderr.String() + cmd.ProcessState.String()
	return strings.ReplaceAll(said, o.dir, "DIR")
}

// bst runs git-bst in this process.
func (o *operated) bst(dir string, args ...string) string {
	o.Helper()
	var out, errs bytes.Buffer
	code := run(o.Context(), machine{args: append([]string{"git-bst"}, args...), environ: o.environ, dir: o.folder(dir), stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now})
	if code != 0 {
		o.Fatalf("%s: git-bst %q: exit code %d\n%s%s", o.name, args, code, out.String(), errs.String())
	}
	return out.String()
}

// tree is the id of one of git's trees, as git itself says; the work tree's by an index that knows
// nothing of it yet.
func (o *operated) tree(dir, where string) string {
	o.Helper()
	line := "git rev-parse HEAD^{tree}"
	switch where {
	case "index":
		line = "git write-tree"
	case "worktree":
		line = "rm -f ../index; GIT_INDEX_FILE=$PWD/../index git add -A && GIT_INDEX_FILE=$PWD/../index git write-tree"
	}
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = o.folder(dir), append(o.environ, hookVariable+"=1")
	out, err := cmd.Output()
	if err != nil {
		o.Fatalf("%s: %v", line, err)
	}
	return strings.TrimSpace(string(out))
}

// check compares the states of an operation's work tree with what was built.
func (o *operated) check(op operation) {
	o.Helper()
	await := o.hooks != onNothing && (op.fires == onUsual || op.fires == onRefs && o.hooks == onRefs)
	if await {
		o.awaitHead(op)
		o.built[o.tree(op.dir, "head")] = true
	}
	o.compare(op)
	if op.build && o.hooks == onNothing {
		o.bst(op.dir, "build")
		o.built[o.tree(op.dir, "worktree")] = true
		o.compare(op)
	}
}

func (o *operated) compare(op operation) {
	o.Helper()
	for _, state := range o.states(op.dir) {
		id := o.tree(op.dir, state.Tree)
		for key, value := range map[string]string{id: state.Source, state.Source: id} {
			if before, ok := o.sources[key]; ok && before != value {
				o.Errorf("%s: %s: the tree %s is built from %s, and %s was from %s", o.name, state.Tree, id, state.Source, key, before)
			}
			o.sources[key] = value
		}
		if state.Verdict != "skip" && (o.built[id] || state.Verdict != "clean") || state.Verdict == "skip" && !o.built[id] && o.hooks == onNothing {
			o.Errorf("%s: %s is %s (%s); built: %v", o.name, state.Tree, state.Verdict, state.Reason.Text, o.built[id])
		}
	}
}

func (o *operated) states(dir string) []whereInfo {
	o.Helper()
	var info statusInfo
	if out := o.bst(dir, "--json", "status"); json.Unmarshal([]byte(out), &info) != nil || len(info.Trees) != 3 {
		o.Fatalf("%s: status says %s", o.name, out)
	}
	return info.Trees
}

// awaitHead waits until the builder has built HEAD.
func (o *operated) awaitHead(op operation) {
	o.Helper()
	deadline := time.Now().Add(time.Minute)
	for o.states(op.dir)[0].Verdict != "skip" {
		if time.Now().After(deadline) {
			o.Fatalf("%s: HEAD is not built:\n%s", o.name, o.bst(op.dir, "hooks", "status"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// builtOnce checks that no content was built twice, and that no background build failed.
func (o *operated) builtOnce() {
	o.Helper()
	if o.hooks != onNothing {
		o.bst("", "hooks", "uninstall")
		if said := o.bst("", "hooks", "status"); strings.Contains(said, "failed: ") {
			o.Errorf("%s: %s", o.name, said)
		}
	}
	seen := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(o.bst("", "--json", "records", "-n", "0")), "\n") {
		var row struct {
			Record struct {
				Key string `json:"build_key"`
			}
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.Record.Key == "" {
			o.Fatalf("%s: record %s: %v", o.name, line, err)
		}
		if seen[row.Record.Key]++; seen[row.Record.Key] > 1 {
			o.Errorf("%s: %s was built %d times", o.name, row.Record.Key, seen[row.Record.Key])
		}
	}
	o.Logf("%s: %d builds of %d trees", o.name, len(seen), len(o.sources)/2)
}
