package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/ui"
)

// showFormat is BuildStream's default format.
const showFormat = "%{state: >12} %{full-key} %{name} %{workspace-dirs}"

func showCommand() command {
	return command{
		name: "show", help: "show elements, their keys and configuration", args: "[ELEMENT...]", max: many,
		about: "Prints a line for each element in FORMAT, with BuildStream's symbols: %{name}, %{kind}, %{description}, %{key}, %{full-key}, " +
			"%{state}, %{config}, %{vars}, %{env}, %{public}, %{workspaced}, %{workspace-dirs}, %{deps}, %{build-deps}, %{runtime-deps}, " +
			"%{source-info}, %{artifact-cas-digest}, and our own: %{weak-key}, %{build-key} (empty until " +
			"all that it is built with is there). After a colon Python's fill, alignment and " +
			"width are understood, as in %{state: >12}. Keys are BuildStream's own strict keys; an element without one has question marks.",
		examples: []string{
			"git bst show --deps all --format '%{name} %{full-key}' target.bst",
			"git bst show --deps none --format '%{vars}' target.bst",
		},
		flags: append(placeFlags(),
			&cli.StringFlag{Name: "deps", Aliases: []string{"d"}, Value: "all", Usage: "`WHICH` dependencies to show: none, run, build or all"},
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: showFormat, Usage: "print each element as `FORMAT`"},
			&cli.StringSliceFlag{Name: "except", Usage: "leave out `ELEMENT` and what only it needs"},
			&cli.StringFlag{Name: "order", Value: "stage", Usage: "`ORDER` of the elements: stage (dependencies first) or alpha"},
		),
		action: runShow,
	}
}

func runShow(a *app, cc *cli.Context) error {
	deps, err := flow.ParseDeps(cc.String("deps"))
	if err != nil {
		return usageError{err: err}.asError()
	}
	if order := cc.String("order"); order != "stage" && order != "alpha" {
		return usagef("git bst show: --order %q: expected stage or alpha", order)
	}
	format := cc.String("format")
	if err := checkFormat(format); err != nil {
		return err
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	rows, err := session.Show(cc.Context, flow.ShowRequest{
		Elements: cc.Args().Slice(), Deps: deps, Except: cc.StringSlice("except"), Alpha: cc.String("order") == "alpha",
		States: a.json || asksCaches(format),
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if a.json {
			if err := writeJSONLine(a.stdout, shownInfo(row)); err != nil {
				return err
			}
			continue
		}
		line := project.FormatLine(format, func(name string) (string, bool) { return symbol(row, name) })
		fmt.Fprintln(a.stdout, ui.Safe(line))
	}
	return nil
}

// ourSymbols are what a format may name besides what only the project says.
var ourSymbols = map[string]func(flow.Shown) string{
	"key":                 func(r flow.Shown) string { return brief(r.Strict) },
	"full-key":            func(r flow.Shown) string { return r.Strict },
	"weak-key":            func(r flow.Shown) string { return r.Weak },
	"build-key":           func(r flow.Shown) string { return r.Build },
	"state":               func(r flow.Shown) string { return r.State },
	"workspaced":          func(flow.Shown) string { return "" },
	"workspace-dirs":      func(flow.Shown) string { return "" },
	"source-info":         func(r flow.Shown) string { return r.Sources },
	"artifact-cas-digest": func(r flow.Shown) string { return r.Files },
}

// projectSymbols are what the project says of an element.
var projectSymbols = []string{"name", "kind", "description", "config", "vars", "env", "public", "deps", "build-deps", "runtime-deps"}

// isSymbol reports whether a format may name this.
func isSymbol(name string) bool {
	_, ours := ourSymbols[name]
	return ours || slices.Contains(projectSymbols, name)
}

// symbol returns the value of a symbol for an element.
func symbol(row flow.Shown, name string) (string, bool) {
	if of, ok := ourSymbols[name]; ok {
		return of(row), true
	}
	return row.Element.Symbol(name)
}

// cacheSymbols are those for which the caches are asked.
var cacheSymbols = regexp.MustCompile(`%\{(state|build-key|artifact-cas-digest)[^}]*\}`)

func asksCaches(format string) bool { return cacheSymbols.MatchString(format) }

var symbolPattern = regexp.MustCompile(`%\{([^}:]*)(:[^}]*)?\}`)

var pythonFormat = regexp.MustCompile(`^(?::(?:.?[<>^])?[0-9]{0,4}(?:\.[0-9]{1,4})?s?)?$`)

// checkFormat refuses what BuildStream would not understand either.
func checkFormat(format string) error {
	for _, found := range symbolPattern.FindAllStringSubmatch(format, -1) {
		if !isSymbol(found[1]) {
			err := usageError{err: fmt.Errorf("git bst show: --format: unknown symbol %q", "%{"+found[1]+"}")}
			if near := hint.Nearest(found[1], slices.Concat(projectSymbols, slices.Collect(maps.Keys(ourSymbols)))); near != "" {
				err.hints = append(err.hints, "did you mean: %{"+near+"}")
			}
			return err.asError()
		}
		if !pythonFormat.MatchString(found[2]) {
			return usagef("git bst show: --format: %q: expected :[FILL][<>^][WIDTH]", found[2])
		}
	}
	return nil
}

func shownInfo(row flow.Shown) map[string]interface{} {
	info := map[string]interface{}{"schema": "git-bst.element", "version": 1}
	for _, name := range []string{"name", "kind", "description", "full-key", "weak-key", "build-key", "state", "artifact-cas-digest"} {
		if value, _ := symbol(row, name); value != "" {
			info[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	return info
}
