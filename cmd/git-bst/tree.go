package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/ui"
)

const treeNames = "TREE is work or worktree (what git add -A and a commit would record), index (what is staged), a commit as git names it, " +
	"record:RECORD (the source of a build attempt), build:RECORD (what it left in its build tree), artifact:NAME (the files of an element's artifact, " +
	"or of a reference's or key's) or digest:HASH/SIZE; with :PATH behind it, the folder there. " + recordNames

func treeCommand() command {
	return command{
		name: "tree", help: "look at trees of sources by their content",
		about: "Trees are named by their content: the same files, wherever they come from, are the same tree. " + treeNames,
		sub: []command{
			{
				name: "id", help: "print the digest of a tree", args: "[TREE]", max: 1,
				about:    "Without TREE: of work. " + treeNames,
				examples: []string{"git bst tree id", "git bst tree id HEAD~3"},
				action:   withTree("work", treeID),
			},
			{
				name: "ls", help: "list a tree", args: "TREE [PATH]", min: 1, max: 2,
				about: "Prints a line for each entry: what it is (- a file, x an executable one, d a folder, l a symbolic link), a blank, its path, a tab, " +
					"and HASH/SIZE of its content, or -> and the link's target. digest:HASH/SIZE of a folder is a TREE again. " + treeNames,
				flags:    []cli.Flag{&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "list what is in the folders too"}},
				examples: []string{"git bst tree ls -r HEAD src"},
				action:   withTree("", treeLs),
			},
			{
				name: "cat", help: "print a file of a tree", args: "TREE PATH", min: 2, max: 2, about: treeNames,
				examples: []string{"git bst tree cat v1.0 README"},
				action:   withTree("", treeCat),
			},
			treeDiffCommand(),
			treeApplyCommand(),
			{
				name: "checkout", help: "write a tree into a folder", args: "TREE DIR", min: 2, max: 2,
				about:    "DIR must be empty or not exist. " + treeNames,
				examples: []string{"git bst tree checkout v1.0 /tmp/v1.0"},
				flags:    []cli.Flag{withGitFlag()},
				action:   withTree("", treeCheckout),
			},
		},
	}
}

// treeAction works on the tree that the first argument names.
type treeAction func(*app, *cli.Context, *flow.Session, flow.NamedTree) error

// withTree opens the cache and finds the tree.
func withTree(otherwise string, do treeAction) action {
	return func(a *app, cc *cli.Context) error {
		settings, err := a.looseSettings(cc)
		if err != nil {
			return err
		}
		session, err := flow.OpenAnywhere(cc.Context, a.flowOptions(settings, nil))
		if err != nil {
			return err
		}
		defer session.Close()
		name := cc.Args().First()
		if name == "" {
			name = otherwise
		}
		t, err := session.Tree(cc.Context, name)
		if err != nil {
			return err
		}
		return do(a, cc, session, t)
	}
}

type treeInfo struct {
	Schema    string `json:"schema"`
	Format    int    `json:"version"`
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	Canonical string `json:"canonical,omitempty"`
	GitTree   string `json:"git_tree,omitempty"`
	Commit    string `json:"commit,omitempty"`
	Dirty     bool   `json:"dirty"`
}

func treeID(a *app, _ *cli.Context, _ *flow.Session, t flow.NamedTree) error {
	if a.json {
		return writeJSON(a.stdout, treeInfo{
			"git-bst.tree", 1, t.Name, t.Root.String(), t.Canonical.String(), t.OID, t.Commit, t.Dirty,
		})
	}
	_, err := fmt.Fprintln(a.stdout, t.Root)
	return err
}

type treeEntryInfo struct {
	Schema     string `json:"schema"`
	Format     int    `json:"version"`
	Path       string `json:"path"`
	Kind       string `json:"kind"`
	Digest     string `json:"digest,omitempty"`
	Executable bool   `json:"executable,omitempty"`
	Target     string `json:"target,omitempty"`
}

func treeLs(a *app, cc *cli.Context, session *flow.Session, t flow.NamedTree) error {
	path := strings.Trim(cc.Args().Get(1), "/")
	return session.List(cc.Context, t, path, cc.Bool("recursive"), func(name string, e tree.Entry) error {
		if a.json {
			info := treeEntryInfo{"git-bst.entry", 1, name, e.Kind.String(), e.Digest.String(), e.Executable, e.Target}
			return writeJSONLine(a.stdout, info)
		}
		mark, what := "-", e.Digest.String()
		switch {
		case e.Kind == tree.KindDir:
			mark = "d"
		case e.Kind == tree.KindSymlink:
			mark, what = "l", "-> "+ui.Safe(e.Target)
		case e.Executable:
			mark = "x"
		}
		_, err := fmt.Fprintf(a.stdout, "%s %s\t%s\n", mark, ui.Safe(name), what)
		return err
	})
}

func treeCat(a *app, cc *cli.Context, session *flow.Session, t flow.NamedTree) error {
	return session.Cat(cc.Context, t, strings.Trim(cc.Args().Get(1), "/"), a.stdout)
}

func treeCheckout(a *app, cc *cli.Context, session *flow.Session, t flow.NamedTree) error {
	dir := a.path(cc.Args().Get(1))
	if err := session.CheckOut(cc.Context, t, dir, cc.Bool("with-git")); err != nil {
		return err
	}
	return a.printCheckout(cc.Context, session, t.Name, dir)
}
