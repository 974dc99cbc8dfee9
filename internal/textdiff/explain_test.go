package textdiff_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/textdiff"
)

// arOf is an archive of one member, as ar writes it.
func arOf(t time.Time, content string) []byte {
	return fmt.Appendf(nil, "!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", "a.o/", t.Unix(), 1000, 1000, "100644", len(content), content)
}

func tarOf(t time.Time, content string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	_ = w.WriteHeader(&tar.Header{Name: "a", Mode: 0o644, Size: int64(len(content)), ModTime: t, Format: tar.FormatUSTAR})
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return out.Bytes()
}

func zipOf(t time.Time, content string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	file, _ := w.Create("a")
	_, _ = file.Write([]byte(content))
	_ = w.Close()
	data := out.Bytes()
	data[10], data[bytes.Index(data, []byte("PK\x01\x02"))+12] = byte(t.Unix()), byte(t.Unix())
	return data
}

func gzipOf(t time.Time, content string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.ModTime = t
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	return out.Bytes()
}

// TestExplain: what a build's time, place and archiver put into a file is called that; what the source
// says of some time is content.
func TestExplain(t *testing.T) {
	began := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	ended, before := began.Add(20*time.Second), began.Add(-50*time.Hour)
	for name, c := range map[string]struct {
		older, newer []byte
		want         textdiff.Kind
	}{
		"text":                       {[]byte("one"), []byte("two"), textdiff.Content},
		"date of C":                  {[]byte("x\x00Mar  2 2026\x00"), []byte("x\x00Mar  4 2026\x00"), textdiff.Timestamps},
		"time of C, another zone":    {[]byte("at 04:00:00."), []byte("at 10:36:10."), textdiff.Timestamps},
		"ISO":                        {[]byte("2026-03-02 04:05:06 x"), []byte("2026-03-04 05:06:10 x"), textdiff.Timestamps},
		"seconds":                    {fmt.Appendf(nil, "t=%d", before.Unix()), fmt.Appendf(nil, "t=%d", began.Unix()+3), textdiff.Timestamps},
		"a release's date":           {[]byte("released 2025-01-01"), []byte("released 2025-06-01"), textdiff.Content},
		"a time that is not now":     {[]byte("at 04:00:00."), []byte("at 10:59:10."), textdiff.Content},
		"a date, and something else": {[]byte("1 Mar  2 2026"), []byte("2 Mar  4 2026"), textdiff.Content},
		"seconds of another time":    {[]byte("t=1500000000"), []byte("t=1500000001"), textdiff.Content},
		"temporary file":             {[]byte("a /tmp/ccAbc1.o b"), []byte("a /tmp/ccXyz2.o b"), textdiff.BuildPaths},
		"another path":               {[]byte("a /usr/a b"), []byte("a /usr/b b"), textdiff.Content},
		"ar":                         {arOf(before, "content"), arOf(began, "content"), textdiff.Metadata},
		"ar, other content":          {arOf(before, "content"), arOf(began, "contents"), textdiff.Content},
		"tar":                        {tarOf(before, "content"), tarOf(began, "content"), textdiff.Metadata},
		"tar, other content":         {tarOf(before, "content"), tarOf(began, "c0ntent"), textdiff.Content},
		"zip":                        {zipOf(before, "content"), zipOf(began, "content"), textdiff.Metadata},
		"zip, other content":         {zipOf(before, "content"), zipOf(began, "c0ntent"), textdiff.Content},
		"gzip":                       {gzipOf(before, "content"), gzipOf(began, "content"), textdiff.Metadata},
		"gzip, other content":        {gzipOf(before, "content"), gzipOf(began, "c0ntent"), textdiff.Content},
		"damaged ar":                 {[]byte("!<arch>\nxxxx"), []byte("!<arch>\nyyyy"), textdiff.Content},
	} {
		if got := textdiff.Explain(c.older, c.newer, began, ended); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func FuzzExplain(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	f.Add(arOf(now, "x"), tarOf(now, "x"))
	f.Add(zipOf(now, "x"), gzipOf(now, "x"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		textdiff.Explain(a, b, now, now)
	})
}
