package tree_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/tree"
)

// The benchmarks stage and capture a tree of 50 000 files in 2 500 folders, 4 KiB each on average,
// and give the ratio of their time to that of a floor measured in the same run:
//
//	go test ./internal/tree -run '^$' -bench 50k -benchtime 3x
//
// x-cp-r: times "cp -r" of the same tree to the same file system; x-sha256: times reading and
// hashing all files, one after the other; x-walk: times filepath.WalkDir with the Info of each file.
const (
	benchFolders = 2500
	benchFiles   = 20 // in each folder
)

func benchTree(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "src")
	for i := range benchFolders {
		sub := filepath.Join(dir, fmt.Sprintf("d%02d", i%50), fmt.Sprintf("e%02d", i/50))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range benchFiles {
			text := strings.Repeat(fmt.Sprintf("line %d of file %d\n", i, j), 1+(i*benchFiles+j*37)%420)
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%02d.c", j)), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

// floor runs once outside of the benchmark's time and returns how long it took.
func floor(b *testing.B, run func() error) time.Duration {
	b.Helper()
	began := time.Now()
	if err := run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func ratio(b *testing.B, name string, base time.Duration) {
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/base.Seconds(), name)
}

func hashAll(dir string) func() error {
	return func() error {
		return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(sha256.New(), f)
			return err
		})
	}
}

func statAll(dir string) func() error {
	return func() error {
		return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				_, err = d.Info()
			}
			return err
		})
	}
}

func copyAll(b *testing.B, dir string) func() error {
	dest := filepath.Join(b.TempDir(), "copy")
	return func() error { return exec.Command("cp", "-r", dir, dest).Run() }
}

func benchImport(b *testing.B, store *cas.Local, dir string, opts tree.ImportOptions) tree.Imported {
	b.Helper()
	im, err := tree.Import(b.Context(), store, dir, opts)
	if err != nil {
		b.Fatal(err)
	}
	return im
}

// BenchmarkImport50k captures into an empty store: every blob is written.
func BenchmarkImport50k(b *testing.B) {
	dir := benchTree(b)
	hash, cp := floor(b, hashAll(dir)), floor(b, copyAll(b, dir))
	for b.Loop() {
		b.StopTimer()
		store := openStore(b)
		b.StartTimer()
		benchImport(b, store, dir, tree.ImportOptions{})
	}
	ratio(b, "x-cp-r", cp)
	ratio(b, "x-sha256", hash)
}

// BenchmarkImport50kAgain captures what the store holds, without a stat index.
func BenchmarkImport50kAgain(b *testing.B) {
	dir, store := benchTree(b), openStore(b)
	benchImport(b, store, dir, tree.ImportOptions{})
	hash := floor(b, hashAll(dir))
	for b.Loop() {
		benchImport(b, store, dir, tree.ImportOptions{})
	}
	ratio(b, "x-sha256", hash)
}

// BenchmarkImport50kIndexed captures what a stat index shows unchanged.
func BenchmarkImport50kIndexed(b *testing.B) {
	dir, store := benchTree(b), openStore(b)
	index := benchImport(b, store, dir, tree.ImportOptions{}).Index
	index.Taken = time.Now().Add(time.Minute).UnixNano() // nothing is racy
	walk := floor(b, statAll(dir))
	for b.Loop() {
		if im := benchImport(b, store, dir, tree.ImportOptions{Index: index}); im.Hashed > 0 {
			b.Fatalf("%d files were read", im.Hashed)
		}
	}
	ratio(b, "x-walk", walk)
}

// BenchmarkImport50kHashOnly names a tree without storing it.
func BenchmarkImport50kHashOnly(b *testing.B) {
	dir := benchTree(b)
	hash := floor(b, hashAll(dir))
	for b.Loop() {
		benchImport(b, nil, dir, tree.ImportOptions{HashOnly: true})
	}
	ratio(b, "x-sha256", hash)
}

func benchExport(b *testing.B, opts tree.ExportOptions) {
	dir, store := benchTree(b), openStore(b)
	im := benchImport(b, store, dir, tree.ImportOptions{})
	if !opts.Link {
		opts.Times = im.Times
	}
	cp := floor(b, copyAll(b, dir))
	for b.Loop() {
		b.StopTimer()
		dest := filepath.Join(b.TempDir(), "out")
		b.StartTimer()
		if err := tree.Export(b.Context(), store, im.Root, dest, opts); err != nil {
			b.Fatal(err)
		}
	}
	ratio(b, "x-cp-r", cp)
}

// BenchmarkExport50k stages copies, verified, with recorded times.
func BenchmarkExport50k(b *testing.B) { benchExport(b, tree.ExportOptions{}) }

// BenchmarkExport50kLink stages hard links.
func BenchmarkExport50kLink(b *testing.B) { benchExport(b, tree.ExportOptions{Link: true}) }
