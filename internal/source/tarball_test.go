package source_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/git-bst/git-bst/internal/source"
)

func TestTarLayout(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	for _, test := range []struct {
		name    string
		entries []string
		base    string // line of the source
		want    []string
	}{
		{"folder stripped", []string{"p-1/", "p-1/a=1", "p-1/bin/", "p-1/bin/x*=2"}, "", []string{`a "1"`, "bin/", `bin/x* "2"`}},
		{"folder implied", []string{"p-1/a=1"}, "", []string{`a "1"`}},
		{"first of two", []string{"q/b=2", "p/a=1"}, "", []string{`a "1"`}},
		{"glob", []string{"q/b=2", "p/a=1"}, "base-dir: 'q*'", []string{`b "2"`}},
		{"glob below", []string{"p/x/b=2", "p/y/a=1"}, "base-dir: p/y", []string{`a "1"`}},
		{"whole", []string{"p/a=1", "top=2"}, "base-dir: ''", []string{"p/", `p/a "1"`, `top "2"`}},
		{"dot first", []string{"./p/a=1"}, "", []string{`a "1"`}},
		{"dot is a member", []string{"./", "./p/", "./p/a=1"}, "", []string{"p/", `p/a "1"`}},
		{"later wins", []string{"p/a=1", "p/a*=2"}, "", []string{`a* "2"`}},
		{"empty folder", []string{"p/", "p/e/"}, "", []string{"e/"}},
		{"symlink", []string{"p/l->../../etc", "p/m->/abs"}, "", []string{"l -> ../../etc", "m -> /abs"}},
		{"through symlink inside", []string{"p/d/", "p/l->d", "p/l/a=1"}, "", []string{"d/", `d/a "1"`, "l -> d"}},
		{"symlink replaced", []string{"p/a->b", "p/a->c"}, "", []string{"a -> c"}},
		{"hard link", []string{"p/a=1", "p/b=>p/a"}, "", []string{`a "1"`, `b "1"`}},
		{"hard link sets the mode of both", []string{"p/a*=1", "p/b=>p/a"}, "", []string{`a "1"`, `b "1"`}},
		{"hard link out of the base", []string{"other/a=1", "p/b=>other/a"}, "base-dir: p", []string{`b "1"`}},
		{"device left out", []string{"p/a=1", "device", "fifo"}, "", []string{`a "1"`}},
		{"git staged", []string{"p/.git/config=1"}, "", []string{".git/", `.git/config "1"`}},
		{"long name", []string{"p/" + long + "=1"}, "base-dir: p/" + strings.TrimSuffix(long, "/name"), []string{`name "1"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.T = t
			f.wants(f.element(f.tarball(makeTar(t, test.entries...), test.base)), test.want...)
		})
	}
}

func TestTarWarnings(t *testing.T) {
	f := newFixture(t)
	el := f.element(f.tarball(makeTar(t, "p/a=1", "device", "p/.GIT/config=1")))
	if err := source.Fetch(t.Context(), f.env, el); err != nil {
		t.Fatal(err)
	}
	staged, err := source.StageParts(t.Context(), f.env, el)
	all := strings.Join(staged.Warnings, "\n")
	if err != nil || !strings.Contains(all, "p/null") || !strings.Contains(all, "p/.GIT/config") || len(staged.Warnings) != 2 {
		t.Errorf("got %v %q", err, staged.Warnings)
	}
}

func TestTarRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		want    string
	}{
		{"parent", []string{"p/../../x=1"}, `p/../../x`},
		{"absolute", []string{"/etc/x=1"}, `"/etc/x" has an absolute name`},
		{"symlink out, then through it", []string{"p/l->/tmp", "p/l/x=1"}, "unpack l/x"},
		{"symlink up, then through it", []string{"p/l->../..", "p/l/x=1"}, "unpack l/x"},
		{"symlink chain", []string{"p/a->b", "p/b->..", "p/a/x=1"}, "unpack a/x"},
		{"write through a symlink file", []string{"p/l->/etc/passwd", "p/l=1"}, "unpack l"},
		{"symlink loop", []string{"p/a->b", "p/b->a", "p/a/x=1"}, "unpack a/x"},
		{"hard link out", []string{"p/h=>../../etc/passwd"}, "hard link"},
		{"hard link absolute", []string{"p/h=>/etc/passwd"}, "hard link"},
		{"hard link through a symlink", []string{"p/l->/etc", "p/h=>p/l/passwd"}, "unpack h"},
		{"hard link to nothing", []string{"p/h=>p/none"}, "not in the archive"},
		{"file below file", []string{"p/a=1", "p/a/b=1"}, "not a folder"},
		{"file over folder", []string{"p/a/", "p/a=1"}, "a folder has this name"},
		{"device above", []string{"../null=1"}, ".."},
		{"no base", []string{"a=1"}, "base-dir"},
		{"empty", nil, "base-dir"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.stage(f.element(f.tarball(makeTar(t, test.entries...))))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// bzip2Tar is a tar of p/a with the content "1", packed by bzip2, for which Go has no writer.
const bzip2Tar = "QlpoOTFBWSZTWdOHf9sAAG7bgMmAYADtAAACYABeAAgIIABURqaAGgaNBJETTCDCN/7QdCCsQQjtseTOKzkgQwMY6gKDCLuCNspxDOMhzyqzNMAEXxdyRThQkNOHf9s="

func packed(t *testing.T, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTarCompressions(t *testing.T) {
	plain := makeTar(t, "p/a=1")
	bz, err := base64.StdEncoding.DecodeString(bzip2Tar)
	if err != nil {
		t.Fatal(err)
	}
	gz := packed(t, plain, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	for name, data := range map[string][]byte{
		"plain": plain, "bzip2": bz, "gzip": gz,
		"xz":   packed(t, plain, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
		"zstd": packed(t, plain, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.wants(f.element(f.tarball(data)), `a "1"`)
			_, err := f.stage(f.element(f.tarball(data[:len(data)/5])))
			if err == nil {
				t.Error("half an archive is taken")
			}
		})
	}
}

func TestTarLzipNeedsItsTool(t *testing.T) {
	f := newFixture(t)
	f.env.Environ = []string{"PATH=/nowhere"}
	_, err := f.stage(f.element(f.tarball([]byte("LZIP\x01rest"))))
	if !errors.Is(err, source.ErrNoTool) {
		t.Errorf("got %v, want ErrNoTool", err)
	}
}

func TestTarLimits(t *testing.T) {
	bomb := makeTar(t, "p/a="+strings.Repeat("0", 1<<20))
	bomb = packed(t, bomb, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	for name, limits := range map[string]source.Limits{
		"bytes": {UnpackedBytes: 1 << 19, Members: 1000},
		"exact": {UnpackedBytes: 1 << 20, Members: 1000}, // the archive's own headers go over it
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.env.Limits = limits
			if _, err := f.stage(f.element(f.tarball(bomb))); !errors.Is(err, source.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
		})
	}
	for _, entries := range [][]string{
		{"p/a=1", "p/b=1", "p/c=1"},
		{"p/" + strings.Repeat("n", 600) + "=1"},
		{"p/" + strings.Repeat("d/", 30) + "x=1"},
	} {
		f := newFixture(t)
		f.env.Limits.Members = 2
		if _, err := f.stage(f.element(f.tarball(makeTar(t, entries...)))); !errors.Is(err, source.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
}
