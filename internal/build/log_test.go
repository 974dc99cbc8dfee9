package build

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What names the file that was being written when a build failed is at the end of its log.
func TestReadLogReadsTheEndOfALongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const end = "make: *** [Makefile:1: gen.h] Error 1\n"
	if err := os.WriteFile(path, []byte(strings.Repeat("compiled a file\n", 1<<19)+end), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := ReadLog(path)
	if err != nil || !strings.HasSuffix(text, end) {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
}

func TestReadLogRefusesWhatItCannotReadWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]error{maxLog: nil, maxLog + 1: ErrLongLog} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLog(path); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}
