package textdiff

import (
	"bufio"
	"fmt"
	"io"
)

// Around is how many equal lines are shown around a change, as git and diff -u do.
const Around = 3

// Unified writes the edits between two texts as hunks of a unified diff, without the two lines that
// name the files.
func Unified(to io.Writer, a, b [][]byte, edits []Edit) error {
	w := bufio.NewWriter(to)
	for len(edits) > 0 {
		n := 1
		for n < len(edits) && edits[n].A0-edits[n-1].A1 <= 2*Around {
			n++
		}
		hunk(w, a, b, edits[:n])
		edits = edits[n:]
	}
	return w.Flush()
}

func hunk(w *bufio.Writer, a, b [][]byte, edits []Edit) {
	first, last := edits[0], edits[len(edits)-1]
	before := min(Around, first.A0)
	after := min(Around, len(a)-last.A1)
	a0, a1, b0, b1 := first.A0-before, last.A1+after, first.B0-before, last.B1+after
	fmt.Fprintf(w, "@@ -%s +%s @@\n", span(a0, a1), span(b0, b1))
	for _, e := range edits {
		lines(w, ' ', a[a0:e.A0])
		lines(w, '-', a[e.A0:e.A1])
		lines(w, '+', b[e.B0:e.B1])
		a0 = e.A1
	}
	lines(w, ' ', a[a0:a1])
}

// span writes a range as unified diffs do: the first line and, unless it is 1, the number of lines.
func span(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

func lines(w *bufio.Writer, mark byte, list [][]byte) {
	for _, line := range list {
		_ = w.WriteByte(mark)
		_, _ = w.Write(line)
		if line[len(line)-1] != '\n' {
			_, _ = w.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
