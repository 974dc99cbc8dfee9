package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/hint"
)

// usageError is a command line that we can't carry out, with what to do about it.
type usageError struct {
	err   error
	hints []string
}

func (u usageError) asError() error {
	return hint.Add(fmt.Errorf("%w%w", u.err, silent{errUsage}), u.hints...)
}

// silent wraps an error for errors.Is without adding to the text.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// usagef is a usage error with one formatted text.
func usagef(format string, args ...any) error {
	return usageError{err: fmt.Errorf(format, args...)}.asError()
}

// checkArguments refuses flags after the arguments and a wrong number of arguments. What comes
// after a "--" that follows an argument is the command's own.
func checkArguments(path []string, c command, args []string) error {
	for _, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 1 && strings.HasPrefix(arg, "-") {
			return usageError{
				err:   fmt.Errorf("%s: %s stands after the arguments", commandLine(path), arg),
				hints: []string{"flags come first: " + commandLine(path) + " " + arg + " " + strings.TrimSpace(c.args)},
			}.asError()
		}
	}
	switch {
	case len(args) < c.min:
		return usageError{
			err:   fmt.Errorf("%s: too few arguments: %s is missing", commandLine(path), nthArgument(c.args, len(args))),
			hints: []string{"usage: " + synopsis(path, c)},
		}.asError()
	case c.max != many && len(args) > c.max:
		return usageError{
			err:   fmt.Errorf("%s: unexpected argument %q", commandLine(path), args[c.max]),
			hints: []string{"usage: " + synopsis(path, c)},
		}.asError()
	}
	return nil
}

// nthArgument is the n-th word of an argument synopsis, or its last.
func nthArgument(synopsis string, n int) string {
	words := strings.Fields(synopsis)
	if len(words) == 0 {
		return "an argument"
	}
	return words[min(n, len(words)-1)]
}

// usageErrorOf turns the parser's complaints about these flags into ours.
func usageErrorOf(flags []cli.Flag) cli.OnUsageErrorFunc {
	return func(cc *cli.Context, err error, _ bool) error {
		var path []string
		if cc.Command != nil && cc.Command.HelpName != "" {
			path = strings.Fields(cc.Command.HelpName)[1:]
		}
		text := err.Error()
		name, unknown := strings.CutPrefix(text, "flag provided but not defined: -")
		out := usageError{err: fmt.Errorf("%s: %s", commandLine(path), text)}
		if unknown {
			name = strings.TrimLeft(name, "-")
			out.err = fmt.Errorf("%s: unknown flag %s", commandLine(path), dashed(name))
			if near := hint.Nearest(name, flagNames(flags)); near != "" {
				out.hints = append(out.hints, "did you mean: "+dashed(near))
			}
		}
		out.hints = append(out.hints, helpHint(path))
		return out.asError()
	}
}

func dashed(flag string) string {
	if len(flag) == 1 {
		return "-" + flag
	}
	return "--" + flag
}

func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		for _, name := range f.Names() {
			if len(name) > 1 {
				names = append(names, name)
			}
		}
	}
	return names
}
