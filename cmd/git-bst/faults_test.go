package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/fsx"
)

// patience is how long a test waits for something that has to come.
const patience = 60 * time.Second

// eventually waits until ready is true.
func (k *killBench) eventually(what string, ready func() bool) {
	k.Helper()
	for deadline := time.Now().Add(patience); !ready(); {
		if time.Now().After(deadline) {
			k.Fatalf("waited in vain: %s", what)
		}
	}
}

// buildWith builds in this process, with a hook in its stages.
func (k *killBench) buildWith(stage func(build.Stage)) (code int, output string) {
	var out bytes.Buffer
	code = run(k.Context(), machine{
		args: []string{"git-bst", "build"}, environ: k.environ, dir: k.repo, stdin: strings.NewReader(""), stdout: &out, stderr: &out, now: time.Now,
		stage: stage,
	})
	return code, out.String()
}

// TestFilesSavedDuringABuild: what is saved while a build runs is not in it, whenever that happens
// (rule 26); the next build has it.
func TestFilesSavedDuringABuild(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "killed")
	for i, stage := range []build.Stage{build.StageStaging, build.StagePhase, build.StageCapture} {
		before, after := 2*i+1, 2*i+2
		k.change(before)
		saved := false
		code, out := k.buildWith(func(now build.Stage) {
			if now == stage && !saved {
				saved = true
				k.change(after)
			}
		})
		if code != 0 || !saved {
			t.Fatalf("stage %s: exit code %d, saved %v\n%s", stage, code, saved, out)
		}
		k.change(before)
		k.checkUpToDate(before)
		k.change(after)
		k.plain("build")
		k.checkResult(after)
	}
}

// checkUpToDate is checkResult for what must be there without a build.
func (k *killBench) checkUpToDate(round int) {
	k.Helper()
	if _, _, stderr := k.try("build"); !strings.Contains(stderr, "1 up to date; phases run: 0") {
		k.Errorf("round %d is not up to date: %s", round, stderr)
	}
	k.checkResult(round)
}

// TestCollectionDuringABuild: a collection that keeps nothing, at any stage, takes nothing away
// from a running build.
func TestCollectionDuringABuild(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "killed")
	removed := 0
	for round, stage := range killStages {
		k.change(round)
		code, out := k.buildWith(func(now build.Stage) {
			if now == stage && k.collect() {
				removed++
			}
		})
		if code != 0 {
			t.Fatalf("stage %s: exit code %d\n%s", stage, code, out)
		}
		k.checkUpToDate(round)
	}
	k.checkCache(len(killStages)) // at the end only: it counts as a use
	if removed == 0 {
		t.Error("no collection removed anything: the test tests nothing")
	}
}

// collect collects all that nothing holds, as if it were some hours later: what was just used is
// not spared for that. It reports whether anything was.
func (k *killBench) collect() bool {
	k.Helper()
	var out bytes.Buffer
	code := run(k.Context(), machine{
		args: []string{"git-bst", "cache", "gc", "--budget", "1"}, environ: k.environ, dir: k.repo, stdin: strings.NewReader(""), stdout: &out, stderr: &out,
		now: func() time.Time { return time.Now().Add(5 * time.Hour) },
	})
	if code != 0 {
		k.Fatalf("cache gc: exit code %d\n%s", code, out.String())
	}
	return !strings.Contains(out.String(), "removed 0 B")
}

// TestCacheDeletedDuringABuild: it ends with an error or a success, and the next build is right.
func TestCacheDeletedDuringABuild(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "killed")
	for round, stage := range killStages {
		k.change(round)
		deleted := false
		code, out := k.buildWith(func(now build.Stage) {
			if now == stage && !deleted {
				deleted = true
				if err := removeWhileUsed(k.cache); err != nil {
					t.Error(err)
				}
			}
		})
		t.Logf("stage %s: exit code %d: %s", stage, code, out)
		if code != 0 && !strings.Contains(out, "git-bst: error:") {
			t.Errorf("stage %s: exit code %d without a message\n%s", stage, code, out)
		}
		k.plain("build")
		k.checkResult(round)
		k.checkCache(round)
	}
}

// removeWhileUsed removes a folder to which others write meanwhile.
func removeWhileUsed(dir string) error {
	for deadline := time.Now().Add(patience); ; {
		err := fsx.RemoveAll(dir)
		if err == nil || !errors.Is(err, syscall.ENOTEMPTY) || time.Now().After(deadline) {
			return err
		}
	}
}

// waiting is an element that writes a file, says READY in its log and waits to be released.
const waiting = `kind: manual
sources:
- kind: local
  path: .
environment:
  KILL_TOKEN: TOKEN
config:
  build-commands:
  - |
    echo some > partial
    TRAP
    echo READY
    until [ -e go ]; do sleep 0.02; done
  install-commands:
  - install -D partial "%{install-root}/usr/share/done"
`

func (k *killBench) waitingElement(name, trap string) {
	k.Helper()
	text := strings.NewReplacer("TOKEN", k.token, "TRAP", trap).Replace(waiting)
	k.write(k.repo, map[string][]byte{"elements/" + name: []byte(text)})
}

// start begins a git-bst in a process of its own.
func (k *killBench) start(args ...string) *child {
	k.Helper()
	c := &child{killBench: k, cmd: exec.Command(k.self, args...)}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = k.repo, &c.out, &c.out
	c.cmd.Env = append(k.environ, killPlan+"=never 0 0s "+k.status)
	if err := c.cmd.Start(); err != nil {
		k.Fatal(err)
	}
	k.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

type child struct {
	*killBench
	cmd *exec.Cmd
	out bytes.Buffer
}

// end waits for it and returns its exit code; one that does not end is killed.
func (c *child) end() int {
	defer time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() }).Stop()
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// ready counts the logs of an element in which the build has said so.
func (k *killBench) ready(element string) int {
	k.Helper()
	logs, err := filepath.Glob(filepath.Join(k.cache, "git-bst", "logs", "*", element, "*-build-*.log"))
	if err != nil {
		k.Fatal(err)
	}
	n := 0
	for _, log := range logs {
		if data, err := os.ReadFile(log); err == nil && bytes.Contains(data, []byte("\nREADY\n")) {
			n++
		}
	}
	return n
}

// release lets all builds go on that wait.
func (k *killBench) release() {
	k.Helper()
	folders, err := filepath.Glob(filepath.Join(k.cache, "git-bst", "work", "*", "build"))
	if err != nil {
		k.Fatal(err)
	}
	for _, dir := range folders {
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o666); err != nil && !errors.Is(err, fs.ErrNotExist) {
			k.Fatal(err)
		}
	}
}

// TestInterrupted: Ctrl-C ends all processes of a build within a second, also those that don't
// want to end; log and build tree are kept, and the next build works.
func TestInterrupted(t *testing.T) {
	for name, trap := range map[string]string{"willing": "", "unwilling": "trap '' INT TERM HUP", "children": "sleep 1000 & sleep 1000 &"} {
		t.Run(name, func(t *testing.T) {
			k := newKillBench(t)
			k.plain("init", "--kind", "manual", "--name", "waits")
			k.waitingElement("waits.bst", trap)
			const tries = 3 // on a busy machine the scheduler alone may take a second
			for try := 1; ; try++ {
				took := k.interrupt(try)
				if took < time.Second {
					break
				}
				if try == tries {
					t.Fatalf("the processes took %v to end", took)
				}
			}
			k.checkInterrupted()
		})
	}
}

// interrupt builds and interrupts, and returns how long it took until no process was left.
func (k *killBench) interrupt(try int) time.Duration {
	k.Helper()
	c := k.start("build")
	k.eventually("the build runs", func() bool { return k.ready("waits") == try })
	sent := time.Now()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		k.Fatal(err)
	}
	k.gone()
	took := time.Since(sent)
	if code := c.end(); code != exitInterrupted {
		k.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, c.out.String())
	}
	if text := c.out.String(); !strings.Contains(text, "interrupted") {
		k.Errorf("it does not say so: %s", text)
	}
	return took
}

func (k *killBench) checkInterrupted() {
	k.Helper()
	if log := k.plain("artifact", "log"); !strings.Contains(log, "READY") {
		k.Errorf("artifact log shows %q", log)
	}
	if text := k.plain("shell", "--build", "--", "cat", "partial"); text != "some\n" {
		k.Errorf("the build tree's file has %q", text)
	}
	k.checkCache(0)
	before := k.ready("waits")
	c := k.start("build")
	k.eventually("the next build runs", func() bool { return k.ready("waits") > before })
	k.release()
	if code := c.end(); code != 0 {
		k.Fatalf("the next build: exit code %d\n%s", code, c.out.String())
	}
}

// TestTwoBuilders: of two that build the same at once, one builds and the other one takes that.
func TestTwoBuilders(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "waits")
	k.waitingElement("waits.bst", "")
	first := k.start("build")
	k.eventually("the first one builds", func() bool { return k.ready("waits") == 1 })
	second := k.start("build")
	k.eventually("the second one waits for the lock", func() bool { return second.has("/locks/build-") })
	k.release()
	if code := first.end(); code != 0 || !strings.Contains(first.out.String(), "1 built; phases run:") {
		t.Errorf("the first one: exit code %d\n%s", code, first.out.String())
	}
	if code := second.end(); code != 0 || !strings.Contains(second.out.String(), "1 up to date; phases run: 0") {
		t.Errorf("the second one: exit code %d\n%s", code, second.out.String())
	}
	if n := k.ready("waits"); n != 1 {
		t.Errorf("it was built %d times", n)
	}
	k.checkCache(0)
}

// has reports whether the process has a file open whose path contains text.
func (c *child) has(text string) bool {
	files, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "fd", "*"))
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && strings.Contains(target, text) {
			return true
		}
	}
	return false
}

// TestBuildersInParallel: elements that don't need each other are built at the same time, by one
// process or by two.
func TestBuildersInParallel(t *testing.T) {
	k := newKillBench(t)
	k.plain("init", "--kind", "manual", "--name", "one")
	k.waitingElement("one.bst", "")
	k.waitingElement("two.bst", ": two")
	k.waitingElement("three.bst", ": three")
	k.write(k.repo, map[string][]byte{"elements/both.bst": []byte("kind: stack\ndepends:\n- one.bst\n- two.bst\n")})
	pair := k.start("build", "--builders", "2", "both.bst")
	single := k.start("build", "three.bst")
	k.eventually("all three run at once", func() bool { return k.ready("one")+k.ready("two")+k.ready("three") == 3 })
	k.release()
	for _, c := range []*child{pair, single} {
		if code := c.end(); code != 0 {
			t.Errorf("exit code %d\n%s", code, c.out.String())
		}
	}
	k.checkCache(0)
}
