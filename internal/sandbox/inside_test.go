package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/hint"
)

func TestProbe(t *testing.T) {
	report := Probe(context.Background())
	var names []string
	for _, check := range report.Checks {
		t.Logf("%-16s %-5v %s | %s", check.Name, check.OK, check.Detail, check.Advice)
		names = append(names, check.Name)
		if check.Detail == "" || !check.OK && check.Advice == "" {
			t.Errorf("%s says nothing: %+v", check.Name, check)
		}
	}
	kind, err := report.Choose()
	if err == nil && kind == None || err != nil && len(hint.Lines(err)) == 0 {
		t.Errorf("chose %v, %v", kind, err)
	}
	if err == nil && kind == Namespaces && !slices.Contains(names, "overlay") {
		t.Errorf("not looked inside: %v", names)
	}
}

func TestChooseRefuses(t *testing.T) {
	bad := unavailable(Namespaces, syscall.EPERM)
	if kind, err := (Report{namespaces: bad}).Choose(); err != nil || kind != Bubblewrap {
		t.Errorf("%v %v", kind, err)
	}
	_, err := Report{namespaces: bad, bubblewrap: bad}.Choose()
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EPERM) || len(hint.Lines(err)) == 0 {
		t.Errorf("%v %v", err, hint.Lines(err))
	}
}

func TestOtherMachines(t *testing.T) {
	sysctl := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	failed := unavailable(Namespaces, syscall.EPERM)
	yes, no := func(string) bool { return true }, func(string) bool { return false }
	status := func(string) string { return "Seccomp:\t2\n" }
	for _, c := range []struct {
		name string
		got  Check
		ok   bool
		want string // in the advice or, if ok, in the detail
	}{
		{"Debian before 11", machine{sysctl: sysctl("kernel/unprivileged_userns_clone", "0")}.settings(failed), false, "unprivileged_userns_clone=1"},
		{"none allowed", machine{sysctl: sysctl("user/max_user_namespaces", "0")}.settings(failed), false, "max_user_namespaces=15000"},
		{"Ubuntu 24.04", machine{sysctl: sysctl("kernel/apparmor_restrict_unprivileged_userns", "1")}.settings(failed), false, "AppArmor profile"},
		{"Ubuntu 24.04 with a profile", machine{sysctl: sysctl("kernel/apparmor_restrict_unprivileged_userns", "1")}.settings(nil), true, "userns=1"},
		{"no user namespaces", machine{sysctl: sysctl(), exists: no}.settings(failed), false, "CONFIG_USER_NS"},
		{"docker", machine{read: status, exists: yes}.container(failed), false, "seccomp=unconfined"},
		{"docker that works", machine{read: status, exists: yes}.container(nil), true, "docker"},
		{"no container", machine{read: func(string) string { return "" }, exists: no}.container(failed), true, "not in"},
		{"few watches", machine{sysctl: sysctl("fs/inotify/max_user_watches", "8192")}.inotify(), false, "max_user_watches=524288"},
		{"many watches", machine{sysctl: sysctl("fs/inotify/max_user_watches", "65536")}.inotify(), true, "65536"},
	} {
		text := c.got.Advice
		if c.ok {
			text = c.got.Detail
		}
		if c.got.OK != c.ok || !strings.Contains(text, c.want) {
			t.Errorf("%s: %+v", c.name, c.got)
		}
	}
}

// TestOldKernel makes the mounts as before Linux 5.12.
func TestOldKernel(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	spec := Spec{Args: []string{"sh", "-c", "touch /w/x /ro/x; touch /usr/x /x; grep -c ' / ro' /proc/self/mountinfo; ls /w"}, Env: []string{"PATH=/usr/bin:/bin"},
		Binds: []Bind{{Source: dir, Target: "/w", Writable: true}, {Source: dir, Target: "/ro"}}, Stdout: &out, Stderr: &out}
	_, found, err := runWith(context.Background(), spec, func(o *order) { o.Old = true })
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("NOT TESTED on this machine: %v", err)
	}
	// An ordinary user may not write to /usr in any case, and is told that first.
	refused := strings.Count(out.String(), "Read-only") + strings.Count(out.String(), "Permission denied")
	if err != nil || !found.OldMounts || refused != 3 || !strings.HasSuffix(out.String(), "\nx\n") {
		t.Errorf("%v %+v\n%s", err, found, out.String())
	}
}

func TestFlagsAreKept(t *testing.T) {
	if got := keptFlags("ro,nosuid,nodev,noexec,relatime"); got != unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RELATIME {
		t.Errorf("flags %x", got)
	}
	if got := unescape(`/a\040b\134c`); got != `/a b\c` {
		t.Errorf("got %q", got)
	}
}

func TestCountersOfMemory(t *testing.T) {
	file := t.TempDir() + "/memory.events"
	if err := writeText(file, "low 0\noom 3\noom_kill 2\n"); err != nil {
		t.Fatal(err)
	}
	watch := memoryWatch{file: 1}
	failed := Result{ExitCode: 2}
	for _, c := range []struct {
		name   string
		watch  memoryWatch
		result Result
		said   report
		want   bool
	}{
		{"a counter rose", watch, failed, report{}, true},
		{"no counter rose", memoryWatch{file: 2}, failed, report{}, false},
		{"it succeeded all the same", watch, Result{}, report{}, false},
		{"a KILL of nobody's", nil, Result{ExitCode: 137}, report{}, true},
		{"a KILL of ours", nil, Result{ExitCode: 137}, report{Killed: true}, false},
		{"interrupted", watch, Result{ExitCode: 143, Interrupted: true}, report{}, false},
	} {
		if got := c.watch.starved(c.result, c.said); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func writeText(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
