package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// helper is the name under which the test program runs as something else, inside or outside.
const helper = "/helper"

func TestMain(m *testing.M) {
	sandbox.MaybeInit(os.Args)
	if os.Args[0] == helper {
		os.Exit(help(os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == helper { // by its own path, without a sandbox
		os.Exit(help(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// help is the helper: "dial NETWORK ADDRESS", "nested", "key NAME" or "parent KIND DIR".
func help(args []string) int {
	if args[0] == "dial" {
		connection, err := net.DialTimeout(args[1], args[2], time.Second)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		connection.Close()
		return 0
	}
	if args[0] == "key" {
		return printKey(args[1])
	}
	if args[0] == "nested" {
		_, err := sandbox.Run(context.Background(), sandbox.Spec{UID: 1000, Args: []string{"sh", "-c", "echo nested; test -r /proc/self/status"},
			Env: []string{"PATH=/usr/bin:/bin"}, Stdout: os.Stdout, Stderr: os.Stderr})
		if err != nil {
			fmt.Println(err)
		}
		return 0
	}
	spec := sandbox.Spec{Binds: []sandbox.Bind{{Source: args[2], Target: args[2], Writable: true}}, Env: []string{"PATH=/usr/bin:/bin"}}
	if args[1] == "none" {
		spec.Kind = sandbox.None
	}
	spec.Args = []string{"sh", "-c", "exec 9>" + args[2] + "/alive; trap '' TERM HUP INT; setsid sleep 100 & sleep 100 & echo ready >&9; sleep 100"}
	_, err := sandbox.Run(context.Background(), spec)
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// printKey prints the content of a key of the session.
func printKey(name string) int {
	key, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", name, 0)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	content := make([]byte, 100)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, key, content, 0)
	fmt.Println(string(content[:max(n, 0)]), err)
	return 0
}

// kinds are the kinds that isolate.
var kinds = []sandbox.Kind{sandbox.Namespaces, sandbox.Bubblewrap}

// each runs a test in the kinds that isolate. Bubblewrap is for ordinary users whom the machine
// forbids the other one, so as root only few tests (every) try it.
func each(t *testing.T, test func(t *testing.T, spec sandbox.Spec)) {
	if os.Geteuid() == 0 {
		inKinds(t, kinds[:1], test)
		return
	}
	every(t, test)
}

// every runs a test in every kind that isolates, whoever we are.
func every(t *testing.T, test func(t *testing.T, spec sandbox.Spec)) { inKinds(t, kinds, test) }

func inKinds(t *testing.T, kinds []sandbox.Kind, test func(t *testing.T, spec sandbox.Spec)) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			needs(t, kind)
			test(t, sandbox.Spec{Kind: kind})
		})
	}
}

// needs skips, loudly, where the machine does not have that kind. Where CI is set it must have all.
func needs(t testing.TB, kind sandbox.Kind) {
	t.Helper()
	_, err := sandbox.Run(context.Background(), sandbox.Spec{Kind: kind, Args: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}})
	if !errors.Is(err, sandbox.ErrUnavailable) {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("this machine must allow sandboxes of kind %s: %v", kind, err)
	}
	t.Skipf("NOT TESTED on this machine: %v", err)
}

// run runs a shell script in a sandbox and returns how it ended and what it said.
func run(t testing.TB, spec sandbox.Spec, script string) (sandbox.Result, string) {
	t.Helper()
	var out bytes.Buffer
	spec.Args = []string{"sh", "-c", script}
	if spec.Env == nil {
		spec.Env = []string{"PATH=/usr/bin:/bin"}
	}
	spec.Stdout, spec.Stderr = &out, &out
	result, err := sandbox.Run(context.Background(), spec)
	if err != nil {
		t.Fatalf("Run: %v\n%s", err, out.String())
	}
	return result, out.String()
}

// says fails unless the script succeeds and says exactly that.
func says(t *testing.T, spec sandbox.Spec, script, want string) {
	t.Helper()
	result, out := run(t, spec, script)
	if out != want || !result.Succeeded() {
		t.Errorf("%s\ngot  %q %+v\nwant %q", script, out, result, want)
	}
}

// TestAsUser runs all other tests as an ordinary user.
func TestAsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("we are an ordinary user: the other tests are this test")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "as-user")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "test")
	copyFile(t, executable(t), program, 0o755)
	temp := filepath.Join(dir, "tmp")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(temp, 0o700), os.Chown(temp, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.v", "-test.run=.")
	cmd.Dir = temp
	cmd.Env = []string{"TMPDIR=" + temp, "PATH=/usr/bin:/bin", "HOME=" + temp, "CI=" + os.Getenv("CI")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.Contains(line, "NOT TESTED") {
			t.Log(line)
		}
	}
}

func executable(t testing.TB) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func copyFile(t testing.TB, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, data, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
