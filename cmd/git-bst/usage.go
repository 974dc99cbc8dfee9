package main

import (
	"fmt"
	"slices"
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
				hints: []string{"flags come first: " + commandLine(path) + " " + shellLine(flagsFirst(c, args))},
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

// flagsFirst returns arguments with the flags among them, and their values, moved to the front.
func flagsFirst(c command, args []string) []string {
	var flags, others []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			others = append(others, args[i:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			others = append(others, arg)
			continue
		}
		flags = append(flags, arg)
		if f := flagNamed(c.flags, strings.TrimLeft(arg, "-")); f != nil && takesValue(f) && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return append(flags, others...)
}

// shellLine writes words so that a shell reads them as they are.
func shellLine(words []string) string {
	var out []string
	for _, word := range words {
		if word == "" || strings.ContainsAny(word, " \t\n\"'\\$`*?[]{}()<>|&;#~!") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	doc, ok := f.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

// belongs says where a flag that is unknown at a path may stand, "" if nowhere.
func belongs(path []string, name string) string {
	word := dashed(name)
	if f := flagNamed(globalFlags(), name); f != nil && len(path) > 0 {
		word += valueOf(f)
		return fmt.Sprintf("%s stands before the command: git bst %s %s", dashed(name), word, strings.Join(path, " "))
	}
	if len(path) > 0 {
		return ""
	}
	var with []string
	value := ""
	for _, c := range commands() {
		if f := flagNamed(c.flags, name); f != nil && !c.hidden {
			with, value = append(with, c.name), valueOf(f)
		}
	}
	if len(with) == 0 {
		return ""
	}
	return fmt.Sprintf("%s stands after the command, which may be: %s; for example: git bst %s %s%s", word, strings.Join(with, ", "), with[0], word, value)
}

// valueOf is a blank and the name of a flag's value, "" for a flag without one.
func valueOf(f cli.Flag) string {
	if !takesValue(f) {
		return ""
	}
	value, _ := unquote(f.(cli.DocGenerationFlag).GetUsage())
	return " " + value
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
			if where := belongs(path, name); where != "" {
				out.hints = append(out.hints, where)
			} else if near := hint.Nearest(name, flagNames(flags)); near != "" {
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
