package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/ui"
)

func treeApplyCommand() command {
	return command{
		name: "apply", help: "make the difference between two trees in a folder or another tree", args: "TREE TREE", min: 2, max: 2,
		about: "Makes what differs between the first TREE and the second in a folder (--to) or in another tree (--onto; the new tree's digest is " +
			"printed): what neither side changed stays, what is deleted on both is no conflict. Where there is something of neither side, nothing is " +
			"done at all and the paths are listed, unless --force replaces them. Links are never followed, and nothing outside of DIR is touched. " + treeNames,
		examples: []string{"git bst tree apply --dry-run --to . HEAD~1 HEAD", "git bst tree apply --to . record:89abcdef build:89abcdef",
			"git bst tree apply --onto v1.0 topic~1 topic"},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "change the folder `DIR`"},
			&cli.StringFlag{Name: "onto", Usage: "make a new tree of `TREE`"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only print what would be done"},
			&cli.BoolFlag{Name: "force", Usage: "replace what is of neither side"},
			optionFlag(),
		},
		action: treeApply,
	}
}

func treeApply(a *app, cc *cli.Context) error {
	if (cc.String("to") == "") == (cc.String("onto") == "") {
		return usageError{err: fmt.Errorf("git bst tree apply: expected one of --to and --onto"),
			hints: []string{"for the present folder: git bst tree apply --to . " + shellLine(cc.Args().Slice())}}.asError()
	}
	session, err := a.openAnywhere(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	request := flow.ApplyRequest{
		Old: cc.Args().Get(0), New: cc.Args().Get(1), Onto: cc.String("onto"), Force: cc.Bool("force"), DryRun: cc.Bool("dry-run"),
	}
	if to := cc.String("to"); to != "" {
		request.To = a.path(to)
	}
	applied, err := session.ApplyTree(cc.Context, request)
	if printErr := a.printApplied(applied, err == nil); printErr != nil {
		return printErr
	}
	if err != nil || applied.Root.IsZero() {
		return err
	}
	if a.json {
		return writeJSONLine(a.stdout, treeInfo{Schema: "git-bst.tree", Format: 1, Name: request.Onto, Digest: applied.Root.String()})
	}
	_, err = fmt.Fprintln(a.stdout, applied.Root)
	return err
}

// appliedInfo is a path of `tree apply` with --json.
type appliedInfo struct {
	Schema   string `json:"schema"`
	Format   int    `json:"version"`
	Path     string `json:"path"`
	Change   string `json:"change,omitempty"`
	Conflict bool   `json:"conflict,omitempty"`
	Was      string `json:"was,omitempty"`
	Now      string `json:"now,omitempty"`
}

// printApplied lists the conflicts and, where it was not refused, the changes.
func (a *app) printApplied(applied flow.Applied, done bool) error {
	for _, c := range applied.Conflicts {
		if a.json {
			info := appliedInfo{Schema: "git-bst.applied", Format: 1, Path: c.Path, Conflict: true, Was: c.Was.String(), Now: c.Now.String()}
			if err := writeJSONLine(a.stdout, info); err != nil {
				return err
			}
			continue
		}
		a.talk("git-bst: %s: %s", ui.Safe(c.Path), conflictText(c, done))
	}
	if !done {
		return nil
	}
	for _, c := range applied.Changes {
		if a.json {
			if err := writeJSONLine(a.stdout, appliedInfo{Schema: "git-bst.applied", Format: 1, Path: c.Path, Change: c.Op.String()}); err != nil {
				return err
			}
			continue
		}
		if applied.Root.IsZero() { // else the digest is the result
			fmt.Fprintf(a.stdout, "%s %s\n", c.Op, ui.Safe(c.Path))
		}
	}
	return nil
}

// conflictText says what is in the way of what, or what took its place.
func conflictText(c tree.Replaced, done bool) string {
	what := map[tree.Kind]string{tree.KindNone: "nothing", tree.KindFile: "a file", tree.KindDir: "a folder", tree.KindSymlink: "a link"}
	was := what[c.Was]
	switch {
	case c.Was == tree.KindNone && done:
		return "there was no file, link or folder; now there is " + what[c.Now]
	case c.Was == tree.KindNone:
		return "no file, link or folder is there; wanted is " + what[c.Now]
	case c.Was == c.Now:
		was += " with other content"
	}
	if done {
		return was + " is replaced by " + what[c.Now]
	}
	return was + " is there, and not what was expected; wanted is " + what[c.Now]
}
