package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/hint"
)

// many is for command.max: any number of arguments.
const many = -1

// An action carries out one command.
type action func(*app, *cli.Context) error

// A command is one line of the table: all that the parser, the help, the man pages and the
// completions know about it. It has an action or sub-commands; with both, a first argument that
// names a sub-command calls that.
type command struct {
	name     string
	help     string   // one line
	args     string   // how the arguments are written, such as "[ELEMENT...]"
	min, max int      // number of arguments; max may be many
	about    string   // paragraphs for the help and the man page
	examples []string // command lines
	flags    []cli.Flag
	sub      []command
	exits    string // what the exit codes mean, where they are not those of every command
	hidden   bool
	raw      bool // all arguments are the command's own, flags too
	action   action
}

// commands is the table of all commands, in the order of the help.
func commands() []command {
	return []command{
		initCommand(),
		buildCommand(),
		statusCommand(),
		showCommand(),
		explainCommand(),
		promoteCommand(),
		verifyCommand(),
		recordsCommand(),
		shellCommand(),
		testCommand(),
		bisectCommand(),
		ideCommand(),
		workspaceCommand(),
		artifactCommand(),
		sourceCommand(),
		treeCommand(),
		logCommand(),
		notesCommand(),
		hooksCommand(),
		cacheCommand(),
		configCommand(),
		trustCommand(),
		doctorCommand(),
		completionCommand(),
		versionCommand(),
		helpCommand(),
		completeCommand(),
		hookCommand(),
		manCommand(),
	}
}

// globalFlags may stand before the command.
func globalFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "C", Usage: "run as if started in `DIR`"},
		&cli.StringFlag{Name: "config", Usage: "read `FILE` instead of the user's config.toml"},
		&cli.BoolFlag{Name: "version", Usage: "print the version"},
	}, commonFlags()...)
}

// commonFlags may stand before the command and after it.
func commonFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print results and errors only"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "print what is done in detail"},
		&cli.BoolFlag{Name: "json", Usage: "print results and events as JSON"},
		&cli.BoolFlag{Name: "no-color", Usage: "no colours"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "print this help"},
	}
}

// cli returns the parser for the table.
func (a *app) cli() *cli.App {
	cli.HelpFlag = nil // else the library answers -h itself, before our own flag is asked
	root := command{name: "git-bst", sub: commands()}
	return &cli.App{
		Name:                      "git-bst",
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		Writer:                    a.stdout,
		ErrWriter:                 a.stderr,
		Flags:                     globalFlags(),
		Commands:                  a.cliCommands(nil, root.sub),
		Action:                    a.groupAction(nil, root),
		OnUsageError:              usageErrorOf(globalFlags()),
		ExitErrHandler:            func(*cli.Context, error) {},
	}
}

func (a *app) cliCommands(path []string, list []command) []*cli.Command {
	var out []*cli.Command
	for _, c := range list {
		out = append(out, a.cliCommand(append(path[:len(path):len(path)], c.name), c))
	}
	return out
}

func (a *app) cliCommand(path []string, c command) *cli.Command {
	flags := append(c.flags[:len(c.flags):len(c.flags)], commonFlags()...)
	out := &cli.Command{
		Name:         c.name,
		HideHelp:     true,
		Hidden:       c.hidden,
		Flags:        flags,
		Subcommands:  a.cliCommands(path, c.sub),
		OnUsageError: usageErrorOf(flags),
		Action:       a.leafAction(path, c),

		SkipFlagParsing: c.raw,
	}
	if c.action == nil {
		out.Action = a.groupAction(path, c)
	}
	return out
}

// leafAction prints the help if asked, checks the arguments and runs the command.
func (a *app) leafAction(path []string, c command) cli.ActionFunc {
	return func(cc *cli.Context) error {
		if a.flag(cc, "help") {
			a.printHelp(path, c)
			return nil
		}
		if err := checkArguments(path, c, a.arguments(cc)); err != nil && !c.raw {
			return err
		}
		if err := a.setUp(cc); err != nil {
			return err
		}
		return c.action(a, cc)
	}
}

// groupAction is for a command that only has sub-commands, and for the program itself.
func (a *app) groupAction(path []string, c command) cli.ActionFunc {
	return func(cc *cli.Context) error {
		switch {
		case a.flag(cc, "help"):
			a.printHelp(path, c)
			return nil
		case len(path) == 0 && cc.Bool("version"):
			return printVersion(a, cc)
		case cc.Args().Present():
			return unknownCommand(path, c, cc.Args().First())
		}
		return usageError{
			err:   fmt.Errorf("%s: no command given", commandLine(path)),
			hints: []string{"one of: " + strings.Join(visibleNames(c.sub), ", "), helpHint(path)},
		}.asError()
	}
}

func unknownCommand(path []string, c command, name string) error {
	err := usageError{err: fmt.Errorf("%s: unknown command %q", commandLine(path), name)}
	if near := hint.Nearest(name, visibleNames(c.sub)); near != "" {
		err.hints = append(err.hints, "did you mean: "+commandLine(append(path[:len(path):len(path)], near)))
	}
	err.hints = append(err.hints, helpHint(path))
	return err.asError()
}

// commandLine is how a user calls the command of this path.
func commandLine(path []string) string {
	return strings.Join(append([]string{"git bst"}, path...), " ")
}

func helpHint(path []string) string { return "see: " + commandLine(path) + " -h" }

func visibleNames(list []command) []string {
	var names []string
	for _, c := range list {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

// find returns the command of this path in the table.
func find(path []string) (command, bool) {
	found := command{sub: commands()}
	for _, name := range path {
		ok := false
		for _, c := range found.sub {
			if c.name == name {
				found, ok = c, true
				break
			}
		}
		if !ok {
			return command{}, false
		}
	}
	return found, true
}
