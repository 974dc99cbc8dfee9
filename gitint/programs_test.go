package gitint_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// armed makes a program that leaves a trace, and returns the lines of a configuration file that
// have it run as the filter called name.
func (w *world) armed(name string) string {
	w.t.Helper()
	program := filepath.Join(w.home, "prog")
	w.write("../prog", "#!/bin/sh\necho \"$0\" >> '"+filepath.Join(w.home, "ran")+"'\ncat\n")
	w.sh("chmod +x ../prog")
	return "[filter \"" + name + "\"]\n\tclean = " + program + "\n\tsmudge = " + program + "\n\tprocess = " + program + "\n\trequired = true\n" +
		"[hook \"" + name + "\"]\n\tcommand = " + program + "\n\tevent = post-index-change\n"
}

// TestFilterNames disarms filters whose names a command line could not spell.
func TestFilterNames(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"a=b", "=", "", "it's", "a.b", `a!b$(c)`, "ü"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.basic()
			w.write(".git/config", "[core]\n\trepositoryformatversion = 0\n"+w.armed(name))
			w.write(".gitattributes", "*.txt filter="+name+"\n")
			w.write("a.txt", "new\n")
			for range 2 {
				s, err := w.open().WorkTree(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if got := w.content(s.Staged, "a.txt"); got != "new\n" {
					t.Errorf("a.txt is %q", got)
				}
				w.sh("touch a.txt")
			}
			if got := w.ran(); got != "" {
				t.Errorf("ran:\n%s", got)
			}
		})
	}
}

// TestConsentedFilterWithAnEqualsSign runs one in the git directory without configuration, too.
func TestConsentedFilterWithAnEqualsSign(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.write(".gitattributes", "*.up filter=a=b\n")
	w.sh(`printf '[filter "a=b"]\n\tclean = tr A-Z a-z\n\tsmudge = tr a-z A-Z\n' >> .git/config`)
	w.write("x.up", "SHOUT\n")
	w.opts.AllowFilters = true
	s, err := w.open().WorkTree(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := w.content(s.Canonical, "x.up") + w.content(s.Staged, "x.up"); got != "shout\nSHOUT\n" {
		t.Errorf("%q", got)
	}
}

// TestSubmoduleConfiguration arms filters in submodules, at two depths, that the repository above
// does not know of.
func TestSubmoduleConfiguration(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.submodule()
	w.sh("cd ../s; git init -q ../deep; echo d > ../deep/d; git -C ../deep add .; git -C ../deep commit -q -m d; git submodule --quiet add $HOME/deep deep; git commit -q -m deep")
	w.sh("git -C sub pull -q; git -C sub submodule --quiet update --init; git commit -q -a -m deep")
	evil := w.armed("evil") + "[core]\n\tfsmonitor = " + filepath.Join(w.home, "prog") + "\n\thooksPath = " + w.home + "\n"
	for _, dir := range []string{".git/modules/sub", ".git/modules/sub/modules/deep"} {
		w.write("../more", evil)
		w.write(dir+"/info/attributes", "* filter=evil\n")
		w.sh("cat ../more >> " + dir + "/config")
	}
	w.sh("sed -i s/s/S/ sub/s; sed -i s/d/D/ sub/deep/d; rm -f ../ran")
	for _, change := range []string{":", "touch sub/s sub/deep/d", "git -C sub/deep -c filter.evil.clean= -c filter.evil.process= -c filter.evil.required=false -c core.fsmonitor= commit -qam 2; rm -f ../ran"} {
		w.sh(change)
		s, err := w.open().WorkTree(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.content(s.Staged, "sub/s") + w.content(s.Staged, "sub/deep/d"); got != "S\nD\n" || !s.Dirty || len(s.Submodules) != 2 {
			t.Errorf("after %q: %q, %+v", change, got, s)
		}
	}
	if got := w.ran(); got != "" {
		t.Errorf("ran:\n%s", got)
	}
}

// TestUnmergedNamesRunNothing asks for the names of unmerged files beside an armed submodule.
func TestUnmergedNamesRunNothing(t *testing.T) {
	w := newWorld(t)
	w.submodule()
	w.git("checkout", "-q", "-b", "side")
	w.write("a", "side")
	w.commit()
	w.git("checkout", "-q", "main")
	w.write("a", "main")
	w.commit()
	_, _ = w.tryGit("merge", "side")
	w.write(".git/modules/sub/info/attributes", "* filter=evil\n")
	w.write("../more", w.armed("evil"))
	w.sh("cat ../more >> .git/modules/sub/config; sed -i s/s/S/ sub/s")
	s, err := w.open().WorkTree(context.Background())
	if err != nil || len(s.Warnings) != 2 || !strings.HasPrefix(s.Warnings[0], "a: unmerged") {
		t.Fatalf("%+v, %v", s, err)
	}
	if got := w.ran(); got != "" {
		t.Errorf("ran:\n%s", got)
	}
}
