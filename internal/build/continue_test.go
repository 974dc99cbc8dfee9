package build_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
)

// project is small, but has one of each reader: configure, make itself, a generator, compilers,
// install; and a dependency that the makefile does not know (hidden.txt).
var project = map[string]string{
	"README": "read me\n", "doc/x": "x\n", "configure": "cat conf.in > config.h; echo '#define C 1' >> config.h\n", "conf.in": "#define CONF \"conf1\"\n",
	"version.txt": "1.0", "rules.inc": "CFLAGS = -DRULES=\\\"r1\\\"\n", "gen.in": "gen1\n", "hidden.txt": "hidden1", "data.txt": "data1\n",
	"h.h":      "#define H \"h1\"\n",
	"main.c":   "#include <stdio.h>\n#include \"h.h\"\n#include \"config.h\"\n#include \"gen.h\"\nchar *f(void);\nint main(void) { return printf(\"%s %s %s %s %s %s %s\\n\", \"main1\", H, CONF, GEN, VERSION, HIDDEN, f()) < 0; }\n",
	"f.c":      "#include \"h.h\"\nchar *f(void) { return \"f1\" H RULES; }\n",
	"Makefile": "include rules.inc\nV := $(shell cat version.txt)\nprog: main.o f.o\n\tcc -o $@ main.o f.o\nmain.o: main.c gen.h\n\tcc $(CFLAGS) -MMD -DVERSION='\"$(V)\"' -DHIDDEN=\"\\\"$$(cat hidden.txt)\\\"\" -c main.c\nf.o: f.c\n\tcc $(CFLAGS) -MMD -c f.c\ngen.h: gen.in\n\techo \"#define GEN \\\"$$(cat gen.in)\\\"\" > gen.h\n-include main.d f.d\n",
}

const (
	configureCommand = "sh configure"
	buildCommand     = "make -s prog"
	installCommand   = "mkdir -p $OUT; cp prog data.txt $OUT/; touch doc/installed"
)

// tried builds in a plain folder, as a sandbox would show it.
type tried struct {
	t     *testing.T
	store *cas.Local
}

func (w tried) run(dir, out, command string) error {
	cmd := exec.CommandContext(context.Background(), "sh", "-e", "-c", command)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "OUT=" + out}
	return cmd.Run()
}

func (w tried) source(files map[string]string) digest.Digest {
	w.t.Helper()
	root := digest.Empty
	for path, content := range files {
		d, err := cas.PutBytes(w.t.Context(), w.store, []byte(content))
		if err == nil {
			root, err = tree.Insert(w.t.Context(), w.store, root, path, tree.Entry{Kind: tree.KindFile, Digest: d})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return root
}

func (w tried) export(root digest.Digest, times tree.Times) string {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "build")
	err := tree.Export(w.t.Context(), w.store, root, dir, tree.ExportOptions{Times: times, Default: time.Unix(build.SourceTime, 0)})
	if err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w tried) capture(dir string) tree.Imported {
	w.t.Helper()
	imported, err := tree.Import(w.t.Context(), w.store, dir, tree.ImportOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return imported
}

// phases runs phases under a tracer; failed says whether one did.
func (w tried) phases(dir, out string, names ...string) (learned trace.Trace, failed bool) {
	w.t.Helper()
	tracer, err := trace.Start(w.t.Context(), dir, trace.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	commands := map[string]string{"configure": configureCommand, "build": buildCommand, "install": installCommand}
	for _, name := range names {
		tracer.Phase(name)
		if failed = w.run(dir, out, commands[name]) != nil; failed {
			break
		}
		tracer.Pause()
	}
	tracer.Pause()
	if learned, err = tracer.Stop(); err != nil {
		w.t.Fatal(err)
	}
	return learned, failed
}

// says returns what an artifact shows: the program's output and the data file.
func (w tried) says(out string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "data.txt"))
	if err != nil {
		return "no artifact"
	}
	said, err := exec.CommandContext(context.Background(), filepath.Join(out, "prog")).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(said) + string(data)
}

// full builds clean and returns the base that it makes, with its captured tree.
func (w tried) full(source digest.Digest) (plan.Base, tree.Imported, string) {
	w.t.Helper()
	dir, out := w.export(source, nil), w.t.TempDir()
	learned, failed := w.phases(dir, out, "configure", "build", "install")
	if failed {
		w.t.Fatal("the clean build failed")
	}
	captured := w.capture(dir)
	noop, _ := w.phases(w.export(captured.Root, captured.Times), out, "build")
	return plan.Base{Record: "base", Result: record.Success, Source: source.String(), Tree: true, Artifact: true, SameRoot: true,
		Phases: []plan.BasePhase{{Name: "configure", Ended: true}, {Name: "build", Ended: true}, {Name: "install", Ended: true}},
		Trace:  learned, Noop: &noop.Phases[0]}, captured, out
}

// TestContinueEqualsClean makes an edit of each kind to one project, does what the rules say, and
// compares the result with a clean build's.
func TestContinueEqualsClean(t *testing.T) {
	w := tried{t, nil}
	store, err := cas.OpenLocal(filepath.Join(t.TempDir(), "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w.store = store
	baseSource := w.source(project)
	base, captured, out := w.full(baseSource)
	if !base.Trace.Complete() {
		t.Fatalf("gaps %q", base.Trace.Gaps)
	}
	for _, test := range []struct {
		name, path, from, to string
		verdict              plan.Verdict
		code                 plan.Code // of the plan, or of the distrust after it
	}{
		{"source", "main.c", "main1", "main2", plan.Continue, ""},
		{"header", "h.h", "h1", "h2", plan.Continue, ""},
		{"generator's input", "gen.in", "gen1", "gen2", plan.Continue, ""},
		{"data that is installed", "data.txt", "data1", "data2", plan.Continue, ""},
		{"never opened, its folder not listed", "doc/x", "x", "y", plan.Same, plan.CodeUnread},
		{"never opened, its folder listed by make", "README", "me", "you", plan.Continue, ""},
		{"an unknown dependency", "hidden.txt", "hidden1", "hidden2", plan.Continue, plan.CodeDistrustUnread},
		{"read by configure", "conf.in", "conf1", "conf2", plan.Clean, plan.CodeConfigureRead},
		{"configure itself", "configure", "C 1", "C 2", plan.Clean, plan.CodeConfigureRead},
		{"read by make's shell", "version.txt", "1.0", "1.1", plan.Clean, plan.CodeBuildSystem},
		{"included by make", "rules.inc", "r1", "r2", plan.Clean, plan.CodeBuildSystem},
		{"the makefile", "Makefile", "cc -o $@", "cc -O -o $@", plan.Clean, plan.CodeBuildSystem},
		{"broken", "f.c", "return", "retrun", plan.Continue, plan.CodeContinuedFailed},
		{"added where a build makes it", "config.h", "", "#define CONF \"mine\"\n", plan.Clean, plan.CodeAddedMade},
		{"added header", "stdio.h", "", "#error\n", plan.Clean, plan.CodeAdded},
		{"deleted source", "f.c", "", "", plan.Clean, plan.CodeDeletedRead},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := tried{t, store}
			files := maps.Clone(project)
			switch {
			case test.from != "":
				files[test.path] = strings.Replace(files[test.path], test.from, test.to, 1)
			case test.to != "":
				files[test.path] = test.to
			default:
				delete(files, test.path)
			}
			next := w.source(files)
			changes, err := tree.Compare(t.Context(), store, baseSource, next)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := build.Changes(t.Context(), store, captured.Root, changes)
			if err != nil {
				t.Fatal(err)
			}
			c := plan.Case{Base: base, Changes: asked, Clock: plan.Clock{Now: time.Now(), Newest: captured.Times.Newest()}}
			if c.Unread() {
				if err := build.MarkCopied(t.Context(), store, w.capture(out).Root, captured.Root, captured.Index, asked); err != nil {
					t.Fatal(err)
				}
			}
			got := plan.Judge(c)
			if got.Verdict != test.verdict || got.Verdict != plan.Continue && got.Reason.Code != test.code {
				t.Fatalf("Judge = %+v, want %s %s", got, test.verdict, test.code)
			}
			switch got.Verdict {
			case plan.Same:
				if w.says(out) != w.clean(next) {
					t.Errorf("the base's artifact says %q, a clean one %q", w.says(out), w.clean(next))
				}
			case plan.Continue:
				w.proceed(base, captured, changes, asked, next, test.code)
			}
		})
	}
}

func (w tried) clean(source digest.Digest) string {
	w.t.Helper()
	dir, out := w.export(source, nil), w.t.TempDir()
	w.phases(dir, out, "configure", "build", "install")
	return w.says(out)
}

// proceed continues the base and compares.
func (w tried) proceed(base plan.Base, captured tree.Imported, changes []tree.Change, asked []plan.Change, next digest.Digest, code plan.Code) {
	w.t.Helper()
	dir, out := w.export(captured.Root, captured.Times), w.t.TempDir()
	if _, err := tree.Patch(w.t.Context(), w.store, dir, changes, tree.PatchOptions{Newest: captured.Times.Newest().UnixNano()}); err != nil {
		w.t.Fatal(err)
	}
	now, failed := w.phases(dir, out, "build", "install")
	reason, _, ok := plan.Distrust(plan.Continued{Changes: asked, Base: base.Trace, Now: now, Failed: failed, IsSource: func(path string) bool {
		_, err := tree.Lookup(w.t.Context(), w.store, next, path)
		return err == nil
	}})
	if reason.Code != code {
		w.t.Fatalf("Distrust = %+v, want %q", reason, code)
	}
	if clean := w.clean(next); ok && w.says(out) != clean {
		w.t.Errorf("continued: %q, clean: %q", w.says(out), clean)
	}
}
