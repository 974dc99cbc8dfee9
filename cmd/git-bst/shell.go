package main

import (
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/git-bst/git-bst/internal/flow"
)

func shellCommand() command {
	return command{
		name: "shell", help: "run a command where an element runs or is built", args: "[ELEMENT] [-- COMMAND...]", max: many,
		about: "Runs COMMAND, or an interactive shell, in a sandbox with the element and all that it needs at run time; on the host's root, in the " +
			"folder of its files. With --build, in the build tree of the element's newest build that still has one, a failed one too, with everything " +
			"it was built with: the very state in which the build ended, whatever was changed since; where there is none, in its sources as a build would find them. With " +
			"--record, in that of another build attempt. " +
			"What is changed inside is gone afterwards. " + recordNames,
		exits:    "The command's. Where it does not come to run one: as of every command, see git-bst(1).",
		examples: []string{"git bst shell app.bst", "git bst shell --build app.bst -- make V=1", "git bst shell --record 89abcdef"},
		flags: append(buildFlags(),
			&cli.BoolFlag{Name: "build", Aliases: []string{"b"}, Usage: "enter the build tree"},
			recordFlag("enter the build tree of the build attempt `RECORD`"),
		),
		action: runShell,
	}
}

func runShell(a *app, cc *cli.Context) error {
	element, line, err := shellArguments(a.arguments(cc))
	if err != nil {
		return err
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	defer done()
	request := flow.ShellRequest{
		Element: element, Build: cc.Bool("build") || cc.String("record") != "", Record: cc.String("record"), Command: line, Stdin: a.stdin, Stdout: a.results.to, Stderr: a.stderr,
	}
	if file, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		request.TTY = file
	}
	code, err := session.Shell(cc.Context, request)
	if err == nil && code != 0 {
		return commandError{code}
	}
	return err
}

// shellArguments splits ELEMENT from what comes after --.
func shellArguments(args []string) (element string, line []string, err error) {
	for i, arg := range args {
		if arg == "--" {
			line, args = args[i+1:], args[:i]
			break
		}
	}
	if len(args) > 1 {
		return "", nil, usageError{err: usagef("git bst shell: unexpected argument %q", args[1]), hints: []string{"a command goes after --"}}.asError()
	}
	if len(args) == 1 {
		element = args[0]
	}
	return element, line, nil
}
