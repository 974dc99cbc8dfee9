package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/sandbox"
)

func TestNetworkUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	abstract, err := net.Listen("unix", fmt.Sprintf("@git-bst-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	addresses := []net.Addr{listener.Addr(), abstract.Addr()}
	for _, address := range addresses { // the test itself must be able to tell
		connection, err := net.Dial(address.Network(), address.String())
		if err != nil {
			t.Fatal(err)
		}
		connection.Close()
	}
	each(t, func(t *testing.T, spec sandbox.Spec) {
		spec.Binds = []sandbox.Bind{{Source: executable(t), Target: helper}}
		for _, address := range addresses {
			result, out := run(t, spec, "exec "+helper+" dial "+address.Network()+" "+address.String())
			if result.ExitCode != 1 || !strings.Contains(out, "refused") {
				t.Errorf("dial %s: %+v %s", address, result, out)
			}
		}
		if _, out := run(t, spec, "cat /proc/net/dev | grep : | cut -d: -f1 | tr -d ' '"); out != "lo\n" {
			t.Errorf("network interfaces: %q", out)
		}
	})
}

func TestHostIsReadOnlyAndHidden(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	every(t, func(t *testing.T, spec sandbox.Spec) {
		for _, name := range []string{"/", "/usr", "/usr/bin", "/etc", "/etc/alternatives", "/etc/passwd"} {
			result, out := run(t, spec, "if [ -d "+name+" ]; then touch "+name+"/x; elif [ -e "+name+" ]; then echo >> "+name+"; else echo No such; false; fi")
			if result.ExitCode == 0 || !strings.Contains(out, "Read-only") && !strings.Contains(out, "denied") && !strings.Contains(out, "No such") {
				t.Errorf("write to %s: %+v %s", name, result, out)
			}
		}
		hidden := []string{"/root", "/home", "/var", "/run", "/srv", "/mnt", "/sys", "/boot", "/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/ssl/private", "/etc/sudoers", "/etc/machine-id", secret}
		says(t, spec, "ls -d "+strings.Join(hidden, " ")+" 2>/dev/null; true", "")
		says(t, spec, "cat /etc/hostname; uname -n; head -n 1 /etc/passwd", "buildstream\nbuildstream\nroot:x:0:0:root:/root:/bin/sh\n")
	})
}

// TestProcIsHarmless: root of the host owns /proc/sys, and so would write there without any capability.
func TestProcIsHarmless(t *testing.T) {
	every(t, func(t *testing.T, spec sandbox.Spec) {
		for _, name := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"} {
			if result, out := run(t, spec, "exec 3>>"+name); result.ExitCode == 0 {
				t.Errorf("%s can be opened for writing: %s", name, out)
			}
		}
		// The init is neither readable nor traceable, nor can its program be reached through it.
		for _, name := range []string{"/proc/1/environ", "/proc/1/mem", "/proc/1/exe", "/proc/1/fd/3"} {
			if result, out := run(t, spec, "exec 3<"+name); result.ExitCode == 0 {
				t.Errorf("%s can be opened: %s", name, out)
			}
		}
	})
}

func TestNoPrivileges(t *testing.T) {
	every(t, func(t *testing.T, spec sandbox.Spec) {
		want := "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\n"
		for _, id := range []int{0, 1000} {
			spec.UID, spec.GID = id, id
			says(t, spec, "grep -E 'Cap|NoNew' /proc/self/status | tr -d '\\t'", want)
		}
		if result, out := run(t, spec, "mount -t tmpfs none /tmp"); result.ExitCode == 0 {
			t.Errorf("mount works: %s", out)
		}
	})
}

// TestSessionKeyring: the keys of the session of whoever starts a command are not the command's.
// Where it is isolated it can use none, as those of the user are not the session's alone.
func TestSessionKeyring(t *testing.T) {
	for _, kind := range append(kinds, sandbox.None) {
		t.Run(kind.String(), func(t *testing.T) {
			needs(t, kind)
			runtime.LockOSThread() // the session is this thread's alone and ends with the test
			if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
				t.Skipf("NOT TESTED on this machine: no keyrings: %v", err)
			}
			if _, err := unix.AddKey("user", "git-bst-test", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
				t.Fatal(err)
			}
			spec, program, want := sandbox.Spec{Kind: kind}, executable(t), "required key not available\n"
			command := program + " " + helper
			plain := exec.Command(program, helper, "key", "git-bst-test") // the test itself must be able to tell
			if out, err := plain.CombinedOutput(); err != nil || !strings.Contains(string(out), "secret") {
				t.Fatalf("%v %s", err, out)
			}
			if kind != sandbox.None {
				spec.Binds = []sandbox.Bind{{Source: program, Target: helper}}
				command, want = helper, "function not implemented\n"
			}
			if result, out := run(t, spec, "exec "+command+" key git-bst-test"); result.ExitCode != 1 || out != want {
				t.Errorf("%+v %q, want %q", result, out, want)
			}
		})
	}
}

func TestUserInside(t *testing.T) {
	every(t, func(t *testing.T, spec sandbox.Spec) {
		dir := t.TempDir()
		spec.Binds = []sandbox.Bind{{Source: dir, Target: "/w", Writable: true}}
		for _, id := range []struct{ uid, gid int }{{0, 0}, {1000, 100}, {os.Getuid(), os.Getgid()}} {
			spec.UID, spec.GID = id.uid, id.gid
			name := fmt.Sprintf("by-%d", id.uid)
			says(t, spec, "id -u; id -g; touch /w/"+name+"; stat -c %u:%g /w/"+name, fmt.Sprintf("%d\n%d\n%d:%d\n", id.uid, id.gid, id.uid, id.gid))
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || owner(info) != os.Getuid() {
				t.Errorf("outside, %s is not ours: %v", name, err)
			}
		}
	})
}

func TestEnvironmentIsExact(t *testing.T) {
	for _, kind := range append(kinds, sandbox.None) {
		t.Run(kind.String(), func(t *testing.T) {
			needs(t, kind)
			t.Setenv("LEAK", "yes")
			var out strings.Builder
			spec := sandbox.Spec{Kind: kind, Args: []string{"/usr/bin/env"}, Env: []string{"B=2 3", "A=1\nx", "PATH=/bin"}, Stdout: &out}
			if _, err := sandbox.Run(context.Background(), spec); err != nil || out.String() != "B=2 3\nA=1\nx\nPATH=/bin\n" {
				t.Errorf("%v %q", err, out.String())
			}
			spec.Env = nil
			out.Reset()
			if _, err := sandbox.Run(context.Background(), spec); err != nil || out.String() != "" {
				t.Errorf("%v %q", err, out.String())
			}
		})
	}
}

// TestSurroundings: what a program inherits beside its environment.
func TestSurroundings(t *testing.T) {
	each(t, func(t *testing.T, spec sandbox.Spec) {
		spec.Dir = "/usr/lib"
		says(t, spec, "umask; ulimit -c; pwd; readlink /proc/self/fd/0; ls /proc/self/fd | tr '\\n' ' '", "0022\n0\n/usr/lib\n/dev/null\n0 1 2 3 ") // 3 is ls's own
		says(t, spec, "[ $(cut -d' ' -f6 /proc/self/stat) != 0 ] && (: </dev/tty) 2>/dev/null || echo no terminal", "no terminal\n")
		says(t, spec, "echo x > /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; echo y > /dev/stdout; test -c /dev/pts/ptmx && test -w /dev/shm && stat -c %a /tmp /dev/shm", " 00 00 00\n8\ny\n1777\n1777\n")
		if !sharedProc(t, spec) {
			says(t, spec, "set -- /proc/[0-9]*; echo $#", "2\n") // init, sh
		}
	})
}

func TestBinds(t *testing.T) {
	each(t, func(t *testing.T, spec sandbox.Spec) {
		rw, ro, tmp, shm := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
		if err := os.MkdirAll(filepath.Join(ro, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		spec.TmpDir, spec.ShmDir = tmp, shm
		spec.Binds = []sandbox.Bind{
			{Source: rw, Target: "/buildstream/proj/elem.bst", Writable: true},
			{Source: ro, Target: "/usr/src/read/only"},
			{Source: rw, Target: "/usr/src/read/only/made/rw", Writable: true},
			{Source: rw, Target: "/lib/linked", Writable: true},
			{Source: rw, Target: "/tmp/within", Writable: true},
		}
		says(t, spec, "echo a > /buildstream/proj/elem.bst/a; echo b > /tmp/b; echo c > /dev/shm/c; cat /usr/src/read/only/made/rw/a /usr/lib/linked/a /tmp/within/a; ls /usr/src/read/only", "a\na\na\nmade\nsub\n")
		for _, name := range []string{"/usr/src/read/only/x", "/usr/src/read/only/sub/x", "/usr/src/read/only/made/x", "/usr/src/x", "/usr/lib/x", "/buildstream/x"} {
			if result, out := run(t, spec, "echo > "+name); result.ExitCode == 0 || !strings.Contains(out, "Read-only") {
				t.Errorf("write %s: %+v %s", name, result, out)
			}
		}
		for _, name := range []string{rw + "/a", tmp + "/b", shm + "/c"} {
			if _, err := os.Stat(name); err != nil {
				t.Errorf("not written outside: %v", err)
			}
		}
		if left, _ := os.ReadDir(ro); len(left) != 1 {
			t.Errorf("the read-only source was changed: %v", left)
		}
		if _, err := os.Lstat(tmp + "/within"); err == nil {
			t.Errorf("the mount point in the temporary folder was left")
		}
	})
}

// TestNested: a sandbox in a sandbox works unless the outer one's user is root, whom the kernel
// does not let hand on an identity that it has no power over.
func TestNested(t *testing.T) {
	needs(t, sandbox.Namespaces)
	spec := sandbox.Spec{UID: 1000, GID: 1000, Binds: []sandbox.Bind{{Source: executable(t), Target: helper}}}
	if sharedProc(t, spec) {
		t.Skip("NOT TESTED on this machine: it masks /proc, where the map of a user namespace is written")
	}
	says(t, spec, "exec "+helper+" nested", "nested\n")
	spec.UID, spec.GID = 0, 0
	if _, out := run(t, spec, "exec "+helper+" nested"); !strings.Contains(out, sandbox.ErrUnavailable.Error()) {
		t.Errorf("as root inside: %s", out)
	}
}

func TestInvalid(t *testing.T) {
	good := []string{"true"}
	for name, spec := range map[string]sandbox.Spec{
		"no command":           {},
		"relative target":      {Args: good, Binds: []sandbox.Bind{{Source: "/usr", Target: "x"}}},
		"target leaves":        {Args: good, Binds: []sandbox.Bind{{Source: "/usr", Target: "/a/../../x"}}},
		"target is the root":   {Args: good, Binds: []sandbox.Bind{{Source: "/usr", Target: "/"}}},
		"relative source":      {Args: good, Binds: []sandbox.Bind{{Source: "usr", Target: "/x"}}},
		"relative directory":   {Args: good, Dir: "x"},
		"NUL":                  {Args: []string{"a\x00b"}},
		"root is a file":       {Args: good, Root: sandbox.DirRoot{Path: "/etc/passwd"}},
		"none, another path":   {Args: good, Kind: sandbox.None, Binds: []sandbox.Bind{{Source: "/usr", Target: "/x"}}},
		"none, another root":   {Args: good, Kind: sandbox.None, Root: sandbox.DirRoot{Path: "/"}},
		"negative user":        {Args: good, UID: -1},
		"terminal is not one":  {Args: good, TTY: devNull(t)},
		"target below a file":  {Args: good, Binds: []sandbox.Bind{{Source: "/usr", Target: "/etc/passwd/x"}}},
		"target on a loop":     {Args: good, Binds: []sandbox.Bind{{Source: "/usr", Target: "/loop/a/x"}, {Source: loop(t), Target: "/loop"}}},
		"relative root folder": {Args: good, Root: sandbox.DirRoot{Path: "."}},
	} {
		if _, err := sandbox.Run(context.Background(), spec); !errors.Is(err, sandbox.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spec := range map[string]sandbox.Spec{
		"no such source":    {Args: good, Binds: []sandbox.Bind{{Source: "/no/such", Target: "/x"}}},
		"no such directory": {Args: good, Dir: "/no/such"},
	} {
		if _, err := sandbox.Run(context.Background(), spec); !errors.Is(err, os.ErrNotExist) || errors.Is(err, sandbox.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func devNull(t *testing.T) *os.File {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// loop is a folder with the symlinks a -> b -> a.
func loop(t *testing.T) string {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("b", dir+"/a"), os.Symlink("a", dir+"/b")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// owner is the user that a file belongs to.
func owner(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// sharedProc reports whether the machine (a container) forbids a /proc of the sandbox's own.
func sharedProc(t *testing.T, spec sandbox.Spec) bool {
	_, out := run(t, spec, "grep NSpid: /proc/self/status | wc -w") // one word more for each namespace
	return out != "2\n"
}
