package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/ui"
)

func initCommand() command {
	return command{
		name: "init", help: "make the repository buildable",
		about: "Finds out how the repository is built and writes project.conf, one element and .git-bst.toml at the top of the work tree; then git bst build builds it with this machine's compilers. " +
			"In a BuildStream project it writes .git-bst.toml only. It overwrites nothing.\n\n" +
			"It knows meson, autotools, a configure script of the project's own, CMake, Cargo, Go and make, in this order.",
		examples: []string{"git bst init && git bst build", "git bst init --kind cmake --name hello"},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "kind", Usage: "how it is built: `KIND` is one of " + strings.Join(flow.InitKinds(), ", ")},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the project and its element; by default that of the folder"},
		},
		action: initialise,
	}
}

func initialise(a *app, cc *cli.Context) error {
	where, err := a.gitPlace(cc.Context)
	if err != nil {
		return err
	}
	if where.top == "" {
		err := fmt.Errorf("make a project: %s is a bare repository: it has no work tree", a.dir)
		return hint.Add(err, "to have one: git worktree add ../FOLDER")
	}
	dir, err := filepath.EvalSymlinks(a.dir)
	if err != nil {
		return fmt.Errorf("make a project: %w", err)
	}
	result, err := flow.Init(cc.Context, flow.InitRequest{
		Top: where.top, Dir: dir, Name: cc.String("name"), Kind: cc.String("kind"),
		Programs: flow.Programs{Path: filepath.SplitList(a.env("PATH"))},
	})
	switch {
	case errors.Is(err, flow.ErrUnknownKind) && cc.String("kind") != "", errors.Is(err, flow.ErrName):
		return usageError{err: err}.asError()
	case err != nil:
		return err
	}
	return a.printInit(result)
}

type initInfo struct {
	Schema   string   `json:"schema"`
	Format   int      `json:"version"`
	Existing bool     `json:"existing"`
	Project  string   `json:"project"`
	Name     string   `json:"name,omitempty"`
	Element  string   `json:"element,omitempty"`
	Kind     string   `json:"kind,omitempty"`
	Because  string   `json:"because,omitempty"`
	Also     []string `json:"also,omitempty"`
	Written  []string `json:"written"`
	Hints    []string `json:"hints,omitempty"`
}

func (a *app) printInit(r flow.InitResult) error {
	if a.json {
		return writeJSON(a.stdout, initInfo{
			"git-bst.init", 1, r.Existing, r.Project, r.Name, r.Element, r.Kind, r.Because, r.Also, r.Written, r.Hints,
		})
	}
	for _, name := range r.Written {
		fmt.Fprintln(a.stdout, ui.Safe(name))
	}
	switch {
	case r.Existing:
		a.talk("git-bst: this is a BuildStream project already (%s)", ui.Safe(r.Project+"/project.conf"))
	case r.Because != "":
		a.talk("git-bst: %s is of kind %s (there is %s)", r.Element, r.Kind, r.Because)
	default:
		a.talk("git-bst: %s is of kind %s", r.Element, r.Kind)
	}
	if len(r.Also) > 0 && r.Because != "" {
		a.talk("git-bst: hint: it could be %s too: --kind", strings.Join(r.Also, ", "))
	}
	for _, line := range r.Hints {
		a.talk("git-bst: hint: %s", ui.Safe(line))
	}
	if len(r.Hints) == 0 {
		a.talk("git-bst: hint: next: git bst build")
	}
	return nil
}
