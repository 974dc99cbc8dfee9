package main

import (
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/tree"
)

// statWidth is how many + and - stand in a line at most: a line of 80 columns has room for them.
const statWidth = 40

// statLine is one file of --stat.
type statLine struct {
	name           string
	added, deleted int
	unshown        string // in place of the lines: "Bin 3 -> 4 bytes"
}

// count keeps the numbers of a path for printStat.
func (p *diffPrinter) count(d flow.Diffed) error {
	if d.Text != nil {
		p.stats = append(p.stats, statOf(d))
	}
	return nil
}

func statOf(d flow.Diffed) statLine {
	line := statLine{name: quotePath(d.Path), added: d.Text.Added, deleted: d.Text.Deleted}
	if d.From != "" {
		line.name = quotePath(d.From) + " => " + line.name
	}
	switch {
	case d.Text.Binary:
		line.unshown = fmt.Sprintf("Bin %d -> %d bytes", sizeOf(d.Old), sizeOf(d.New))
	case d.Text.Large:
		line.unshown = fmt.Sprintf("Large %d -> %d bytes", sizeOf(d.Old), sizeOf(d.New))
	}
	return line
}

func sizeOf(e tree.Entry) int64 {
	if e.Kind == tree.KindSymlink {
		return int64(len(e.Target))
	}
	return e.Digest.Size()
}

// printStat prints what was counted, and the sums.
func (p *diffPrinter) printStat() {
	if len(p.stats) == 0 {
		return
	}
	width, most, added, deleted := 0, 1, 0, 0
	for _, line := range p.stats {
		width, most = max(width, len(line.name)), max(most, line.added+line.deleted)
		added, deleted = added+line.added, deleted+line.deleted
	}
	digits := len(fmt.Sprint(most))
	for _, line := range p.stats {
		if line.unshown != "" {
			fmt.Fprintf(p.to, " %-*s | %s\n", width, line.name, line.unshown)
			continue
		}
		bar := strings.Repeat("+", scaled(line.added, most)) + strings.Repeat("-", scaled(line.deleted, most))
		fmt.Fprintln(p.to, strings.TrimRight(fmt.Sprintf(" %-*s | %*d %s", width, line.name, digits, line.added+line.deleted, bar), " "))
	}
	text := plural(len(p.stats), "file") + " changed"
	if added > 0 || deleted == 0 {
		text += ", " + plural(added, "insertion") + "(+)"
	}
	if deleted > 0 || added == 0 {
		text += ", " + plural(deleted, "deletion") + "(-)"
	}
	fmt.Fprintln(p.to, " "+text)
}

// scaled is how many signs stand for n lines, 1 at least.
func scaled(n, most int) int {
	if n == 0 || most <= statWidth {
		return n
	}
	return max(1, n*statWidth/most)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
