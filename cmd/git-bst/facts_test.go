package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clientFiles are a small project that is built as large ones are: a configure script writes
// config.h and the makefile, three of four sources know a header, and the program tells what it
// can do. An element that needs it is built after it.
var clientFiles = map[string]string{
	"project.conf":   "name: client\nmin-version: 2.0\nelement-path: elements\ndefaults:\n  targets: [app.bst]\n" + pluginsOf,
	".git-bst.toml":  "[project]\nelement = \"app.bst\"\n[build]\nroot = \"host\"\n",
	"elements/p.bst": clientElement,
	"elements/app.bst": `kind: manual
depends:
- p.bst
config:
  install-commands:
  - mkdir -p %{install-root}/app
  - /client/bin/prog > %{install-root}/app/said
`,
	"elements/dep.bst": `kind: manual
config:
  install-commands:
  - mkdir -p %{install-root}/deps/include
  - echo '#define DEP "dep1"' > %{install-root}/deps/include/dep.h
`,
	"configure": `#!/bin/sh
ftp=1
for arg; do
	case $arg in --disable-ftp) ftp=0 ;; esac
done
echo "configuring"
echo "#define FTP $ftp" > config.h
sed "s|@CFLAGS@|$CFLAGS|" Makefile.in > Makefile
`,
	"Makefile.in": `OBJS = main.o url.o ftp.o http.o
prog: $(OBJS)
	cc -o $@ $(OBJS)
main.o: main.c config.h
url.o ftp.o http.o: urldata.h
%.o: %.c
	cc @CFLAGS@ -I/deps/include -c -o $@ $<
install: prog
	install -D prog $(DESTDIR)/client/bin/prog
`,
	"main.c": `#include <stdio.h>
#include "config.h"
#include "dep.h"
#ifndef FLAG
#define FLAG "flag1"
#endif
char *url(void), *ftp(void), *http(void);
int main(void) { return printf("main1 %s %s %s %s %s\n", url(), FTP ? ftp() : "", http(), DEP, FLAG) < 0; }
`,
	"url.c":     "#include \"urldata.h\"\nchar *url(void) { return \"url1-\" DATA; }\n",
	"ftp.c":     "#include \"urldata.h\"\nchar *ftp(void) { return \"ftp-\" DATA; }\n",
	"http.c":    "#include \"urldata.h\"\nchar *http(void) { return \"http-\" DATA; }\n",
	"urldata.h": "#define DATA \"data1\"\n",
	"README":    "read me\n",
}

const pluginsOf = "plugins:\n- origin: pip\n  package-name: buildstream-plugins\n  elements: [make, cmake, meson, autotools]\n"

const clientElement = `kind: autotools
depends:
- dep.bst
variables:
  prefix: /client
environment:
  EDITED: 1
sources:
- kind: local
  path: .
`

// newProject is a project of the given files, committed as "base".
func newProject(t *testing.T, files map[string]string) *edited {
	t.Helper()
	e := newEdited(t)
	for name, text := range files {
		e.write(name, text)
	}
	if _, ok := files["configure"]; ok {
		e.executable("configure")
	}
	e.commit("base")
	e.git("tag", "base")
	return e
}

// newClient is the project above, built once, in full.
func newClient(t *testing.T) *edited {
	t.Helper()
	e := newProject(t, clientFiles)
	e.step("clean never-built *", "main1 url1-data1 ftp-data1 http-data1 dep1 flag1")
	return e
}

// step builds in both ways and checks what was decided, what was compiled, and what the program
// says; of that nothing where it is "".
func (e *edited) step(decided, says string) came {
	e.Helper()
	got, differs := e.compare()
	e.Logf("%s, compiled %v", got, got.units)
	if got.failed || differs != "" {
		e.Fatalf("%s: %s\n%s", got, differs, got.output)
	}
	e.decided(got, decided)
	if says != "" {
		e.says(says)
	}
	return got
}

// nothingRuns builds, after which neither the element nor what needs it may have run anything.
func (e *edited) nothingRuns() {
	e.Helper()
	code, stdout, stderr := e.run("continued", "auto", "--json", "build")
	if code != 0 || !strings.Contains(stdout, `"phases_run":0`) || strings.Contains(stdout, `"kind":"start"`) {
		e.Errorf("exit code %d, want that nothing runs:\n%s%s", code, stdout, stderr)
	}
}

// configured reports whether a build ran the configure script.
func (got came) configured() bool { return strings.Contains(got.output, `"phase":"configure"`) }

// TestFact1Configuration: what stands in the element, and what configures, counts: no object that
// was made with other ones is taken.
func TestFact1Configuration(t *testing.T) {
	e := newClient(t)
	records := e.records()
	for _, one := range []struct {
		name, says, decided string
		edit                func()
	}{
		{"option of configure", "main1 url1-data1  http", "clean inputs-changed *", func() {
			e.replace("elements/p.bst", "  prefix:", "  conf-local: --disable-ftp\n  prefix:")
		}},
		{"flags", "dep1 flag2", "clean inputs-changed *", func() {
			e.replace("elements/p.bst", "  EDITED: 1\n", "  CFLAGS: -DFLAG='\\\"flag2\\\"'\n")
		}},
		{"build commands", "dep1 flag3", "resume phases-cached *", func() {
			e.replace("elements/p.bst", "variables:\n", "config:\n  build-commands:\n  - sed -i s/flag1/flag3/ main.c\n  - make\nvariables:\n")
		}},
		{"install commands", "main1", "resume phases-cached", func() {
			e.replace("elements/p.bst", "variables:\n", "config:\n  install-commands:\n    (>):\n    - echo more\nvariables:\n")
		}},
		{"the configure script", "main1 url1-data1  http", "clean configure-read *", func() {
			e.replace("configure", "ftp=1", "ftp=0")
		}},
	} {
		t.Run(one.name, func(t *testing.T) {
			e.T = t
			e.git("reset", "--quiet", "--hard", "base")
			e.forget(records)
			one.edit()
			got := e.step(one.decided, one.says)
			if resumed := strings.HasPrefix(one.decided, "resume"); got.configured() == resumed {
				t.Errorf("configure ran: %t\n%s", got.configured(), got.output)
			}
		})
	}
}

// TestElementOnly: of the element's own text only what it does counts.
func TestElementOnly(t *testing.T) {
	e := newClient(t)
	for _, one := range []struct{ name, more, decided string }{
		{"comment", "# a comment\n", "skip artifact-cached"},
		{"public data", "public:\n  bst:\n    split-rules:\n      mine:\n      - /client/bin/prog\n", "promote equal-parts"},
	} {
		t.Run(one.name, func(t *testing.T) {
			e.T = t
			e.write("elements/p.bst", e.read("elements/p.bst")+one.more)
			if got := e.step(one.decided, "main1"); !strings.Contains(got.output, `"phases_run":0`) {
				t.Errorf("something ran:\n%s", got.output)
			}
		})
	}
}

// TestFact2GitCommands: what leaves the content as it was runs nothing, in the element and in what needs it.
func TestFact2GitCommands(t *testing.T) {
	e := newClient(t)
	for _, one := range []struct {
		name string
		does func()
	}{
		{"status", func() { e.git("status") }},
		{"commit --allow-empty", func() { e.commit("empty") }},
		{"commit", func() {
			e.replace("main.c", "main1", "main2")
			e.step("continue source-changed main.c", "main2")
			e.commit("of what was built")
		}},
		{"push", func() {
			e.git("init", "--quiet", "--bare", filepath.Join(e.dir, "remote"))
			e.git("push", "--quiet", filepath.Join(e.dir, "remote"), "HEAD:refs/heads/main")
		}},
		{"reset --soft", func() { e.git("reset", "--quiet", "--soft", "HEAD~") }},
		{"stash and pop", func() {
			e.git("stash", "--quiet")
			e.git("stash", "pop", "--quiet")
		}},
		{"touch", func() {
			e.old("main.c")
			e.write("urldata.h", e.read("urldata.h"))
		}},
		{"checkout and back", func() {
			e.commit("on a branch")
			e.git("checkout", "--quiet", "base")
			e.git("checkout", "--quiet", "-")
		}},
		{"gc", func() { e.git("gc", "--quiet") }},
	} {
		one.does()
		if t.Failed() {
			t.Fatal(one.name)
		}
		e.nothingRuns()
		if t.Failed() {
			t.Fatalf("after git %s", one.name)
		}
	}
}

// TestFact3OldTime: a source that changed is built again, whatever its time says.
func TestFact3OldTime(t *testing.T) {
	e := newClient(t)
	e.replace("url.c", "url1", "url2")
	e.old("url.c")
	e.step("continue source-changed url.c", "url2-data1")
	e.replace("urldata.h", "data1", "data2")
	e.old("urldata.h")
	e.step("continue source-changed ftp.c http.c url.c", "url2-data2 ftp-data2 http-data2")
}

// TestFact5FailedBuild: what a failed build compiled is not compiled again, also when the command
// that failed is in the element.
func TestFact5FailedBuild(t *testing.T) {
	e := newProject(t, clientFiles)
	e.replace("http.c", "return", "return syntax error")
	if got := e.continued(); !got.failed || !slices.Equal(got.units, e.allUnits()) {
		t.Fatalf("failed: %t, compiled %v\n%s", got.failed, got.units, got.output)
	}
	e.replace("http.c", "return syntax error", "return")
	got := e.step("continue source-changed http.c http.c", "http-data1") // tried once more, and mended
	if got.configured() {
		t.Errorf("it was configured again:\n%s", got.output)
	}
}

// TestFact6FinalBuild: what was built in a work tree is not built again when it is committed, nor
// in another clone of that commit.
func TestFact6FinalBuild(t *testing.T) {
	e := newClient(t)
	e.replace("url.c", "url1", "url2")
	e.step("continue source-changed url.c", "url2")
	e.commit("what was built")
	e.nothingRuns()
	clone := *e
	clone.repo = filepath.Join(e.dir, "clone")
	e.git("clone", "--quiet", e.repo, clone.repo)
	clone.nothingRuns()
}

// TestFact7Dependency: a dependency that is built to the same bytes changes nothing above it; other
// bytes are used, never old ones.
func TestFact7Dependency(t *testing.T) {
	e := newClient(t)
	e.replace("elements/dep.bst", "  - mkdir", "  - true\n  - mkdir")
	got := e.continued()
	if e.decided(got, "skip artifact-cached"); !strings.Contains(got.output, `"phases_run":2`) {
		t.Errorf("want that dep.bst's two phases run and nothing else:\n%s", got.output)
	}
	e.replace("elements/dep.bst", "include/dep.h\n", "include/dep.h\n  - echo more > %{install-root}/deps/other\n")
	e.step("clean inputs-changed *", "dep1")
	e.replace("elements/dep.bst", "dep1", "dep2")
	e.step("clean inputs-changed *", "dep2")
}

// TestFact9CommandSubdir: commands that run in a folder of the source are continued like others.
func TestFact9CommandSubdir(t *testing.T) {
	files := map[string]string{}
	for name, text := range clientFiles {
		if !strings.Contains(name, "/") && !strings.HasPrefix(name, ".") && name != "project.conf" {
			name = "below/" + name
		}
		files[name] = text
	}
	files["elements/p.bst"] = strings.Replace(clientElement, "variables:\n", "variables:\n  command-subdir: below\n", 1)
	e := newProject(t, files)
	e.executable("below/configure")
	e.step("clean never-built ftp.c http.c main.c url.c", "main1")
	e.replace("below/url.c", "url1", "url2")
	if got := e.step("continue source-changed url.c", "url2"); got.configured() {
		t.Errorf("it was configured again:\n%s", got.output)
	}
	e.nothingRuns()
}

// TestFact10DeletedTwice: a file that the build deletes may be deleted by the user too.
func TestFact10DeletedTwice(t *testing.T) {
	e := newProject(t, clientFiles)
	e.write("GEN", "1")
	e.replace("Makefile.in", "prog: $(OBJS)\n", "prog: $(OBJS)\n\trm -f GEN\n")
	e.step("clean never-built *", "main1")
	e.remove("GEN")
	e.replace("url.c", "url1", "url2")
	e.step("clean file-deleted-read *", "url2")
	e.replace("url.c", "url2", "url3")
	e.step("continue source-changed url.c", "url3")
}

// TestFact12Interrupted: the tree of an interrupted build is kept and continued.
func TestFact12Interrupted(t *testing.T) {
	e := newProject(t, clientFiles)
	e.replace("Makefile.in", "%.o: %.c\n", "http.o: http.c main.o url.o ftp.o\n\t@[ $$HOLD = 0 ] || { echo READY; sleep 600; }\n\tcc -c http.c\n%.o: %.c\n")
	e.replace("elements/p.bst", "  EDITED: 1\n", "  HOLD: 1\nenvironment-nocache:\n- HOLD\n") // in no key (rule 11)
	e.interruptedAt("READY")
	e.replace("elements/p.bst", "HOLD: 1", "HOLD: 0")
	got := e.step("continue continued-as-is http.c", "http-data1")
	if got.configured() {
		t.Errorf("it was configured again:\n%s", got.output)
	}
}

// interruptedAt begins a continued build and ends it, as Ctrl-C does, when a line is in its log.
func (e *edited) interruptedAt(line string) {
	e.Helper()
	logged := func() bool {
		logs, _ := filepath.Glob(filepath.Join(e.dir, "continued", "git-bst", "logs", "*", "p", "*-build-*.log"))
		return slices.ContainsFunc(logs, func(log string) bool {
			text, err := os.ReadFile(log)
			return err == nil && strings.Contains("\n"+string(text), "\n"+line+"\n")
		})
	}
	deadline := time.Now().Add(patience)
	if !e.interruptedBy(func(end func()) {
		go func() {
			for !logged() && time.Now().Before(deadline) {
				time.Sleep(10 * time.Millisecond)
			}
			end()
		}()
	}) || !logged() {
		_, stdout, stderr := e.run("continued", "auto", "status")
		e.Fatalf("the build was not interrupted at %q\n%s%s", line, stdout, stderr)
	}
}
