package trace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/git-bst/git-bst/internal/trace"
)

// BenchmarkStart is the set-up for each folder; the floor is listing the folders.
func BenchmarkStart(b *testing.B) {
	const folders = 1000
	dir := b.TempDir()
	for i := range folders {
		sub := filepath.Join(dir, fmt.Sprint(i/50), fmt.Sprint(i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 20 {
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(j)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("tracer", func(b *testing.B) {
		for b.Loop() {
			tracer, err := trace.Start(b.Context(), dir, trace.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if _, err := tracer.Stop(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/folders, "µs/folder")
	})
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			err := filepath.WalkDir(dir, func(string, os.DirEntry, error) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/folders, "µs/folder")
	})
}

// BenchmarkBuild is a build with the tracer; the floor is the same build without it.
func BenchmarkBuild(b *testing.B) {
	const units = 20
	makefile := "OBJ = $(addsuffix .o,$(basename $(wildcard *.c)))\nall: $(OBJ)\n%.o: %.c h.h\n\tcc -c $<\n"
	lines := []string{"h.h #include <stdio.h>\n"}
	for i := range units {
		lines = append(lines, fmt.Sprintf("u%d.c #include \"h.h\"\nint f%d(void) { return puts(\"x\"); }\n", i, i))
	}
	dir := folder(b, lines...)
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte(makefile), 0o644); err != nil {
		b.Fatal(err)
	}
	for _, with := range []string{"tracer", "floor"} {
		b.Run(with, func(b *testing.B) {
			for b.Loop() {
				if with == "tracer" {
					tracer := start(b, dir, trace.Options{})
					tracer.Phase("build")
					sh(b, dir, "make -s -j2 all; rm *.o")
					stop(b, tracer)
					continue
				}
				sh(b, dir, "make -s -j2 all; rm *.o")
			}
		})
	}
}
