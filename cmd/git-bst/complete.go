package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/ui"
	"github.com/git-bst/git-bst/internal/workspace"
)

// completeCommand answers the shells' completion scripts. It runs nothing but git, prints nothing
// but candidates and never fails: a broken project completes to nothing.
func completeCommand() command {
	return command{
		name: "__complete", hidden: true, raw: true, args: "[WORD...]", max: many,
		help:  "print what the last of the words may become, a line each, with a tab and a description",
		about: "The words are those after git bst; the last one is being written and may be empty.",
		action: func(a *app, cc *cli.Context) error {
			words := cc.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			for _, candidate := range a.complete(cc, words) {
				fmt.Fprintln(a.stdout, candidate)
			}
			return nil
		},
	}
}

// complete returns "word" or "word<tab>description" for all that the last word may become.
func (a *app) complete(cc *cli.Context, words []string) []string {
	done, current := words[:len(words)-1], words[len(words)-1]
	place := parsePlace{command: command{sub: commands()}, flags: globalFlags()}
	for _, word := range done {
		place = place.after(word)
	}
	if place.dir != "" {
		a.dir = a.path(place.dir)
	}
	var candidates []string
	switch {
	case place.wants != nil:
		candidates = a.completeValue(cc, place.wants)
	case strings.HasPrefix(current, "-") && len(place.args) == 0:
		candidates = completeFlags(place.flags)
	case place.command.action == nil:
		candidates = completeCommands(place.command.sub)
	default:
		if len(place.args) == 0 {
			candidates = completeCommands(place.command.sub)
		}
		candidates = append(candidates, a.completeArgument(cc, place)...)
	}
	return slices.DeleteFunc(candidates, func(c string) bool { return !strings.HasPrefix(c, current) })
}

// parsePlace is where in a command line a word stands.
type parsePlace struct {
	command command
	flags   []cli.Flag
	wants   cli.Flag // the flag whose value is the next word
	args    []string
	dir     string // of -C, "" without
}

func (p parsePlace) after(word string) parsePlace {
	switch {
	case p.wants != nil:
		if p.wants.Names()[0] == "C" {
			p.dir = word
		}
		p.wants = nil
	case len(p.args) == 0 && strings.HasPrefix(word, "-"):
		for _, f := range p.flags {
			doc, ok := f.(cli.DocGenerationFlag)
			if slices.Contains(f.Names(), strings.TrimLeft(word, "-")) && ok && doc.TakesValue() {
				p.wants = f
			}
		}
	case len(p.command.sub) > 0 && len(p.args) == 0:
		for _, c := range p.command.sub {
			if c.name == word {
				p.command = c
				p.flags = append(c.flags[:len(c.flags):len(c.flags)], commonFlags()...)
				return p
			}
		}
		if p.command.action != nil {
			p.args = append(p.args, word)
			return p
		}
		p.command = command{action: func(*app, *cli.Context) error { return nil }} // unknown: nothing completes
	default:
		p.args = append(p.args[:len(p.args):len(p.args)], word)
	}
	return p
}

func completeFlags(flags []cli.Flag) []string {
	var out []string
	for _, f := range flags {
		text := ""
		if doc, ok := f.(cli.DocGenerationFlag); ok {
			_, text = unquote(doc.GetUsage())
		}
		for _, name := range f.Names() {
			out = append(out, dashed(name)+"\t"+text)
		}
	}
	slices.Sort(out)
	return out
}

func completeCommands(list []command) []string {
	var out []string
	for _, c := range list {
		if !c.hidden {
			out = append(out, c.name+"\t"+c.help)
		}
	}
	return out
}

// completeValue returns what a flag's value may be, as far as it is one of a few.
func (a *app) completeValue(cc *cli.Context, f cli.Flag) []string {
	name := f.Names()[0]
	switch name {
	case "kind":
		return flow.InitKinds()
	case "except":
		return a.elementNames(cc, nil)
	case "deps":
		return []string{"none", "run", "build", "all"}
	case "record":
		return a.recordNames(cc)
	case "order":
		return []string{"stage", "alpha"}
	}
	for _, s := range config.Settings() {
		if s.Key == flagSettings[name] {
			return s.Choices
		}
	}
	return nil
}

// completeArgument returns what the next argument may be; the table's argument names say so.
func (a *app) completeArgument(cc *cli.Context, place parsePlace) []string {
	word := nthArgument(place.command.args, len(place.args))
	switch strings.Trim(word, "[].") {
	case "ELEMENT", "ELEMENT|REF", "PATTERN":
		return a.elementNames(cc, place.args)
	case "RECORD":
		return a.recordNames(cc)
	case "ELEMENT|DIR":
		return a.workspaceNames(cc)
	case "KEY":
		return config.Keys()
	case "COMMAND":
		names := visibleNames(commands())
		if len(place.args) > 0 {
			c, _ := find(place.args)
			names = visibleNames(c.sub)
		}
		return names
	case "TREE":
		return append([]string{"work\twhat git add -A and a commit would record", "index\twhat is staged", "HEAD\tthe last commit"},
			a.commitNames(cc)...)
	case "SHELL":
		return shells
	}
	return nil
}

// completedRecords is how many of the newest build attempts complete: a screenful.
const completedRecords = 30

// recordNames lists the newest build attempts.
func (a *app) recordNames(cc *cli.Context) []string {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return nil
	}
	names := []string{record.Newest + "\tthe newest"}
	store := record.Open(filepath.Join(settings.Cache.Dir, "records"))
	found, err := store.List(cc.Context, record.Filter{Limit: completedRecords}, nil)
	if err != nil {
		return names
	}
	for _, rec := range found {
		names = append(names, fmt.Sprintf("%s\t%s %s, %s", record.Short(rec.ID), ui.Safe(rec.Element), rec.Result, rec.Started.Local().Format(time.DateTime)))
	}
	return names
}

// commitNames lists branches and tags.
func (a *app) commitNames(cc *cli.Context) []string {
	out, err := a.git(cc.Context, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags")
	if err != nil {
		return nil // what can't be read does not complete
	}
	return strings.Fields(string(out))
}

// workspaceNames lists the elements that have workspaces.
func (a *app) workspaceNames(cc *cli.Context) []string {
	if _, err := a.looseSettings(cc); err != nil || a.found == nil {
		return nil // what can't be read does not complete
	}
	var names []string
	for _, known := range workspace.Names(a.found.GitDir()) {
		names = append(names, known.Element+"\t"+known.Top)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxNames ends the listing of a folder that is no project's after all.
const maxNames = 50_000

// elementNames lists the project's elements but those already named. It reads names, not elements:
// completion must be quick and must work while an element has an error.
func (a *app) elementNames(cc *cli.Context, named []string) []string {
	where, err := a.gitPlace(cc.Context)
	if err != nil || where.top == "" {
		return nil
	}
	settings, err := a.looseSettings(cc)
	if err != nil {
		return nil
	}
	project := filepath.Join(where.top, filepath.FromSlash(settings.Project.Path))
	if a.standing != nil {
		project, settings.Project.Path = a.standing.ProjectDir, "."
	}
	for dir := a.dir; settings.Project.Path == "" && dir != where.top && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "project.conf")); err == nil {
			project = dir
			break
		}
	}
	top := filepath.Join(project, elementPath(filepath.Join(project, "project.conf")))
	var names []string
	// What can't be read does not complete: the error is left to the command itself.
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || len(names) > maxNames:
			return fs.SkipAll
		case entry.IsDir() && path != top && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(entry.Name(), ".bst"):
			if name, err := filepath.Rel(top, path); err == nil && !slices.Contains(named, name) {
				names = append(names, filepath.ToSlash(name))
			}
		}
		return nil
	})
	return names
}

// elementPath finds the element-path in a project.conf, as far as one line tells it.
func elementPath(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "."
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "element-path:"); ok {
			value, _, _ = strings.Cut(value, " #")
			if value = strings.Trim(strings.TrimSpace(value), `"'`); filepath.IsLocal(value) {
				return value
			}
		}
	}
	return "."
}
