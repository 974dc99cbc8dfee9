package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
)

// showFormat is BuildStream's default format.
const showFormat = "%{state: >12} %{full-key} %{name} %{workspace-dirs}"

func showCommand() command {
	return command{
		name: "show", help: "show elements, their keys and configuration", args: "[ELEMENT...]", max: many,
		about: "Prints a line for each element in FORMAT, with BuildStream's symbols: %{name}, %{kind}, %{description}, %{key}, %{full-key}, " +
			"%{state}, %{config}, %{vars}, %{env}, %{public}, %{workspaced}, %{workspace-dirs}, %{deps}, %{build-deps}, %{runtime-deps}, " +
			"%{source-info}, %{artifact-cas-digest}, and our own: %{weak-key}, %{build-key}. After a colon Python's fill, alignment and " +
			"width are understood, as in %{state: >12}. Keys are BuildStream's own strict keys; an element without one has question marks.",
		examples: []string{
			"git bst show --deps all --format '%{name} %{full-key}' target.bst",
			"git bst show --deps none --format '%{vars}' target.bst",
		},
		flags: []cli.Flag{
			optionFlag(),
			&cli.StringFlag{Name: "deps", Aliases: []string{"d"}, Value: "all", Usage: "`WHICH` dependencies to show: none, run, build or all"},
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: showFormat, Usage: "print each element as `FORMAT`"},
			&cli.StringSliceFlag{Name: "except", Usage: "leave out `ELEMENT` and what only it needs"},
			&cli.StringFlag{Name: "order", Value: "stage", Usage: "`ORDER` of the elements: stage (dependencies first) or alpha"},
		},
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
		fmt.Fprintln(a.stdout, formatShown(format, row))
	}
	return nil
}

// symbols are what a format may name.
var symbols = map[string]func(flow.Shown) string{
	"name": func(r flow.Shown) string { return r.Element.Name },
	"kind": func(r flow.Shown) string { return r.Element.Kind },
	"description": func(r flow.Shown) string {
		return strings.Join(strings.FieldsFunc(r.Element.Description, isLineEnd), " ")
	},
	"key":                 func(r flow.Shown) string { return brief(r.Strict) },
	"full-key":            func(r flow.Shown) string { return r.Strict },
	"weak-key":            func(r flow.Shown) string { return r.Weak },
	"build-key":           func(r flow.Shown) string { return r.Build },
	"state":               func(r flow.Shown) string { return r.State },
	"workspaced":          func(flow.Shown) string { return "" },
	"workspace-dirs":      func(flow.Shown) string { return "" },
	"artifact-cas-digest": func(r flow.Shown) string { return r.Files },
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

// cacheSymbols are those for which the caches are asked.
var cacheSymbols = regexp.MustCompile(`%\{(state|build-key|artifact-cas-digest)[^}]*\}`)

func asksCaches(format string) bool { return cacheSymbols.MatchString(format) }

// symbolPattern is a symbol with Python's format: [[fill]align][width].
var symbolPattern = regexp.MustCompile(`%\{([a-z-]+)([^}]*)\}`)

var pythonFormat = regexp.MustCompile(`^(?::(?:(.)?([<>^]))?0?([0-9]{0,4})(?:\.([0-9]{1,4}))?s?)?$`)

func checkFormat(format string) error {
	for _, found := range symbolPattern.FindAllStringSubmatch(format, -1) {
		if symbols[found[1]] == nil {
			return usagef("git bst show: --format: unknown symbol %q", "%{"+found[1]+"}")
		}
		if !pythonFormat.MatchString(found[2]) {
			return usagef("git bst show: --format: %q: expected :[FILL][<>^][WIDTH]", found[2])
		}
	}
	return nil
}

func formatShown(format string, row flow.Shown) string {
	return symbolPattern.ReplaceAllStringFunc(format, func(found string) string {
		parts := symbolPattern.FindStringSubmatch(found)
		return pad(symbols[parts[1]](row), pythonFormat.FindStringSubmatch(parts[2]))
	})
}

// pad applies Python's format: fill, alignment, width, precision.
func pad(text string, spec []string) string {
	number := func(s string) int {
		n := 0
		for _, digit := range s {
			n = n*10 + int(digit-'0')
		}
		return n
	}
	if spec == nil {
		return text
	}
	runes := []rune(text)
	if spec[4] != "" && number(spec[4]) < len(runes) {
		runes = runes[:number(spec[4])]
	}
	fill := spec[1]
	if fill == "" {
		fill = " "
	}
	missing := number(spec[3]) - len(runes)
	if missing <= 0 {
		return string(runes)
	}
	before := 0
	switch spec[2] {
	case ">":
		before = missing
	case "^":
		before = missing / 2
	}
	return strings.Repeat(fill, before) + string(runes) + strings.Repeat(fill, missing-before)
}

func shownInfo(row flow.Shown) map[string]interface{} {
	info := map[string]interface{}{"schema": "git-bst.element", "version": 1}
	for _, name := range []string{"name", "kind", "description", "full-key", "weak-key", "build-key", "state", "artifact-cas-digest"} {
		if value := symbols[name](row); value != "" {
			info[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	return info
}
