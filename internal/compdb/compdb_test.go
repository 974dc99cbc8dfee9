package compdb_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/compdb"
)

// show writes a command as "folder: file: arguments between |".
func show(commands []compdb.Command) []string {
	var out []string
	for _, c := range commands {
		out = append(out, c.Directory+": "+c.File+": "+strings.Join(c.Arguments, "|"))
	}
	return out
}

func TestFromLog(t *testing.T) {
	files := []string{"/b/x.c", "/b/y.c", "/b/sub/z.c", "/b/sub/deep/w.cc", "/b/out/../x.c", "/b/a b.c", "/x.c", "/b/src/x.c"}
	for _, test := range []struct {
		name, log string
		want      []string
	}{
		{"make V=1", "cc -O2 -c x.c -o x.o\ngcc -c y.c\nar rc lib.a x.o y.o\n", []string{"/b: x.c: cc|-O2|-c|x.c|-o|x.o", "/b: y.c: gcc|-c|y.c"}},
		{"folders that make enters", "make[1]: Entering directory '/b/sub'\ncc -c z.c\nmake[2]: Entering directory `/b/sub/deep'\ng++ -c w.cc\n" +
			"make[2]: Leaving directory `/b/sub/deep'\ncc -DB -c z.c\nmake[1]: Leaving directory '/b/sub'\ncc -c x.c\n",
			[]string{"/b/sub: z.c: cc|-c|z.c", "/b/sub/deep: w.cc: g++|-c|w.cc", "/b/sub: z.c: cc|-DB|-c|z.c", "/b: x.c: cc|-c|x.c"}},
		{"cd in the line", "cd /b/sub && /usr/bin/cc -c z.c\n(cd sub; cc -c z.c)\n", []string{"/b/sub: z.c: /usr/bin/cc|-c|z.c", "/b/sub: z.c: cc|-c|z.c"}},
		{"ninja -v", "[1/2] cc -Isub -c sub/z.c -o z.o\n", []string{"/b: sub/z.c: cc|-Isub|-c|sub/z.c|-o|z.o"}},
		{"libtool says it twice", "/bin/sh ./libtool --tag=CC --mode=compile gcc -c -o x.lo x.c\nlibtool: compile:  gcc -c x.c -fPIC -o .libs/x.o\n",
			[]string{"/b: x.c: gcc|-c|-o|x.lo|x.c", "/b: x.c: gcc|-c|x.c|-fPIC|-o|.libs/x.o"}},
		{"automake's lines", "gcc -MT x.o -MD -MF .deps/x.Tpo -c -o x.o `test -f 'x.c' || echo './'`x.c &&\\\nmv -f .deps/x.Tpo .deps/x.Po\n",
			[]string{"/b: x.c: gcc|-MT|x.o|-MD|-MF|.deps/x.Tpo|-c|-o|x.o|x.c"}},
		{"sh -x", "+ cd sub\n+ cc -c z.c\n", []string{"/b/sub: z.c: cc|-c|z.c"}},
		{"quotes", `cc -DNAME='"a b"' "-DX=\"y\"" -c a\ b.c`, []string{`/b: a b.c: cc|-DNAME="a b"|-DX="y"|-c|a b.c`}},
		{"several files at once", "cc -o prog x.c y.c\n", []string{"/b: x.c: cc|-o|prog|x.c|y.c", "/b: y.c: cc|-o|prog|x.c|y.c"}},
		{"before the compiler", "CCACHE_DIR=/c ccache x86_64-linux-gnu-gcc-14 -c x.c\n", []string{"/b: x.c: x86_64-linux-gnu-gcc-14|-c|x.c"}},
		{"no compilers", "echo x.c\n  CC       x.o\ngrep foo x.c\nld x.o\nsed -e s/x/y/ x.c\n", nil},
		{"files that are nowhere", "cc -c absent.c\ncc -c conftest.c\n", nil},
		{"makes at once", "make[1]: Entering directory '/b/sub'\nmake[1]: Entering directory '/b/src'\ncc -c z.c\n", []string{"/b/sub: z.c: cc|-c|z.c"}},
		{"a half line", "cc -c x.c\ncc -c y.c \\", []string{"/b: x.c: cc|-c|x.c", "/b: y.c: cc|-c|y.c"}},
	} {
		got, err := compdb.FromLog(strings.NewReader(test.log), "/b", func(file string) bool { return slices.Contains(files, file) })
		if err != nil || !reflect.DeepEqual(show(got), test.want) {
			t.Errorf("%s: %v\n%q, want\n%q", test.name, err, show(got), test.want)
		}
	}
}

// FuzzFromLog: whatever a log says, reading it ends without a panic.
func FuzzFromLog(f *testing.F) {
	f.Add("cc -c `x.c\n+ cd \"x\nmake: Leaving directory ''\n$(a.c")
	f.Fuzz(func(t *testing.T, log string) {
		if _, err := compdb.FromLog(strings.NewReader(log), "/b", func(string) bool { return true }); err != nil {
			t.Error(err)
		}
	})
}

func TestParse(t *testing.T) {
	got, err := compdb.Parse([]byte(`[{"directory": "/b/o", "command": "cc -DA='1 2' -c ../x.c", "file": "../x.c"},
		{"directory": "/b", "arguments": ["cc", "-c", "y.c"], "file": "y.c", "output": "y.o"}, {"directory": "b", "command": "cc", "file": "z.c"}]`))
	if want := []string{"/b/o: ../x.c: cc|-DA=1 2|-c|../x.c", "/b: y.c: cc|-c|y.c"}; err != nil || !reflect.DeepEqual(show(got), want) {
		t.Errorf("Parse = %q, %v", show(got), err)
	}
	for _, bad := range []string{"", "{}", `[{"file": 1}]`} {
		if _, err := compdb.Parse([]byte(bad)); !errors.Is(err, compdb.ErrInvalid) {
			t.Errorf("Parse(%q): %v", bad, err)
		}
	}
}

func TestMap(t *testing.T) {
	inBuild := func(name string) string { return "/e" + strings.TrimPrefix(name, "/b") }
	m := compdb.Mapping{
		Has: func(name string) bool { return name == "/b/o/config.h" },
		File: func(name string) string {
			if strings.HasSuffix(name, "x.c") {
				return "/w" + strings.TrimPrefix(name, "/b")
			}
			return inBuild(name)
		},
		Folders: func(name string) []string {
			if !strings.HasPrefix(name, "/b") {
				return []string{name}
			}
			return []string{"/w" + strings.TrimPrefix(name, "/b"), inBuild(name)}
		},
		Directory: inBuild,
	}
	got := compdb.Map([]compdb.Command{
		{"/b/o", "../x.c", []string{"cc", "-I.", "-I", "../inc", "-isystem", "/usr/include/z", "-include", "config.h", "-include", "other.h", "-DX", "-D", "Y", "-MD", "-MF", "x.d", "-c", "../x.c", "-o", "x.o", "2>&1"}},
		{"/b/o", "../x.c", []string{"cc", "-fPIC", "-c", "../x.c"}},
		{"/b/o", "gen.c", []string{"cc", "-c", "gen.c"}},
	}, m)
	want := []string{
		"/e/o: /w/x.c: cc|-I/w/o|-I/e/o|-I/w/inc|-I/e/inc|-isystem|/usr/include/z|-include|/e/o/config.h|-include|other.h|-DX|-D|Y|-c|/w/x.c",
		"/e/o: /e/o/gen.c: cc|-c|/e/o/gen.c",
	}
	if !reflect.DeepEqual(show(got), want) {
		t.Errorf("Map gives\n%q, want\n%q", show(got), want)
	}
}
