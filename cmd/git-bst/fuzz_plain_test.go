package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
)

// plain is the plain tool in one folder: the element's own commands, edit by edit, with nothing of
// ours but the sandbox that puts the folder where the build had it.
type plain struct {
	f        *fuzz
	dir      string // build and install lie below it
	inputs   plainInputs
	compiler string // the folder whose programs stand in for compilers; "" for none
	log      bytes.Buffer
}

// plainInputs are the element's commands.
type plainInputs struct {
	Base struct {
		Layout struct {
			BuildRoot   string `json:"build-root"`
			InstallRoot string `json:"install-root"`
			WorkDir     string `json:"work-dir"`
		}
	}
	Phases []struct {
		Name        string
		Commands    []string
		Environment map[string]string
	}
}

// toolShows reports whether the plain tool, in one tree in place with the same edits and content
// times, comes to something else than a clean build too, and says how that was found out.
func (f *fuzz) toolShows(got came) (shown bool, why string) {
	f.Helper()
	history, err := f.history(got.record)
	if err != nil {
		return false, err.Error()
	}
	p := plain{f: f, dir: filepath.Join(f.dir, "plain")}
	if err := p.setUp(history[0]); err != nil {
		return false, err.Error()
	}
	built := false
	for i, rec := range history {
		tree, ok := f.sources[rec.ID]
		if !ok {
			return false, "it is not known which sources record " + rec.ID + " is of"
		}
		if i == 0 {
			if err := p.first(tree); err != nil {
				return false, err.Error()
			}
			p.run("configure", "build", "install", "strip")
			continue
		}
		if _, err := p.edit(f.sources[history[i-1].ID], tree); err != nil {
			return false, err.Error()
		}
		built = p.run("build", "install", "strip")
	}
	steps := fmt.Sprintf("%d builds in place", len(history))
	want := f.attempt("clean", "never", "--clean")
	if built == want.failed {
		return true, fmt.Sprintf("%s: it is built=%t, a clean build failed=%t", steps, built, want.failed)
	}
	if !built {
		return false, steps + ": it fails as a clean build does"
	}
	mine, clean := sums(f, filepath.Join(p.dir, "install")), sums(f, f.checkout("clean"))
	if slices.Equal(mine, clean) {
		return false, steps + ": it comes to what a clean build does"
	}
	return true, steps + ": " + strings.Join(notIn(mine, clean), ", ")
}

// history is what a build stands on, the first a build that stands on nothing.
func (f *fuzz) history(id string) ([]record.Record, error) {
	var list []record.Record
	records := record.Open(filepath.Join(f.store("continued"), "records"))
	for {
		rec, err := records.Get(f.Context(), id)
		if err != nil {
			return nil, fmt.Errorf("what it stands on is not known: %w", err)
		}
		list = append(list, rec)
		stands := slices.Contains([]string{"continue", "same", "promote"}, rec.Verdict)
		if stands && rec.Base == "" {
			return nil, errors.New("its record does not say what it stands on")
		}
		if !stands {
			slices.Reverse(list)
			return list, nil
		}
		id = rec.Base
	}
}

// setUp reads what the element's commands are.
func (p *plain) setUp(rec record.Record) error {
	blobs, err := cas.OpenLocal(filepath.Join(p.f.store("continued"), "cas"), cas.Options{})
	if err != nil {
		return err
	}
	data, err := cas.Get(p.f.Context(), blobs, rec.Parts.PreImage)
	if err != nil {
		return err
	}
	p.inputs = plainInputs{}
	return json.Unmarshal(data, &p.inputs)
}

var sourceTime = time.Unix(build.SourceTime, 0)

// first stages a source, all its files with one old time.
func (p *plain) first(tree string) error {
	if err := os.RemoveAll(p.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.path("build"), 0o755); err != nil {
		return err
	}
	if err := p.write(tree, "."); err != nil {
		return err
	}
	return filepath.WalkDir(p.path("build"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, sourceTime, sourceTime)
	})
}

// edit brings the folder from one source to another as an editor does, and returns what it wrote.
func (p *plain) edit(from, to string) (names []string, err error) {
	changed := p.f.git("diff-tree", "-r", "--no-renames", "--name-status", from, to)
	for line := range strings.Lines(changed) {
		status, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		switch {
		case slices.Contains(own[:3], name):
		case status == "D":
			if err := os.RemoveAll(p.path("build/" + name)); err != nil {
				return nil, err
			}
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return names, p.write(to, names...)
}

// write writes files of a source with the present time.
func (p *plain) write(tree string, names ...string) error {
	archive := exec.Command("git", append([]string{"-C", p.f.repo, "archive", tree, "--"}, names...)...)
	archive.Env = p.f.environ
	data, err := archive.Output()
	if err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	unpack := exec.Command("tar", "-x", "--touch", "--exclude=./elements", "--exclude=elements", "--exclude=project.conf", "--exclude=.git-bst.toml", "-C", p.path("build"))
	unpack.Stdin = bytes.NewReader(data)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	return nil
}

// run runs phases in the folder, with an empty install root, and reports whether all went well.
func (p *plain) run(names ...string) bool {
	if os.RemoveAll(p.path("install")) != nil || os.MkdirAll(p.path("install"), 0o755) != nil {
		return false
	}
	jobs := "-j2"
	if p.f.project.kind == "meson" {
		jobs = "2" // its kind's commands write -j themselves
	}
	layout := p.inputs.Base.Layout
	binds := []sandbox.Bind{{Source: p.path("build"), Target: layout.BuildRoot, Writable: true}, {Source: p.path("install"), Target: layout.InstallRoot, Writable: true}}
	if p.compiler != "" {
		binds = append(binds, sandbox.Bind{Source: p.compiler, Target: compilerDir, Writable: true})
	}
	for _, phase := range p.inputs.Phases {
		if !slices.Contains(names, phase.Name) {
			continue
		}
		environ := []string{"PWD=" + layout.WorkDir, "MAKEFLAGS=-j2", "JOBS=" + jobs} // these are no part of the recipe
		for name, value := range phase.Environment {
			if name == "PATH" && p.compiler != "" {
				value = compilerDir + ":" + value
			}
			environ = append(environ, name+"="+value)
		}
		for _, command := range phase.Commands {
			result, err := sandbox.Run(p.f.Context(), sandbox.Spec{
				Args: []string{"sh", "-c", "-e", command}, Env: environ, Dir: layout.WorkDir, Stdout: &p.log, Stderr: &p.log,
				Binds: binds,
			})
			if err != nil {
				p.f.Fatal(err)
			}
			if !result.Succeeded() {
				return false
			}
		}
	}
	return true
}

func (p *plain) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// sums lists the files and links below a folder, each with whether it is executable and its content.
func sums(f *fuzz, dir string) []string {
	f.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			list = append(list, name+" -> "+target)
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		list = append(list, fmt.Sprintf("%s %t %x", name, info.Mode()&0o100 != 0, sha256.Sum256(data)))
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return list
}

// notIn lists the names of what is in a and not in b.
func notIn(a, b []string) []string {
	var names []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			name, _, _ := strings.Cut(line, " ")
			names = append(names, name)
		}
	}
	return names
}
