package gitint_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchFiles is how many files the benchmarks' repository has:
//
//	go test ./gitint -run '^$' -bench . -benchtime 5x -files 75000
//
// Every ratio is of minima of interleaved runs, to a floor measured in the same run.
var benchFiles = flag.Int("files", 2000, "files in the repository of the benchmarks")

// large makes a packed repository of that many files of 1 to 10 KB, 20 to a folder.
// Git puts files above its threshold straight into a pack, which spares as many loose objects.
func large(b *testing.B) *world {
	b.Helper()
	w := newWorld(b)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range *benchFiles {
		text := fmt.Sprintf("file %d\n", i) + strings.Repeat(fmt.Sprintf("%x some words of text\n", random.Uint64()), 30+random.IntN(200))
		w.write(fmt.Sprintf("d%d/e%d/f%d.c", i/1000, i/20%50, i%20), text)
	}
	w.git("config", "gc.auto", "0")
	w.git("-c", "core.bigFileThreshold=1", "add", "-A")
	w.git("commit", "-q", "-m", "m")
	w.git("repack", "-q", "-a", "-d", "--window=0")
	w.sh("sleep 1; git status --porcelain") // the index is newer than all files: nothing is racy
	return w
}

// interleave runs the floor and what is measured against it b.N times each, and reports the
// ratio of their minima.
func interleave(b *testing.B, name string, floor, measured func()) {
	b.Helper()
	least := func(min *time.Duration, run func()) {
		begin := time.Now()
		run()
		if took := time.Since(begin); *min == 0 || took < *min {
			*min = took
		}
	}
	var low, high time.Duration
	for b.Loop() {
		least(&low, floor)
		least(&high, measured)
	}
	b.ReportMetric(float64(high)/float64(low), "x_"+name)
	b.ReportMetric(float64(low.Microseconds())/1000, "floor-ms")
	b.ReportMetric(float64(high.Microseconds())/1000, "ours-ms")
}

func (w *world) status() { w.git("status", "--porcelain=v2", "-z") }

func BenchmarkWorkTreeNoChange(b *testing.B) {
	w := large(b)
	snapshot := func() {
		if _, err := w.open().WorkTree(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	snapshot()
	interleave(b, "git-status", w.status, snapshot)
}

func BenchmarkWorkTreeOneFileChanged(b *testing.B) {
	w := large(b)
	if _, err := w.open().WorkTree(context.Background()); err != nil {
		b.Fatal(err)
	}
	i := 0
	interleave(b, "git-status", w.status, func() {
		i++
		w.write("d0/e0/f0.c", fmt.Sprint("changed ", i))
		if _, err := w.open().WorkTree(context.Background()); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkCommitKnown(b *testing.B) {
	w := large(b)
	commit := func() {
		if _, err := w.open().Commit(context.Background(), "HEAD"); err != nil {
			b.Fatal(err)
		}
	}
	commit()
	interleave(b, "git-rev-parse", func() { w.git("rev-parse", "HEAD^{tree}") }, commit)
}

func BenchmarkFirstSnapshotAgainstCatFile(b *testing.B) {
	w := large(b)
	interleave(b, "cat-file-all", func() {
		cmd := exec.Command("git", "cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered")
		cmd.Dir, cmd.Env, cmd.Stdout = w.repo, w.env, io.Discard
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}, w.firstSnapshot)
}

func BenchmarkFirstSnapshotAgainstSHA256(b *testing.B) {
	w := large(b)
	interleave(b, "sha256", func() {
		buffer := make([]byte, 64<<10)
		err := filepath.WalkDir(w.repo, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				if entry != nil && entry.Name() == ".git" {
					return filepath.SkipDir
				}
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.CopyBuffer(sha256.New(), struct{ io.Reader }{f}, buffer)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}, w.firstSnapshot)
}

// firstSnapshot is one with an empty memo; the store keeps the folders from the run before.
func (w *world) firstSnapshot() {
	if err := os.RemoveAll(w.opts.MemoDir); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.open().Commit(context.Background(), "HEAD"); err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkEnsureNothingMissing is the check that every staging makes.
func BenchmarkEnsureNothingMissing(b *testing.B) {
	w := large(b)
	ctx := context.Background()
	r := w.open()
	s, err := r.Commit(ctx, "HEAD")
	if err == nil {
		err = r.Ensure(ctx, s, s.Staged)
	}
	if err != nil {
		b.Fatal(err)
	}
	interleave(b, "git-status", w.status, func() {
		if err := r.Ensure(ctx, s, s.Staged); err != nil {
			b.Fatal(err)
		}
	})
}
