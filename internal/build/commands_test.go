package build

import (
	"bytes"
	"testing"
)

func TestCommandLogTakesOutMarks(t *testing.T) {
	const out = "\x1em 1\x1e\nhello\x1e world\n\x1em 3\x1e\n\x1em 2\x1e\nsecond\n"
	want := "+ one\nhello\x1e world\n\x1em 3\x1e\n+ two\n> lines\nsecond\n"
	for size := 1; size <= len(out); size++ {
		var got bytes.Buffer
		log := newCommandLog(&got, "m", []string{"one", "two\nlines\n"})
		for rest := out; rest != ""; {
			n := min(size, len(rest))
			if _, err := log.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := log.flush(); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Fatalf("in pieces of %d: %q, want %q", size, got.String(), want)
		}
		if log.running() != "two\nlines" {
			t.Fatalf("running = %q", log.running())
		}
	}
}

func TestCommandLogKeepsAnUnfinishedMark(t *testing.T) {
	var got bytes.Buffer
	log := newCommandLog(&got, "m", []string{"one"})
	_, _ = log.Write([]byte("end\x1em"))
	if err := log.flush(); err != nil || got.String() != "end\x1em" || log.running() != "" {
		t.Fatalf("%q, %q, %v", got.String(), log.running(), err)
	}
}
