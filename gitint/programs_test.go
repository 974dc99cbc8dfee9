package gitint_test

import (
	"context"
	"path/filepath"
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
