package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptMiniroot makes a root file system of the host's sh and a few tools with their libraries:
// miniroot DIR.
func scriptMiniroot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: miniroot DIR")
	}
	root := ts.MkAbs(args[0])
	files := map[string]bool{}
	for _, name := range []string{"sh", "cat", "ls", "mkdir", "cp", "rm", "install", "sort", "find", "chmod", "touch"} {
		program, err := exec.LookPath(name)
		ts.Check(err)
		real, err := filepath.EvalSymlinks(program)
		ts.Check(err)
		copyInto(ts, real, filepath.Join(root, "usr/bin", name))
		libraries, _ := exec.Command("ldd", real).Output() // fails for what is linked statically
		for _, word := range strings.Fields(string(libraries)) {
			if filepath.IsAbs(word) {
				files[word] = true
			}
		}
	}
	for library := range files {
		real, err := filepath.EvalSymlinks(library)
		ts.Check(err)
		copyInto(ts, real, filepath.Join(root, library))
	}
	ts.Check(os.Symlink("usr/bin", filepath.Join(root, "bin")))
}

func copyInto(ts *testscript.TestScript, from, to string) {
	data, err := os.ReadFile(from)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(to), 0o777))
	ts.Check(os.WriteFile(to, data, 0o777))
}
