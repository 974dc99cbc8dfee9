package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/sandbox"
)

const dpkgStatus = `Package: gcc-12
Status: install ok installed
Architecture: amd64
Version: 12.2.0-14

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
`

// fakeHost is a small host; its files are an hour old.
func fakeHost(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, "var/lib/dpkg/status", dpkgStatus)
	put(t, root, "lib/apk/db/installed", "C:Q1abc=\nP:musl\nV:1.2.5-r0\n\n")
	put(t, root, "var/lib/rpm/rpmdb.sqlite", "x")
	put(t, root, "var/lib/pacman/local/zlib-1.3-1/desc", "")
	put(t, root, "etc/ld.so.cache", "cache")
	put(t, root, "etc/ld.so.conf", "conf")
	put(t, root, "srv/sdk/lib/x", "x")
	put(t, root, "etc/shadow", "secret")
	put(t, root, "usr/local/include/a/b.h", "int b;")
	put(t, root, "usr/bin/gcc-12", "the compiler")
	put(t, root, "usr/bin/other", "tool")
	put(t, root, "opt/tool/bin/x", "x")
	put(t, root, "usr/include/owned/a.h", "int a;")
	put(t, root, "usr/include/by-hand/a.h", "int a;")
	put(t, root, "usr/lib/libx.so", "x")
	put(t, root, "usr/lib/x86_64-linux-gnu/cmake/x/x.cmake", "x")
	put(t, root, "usr/lib/python3/dist-packages/x/y/z/x.py", "x")
	put(t, root, "usr/lib/other/a/b/x", "x")
	put(t, root, "usr/share/pkgconfig/x.pc", "x")
	put(t, root, "usr/share/aclocal/x.m4", "x")
	put(t, root, "var/lib/dpkg/info/gcc-12.list", "/.\n/usr/bin/gcc-12\n/usr/include/owned\n/usr/include/owned/a.h\n/lib/libx.so\n")
	if err := os.MkdirAll(filepath.Join(root, "etc/alternatives"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "/usr/bin/gcc-12", root+"/etc/alternatives/cc")
	link(t, "gcc-12", root+"/usr/bin/cc")
	link(t, "usr/bin", root+"/bin")
	return root
}

func put(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	age(t, path, -time.Hour)
}

func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(by)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes a file in place so that neither its size nor its time tells.
func rewrite(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("~", int(info.Size()))), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// exchange puts another file in the place of one.
func exchange(t *testing.T, root, name string) {
	t.Helper()
	put(t, root, name+".new", "another")
	if err := os.Rename(filepath.Join(root, name+".new"), filepath.Join(root, name)); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	_ = os.Remove(path)
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func fingerprint(t *testing.T, options sandbox.HostOptions) sandbox.Host {
	t.Helper()
	host, err := sandbox.Fingerprint(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func TestFingerprintChanges(t *testing.T) {
	changes := []struct {
		name, line string // of the line that differs
		change     func(t *testing.T, root string)
	}{
		{"a package is upgraded", "package dpkg gcc-12:amd64 12.2.0-14", func(t *testing.T, root string) {
			put(t, root, "var/lib/dpkg/status", strings.Replace(dpkgStatus, "0-14", "0-15", 1))
		}},
		{"apk", "package apk musl", func(t *testing.T, root string) {
			put(t, root, "lib/apk/db/installed", "C:Q1abd=\nP:musl\nV:1.2.5-r0\n\n")
		}},
		{"rpm", "packages rpm /var/lib/rpm/rpmdb.sqlite", func(t *testing.T, root string) { age(t, root+"/var/lib/rpm/rpmdb.sqlite", 0) }},
		{"pacman", "package pacman local/zlib-1.3-1", func(t *testing.T, root string) {
			if err := os.Rename(root+"/var/lib/pacman/local/zlib-1.3-1", root+"/var/lib/pacman/local/zlib-1.3-2"); err != nil {
				t.Fatal(err)
			}
		}},
		{"an alternative", "alternative cc", func(t *testing.T, root string) { link(t, "/usr/bin/clang", root+"/etc/alternatives/cc") }},
		{"a file in /usr/local", "folder /usr/local/include", func(t *testing.T, root string) { rewrite(t, root+"/usr/local/include/a/b.h") }},
		{"a new file in /usr/local", "folder /usr/local/include", func(t *testing.T, root string) { put(t, root, "usr/local/include/a/c.h", "") }},
		{"a mode in /usr/local", "folder /usr/local/include", func(t *testing.T, root string) {
			if err := os.Chmod(root+"/usr/local/include/a/b.h", 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"/opt", "folder /opt/tool", func(t *testing.T, root string) { put(t, root, "opt/tool/bin/x", "xy") }},
		{"/opt, of the same size and time", "folder /opt/tool", func(t *testing.T, root string) { rewrite(t, root+"/opt/tool/bin/x") }},
		{"a folder of host-paths", "folder /srv/sdk", func(t *testing.T, root string) { rewrite(t, root+"/srv/sdk/lib/x") }},
		{"/etc", "folder /etc/ld.so.conf", func(t *testing.T, root string) { rewrite(t, root+"/etc/ld.so.conf") }},
		{"a header by hand", "folder /usr/include", func(t *testing.T, root string) { rewrite(t, root+"/usr/include/by-hand/a.h") }},
		{"a new header", "folder /usr/include", func(t *testing.T, root string) { put(t, root, "usr/include/new/a.h", "") }},
		{"a package's header", "folder /usr/include", func(t *testing.T, root string) { exchange(t, root, "usr/include/owned/a.h") }},
		{"a package's library", "folder /usr/lib:", func(t *testing.T, root string) { age(t, root+"/usr/lib/libx.so", 0) }},
		{"pkg-config", "folder /usr/share/pkgconfig", func(t *testing.T, root string) { rewrite(t, root+"/usr/share/pkgconfig/x.pc") }},
		{"aclocal", "folder /usr/share/aclocal", func(t *testing.T, root string) { rewrite(t, root+"/usr/share/aclocal/x.m4") }},
		{"cmake", "folder /usr/lib/x86_64-linux-gnu/cmake", func(t *testing.T, root string) {
			rewrite(t, root+"/usr/lib/x86_64-linux-gnu/cmake/x/x.cmake")
		}},
		{"a module, deep in python's", "folder /usr/lib/python3:", func(t *testing.T, root string) {
			exchange(t, root, "usr/lib/python3/dist-packages/x/y/z/x.py")
		}},
		{"elsewhere in /usr/lib", "folder /usr/lib/other", func(t *testing.T, root string) { exchange(t, root, "usr/lib/other/a/b/x") }},
		{"a program by hand", "folder /usr/bin", func(t *testing.T, root string) { rewrite(t, root+"/usr/bin/other") }},
		{"a package's program", "folder /usr/bin", func(t *testing.T, root string) { age(t, root+"/usr/bin/gcc-12", 0) }},
		{"the linker's cache", "folder /etc/ld.so.cache", func(t *testing.T, root string) { put(t, root, "etc/ld.so.cache", "cached") }},
		{"the compiler's content", "tool cc", func(t *testing.T, root string) {
			rewrite(t, root+"/usr/bin/gcc-12")
		}},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			options := sandbox.HostOptions{Root: fakeHost(t), Path: []string{"/usr/local/bin", "/usr/bin", "/bin"}, Tools: []string{"cc", "missing"}, Extra: []string{"/srv/sdk"}, CacheDir: t.TempDir()}
			// The clock runs ahead, so that what is new counts as old enough for the cache.
			options.Now = func() time.Time { return time.Now().Add(time.Hour) }
			before := fingerprint(t, options)
			if again := fingerprint(t, options); again.Digest != before.Digest {
				t.Fatalf("it differs without a change:\n%v\n%v", before.Lines, again.Lines)
			}
			c.change(t, options.Root)
			after := fingerprint(t, options)
			if after.Digest == before.Digest {
				t.Fatalf("it does not change: %v", after.Lines)
			}
			for _, line := range before.Lines {
				if !slices.Contains(after.Lines, line) && !strings.HasPrefix(line, c.line) {
					t.Errorf("another line differs: %s", line)
				}
			}
			options.CacheDir = ""
			if cold := fingerprint(t, options); cold.Digest != after.Digest {
				t.Error("the cache changes the result")
			}
		})
	}
}

func TestFingerprintDoesNotChange(t *testing.T) {
	options := sandbox.HostOptions{Root: fakeHost(t), Path: []string{"/usr/bin"}, Tools: []string{"cc"}}
	before := fingerprint(t, options)
	put(t, options.Root, "var/lib/dpkg/status", strings.Replace(dpkgStatus, "Version: 1\n", "Version: 2\n", 1)) // not installed
	put(t, options.Root, "etc/shadow", "another")
	put(t, options.Root, "home/user/x", "x")
	age(t, options.Root+"/usr/local", 0)
	age(t, options.Root+"/usr/local/include/a/b.h", 0)
	age(t, options.Root+"/usr/include/by-hand", 0)
	put(t, options.Root, "usr/lib/python3/dist-packages/__pycache__/x.pyc", "x") // made from a module's size and time
	put(t, options.Root, "usr/share/doc/x/x", "x")
	if after := fingerprint(t, options); after.Digest != before.Digest {
		t.Errorf("it changes:\n%v\n%v", before.Lines, after.Lines)
	}
	want := "tool cc = /usr/bin/gcc-12 sha256:"
	if !slices.ContainsFunc(before.Lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
		t.Errorf("no line %q in %v", want, before.Lines)
	}
}

func TestFingerprintOfNothing(t *testing.T) {
	host := fingerprint(t, sandbox.HostOptions{Root: t.TempDir(), Path: []string{"/usr/bin"}, Tools: []string{"cc"}})
	if host.Digest.IsZero() || !slices.Contains(host.Lines, "tool cc is not there") || !slices.Contains(host.Lines, "packages: no database that we know") {
		t.Errorf("%v", host.Lines)
	}
}
