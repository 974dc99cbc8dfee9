package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
)

func helpCommand() command {
	return command{
		name: "help", help: "print the help of a command", args: "[COMMAND...]", max: many,
		about:  "Prints what COMMAND does, its flags and its exit codes; without COMMAND the list of all commands.",
		action: help,
	}
}

func help(a *app, cc *cli.Context) error {
	path := cc.Args().Slice()
	if len(path) == 0 {
		a.printHelp(nil, command{sub: commands()})
		return nil
	}
	c, ok := find(path)
	if !ok {
		parent, _ := find(path[:len(path)-1])
		return unknownCommand(path[:len(path)-1], parent, path[len(path)-1])
	}
	a.printHelp(path, c)
	return nil
}

const programHelp = "git bst builds BuildStream elements from git work trees, and never builds the same content twice."

// synopsis is the usage line of a command.
func synopsis(path []string, c command) string {
	line := commandLine(path)
	switch {
	case len(path) == 0:
		return line + " [flags] COMMAND [flags] [arguments]"
	case c.action == nil:
		return line + " COMMAND [flags] [arguments]"
	}
	return strings.TrimSpace(line + " [flags] " + c.args)
}

func (a *app) printHelp(path []string, c command) {
	w := a.stdout
	if len(path) == 0 {
		c.help, c.flags = programHelp, globalFlags()
	}
	fmt.Fprintf(w, "%s\n\nusage: %s\n", c.help, synopsis(path, c))
	if c.action != nil && len(c.sub) > 0 {
		fmt.Fprintf(w, "       %s COMMAND [flags] [arguments]\n", commandLine(path))
	}
	if c.about != "" {
		fmt.Fprintf(w, "\n%s\n", wrap(c.about, 90))
	}
	if len(c.sub) > 0 {
		fmt.Fprintln(w, "\ncommands:")
		printCommands(w, c.sub)
	}
	printFlags(w, path, c)
	if len(c.examples) > 0 {
		fmt.Fprintln(w, "\nexamples:")
		for _, line := range c.examples {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	fmt.Fprintln(w, "\nexit codes:")
	if c.exits != "" {
		fmt.Fprintln(w, wrap(c.exits, 90))
	} else {
		for _, e := range exitCodes {
			fmt.Fprintf(w, "  %3d  %s\n", e.code, e.meaning)
		}
	}
	if len(path) == 0 {
		fmt.Fprintln(w, "\nFlags stand before arguments. More: git bst COMMAND -h, git help bst, man git-bst-COMMAND")
	}
}

func printCommands(w io.Writer, list []command) {
	width := 0
	for _, c := range list {
		width = max(width, len(c.name))
	}
	for _, c := range list {
		if !c.hidden {
			fmt.Fprintf(w, "  %-*s  %s\n", width, c.name, c.help)
		}
	}
}

func printFlags(w io.Writer, path []string, c command) {
	flags := c.flags
	if len(path) > 0 {
		flags = append(flags[:len(flags):len(flags)], commonFlags()...)
	}
	var names, texts []string
	width := 0
	for _, f := range flags {
		name, text := describeFlag(f)
		names, texts = append(names, name), append(texts, text)
		width = max(width, len(name))
	}
	fmt.Fprintln(w, "\nflags:")
	for i := range names {
		fmt.Fprintf(w, "  %-*s  %s\n", width, names[i], texts[i])
	}
}

// describeFlag returns "-q, --quiet" or "--option NAME=VALUE", and the flag's text.
func describeFlag(f cli.Flag) (name, text string) {
	var short, long []string
	for _, n := range f.Names() {
		if len(n) == 1 {
			short = append(short, "-"+n)
		} else {
			long = append(long, "--"+n)
		}
	}
	name = strings.Join(append(short, long...), ", ")
	if len(short) == 0 {
		name = "    " + name
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return name, ""
	}
	value, text := unquote(doc.GetUsage())
	if doc.TakesValue() {
		if value == "" {
			value = "VALUE"
		}
		name += " " + value
		if setting := settingOf(f); setting != "" {
			return name, text + " (" + setting + ")"
		}
		if standard := doc.GetValue(); standard != "" && standard != `""` && standard != "[]" && !strings.Contains(text, "default") {
			text += " (default: " + standard + ")"
		}
	}
	return name, text
}

// settingOf names the setting that a flag gives, and its default.
func settingOf(f cli.Flag) string {
	for _, s := range config.Settings() {
		if s.Key != flagSettings[f.Names()[0]] {
			continue
		}
		if s.Default == "" {
			return "setting " + s.Key
		}
		return "setting " + s.Key + ", by default " + s.Default
	}
	return ""
}

// unquote takes the name of a flag's value out of its text, where it stands in back quotes.
func unquote(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	return value, before + value + after
}

// wrap breaks the lines of paragraphs at width; lines that begin with a blank stay as they are.
func wrap(text string, width int) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, " ") || len(line) <= width {
			out = append(out, line)
			continue
		}
		current := ""
		for _, word := range strings.Fields(line) {
			if current != "" && len(current)+1+len(word) > width {
				out = append(out, current)
				current = ""
			}
			current = strings.TrimPrefix(current+" "+word, " ")
		}
		out = append(out, current)
	}
	return strings.Join(out, "\n")
}
