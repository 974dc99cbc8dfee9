package trace_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/trace"
)

// folder makes a folder of files from lines "path content".
func folder(t testing.TB, lines ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, line := range lines {
		name, content, _ := strings.Cut(line, " ")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func start(t testing.TB, dir string, opts trace.Options) *trace.Tracer {
	t.Helper()
	tracer, err := trace.Start(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = tracer.Stop() })
	return tracer
}

func stop(t testing.TB, tracer *trace.Tracer) trace.Trace {
	t.Helper()
	got, err := tracer.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trace.Encode(got); err != nil {
		t.Fatal(err)
	}
	return got
}

func sh(t testing.TB, dir, script string) {
	t.Helper()
	command := exec.CommandContext(context.Background(), "sh", "-e", "-c", script)
	command.Dir, command.Env = dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// traced runs a script as the one phase of a trace.
func traced(t *testing.T, dir, script string) trace.Trace {
	t.Helper()
	tracer := start(t, dir, trace.Options{})
	tracer.Phase("build")
	sh(t, dir, script)
	tracer.Pause()
	return stop(t, tracer)
}

func TestUsesOfOneCommand(t *testing.T) {
	const (
		o, l, w, a, c = trace.Opened, trace.Listed, trace.Written, trace.Attributes, trace.Created
		d, m, k       = trace.Deleted, trace.Moved, trace.Linked
	)
	source := []string{"a.txt one", "b.txt two", "sub/c.txt three", "sub/deep/d.txt four", "empty"}
	for _, test := range []struct {
		name, script string
		want         map[string]trace.Use
	}{
		{"nothing", "true", map[string]trace.Use{"a.txt": 0, "sub": 0, "sub/c.txt": 0}},
		{"read", "cat a.txt sub/c.txt", map[string]trace.Use{"a.txt": o, "sub/c.txt": o, "b.txt": 0, "sub": 0}},
		{"look up only", "test -f a.txt && test -d sub && ! test -e x", map[string]trace.Use{"a.txt": 0, "sub": 0, "x": 0}},
		{"list", "ls sub", map[string]trace.Use{"sub": l, "sub/c.txt": 0, ".": 0}},
		{"list the top", "ls", map[string]trace.Use{".": l, "a.txt": 0}},
		{"execute", "chmod +x a.txt; echo true > b.txt; . ./b.txt", map[string]trace.Use{"a.txt": a, "b.txt": o | w}},
		{"append", "echo x >> a.txt", map[string]trace.Use{"a.txt": o | w}},
		{"make", "echo x > new", map[string]trace.Use{"new": o | w | c}},
		{"delete", "rm a.txt", map[string]trace.Use{"a.txt": d}},
		{"move", "mv a.txt sub/new", map[string]trace.Use{"a.txt": m, "sub/new": c}},
		{"move over", "mv a.txt b.txt", map[string]trace.Use{"a.txt": m, "b.txt": c}},
		{"touch", "touch a.txt", map[string]trace.Use{"a.txt": o | w | a}},
		{"link", "ln sub/c.txt new", map[string]trace.Use{"sub/c.txt": k, "new": c, "a.txt": 0}},
		{"link that goes at once", "ln sub/c.txt new; rm new", map[string]trace.Use{"sub/c.txt": k, "new": c | d, "a.txt": 0}},
		{"link by copying", "cp -al sub copy", map[string]trace.Use{"sub/c.txt": k, "sub/deep/d.txt": k, "a.txt": 0, "copy/deep/d.txt": c}},
		{"symbolic link", "ln -s a.txt new; cat new", map[string]trace.Use{"a.txt": o, "new": c}},
		{"move a folder", "mv sub other; cat other/deep/d.txt", map[string]trace.Use{"sub": m, "sub/deep/d.txt": m, "other": c, "other/deep/d.txt": c | o}},
		{"move a folder to and fro", "mv sub other; mv other sub; cat sub/c.txt", map[string]trace.Use{"sub/c.txt": m | c | o}},
		{"delete a folder", "rm -r sub", map[string]trace.Use{"sub/c.txt": d, "sub/deep/d.txt": d}},
		{"a folder that comes and goes", "mkdir t; cat a.txt > t/x; rm -r t", map[string]trace.Use{"t": c | d | l, "t/x": c | d, "a.txt": o}},
		{"a source moved into a new folder", "mkdir -p n/m; mv a.txt n/m/", map[string]trace.Use{"a.txt": m, "n/m/a.txt": c}},
		{"truncate", "truncate -s 1 a.txt", map[string]trace.Use{"a.txt": o | w}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := traced(t, folder(t, source...), test.script)
			if !got.Complete() {
				t.Errorf("not complete: %q", got.Gaps)
			}
			for path, want := range test.want {
				// Being looked at once more than asked for is allowed for new folders only.
				if uses := got.Uses(path); uses != want && !(want&c != 0 && uses&^(l|o|w|a) == want&^(l|o|w|a)) {
					t.Errorf("%s: uses %b, want %b", path, uses, want)
				}
			}
		})
	}
}

func TestPhasesAndPauses(t *testing.T) {
	dir := folder(t, "configure.in x", "a.c x", "b.c x", "README x")
	tracer := start(t, dir, trace.Options{})
	sh(t, dir, "cat README")
	tracer.Phase("configure")
	sh(t, dir, "cat configure.in; mkdir out")
	tracer.Phase("build")
	sh(t, dir, "cat a.c; cat a.c > out/a.o")
	tracer.Pause()
	sh(t, dir, "cat README b.c; ls")
	tracer.Phase("install")
	sh(t, dir, "cat out/a.o")
	got := stop(t, tracer)
	if got.Complete() || !got.Gapless() {
		t.Errorf("a phase that did not end: complete %v, gaps %q", got.Complete(), got.Gaps)
	}
	for _, test := range []struct {
		phase, path string
		opens       uint32
	}{{"configure", "configure.in", 1}, {"configure", "a.c", 0}, {"build", "a.c", 2}, {"build", "configure.in", 0}, {"build", "b.c", 0}, {"install", "out/a.o", 1}, {"build", "out/a.o", 1}} {
		phase, ok := got.Phase(test.phase)
		if opens := phase.Find(test.path).Opens; !ok || opens != test.opens {
			t.Errorf("%s opened %s %d times, want %d", test.phase, test.path, opens, test.opens)
		}
	}
	if uses := got.Uses("README") | got.Uses("b.c"); uses != 0 {
		t.Errorf("uses between phases were noted: %b", uses)
	}
	if configure, _ := got.Phase("configure"); !configure.Ended {
		t.Error("configure has ended")
	}
}

func TestNewFoldersAreRescanned(t *testing.T) {
	dir := folder(t, "a x")
	hold := make(chan struct{})
	tracer := start(t, dir, trace.Options{Hold: hold})
	tracer.Phase("build")
	// Nothing is read meanwhile, so all of it is there when the first event is taken in.
	sh(t, dir, `for i in 1 2 3; do mkdir -p n$i/x/y; echo $i > n$i/f; echo $i > n$i/x/y/g; ln n$i/f n$i/h; done; mv n3 n4; cat n4/x/y/g`)
	close(hold)
	const folders = 10 // the root and nine new ones
	for deadline := time.Now().Add(time.Minute); tracer.Folders() < folders; {
		if time.Now().After(deadline) {
			t.Fatalf("%d folders are watched, want %d", tracer.Folders(), folders)
		}
		runtime.Gosched()
	}
	sh(t, dir, "cat n1/x/y/g; echo > n2/x/y/later")
	tracer.Pause()
	got := stop(t, tracer)
	if !got.Complete() {
		t.Errorf("gaps %q", got.Gaps)
	}
	build, _ := got.Phase("build")
	for _, path := range []string{"n1/f", "n1/x/y/g", "n2/x/y", "n2/h", "n4/x/y/g", "n2/x/y/later"} {
		if build.Find(path).Uses&trace.Created == 0 {
			t.Errorf("%s was made, uses %b", path, build.Find(path).Uses)
		}
	}
	if opens := build.Find("n1/x/y/g").Opens; opens != 1 {
		t.Errorf("the new folder is not watched: %d opens", opens)
	}
}

func TestOverflowIsAGap(t *testing.T) {
	dir := folder(t, "a x", "b x")
	hold := make(chan struct{})
	tracer := start(t, dir, trace.Options{Hold: hold})
	tracer.Phase("build")
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	overflow(t, dir, strings.TrimSpace(string(limit)))
	tracer.Pause()
	close(hold)
	if got := stop(t, tracer); got.Complete() || len(got.Gaps) != 1 || got.Gaps[0] != trace.GapOverflow {
		t.Errorf("gaps %q", got.Gaps)
	}
}

func TestOverflowBetweenPhasesIsNone(t *testing.T) {
	dir := folder(t, "a x", "b x")
	hold := make(chan struct{})
	tracer := start(t, dir, trace.Options{Hold: hold})
	tracer.Phase("build")
	tracer.Pause()
	overflow(t, dir, "20000")
	sh(t, dir, "mkdir n; echo x > n/z") // not told any more
	tracer.Phase("install")
	sh(t, dir, "cat n/z")
	tracer.Pause()
	close(hold)
	if got := stop(t, tracer); !got.Complete() || got.Uses("n/z") != trace.Opened {
		t.Errorf("gaps %q, n/z: uses %b", got.Gaps, got.Uses("n/z"))
	}
}

// overflow opens two files in turn, as the kernel merges equal neighbours.
func overflow(t *testing.T, dir, limit string) {
	t.Helper()
	n := 0
	for _, digit := range limit {
		n = 10*n + int(digit-'0')
	}
	if n > 1_000_000 {
		t.Fatalf("the queue of %d events is too long to fill", n)
	}
	for range n/2 + 2 {
		for _, name := range []string{"a", "b"} {
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
}

// TestKnownFolders: folders that the caller names are watched without being looked for, and new ones are
// found as ever.
func TestKnownFolders(t *testing.T) {
	script := "cat a/b/c >a/out; mkdir -p a/new/er; echo x >a/new/er/y; rm -r gone; ln -s a link"
	lines := []string{"a/b/c text", "gone/with text", "d text"}
	want := traced(t, folder(t, lines...), script)
	dir := folder(t, lines...)
	tracer := start(t, dir, trace.Options{Folders: []string{"a", "a/b", "gone", "not-there", "d"}})
	if n := tracer.Folders(); n != 4 {
		t.Errorf("%d folders are watched", n)
	}
	tracer.Phase("build")
	sh(t, dir, script)
	tracer.Pause()
	got := stop(t, tracer)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	tracer = start(t, folder(t, lines...), trace.Options{Folders: []string{"a"}, MaxWatches: 1})
	tracer.Phase("build")
	tracer.Pause()
	if stop(t, tracer).Gapless() {
		t.Error("too few watches are no gap")
	}
}

func TestTooFewWatchesAreAGap(t *testing.T) {
	dir := folder(t, "a/x 1", "b/x 1", "c/x 1")
	tracer := start(t, dir, trace.Options{MaxWatches: 3})
	tracer.Phase("build")
	tracer.Pause()
	if got := stop(t, tracer); got.Complete() || got.Gaps[0] != trace.GapWatch {
		t.Errorf("gaps %q", got.Gaps)
	}
	tracer = start(t, dir, trace.Options{MaxWatches: 4})
	tracer.Phase("build")
	sh(t, dir, "mkdir d")
	tracer.Pause()
	if got := stop(t, tracer); got.Complete() || got.Gaps[0] != trace.GapWatch {
		t.Errorf("new folder: gaps %q", got.Gaps)
	}
}

func TestMovedOutIsAGap(t *testing.T) {
	dir := folder(t, "in/a/x 1", "out/y 1")
	tracer := start(t, filepath.Join(dir, "in"), trace.Options{})
	tracer.Phase("build")
	sh(t, dir, "mv in/a out/a; cat out/a/x")
	tracer.Pause()
	got := stop(t, tracer)
	if got.Complete() || got.Gaps[0] != trace.GapMovedOut {
		t.Errorf("gaps %q", got.Gaps)
	}
	if got.Uses("a/x")&trace.Moved == 0 {
		t.Errorf("a/x: uses %b", got.Uses("a/x"))
	}
}

func TestNothingOutsideIsWatched(t *testing.T) {
	dir := folder(t, "in/a 1", "out/secret/s 1")
	tracer := start(t, filepath.Join(dir, "in"), trace.Options{})
	tracer.Phase("build")
	sh(t, dir, "ln -s ../out in/link; ln -s "+dir+"/out in/abs; cat out/secret/s in/link/secret/s")
	tracer.Pause()
	got := stop(t, tracer)
	if !got.Complete() || tracer.Folders() != 1 {
		t.Errorf("gaps %q, %d folders", got.Gaps, tracer.Folders())
	}
	for _, p := range got.Phases[0].Paths {
		if strings.Contains(p.Name, "secret") {
			t.Errorf("%s is outside", p.Name)
		}
	}
}

// The kernel merges equal events that are neighbours, but none of a file with a watch of its own.
func TestPreciseCounts(t *testing.T) {
	dir := folder(t, "a x", "b x")
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	tracer := start(t, dir, trace.Options{Hold: hold, Precise: []string{"a", "none", "link", "../x", "."}})
	tracer.Phase("build")
	for _, name := range []string{"a", "b"} {
		var files []*os.File
		for range 5 {
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		for _, f := range files {
			f.Close()
		}
	}
	tracer.Pause()
	close(hold)
	build := stop(t, tracer).Phases[0]
	if a, b := build.Find("a").Opens, build.Find("b").Opens; a != 5 || b != 1 {
		t.Errorf("a was opened %d times, want 5; b %d times, merged into 1", a, b)
	}
}

func TestWrittenLate(t *testing.T) {
	dir := folder(t, "a x")
	tracer := start(t, dir, trace.Options{})
	tracer.Phase("build")
	sh(t, dir, "echo > done")
	tracer.Ending()
	sh(t, dir, "echo > half; cat a")
	tracer.Pause()
	got := stop(t, tracer)
	if !got.Phases[0].Told {
		t.Error("the phase was told to end")
	}
	for path, late := range map[string]bool{"done": false, "half": true, "a": false} {
		if is := got.Uses(path)&trace.Late != 0; is != late {
			t.Errorf("%s: late %v, want %v", path, is, late)
		}
	}
}

func TestLinksByTheCallersCapture(t *testing.T) {
	dir := folder(t, "a x", "b x")
	tracer := start(t, dir, trace.Options{})
	tracer.Phase("build")
	sh(t, dir, "ln a c; rm c; echo > d")
	tracer.Pause()
	tracer.Links(func(yield func(string, int64) bool) {
		_ = yield("a", 1<<62) && yield("b", 0) && yield("d", 1<<62)
	})
	got := stop(t, tracer)
	for path, linked := range map[string]bool{"a": true, "b": false, "d": false} {
		if is := got.Uses(path)&trace.Linked != 0; is != linked {
			t.Errorf("%s: linked %v, want %v", path, is, linked)
		}
	}
}

// What was learned is told between phases, and later phases change nothing of it.
func TestLearnedBetweenPhases(t *testing.T) {
	dir := folder(t, "a x", "b x")
	tracer := start(t, dir, trace.Options{})
	tracer.Phase("configure")
	sh(t, dir, "cat a; ln b c; rm c")
	tracer.Pause()
	tracer.Links(func(yield func(string, int64) bool) { _ = yield("a", 0) && yield("b", 1<<62) })
	first := tracer.Learned()
	tracer.Phase("build")
	sh(t, dir, "cat b; echo > a")
	tracer.Pause()
	got := stop(t, tracer)
	if len(first.Phases) != 1 || !first.Complete() || first.Uses("a") != trace.Opened || first.Uses("b") != trace.Linked {
		t.Errorf("learned %+v", first)
	}
	if len(got.Phases) != 2 || got.Uses("a")&trace.Written == 0 || got.Uses("b")&trace.Opened == 0 {
		t.Errorf("in the end %+v", got)
	}
}

// What the caller changes between phases is no work of the build's, and what the build links of it is.
func TestChangesBetweenPhases(t *testing.T) {
	dir := folder(t, "a x", "b x", "c x")
	tracer := start(t, dir, trace.Options{})
	tracer.Phase("no-op")
	tracer.Pause()
	sh(t, dir, "rm a b; echo y > a; echo y > b; mkdir n; echo y > n/z")
	tracer.Phase("build")
	sh(t, dir, "ln a link; cat c n/z")
	tracer.Pause()
	got := stop(t, tracer)
	for path, want := range map[string]trace.Use{"a": trace.Linked, "b": 0, "c": trace.Opened, "n": 0, "n/z": trace.Opened} {
		if uses := got.Uses(path); uses != want {
			t.Errorf("%s: uses %b, want %b", path, uses, want)
		}
	}
}

const makefile = "all: prog\nprog: a.o b.o\n\tcc -o $@ a.o b.o\na.o: a.c h.h\n\tcc -c a.c\nb.o: b.c h.h\n\tcc -c b.c\n"

func TestMakeBuild(t *testing.T) {
	dir := folder(t, "README x", "a.c #include \"h.h\"\nint main(void) { return f() - N; }\n", "b.c #include \"h.h\"\nint f(void) { return N; }\n",
		"h.h #define N 3\nint f(void);\n", "unused.h x")
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		t.Fatal(err)
	}
	got := traced(t, dir, "make -s")
	build := got.Phases[0]
	for path, opens := range map[string]uint32{"a.c": 1, "b.c": 1, "h.h": 2, "Makefile": 1, "README": 0, "unused.h": 0} {
		if n := build.Find(path).Opens; n != opens {
			t.Errorf("%s was opened %d times, want %d", path, n, opens)
		}
	}
	for _, path := range []string{"a.o", "prog"} {
		if got.Uses(path)&trace.Created == 0 {
			t.Errorf("%s was made, uses %b", path, got.Uses(path))
		}
	}
	again := traced(t, dir, "make -s")
	if again.Uses("a.c") != 0 || again.Uses("h.h") != 0 || again.Uses("Makefile") != trace.Opened {
		t.Errorf("no-op: a.c %b, h.h %b, Makefile %b", again.Uses("a.c"), again.Uses("h.h"), again.Uses("Makefile"))
	}
}

func TestStartFails(t *testing.T) {
	if _, err := trace.Start(t.Context(), filepath.Join(t.TempDir(), "none"), trace.Options{}); err == nil {
		t.Error("a folder that is not there was traced")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := trace.Start(ctx, t.TempDir(), trace.Options{}); err == nil {
		t.Error("a cancelled start gave a tracer")
	}
}
