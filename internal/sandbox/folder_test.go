package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// areaOf looks at a folder whose content is a file a, with a memory in cache.
func areaOf(t *testing.T, root, cache string, limit int64) string {
	t.Helper()
	r := newReader(HostOptions{Root: root, CacheDir: cache, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	r.contents.limit = limit
	if _, err := r.area("/opt", wholly); err != nil {
		t.Fatal(err)
	}
	if err := r.look(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r.lines[0]
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeText(path, text); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
}

// TestTooMuchToRead: a change of a file is seen even where there is too much to read, and only there the
// same content at another time is another.
func TestTooMuchToRead(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	write(t, root+"/opt/a", "one")
	read, big := areaOf(t, root, "", 3), areaOf(t, root, "", 2)
	if strings.Contains(read, "by time") || !strings.HasSuffix(big, "bigger than 0 MiB") {
		t.Errorf("%s\n%s", read, big)
	}
	write(t, root+"/opt/a", "one")
	if got := areaOf(t, root, cache, 3); got != read {
		t.Errorf("equal content: %s, not %s", got, read)
	}
	if got := areaOf(t, root, "", 2); got == big {
		t.Errorf("the same line for another file: %s", got)
	}
}

// TestBrokenMemory: whatever is in the memory's files, the result is that of a first look.
func TestBrokenMemory(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	write(t, root+"/opt/a", "one")
	want := areaOf(t, root, cache, 3)
	if got := areaOf(t, root, cache, 3); got != want {
		t.Fatalf("again: %s, not %s", got, want)
	}
	for _, name := range []string{"host-areas-1", "host-contents-1.json"} {
		data, err := os.ReadFile(filepath.Join(cache, name))
		if err != nil {
			t.Fatal(err)
		}
		for length := 0; length < len(data); length += 1 + len(data)/40 {
			if err := os.WriteFile(filepath.Join(cache, name), data[:length], 0o600); err != nil {
				t.Fatal(err)
			}
			if got := areaOf(t, root, cache, 3); got != want {
				t.Fatalf("%s of %d bytes: %s, not %s", name, length, got, want)
			}
		}
	}
}

// TestUnsettled: what may change within the same tick of the clock is not remembered.
func TestUnsettled(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	write(t, root+"/opt/a", "one")
	r := newReader(HostOptions{Root: root, CacheDir: cache})
	r.areas = []area{{"/opt", root + "/opt", wholly}}
	if err := r.look(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list := readWatched(r.memory); len(list) != 0 {
		t.Errorf("remembered: %v", list)
	}
	if data, err := os.ReadFile(r.contents.file); err != nil || string(data) != "{}" {
		t.Errorf("%v %s", err, data)
	}
}

// TestGone: what is no longer there is neither an error nor remembered for ever.
func TestGone(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	write(t, root+"/opt/a", "one")
	areaOf(t, root, cache, 3)
	r := newReader(HostOptions{Root: root, CacheDir: cache})
	if len(readWatched(r.memory)) != 1 {
		t.Fatal("nothing is remembered")
	}
	if err := os.RemoveAll(root + "/opt"); err != nil {
		t.Fatal(err)
	}
	write(t, root+"/srv/b", "two")
	r.areas = []area{{"/opt", root + "/opt", wholly}, {"/srv", root + "/srv", wholly}}
	if err := r.look(context.Background()); err != nil || r.lines[0] != "folder /opt is not there" {
		t.Errorf("%v %v", err, r.lines)
	}
	if list := readWatched(r.memory); len(list) != 0 {
		t.Errorf("remembered: %v", list)
	}
}
