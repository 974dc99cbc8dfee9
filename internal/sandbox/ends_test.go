package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// all runs a test in every kind, None too.
func all(t *testing.T, test func(t *testing.T, spec sandbox.Spec)) {
	each(t, test)
	t.Run("none", func(t *testing.T) { test(t, sandbox.Spec{Kind: sandbox.None}) })
}

func TestExitCodes(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		for script, want := range map[string]sandbox.Result{
			"exit 0":        {},
			"exit 3":        {ExitCode: 3},
			"exit 255":      {ExitCode: 255},
			"kill -TERM $$": {ExitCode: 143, Signal: syscall.SIGTERM},
			"kill -KILL $$": {ExitCode: 137, Signal: syscall.SIGKILL, OutOfMemory: true}, // nobody but the kernel sends that
			"kill -SEGV $$": {ExitCode: 139, Signal: syscall.SIGSEGV},
			"no-such-thing": {ExitCode: 127},
		} {
			got, _ := run(t, spec, script)
			got.Duration, got.UserTime, got.SystemTime, got.MaxRSS = 0, 0, 0, 0
			if got != want {
				t.Errorf("%s: got %+v, want %+v", script, got, want)
			}
		}
		for name, code := range map[string]int{"no-such-thing": 127, "/usr/no/such": 127, "/etc/passwd": 126} {
			spec.Args, spec.Env = []string{name}, []string{"PATH=/usr/bin"}
			var out bytes.Buffer
			spec.Stderr = &out
			if result, err := sandbox.Run(context.Background(), spec); err != nil || result.ExitCode != code || !strings.Contains(out.String(), name) {
				t.Errorf("%s: %+v %v %s", name, result, err, out.String())
			}
		}
	})
}

func TestUsage(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		result, _ := run(t, spec, "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; (head -c 64000000 /dev/zero | tail -c 64000000 >/dev/null) & wait")
		if result.MaxRSS < 64e6 || result.UserTime <= 0 || result.Duration <= 0 {
			t.Errorf("usage of the command and its orphans: %+v", result)
		}
	})
}

func TestOutputIsWhole(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		var out, errs bytes.Buffer
		spec.Stdout, spec.Stderr, spec.Env = &out, &errs, []string{"PATH=/usr/bin:/bin"}
		spec.Args = []string{"sh", "-c", "head -c 20000000 /dev/zero; echo end; head -c 3000000 /dev/zero >&2; echo END >&2"}
		if _, err := sandbox.Run(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		if out.Len() != 20000004 || errs.Len() != 3000004 || !strings.HasSuffix(errs.String(), "END\n") {
			t.Errorf("got %d and %d bytes", out.Len(), errs.Len())
		}
	})
}

func TestStdin(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		spec.Stdin = strings.NewReader(strings.Repeat("x", 300000))
		says(t, spec, "wc -c", "300000\n")
		never, writer := io.Pipe() // an input that does not end is not waited for
		defer writer.Close()
		spec.Stdin = never
		says(t, spec, "echo done", "done\n")
	})
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOutputCannotBeWritten(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		spec.Args, spec.Env, spec.Stdout = []string{"yes"}, []string{"PATH=/usr/bin:/bin"}, fullDisk{}
		if _, err := sandbox.Run(context.Background(), spec); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v", err)
		}
	})
}

// alive makes a fifo in a folder of the sandbox; the function it returns waits until nobody
// holds its writing end any more, and says whether that came in time.
func alive(t *testing.T, spec *sandbox.Spec) (path string, gone func() bool, ready <-chan struct{}) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "alive")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if spec != nil {
		spec.Binds = append(spec.Binds, sandbox.Bind{Source: dir, Target: dir, Writable: true})
	}
	said, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		file, err := os.Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		if _, err := file.Read(make([]byte, 6)); err == nil {
			close(said)
		}
		_, _ = io.Copy(io.Discard, file)
	}()
	gone = func() bool {
		select {
		case <-ended:
			return true
		case <-time.After(2 * time.Second):
			return false
		}
	}
	return path, gone, said
}

func TestNothingIsLeft(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		path, gone, _ := alive(t, &spec)
		began := time.Now()
		result, _ := run(t, spec, "exec 9>"+path+"; echo ready >&9; (trap '' TERM HUP; setsid sh -c 'sleep 100 & sleep 100' </dev/null >/dev/null 2>&1 &) ; sleep 100 & exit 5")
		if result.ExitCode != 5 || result.Interrupted || time.Since(began) > 5*time.Second {
			t.Errorf("%+v after %v", result, time.Since(began))
		}
		if !gone() {
			t.Error("a background process lives on")
		}
	})
}

func TestOrphansAreReaped(t *testing.T) {
	each(t, func(t *testing.T, spec sandbox.Spec) {
		orphans := "for i in 1 2 3; do sh -c 'sh -c \"exit 0\" & exit 0'; done; "
		zombies := "n=0; while grep -qs '^State:.Z' /proc/[0-9]*/status; do n=$((n+1)); [ $n -lt 200 ] || exit 1; done"
		says(t, spec, orphans+zombies, "")
	})
}

// await waits until a command is ready, but not for ever: a test that hangs does not say why.
func await(t *testing.T, ready <-chan struct{}) {
	t.Helper()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Error("the command did not begin")
	}
}

// interrupt cancels a run once its command is ready, and returns how long it took to end.
func interrupt(t *testing.T, spec sandbox.Spec, ready <-chan struct{}) (sandbox.Result, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var cancelled time.Time
	var once sync.WaitGroup
	once.Add(1)
	go func() {
		defer once.Done()
		await(t, ready)
		cancelled = time.Now()
		cancel()
	}()
	result, err := sandbox.Run(ctx, spec)
	took := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	once.Wait()
	return result, took.Sub(cancelled)
}

func TestInterruptWithinASecond(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		path, gone, ready := alive(t, &spec)
		spec.Env = []string{"PATH=/usr/bin:/bin"}
		spec.Args = []string{"sh", "-c", "trap '' TERM INT; exec 9>" + path + "; setsid sh -c 'trap \"\" TERM; sleep 100; sleep 100' & sh -c 'echo ready' >&9; while :; do sleep 100; done"}
		result, took := interrupt(t, spec, ready)
		if !result.Interrupted || result.TimedOut || result.OutOfMemory || took > time.Second {
			t.Errorf("%+v after %v", result, took)
		}
		if !gone() {
			t.Error("a process lives on")
		}
	})
}

// TestInterruptLeavesTimeToClean: make removes its half-written targets at TERM, though the
// shell above it has ended at once.
func TestInterruptLeavesTimeToClean(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		path, _, ready := alive(t, &spec)
		spec.Grace = 20 * time.Second // it is not used up
		dir := filepath.Dir(path)
		spec.Env = []string{"PATH=/usr/bin:/bin"}
		spec.Args = []string{"sh", "-c", "sh -c 'trap \"sleep 0.1; echo > " + dir + "/cleaned; exit\" TERM; echo ready >" + path + "; while :; do sleep 0.01; done'; true"}
		result, took := interrupt(t, spec, ready)
		if !result.Interrupted || result.Signal != syscall.SIGTERM || result.Killed || took > spec.Grace/2 {
			t.Errorf("%+v after %v", result, took)
		}
		if _, err := os.Stat(dir + "/cleaned"); err != nil {
			t.Error("it was killed before it could clean up")
		}
	})
}

func TestTimeout(t *testing.T) {
	all(t, func(t *testing.T, spec sandbox.Spec) {
		spec.Timeout, spec.Grace = 50*time.Millisecond, 20*time.Millisecond
		result, _ := run(t, spec, "trap '' TERM; while :; do sleep 1; done")
		if !result.TimedOut || result.Interrupted || result.Signal == 0 || result.OutOfMemory || !result.Killed {
			t.Errorf("%+v", result)
		}
	})
}

func TestAlreadyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	result, err := sandbox.Run(ctx, sandbox.Spec{Args: []string{"true"}})
	if err != nil || !result.Interrupted {
		t.Errorf("%+v %v", result, err)
	}
}

// TestParentKilled: not even kill -9 of our program leaves a process.
func TestParentKilled(t *testing.T) {
	for _, kind := range []string{"namespaces", "none"} {
		t.Run(kind, func(t *testing.T) {
			needs(t, sandbox.Namespaces)
			path, gone, ready := alive(t, nil)
			cmd := exec.Command(executable(t))
			cmd.Args = []string{helper, "parent", kind, filepath.Dir(path)}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, ready)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if !gone() {
				t.Error("a process lives on")
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	needs(t, sandbox.Namespaces)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() { says(t, sandbox.Spec{}, "echo mine", "mine\n") })
	}
	group.Wait()
}
