package trace_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/trace"
)

var sample = trace.Trace{
	Phases: []trace.Phase{
		{Name: "configure", Ended: true, Paths: []trace.Path{{".", trace.Listed, 0}, {"Makefile.in", trace.Opened, 3}, {"src", trace.Listed, 0}, {"src/a.c", trace.Opened | trace.Linked, 1}}},
		{Name: "build", Told: true, Paths: []trace.Path{{"src/\xff", trace.Created | trace.Late, 1 << 31}}},
	},
	Gaps: []trace.Gap{trace.GapFolder, trace.GapOverflow},
}

func TestEncodeRoundTrip(t *testing.T) {
	for _, want := range []trace.Trace{sample, {}} {
		data, err := trace.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := trace.Decode(data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode = %+v, %v\nwant     %+v", got, err, want)
		}
	}
}

func TestEncodedFormIsStable(t *testing.T) {
	data, err := trace.Encode(trace.Trace{Gaps: []trace.Gap{"watch"}, Phases: []trace.Phase{{Name: "build", Ended: true, Paths: []trace.Path{{"ab/c", trace.Opened, 200}, {"ab/d", trace.Late, 0}}}}})
	want := "git-bst trace 1\n\x01\x05watch\x01\x05build\x01\x02\x00\x04ab/c\x01\xc8\x01\x03\x01d\x80\x02\x00"
	if err != nil || string(data) != want {
		t.Errorf("Encode = %q, %v\nwant     %q", data, err, want)
	}
}

func TestInvalid(t *testing.T) {
	path := func(names ...string) trace.Trace {
		p := trace.Phase{Name: "build"}
		for _, name := range names {
			p.Paths = append(p.Paths, trace.Path{Name: name, Uses: trace.Opened})
		}
		return trace.Trace{Phases: []trace.Phase{p}}
	}
	for name, bad := range map[string]trace.Trace{
		"not sorted": path("b", "a"), "twice": path("a", "a"), "absolute": path("/a"), "above": path("../a"), "not clean": path("a//b"),
		"empty": path(""), "NUL": path("a\x00b"), "long": path(strings.Repeat("a", 5000)),
		"no use":      {Phases: []trace.Phase{{Name: "build", Paths: []trace.Path{{Name: "a"}}}}},
		"no name":     {Phases: []trace.Phase{{}}},
		"phase twice": {Phases: []trace.Phase{{Name: "a"}, {Name: "a"}}},
		"gap twice":   {Gaps: []trace.Gap{"a", "a"}},
	} {
		if _, err := trace.Encode(bad); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	data, err := trace.Encode(sample)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := trace.Decode(data[:n]); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
	}
	if _, err := trace.Decode(append(data, 0)); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("a byte more: %v", err)
	}
}

// A few bytes must not make gigabytes: every path here shares nearly all with the one before.
func TestDecodeBoundsMemory(t *testing.T) {
	var entries []byte
	last, count := "", 0
	for ; count < 40_000; count++ {
		path := strings.Repeat("a", 4085) + fmt.Sprintf("%06d", count)
		shared := 0
		for shared < len(last) && last[shared] == path[shared] {
			shared++
		}
		entries = binary.AppendUvarint(entries, uint64(shared))
		entries = binary.AppendUvarint(entries, uint64(len(path)-shared))
		entries = append(append(entries, path[shared:]...), 1, 0)
		last = path
	}
	data := binary.AppendUvarint([]byte("git-bst trace 1\n\x00\x01\x05build\x01"), uint64(count))
	_, err := trace.Decode(append(data, entries...))
	if !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), "more paths than a trace may hold") {
		t.Errorf("%v", err)
	}
}

func TestUnion(t *testing.T) {
	base := trace.Trace{Phases: []trace.Phase{
		{Name: "configure", Ended: true, Paths: []trace.Path{{"c", trace.Opened, 1}}},
		{Name: "build", Ended: true, Paths: []trace.Path{{"a", trace.Opened, 5}, {"b", trace.Opened, 1}}},
	}}
	next := trace.Trace{Phases: []trace.Phase{
		{Name: "build", Ended: true, Paths: []trace.Path{{"a", trace.Opened | trace.Written, 2}, {"new", trace.Opened, 1}}},
		{Name: "install", Ended: true},
	}}
	want := trace.Trace{Phases: []trace.Phase{
		base.Phases[0],
		{Name: "build", Ended: true, Paths: []trace.Path{{"a", trace.Opened | trace.Written, 5}, {"b", trace.Opened, 1}, {"new", trace.Opened, 1}}},
		next.Phases[1],
	}}
	got := trace.Union(base, next)
	if got.Gaps = nil; !reflect.DeepEqual(got, want) || !got.Complete() {
		t.Errorf("Union = %+v\nwant    %+v", got, want)
	}
	next.Phases[0].Ended, next.Gaps = false, []trace.Gap{trace.GapOverflow}
	if got := trace.Union(base, next); got.Complete() || got.Gapless() {
		t.Error("rule 16: a gap anywhere in the chain must stay")
	}
	if got := trace.Union(trace.Trace{}, base); got.Complete() || got.Gaps[0] != trace.GapMissing {
		t.Error("rule 16: a part without a trace is a gap")
	}
	if (trace.Trace{}).Complete() {
		t.Error("no trace at all is not complete")
	}
}

func TestUsesSpreadFromFolders(t *testing.T) {
	got := trace.Trace{Phases: []trace.Phase{{Name: "build", Paths: []trace.Path{{"d", trace.Moved | trace.Listed, 0}, {"d/x", trace.Opened, 1}}}}}
	for path, want := range map[string]trace.Use{"d/x": trace.Opened | trace.Moved, "d/e/f": trace.Moved, "dx": 0, "d": trace.Moved | trace.Listed} {
		if uses := got.Uses(path); uses != want {
			t.Errorf("%s: %b, want %b", path, uses, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	data, err := trace.Encode(sample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("git-bst trace 1\n\x00\x00"))
	f.Add([]byte("git-bst trace 1\n\x00\x01\x01b\x00\x02\x00\x01a\x01\x00\x01\x02/b\x02\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		decoded, err := trace.Decode(data)
		if err != nil {
			if !errors.Is(err, trace.ErrInvalid) {
				t.Fatalf("not ErrInvalid: %v", err)
			}
			return
		}
		again, err := trace.Encode(decoded)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q became %q, %v", data, again, err)
		}
	})
}
