package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
	"github.com/git-bst/git-bst/internal/workspace"
)

func workspaceCommand() command {
	return command{
		name: "workspace", help: "build elements from git work trees of their sources",
		about: "A workspace is a git work tree that an element is built from in place of its sources. Standing in it, every command works as in the " +
			"project: `git bst build` builds its element. What depends on the element is built on it too.\n\n" +
			"What a workspace belongs to is kept in the git directories of both, so nothing of it shows in `git status`, and `git clean` does " +
			"not touch it. Both can be moved. No command here loses work. An element whose source is a folder of the project's own repository " +
			"needs no workspace: it is built as it stands there.",
		sub: []command{workspaceOpen(), workspaceList(), workspaceClose(), workspaceReset()},
	}
}

// withWorkspaceOptions adds the project's options of the workspace in which the user stands, the newest
// of several. What the command line says of an option counts more.
func (a *app) withWorkspaceOptions(flags []config.Override) []config.Override {
	if a.standing == nil || len(a.standing.Workspaces[0].Options) == 0 {
		return flags
	}
	options := a.standing.Workspaces[0].Options
	with := config.Override{Key: "project.options", Flag: "an option of the workspace"}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		with.Values = append(with.Values, name+"="+options[name])
	}
	for _, flag := range flags {
		if flag.Key == with.Key {
			with.Values = append(with.Values, flag.Values...)
		}
	}
	return append(flags, with)
}

func workspaceOpen() command {
	return command{
		name: "open", help: "make a work tree of an element's source", args: "ELEMENT DIR", min: 2, max: 2,
		about: "Makes DIR, which must be empty or not there yet. Where the element's source is a git repository, DIR becomes a clone of it at the " +
			"element's ref, with the source's URL as origin (git fetch gets its branches and tags) and the submodules that the element checks out; the " +
			"sources are fetched when needed. Where " +
			"it is a tarball, or there are several sources, DIR becomes a new repository whose first commit is what they stage, so that `git diff` " +
			"shows what you change.\n\n" +
			"The first build goes on from the element's nearest earlier build, also from a failed one, where the decision allows it; with " +
			"--fresh it starts clean. Options given with -o are kept, for builds from within.",
		examples: []string{"git bst workspace open gtk.bst ../gtk", "git bst workspace open --branch fix gtk.bst ../gtk",
			"git bst workspace open --worktree-of ~/src/gtk gtk.bst ../gtk", "git bst workspace open --attach gtk.bst ~/src/gtk"},
		flags: []cli.Flag{optionFlag(),
			&cli.BoolFlag{Name: "attach", Usage: "take DIR as it is: a git work tree, or a folder in one, of which the element then sees no more"},
			&cli.StringFlag{Name: "worktree-of", Usage: "add DIR as a work tree to the existing repository `CLONE`, which may be bare"},
			&cli.StringFlag{Name: "branch", Usage: "make the branch `NAME` and check it out"},
			&cli.BoolFlag{Name: "fresh", Usage: "use nothing of earlier builds in the first one"},
		},
		action: runWorkspaceOpen,
	}
}

// workspaceInfo is a workspace with --json.
type workspaceInfo struct {
	Schema   string            `json:"schema"`
	Version  int               `json:"version"`
	ID       string            `json:"id"`
	Element  string            `json:"element"`
	Folder   string            `json:"folder"`
	WorkTree string            `json:"work_tree"`
	Origin   string            `json:"origin,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
	Branch   string            `json:"branch,omitempty"`
	Commit   string            `json:"commit,omitempty"`
	State    string            `json:"state,omitempty"`
	Problem  string            `json:"problem,omitempty"`
	Used     bool              `json:"used,omitempty"`
	Soft     bool              `json:"soft_reset,omitempty"`
	Opened   time.Time         `json:"opened"`
	Record   string            `json:"record,omitempty"`
	Verdict  string            `json:"verdict,omitempty"`
	Result   string            `json:"result,omitempty"`
}

func runWorkspaceOpen(a *app, cc *cli.Context) error {
	if cc.Bool("attach") && (cc.String("worktree-of") != "" || cc.String("branch") != "") {
		return usagef("git bst workspace open: --attach takes the work tree as it is: it excludes --worktree-of and --branch")
	}
	options := map[string]string{}
	for _, option := range cc.StringSlice("option") {
		name, value, _ := strings.Cut(option, "=") // the settings have checked its form
		options[name] = value
	}
	request := flow.OpenRequest{
		Element: cc.Args().Get(0), Dir: a.path(cc.Args().Get(1)), Branch: cc.String("branch"), Attach: cc.Bool("attach"),
		FromScratch: cc.Bool("fresh"), Options: options,
	}
	if clone := cc.String("worktree-of"); clone != "" {
		request.WorktreeOf = a.path(clone)
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	opened, err := session.OpenWorkspace(cc.Context, request)
	done()
	if err != nil {
		return err
	}
	if a.json {
		return writeJSONLine(a.stdout, workspaceInfo{
			Schema: "git-bst.workspace", Version: 1, ID: opened.ID, Element: opened.Element, Folder: opened.Dir(), WorkTree: opened.Top,
			Origin: string(opened.Origin), Options: opened.Options, Branch: opened.Branch, Commit: opened.Commit, Soft: opened.SoftReset != "",
			Opened: opened.Opened, Record: opened.Failed,
		})
	}
	fmt.Fprintln(a.stdout, ui.Safe(opened.Dir()))
	at := "on branch " + opened.Branch
	if opened.Branch == "" {
		at = "at commit " + brief(opened.Commit) + ", on no branch: git switch -c NAME makes one"
	}
	a.talk("git-bst: %s is built from %s, %s", ui.Safe(opened.Element), ui.Safe(opened.Dir()), ui.Safe(at))
	if opened.Failed != "" {
		a.talk("git-bst: the build tree of its failed build comes along: the first build may go on from there, as git bst explain tells (--fresh would not)")
	}
	return nil
}

func workspaceList() command {
	return command{
		name: "list", help: "list the project's workspaces", max: 0,
		about: "Prints a line for each workspace, the newest first: state, element, folder, where it came from, branch or commit, and how its last build " +
			"from there went. It came from: clone, worktree (one of an existing clone), fresh (a new repository with the staged source in it) or " +
			"attached (it was there). States: clean (as committed), changed, moved (it was found elsewhere, which is written down), missing, foreign (this project is a " +
			"copy of the one it belongs to), broken (git can't read it). A star marks the one that the element is built from.",
		examples: []string{"git bst workspace list", "git bst workspace list --json"},
		action: func(a *app, cc *cli.Context) error {
			session, err := a.open(cc)
			if err != nil {
				return err
			}
			defer session.Close()
			rows, err := session.Workspaces(cc.Context)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := a.printWorkspace(row); err != nil {
					return err
				}
			}
			if len(rows) == 0 && !a.json {
				a.talk("git-bst: no workspace is open; to open one: git bst workspace open ELEMENT DIR")
			}
			return nil
		},
	}
}

func (a *app) printWorkspace(row flow.WorkspaceRow) error {
	info := workspaceInfo{
		Schema: "git-bst.workspace", Version: 1, ID: row.ID, Element: row.Element, Folder: row.Dir(), WorkTree: row.Top,
		Origin: string(row.Origin), Options: row.Options, Branch: row.Branch, Commit: row.Head, State: row.State, Problem: row.Problem,
		Used: row.Used, Soft: row.SoftReset != "", Opened: row.Opened,
	}
	last := "no build from there"
	if row.Last != nil {
		info.Record, info.Verdict, info.Result = row.Last.ID, row.Last.Verdict, string(row.Last.Result)
		last = info.Verdict + ": " + info.Result
	}
	if a.json {
		return writeJSONLine(a.stdout, info)
	}
	mark := " "
	if row.Used {
		mark = "*"
	}
	at := row.Branch
	if at == "" && row.Head != "" {
		at = brief(row.Head)
	}
	fields := []string{row.Element, row.Dir(), string(row.Origin), at, last}
	if row.SoftReset != "" {
		fields = append(fields, "the next build starts clean")
	}
	if row.Problem != "" {
		fields = append(fields, row.Problem)
	}
	for i, field := range fields {
		if field == "" {
			fields[i] = "-"
		}
	}
	fmt.Fprintf(a.stdout, "%s %-8s %s\n", mark, row.State, ui.Safe(strings.Join(fields, "  ")))
	return nil
}

func workspaceClose() command {
	return command{
		name: "close", help: "build an element from its sources again", args: "[ELEMENT|DIR]", max: 1,
		about: "Forgets a workspace, the one in which you are when none is named. Its work tree stays as it is, and its builds stay in the cache: " +
			"opened again, it goes on where it ended.\n\n" +
			"With --remove, the work tree is removed too, unless something would be lost with it: changed, untracked or ignored files, stashes, " +
			"commits that no remote has, in submodules too. Then nothing is done, and what there is is listed.",
		examples: []string{"git bst workspace close gtk.bst", "git bst workspace close --remove ../gtk"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "remove", Usage: "remove the work tree, if nothing would be lost with it"},
		},
		action: runWorkspaceClose,
	}
}

func runWorkspaceClose(a *app, cc *cli.Context) error {
	name, remove := cc.Args().First(), cc.Bool("remove")
	session, done, err := a.openToBuild(cc)
	if err != nil {
		if name == "" && !remove && a.unsure != nil {
			return a.disown(cc)
		}
		return err
	}
	closing := session.CloseWorkspaces
	if remove {
		closing = session.RemoveWorkspaces
	}
	closed, err := closing(cc.Context, name)
	done()
	if err != nil {
		return err
	}
	for _, known := range closed {
		rest := "; " + known.Dir() + " stays as it is"
		switch {
		case remove:
			rest = "; " + known.Top + " is removed"
		case known.Status == workspace.Missing:
			rest = "; " + known.Dir() + " is not there any more"
		}
		if err := a.printClosed(known.Workspace, rest); err != nil {
			return err
		}
	}
	return nil
}

// disown forgets workspaces in which the user is and that their project does not know.
func (a *app) disown(cc *cli.Context) error {
	here := a.find(cc.Context, a.dir)
	dir, err := filepath.EvalSymlinks(a.dir)
	if err != nil || here == nil {
		return a.unsure
	}
	gone, err := workspace.Disown(cc.Context, workspace.Place{Top: here.TopLevel(), GitDir: here.GitDir()}, dir)
	if err != nil {
		return err
	}
	for _, w := range gone {
		if err := a.printClosed(w, "; "+w.Dir()+" stays as it is"); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printClosed(w workspace.Workspace, rest string) error {
	if a.json {
		return writeJSONLine(a.stdout, workspaceInfo{Schema: "git-bst.workspace", Version: 1, ID: w.ID, Element: w.Element, Folder: w.Dir(),
			WorkTree: w.Top, Origin: string(w.Origin), Options: w.Options, Commit: w.Commit, State: "closed", Opened: w.Opened})
	}
	a.talk("git-bst: %s is built from its sources again%s", ui.Safe(w.Element), ui.Safe(rest))
	return nil
}

func workspaceReset() command {
	return command{
		name: "reset", help: "bring a work tree back to what was opened, or have the next build start clean", args: "[ELEMENT|DIR]", max: 1,
		about: "Brings the work tree back to the commit at which it was opened. Nothing is lost: everything that is not as it was, ignored files and " +
			"what is in submodules too, is first renamed into a folder beside it, DIR.reset-TIME; commits and what was staged get refs below " +
			"refs/bst/reset; branches and stashes stay. Of a workspace in a sub-directory only that is reset, and HEAD stays where it is.\n\n" +
			"With --soft, all files stay as they are, and only the next build starts clean, so configure runs. It holds until a build has " +
			"left a result of its own. Elements that are built in place can be reset softly too.",
		examples: []string{"git bst workspace reset", "git bst workspace reset --soft", "git bst workspace reset --soft gtk.bst"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "soft", Usage: "keep all files: only the next build starts clean"},
		},
		action: runWorkspaceReset,
	}
}

// resetInfo is a reset with --json.
type resetInfo struct {
	Schema  string   `json:"schema"`
	Version int      `json:"version"`
	Element string   `json:"element"`
	Folder  string   `json:"folder,omitempty"`
	Soft    bool     `json:"soft,omitempty"`
	Aside   string   `json:"aside,omitempty"`
	Moved   int      `json:"moved,omitempty"`
	Refs    []string `json:"refs,omitempty"`
	Left    string   `json:"left_branch,omitempty"`
}

func runWorkspaceReset(a *app, cc *cli.Context) error {
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	if cc.Bool("soft") {
		elements, err := session.SoftReset(cc.Context, cc.Args().First())
		done()
		for _, name := range elements {
			if a.json {
				err = errors.Join(err, writeJSONLine(a.stdout, resetInfo{Schema: "git-bst.reset", Version: 1, Element: name, Soft: true}))
				continue
			}
			a.talk("git-bst: the next build of %s starts clean", ui.Safe(name))
		}
		return err
	}
	reset, err := session.ResetWorkspace(cc.Context, cc.Args().First())
	done()
	if err != nil {
		return err
	}
	return a.printReset(reset)
}

func (a *app) printReset(reset flow.Reset) error {
	if a.json {
		return writeJSONLine(a.stdout, resetInfo{Schema: "git-bst.reset", Version: 1, Element: reset.Element, Folder: reset.Dir(), Aside: reset.Aside,
			Moved: reset.Moved, Refs: reset.Refs, Left: reset.Left})
	}
	if reset.Aside == "" && len(reset.Refs) == 0 {
		a.talk("git-bst: %s is as it was opened", ui.Safe(reset.Dir()))
		return nil
	}
	if reset.Aside != "" {
		fmt.Fprintln(a.stdout, ui.Safe(reset.Aside))
		a.talk("git-bst: what differed is in %s: %s", ui.Safe(reset.Aside), counted(reset.Moved, "file or folder", "files and folders"))
	}
	for _, ref := range reset.Refs {
		a.talk("git-bst: kept as %s", ui.Safe(ref))
	}
	if reset.Left != "" {
		a.talk("git-bst: branch %s stays as it is; to go back to it: git switch %s", ui.Safe(reset.Left), ui.Safe(reset.Left))
	}
	a.talk("git-bst: %s is as it was opened", ui.Safe(reset.Dir()))
	return nil
}
