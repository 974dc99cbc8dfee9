package sandbox

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkFingerprint takes this machine's fingerprint for the first time and again; the floor
// is one stat, by its full path, of each folder and file that is looked at again.
func BenchmarkFingerprint(b *testing.B) {
	options := HostOptions{Path: []string{"/usr/local/bin", "/usr/bin", "/bin"}, Tools: []string{"cc", "ld", "make"}, CacheDir: b.TempDir()}
	take := func(b *testing.B) {
		if _, err := Fingerprint(context.Background(), options); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("again", func(b *testing.B) {
		take(b)
		perRun(b, func() { take(b) })
	})
	var paths []string
	for _, w := range readWatched(filepath.Join(options.CacheDir, "host-areas-1")) {
		for _, p := range w.Parts {
			folder := ""
			for name := range strings.SplitSeq(strings.TrimSuffix(p.names, "\x00"), "\x00") {
				if strings.HasPrefix(name, "/") {
					folder, name = name, ""
				}
				paths = append(paths, filepath.Join(folder, name))
			}
		}
	}
	b.Run("floor", func(b *testing.B) {
		perRun(b, func() {
			var st unix.Stat_t
			for _, path := range paths {
				_ = unix.Lstat(path, &st)
			}
		})
		b.ReportMetric(float64(len(paths)), "stats")
	})
	b.Run("first", func(b *testing.B) {
		perRun(b, func() {
			options.CacheDir = b.TempDir()
			take(b)
		})
	})
}

// perRun also measures the processor's time, which is what others on the machine lose.
func perRun(b *testing.B, f func()) {
	b.Helper()
	used := func() time.Duration {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			b.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64((used()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}
