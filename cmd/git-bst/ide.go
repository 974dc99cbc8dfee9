package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func ideCommand() command {
	return command{
		name: "ide", help: "write compile_commands.json for editors", args: "[ELEMENT]", max: 1,
		about: "Writes a compilation database with paths that are right in the element's work tree, and prints its path. It is made from a " +
			"compile_commands.json in the build tree (CMake with CMAKE_EXPORT_COMPILE_COMMANDS, meson), else from the compilers' commands in the logs " +
			"of the builds that led to it (make V=1, ninja -v). Headers and sources that the build generated are extracted beside it. Nothing is run, " +
			"and git status shows nothing of it: it is in the git directory, unless --install or --output is given.\n\n" +
			"On this machine's own system (build.root host) compilers' and libraries' headers are where the build saw them. Those of a sysroot are not " +
			"on this machine: check out what the element is built with (git bst artifact checkout) and give that folder with --sysroot. " + recordNames,
		examples: []string{"git bst ide", "git bst ide --install app.bst", "clangd --compile-commands-dir=\"$(dirname \"$(git bst ide)\")\""},
		flags: append(placeFlags(),
			&cli.StringFlag{Name: "output", Usage: "write it to `FILE`"},
			&cli.BoolFlag{Name: "install", Usage: "write it to the top of the work tree, and have git ignore it there (.git/info/exclude)"},
			&cli.StringFlag{Name: "sysroot", Usage: "take headers outside of the build folder from `DIR`"},
			recordFlag("make it from the build attempt `RECORD`"),
		),
		action: runIDE,
	}
}

func runIDE(a *app, cc *cli.Context) error {
	if cc.Bool("install") && cc.String("output") != "" {
		return usagef("git bst ide: --install and --output exclude each other")
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	request := flow.IDERequest{Element: cc.Args().First(), Record: cc.String("record"), Install: cc.Bool("install")}
	if output := cc.String("output"); output != "" {
		request.Output = a.path(output)
	}
	if sysroot := cc.String("sysroot"); sysroot != "" {
		request.Sysroot = a.path(sysroot)
	}
	report, err := session.IDE(cc.Context, request)
	if err != nil {
		return err
	}
	if a.json {
		return writeJSONLine(a.stdout, struct {
			Schema  string `json:"schema"`
			Version int    `json:"version"`
			flow.IDEReport
		}{"git-bst.ide", 1, report})
	}
	a.talk("git-bst: %s of %s, from the %s of %s", plural(report.Commands, "file"), ui.Safe(report.Element), report.From, report.Record)
	fmt.Fprintln(a.stdout, ui.Safe(report.File))
	return nil
}
