package sandbox_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// tinyRoot makes a root directory with a shell, a few tools and their libraries, and nothing else.
func tinyRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"sh", "cat", "ls", "mkdir", "stat"} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("NOT TESTED on this machine: %v", err)
		}
		copyFile(t, program, filepath.Join(root, "usr/bin", name), 0o755)
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			continue // linked statically
		}
		for word := range strings.FieldsSeq(string(out)) {
			if filepath.IsAbs(word) {
				copyFile(t, word, filepath.Join(root, word), 0o755)
			}
		}
	}
	err := errors.Join(os.Symlink("usr/bin", root+"/bin"), os.Mkdir(root+"/etc", 0o755),
		os.WriteFile(root+"/etc/mine", []byte("mine\n"), 0o644), os.Symlink("/usr", root+"/link"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestDirRoot(t *testing.T) {
	root := tinyRoot(t)
	each(t, func(t *testing.T, spec sandbox.Spec) {
		before := listing(t, root)
		spec.Root = sandbox.DirRoot{Path: root}
		build := t.TempDir()
		spec.Binds = []sandbox.Bind{
			{Source: build, Target: "/buildstream/proj/elem.bst", Writable: true},
			{Source: build, Target: "/buildstream-install", Writable: true},
			{Source: build, Target: "/link/src/x", Writable: true}, // within the root's own /usr
		}
		spec.Dir = "/buildstream/proj/elem.bst"
		says(t, spec, "cat /etc/mine; echo > y; ls /usr/src/x /buildstream-install", "mine\n/buildstream-install:\ny\n\n/usr/src/x:\ny\n")
		if result, out := run(t, spec, "ls /etc/passwd || ls /usr/lib/gcc"); result.ExitCode == 0 {
			t.Errorf("the host is visible: %s", out)
		}
		for _, name := range []string{"/x", "/etc/mine", "/usr/x", "/usr/bin/cat"} {
			if result, out := run(t, spec, "echo >> "+name); result.ExitCode == 0 || !strings.Contains(out, "Read-only") {
				t.Errorf("write %s: %s", name, out)
			}
		}
		if after := listing(t, root); after != before {
			t.Errorf("the root was changed:\n%s\n%s", before, after)
		}
	})
}

func TestDirRootWritable(t *testing.T) {
	each(t, func(t *testing.T, spec sandbox.Spec) {
		root := tinyRoot(t)
		before := listing(t, root)
		spec.Root, spec.RootWritable = sandbox.DirRoot{Path: root}, true
		build := t.TempDir()
		spec.Binds = []sandbox.Bind{{Source: build, Target: "/a/b/c", Writable: true}}
		says(t, spec, "echo > /a/b/c/x; echo > /tmp/x; echo > /dev/shm/x; ls -d /proc/self", "/proc/self\n")
		if after := listing(t, root); after != before {
			t.Errorf("mount points were left:\n%s\n%s", before, after)
		}
		says(t, spec, "echo new > /etc/mine; mkdir /made; echo x > /made/x; cat /made/x", "x\n")
		if data, err := os.ReadFile(root + "/etc/mine"); err != nil || string(data) != "new\n" {
			t.Errorf("not written: %q %v", data, err)
		}
	})
}

// TestDirRootCannotEscape: a hostile root's symlinks lead nowhere but into the root.
func TestDirRootCannotEscape(t *testing.T) {
	each(t, func(t *testing.T, spec sandbox.Spec) {
		root, outside := tinyRoot(t), t.TempDir()
		err := errors.Join(os.Symlink(outside, root+"/tmp"), os.Symlink("../../../.."+outside, root+"/buildstream"), os.Symlink(outside, root+"/dev"), os.Symlink("..", root+"/proc"))
		if err != nil {
			t.Fatal(err)
		}
		for _, writable := range []bool{false, true} {
			spec.Root, spec.RootWritable = sandbox.DirRoot{Path: root}, writable
			spec.Args = []string{"/bin/sh", "-c", "echo > /tmp/x; echo > /buildstream/x"}
			spec.Binds = []sandbox.Bind{{Source: t.TempDir(), Target: "/buildstream/build", Writable: true}}
			_, err := sandbox.Run(context.Background(), spec)
			if err != nil && !errors.Is(err, sandbox.ErrInvalid) {
				t.Errorf("error %v", err)
			}
			if left, _ := os.ReadDir(outside); len(left) > 0 {
				t.Fatalf("written outside: %v", left)
			}
		}
	})
}

// listing is every name below a folder with its size and mode.
func listing(t *testing.T, root string) string {
	t.Helper()
	var lines strings.Builder
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		lines.WriteString(strings.TrimPrefix(path, root) + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Split(lines.String(), "\n")[1:], "\n") // the root's own time may change
}
