package textdiff_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/textdiff"
)

func split(text string) [][]byte { return textdiff.Lines([]byte(text)) }

// patched carries out edits.
func patched(a, b [][]byte, edits []textdiff.Edit) string {
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(bytes.Join(a[at:e.A0], nil))
		out.Write(bytes.Join(b[e.B0:e.B1], nil))
		at = e.A1
	}
	out.Write(bytes.Join(a[at:], nil))
	return out.String()
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		want       string
	}{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"both empty", "", "", ""},
		{"from nothing", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"to nothing", "a\n", "", "@@ -1 +0,0 @@\n-a\n"},
		{"in the middle", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"near enough for one hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
			"@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n"},
		{"two hunks", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
			"@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n"},
		{"the last line feed", "a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
	} {
		a, b := split(test.a), split(test.b)
		var out bytes.Buffer
		if err := textdiff.Unified(&out, a, b, textdiff.Compare(a, b)); err != nil || out.String() != test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", test.name, err, out.String(), test.want)
		}
	}
}

// distance is the length of a shortest edit, by the table that everybody believes.
func distance(a, b [][]byte) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			best := min(row[j], row[j+1]) + 1
			if bytes.Equal(a[i], b[j]) {
				best = diagonal
			}
			diagonal, row[j+1] = row[j+1], best
		}
	}
	return row[len(b)]
}

func randomText(random *rand.Rand, length, letters int) string {
	var out strings.Builder
	for range random.IntN(length + 1) {
		fmt.Fprintf(&out, "%d\n", random.IntN(letters))
	}
	return out.String()
}

// TestRandomTexts: the edits make b of a, and are the fewest.
func TestRandomTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b := split(randomText(random, 40, 6)), split(randomText(random, 40, 6))
		edits := textdiff.Compare(a, b)
		if got, want := patched(a, b, edits), string(bytes.Join(b, nil)); got != want {
			t.Fatalf("%q to %q: the edits %v give %q", a, b, edits, got)
		}
		added, deleted := textdiff.Count(edits)
		if want := distance(a, b); added+deleted != want {
			t.Fatalf("%q to %q: %d lines differ, want %d: %v", a, b, added+deleted, want, edits)
		}
	}
}

// TestHostileTextsEnd: texts that have all in common and nothing in order are compared in a bounded
// time, and rightly.
func TestHostileTextsEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, letters := range []int{2, 1000, 1 << 30} {
		var texts [2][][]byte
		for i := range texts {
			var out bytes.Buffer
			for range 200_000 {
				fmt.Fprintf(&out, "%x\n", random.IntN(letters))
			}
			texts[i] = textdiff.Lines(out.Bytes())
		}
		began := time.Now()
		edits := textdiff.Compare(texts[0], texts[1])
		if got := patched(texts[0], texts[1], edits); got != string(bytes.Join(texts[1], nil)) {
			t.Errorf("%d letters: the edits do not give the new text", letters)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%d letters: %s", letters, took)
		}
	}
}

// TestPatchProgram: git applies what Unified writes.
func TestPatchProgram(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is not installed: ", err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		dir := t.TempDir()
		old, next := randomText(random, 60, 8), randomText(random, 60, 8)
		if random.IntN(2) == 0 {
			next = strings.TrimSuffix(next, "\n")
		}
		a, b := split(old), split(next)
		patch := bytes.NewBufferString("--- a/f\n+++ b/f\n")
		edits := textdiff.Compare(a, b)
		if len(edits) == 0 || old == "" || next == "" { // then the patch makes or removes the file
			continue
		}
		if err := textdiff.Unified(patch, a, b, edits); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(old), 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "apply", "--unidiff-zero", "-")
		cmd.Dir, cmd.Stdin, cmd.Env = dir, bytes.NewReader(patch.Bytes()), append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git apply: %v\n%s\n%s", err, out, patch)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != next {
			t.Fatalf("git apply gives %q, %v, want %q\n%s", got, err, next, patch)
		}
	}
}

func TestSimilar(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 100}, {"a\n", "a\n", 100}, {"a\nb\n", "b\na\n", 99}, {"a\nb\n", "a\nc\n", 50}, {"a\n", "", 0}, {"a\n", "b\n", 0},
		{"a\na\na\na\n", "a\n", 25},
	} {
		if got := textdiff.Similar(split(test.a), split(test.b)); got != test.want {
			t.Errorf("Similar(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := textdiff.Similar(split(test.b), split(test.a)); got != test.want {
			t.Errorf("Similar(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestIsBinary(t *testing.T) {
	for text, want := range map[string]bool{"": false, "text\n": false, "a\x00b": true, strings.Repeat("x", 8000) + "\x00": false} {
		if got := textdiff.IsBinary([]byte(text)); got != want {
			t.Errorf("IsBinary(%.10q) = %v", text, got)
		}
	}
}
