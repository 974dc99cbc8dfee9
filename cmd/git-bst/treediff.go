package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/textdiff"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/ui"
)

func treeDiffCommand() command {
	return command{
		name: "diff", help: "compare two trees", args: "TREE TREE [PATH...]", min: 2, max: many,
		about: "Prints a line for each path that differs, or is below a PATH and differs: A added, D deleted, R renamed, M content, T kind, X " +
			"executable bit. Renames are found by equal content and, in small changes, by similar text. With -p the texts are compared too, as git " +
			"diff does and git apply reads it; binary files are named. Nothing is run for that, whatever .gitattributes say. " + treeNames,
		examples: []string{"git bst tree diff HEAD work", "git bst tree diff --stat record:@ work src", "git bst tree diff -p v1.0 v1.1",
			"git bst tree diff record:@ build:@"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "stat", Usage: "count the lines that differ in each file"},
			&cli.BoolFlag{Name: "name-status", Usage: "print git's letters and the paths, separated by tabs"},
			&cli.BoolFlag{Name: "patch", Aliases: []string{"p"}, Usage: "print how the texts differ"},
			&cli.BoolFlag{Name: "no-renames", Usage: "show renames as deleted and added"},
			optionFlag(),
		},
		action: treeDiff,
	}
}

func treeDiff(a *app, cc *cli.Context) error {
	stat, names, patch := cc.Bool("stat"), cc.Bool("name-status"), cc.Bool("patch")
	if names && (stat || patch) {
		return usagef("git bst tree diff: --name-status goes with neither --stat nor -p")
	}
	session, err := a.openAnywhere(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	request := flow.DiffRequest{
		Old: cc.Args().Get(0), New: cc.Args().Get(1), Paths: cc.Args().Slice()[2:], NoRenames: cc.Bool("no-renames"), Lines: stat || patch,
	}
	p := &diffPrinter{to: a.stdout, terminal: a.results.terminal()}
	switch {
	case a.json:
		return session.Diff(cc.Context, request, func(d flow.Diffed) error { return writeJSONLine(a.stdout, changeOf(d, patch)) })
	case names:
		return session.Diff(cc.Context, request, p.nameStatus)
	case !stat && !patch:
		return session.Diff(cc.Context, request, p.line)
	}
	if stat {
		if err := session.Diff(cc.Context, request, p.count); err != nil {
			return err
		}
		p.printStat()
	}
	if !patch {
		return nil
	}
	if len(p.stats) > 0 {
		fmt.Fprintln(a.stdout)
	}
	return session.Diff(cc.Context, request, p.patch)
}

// changeInfo is a path of `tree diff` with --json.
type changeInfo struct {
	Schema     string `json:"schema"`
	Format     int    `json:"version"`
	Path       string `json:"path"`
	Change     string `json:"change"`
	From       string `json:"from,omitempty"`
	Similarity int    `json:"similarity,omitempty"`
	Old        string `json:"old,omitempty"`
	New        string `json:"new,omitempty"`
	OldMode    string `json:"old_mode,omitempty"`
	NewMode    string `json:"new_mode,omitempty"`
	Binary     bool   `json:"binary,omitempty"`
	Large      bool   `json:"large,omitempty"`
	Added      *int   `json:"lines_added,omitempty"`
	Deleted    *int   `json:"lines_deleted,omitempty"`
	Patch      string `json:"patch,omitempty"`
}

func changeOf(d flow.Diffed, patch bool) changeInfo {
	info := changeInfo{
		Schema: "git-bst.change", Format: 1, Path: d.Path, Change: letter(d), From: d.From, Similarity: d.Similarity,
		Old: nameOf(d.Old), New: nameOf(d.New), OldMode: modeOf(d.Old), NewMode: modeOf(d.New),
	}
	if d.Text == nil {
		return info
	}
	info.Binary, info.Large = d.Text.Binary, d.Text.Large
	if info.Binary || info.Large {
		return info
	}
	info.Added, info.Deleted = &d.Text.Added, &d.Text.Deleted
	if patch {
		var out bytes.Buffer
		_ = writePatch(&out, d) // to memory
		info.Patch = out.String()
	}
	return info
}

// nameOf is what an entry holds: a digest, or "-> " and where a link leads.
func nameOf(e tree.Entry) string {
	if e.Kind == tree.KindSymlink {
		return "-> " + e.Target
	}
	return e.Digest.String()
}

// letter says how a path differs, in our letters.
func letter(d flow.Diffed) string {
	if d.From != "" {
		return "R"
	}
	return d.Op.String()
}

// modeOf is git's mode of an entry; "" for none.
func modeOf(e tree.Entry) string {
	switch {
	case e.Kind == tree.KindFile && e.Executable:
		return "100755"
	case e.Kind == tree.KindFile:
		return "100644"
	case e.Kind == tree.KindSymlink:
		return "120000"
	case e.Kind == tree.KindDir:
		return "040000"
	}
	return ""
}

// diffPrinter prints the paths that differ.
type diffPrinter struct {
	to       io.Writer
	terminal bool // what a text says must not act on it
	stats    []statLine
	buffer   bytes.Buffer
}

func (p *diffPrinter) line(d flow.Diffed) error {
	path := d.Path
	if d.From != "" {
		path = d.From + " -> " + d.Path
	}
	_, err := fmt.Fprintf(p.to, "%s %s\n", letter(d), ui.Safe(path))
	return err
}

// nameStatus prints as git does, which knows no folders but, here, empty ones.
func (p *diffPrinter) nameStatus(d flow.Diffed) error {
	entry := d.New
	if d.Op == tree.Deleted {
		entry = d.Old
	}
	mark, path := d.Op.String(), quotePath(d.Path)
	switch {
	case entry.Kind == tree.KindDir && (d.Op == tree.Added || d.Op == tree.Deleted):
		if entry.Digest != digest.Empty {
			return nil
		}
		path += "/"
	case d.From != "":
		mark, path = fmt.Sprintf("R%03d", d.Similarity), quotePath(d.From)+"\t"+path
	case d.Op == tree.Mode:
		mark = "M"
	}
	_, err := fmt.Fprintf(p.to, "%s\t%s\n", mark, path)
	return err
}

// patch prints a path's part of a patch.
func (p *diffPrinter) patch(d flow.Diffed) error {
	if d.Text == nil {
		return nil
	}
	if !p.terminal {
		return writePatch(p.to, d)
	}
	p.buffer.Reset()
	if err := writePatch(&p.buffer, d); err != nil {
		return err
	}
	_, err := io.WriteString(p.to, ui.Safe(p.buffer.String()))
	return err
}

// writePatch writes a path's part of a patch, as git does.
func writePatch(to io.Writer, d flow.Diffed) error {
	if d.Old.Kind != tree.KindNone && d.New.Kind != tree.KindNone && d.Old.Kind != d.New.Kind { // git has it as two
		gone, come := d, d
		gone.New, come.Old = tree.Entry{}, tree.Entry{}
		if d.Old.Kind != tree.KindDir {
			if err := writePatch(to, oneSided(gone, d.Text)); err != nil {
				return err
			}
		}
		if d.New.Kind == tree.KindDir {
			return nil
		}
		return writePatch(to, oneSided(come, d.Text))
	}
	from := d.From
	if from == "" {
		from = d.Path
	}
	oldName, newName := quotePath("a/"+from), quotePath("b/"+d.Path)
	fmt.Fprintf(to, "diff --git %s %s\n", oldName, newName)
	writeModes(to, d)
	if d.Text.Binary || d.Text.Large {
		return writeUnshown(to, d, oldName, newName)
	}
	if len(d.Text.Edits) == 0 {
		return nil
	}
	if d.Old.Kind == tree.KindNone {
		oldName = "/dev/null"
	}
	if d.New.Kind == tree.KindNone {
		newName = "/dev/null"
	}
	fmt.Fprintf(to, "--- %s\n+++ %s\n", ended(oldName), ended(newName))
	return textdiff.Unified(to, d.Text.Old, d.Text.New, d.Text.Edits)
}

// ended is a name in a patch; a tab ends one with a blank, which other patch programs need.
func ended(name string) string {
	if strings.Contains(name, " ") {
		return name + "\t"
	}
	return name
}

// oneSided is the deletion or the addition that a change of kind is made of.
func oneSided(d flow.Diffed, text *flow.Text) flow.Diffed {
	half := *text
	if d.New.Kind == tree.KindNone {
		half.New = nil
	} else {
		half.Old = nil
	}
	half.Edits = textdiff.Compare(half.Old, half.New)
	d.Text = &half
	return d
}

func writeModes(to io.Writer, d flow.Diffed) {
	switch {
	case d.Old.Kind == tree.KindNone:
		fmt.Fprintf(to, "new file mode %s\n", modeOf(d.New))
	case d.New.Kind == tree.KindNone:
		fmt.Fprintf(to, "deleted file mode %s\n", modeOf(d.Old))
	case modeOf(d.Old) != modeOf(d.New):
		fmt.Fprintf(to, "old mode %s\nnew mode %s\n", modeOf(d.Old), modeOf(d.New))
	}
	if d.From != "" {
		fmt.Fprintf(to, "similarity index %d%%\nrename from %s\nrename to %s\n", d.Similarity, quotePath(d.From), quotePath(d.Path))
	}
}

// writeUnshown names files that are not compared by lines.
func writeUnshown(to io.Writer, d flow.Diffed, oldName, newName string) error {
	if d.Old.Digest == d.New.Digest {
		return nil
	}
	what := "Binary files"
	if d.Text.Large {
		what = "Large files"
	}
	if d.Old.Kind == tree.KindNone {
		oldName = "/dev/null"
	}
	if d.New.Kind == tree.KindNone {
		newName = "/dev/null"
	}
	_, err := fmt.Fprintf(to, "%s %s and %s differ\n", what, oldName, newName)
	return err
}

// quotePath writes a path as git does: in double quotes with escapes where it holds more than
// printable ASCII.
func quotePath(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) < 0
	if plain {
		return path
	}
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(path) {
		switch c := path[i]; {
		case c == '"' || c == '\\':
			out.WriteString(`\` + string(c))
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\t':
			out.WriteString(`\t`)
		case c < ' ' || c > '~':
			out.WriteString(`\` + strconv.FormatUint(uint64(c)|0o1000, 8)[1:])
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
