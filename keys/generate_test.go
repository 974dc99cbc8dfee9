package keys_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// generated is a project made from a seed, to be shown by BuildStream and by us.
type generated struct {
	seed    uint64
	dir     string
	options map[string]string
	count   int // of elements beside the target, all.bst
}

// generator writes a project. Every random choice comes from its seed.
type generator struct {
	*rand.Rand
	t       testing.TB
	dir     string
	names   []string // of elements, each only depends on earlier ones
	kinds   []string
	options bool
}

// generate writes the project of a seed to dir. Seeds with special remainders have special shapes: a
// deep chain, or an element with very many direct dependencies.
func generate(t testing.TB, seed uint64, dir string) generated {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 2)), t: t, dir: dir}
	count := 6 + g.IntN(24)
	switch seed % 10 {
	case 3:
		count = 120 + g.IntN(60)
	case 7:
		count = 70 + g.IntN(80)
	}
	g.options = g.IntN(4) > 0
	g.write("files/tree/a.txt", "a")
	g.write("files/tree/sub/run.sh", "#!/bin/sh\n")
	g.write("files/one", fmt.Sprint(seed))
	g.write("files/fix.patch", "--- a\n+++ b\n")
	if err := os.Chmod(filepath.Join(dir, "files/tree/sub/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	g.write("project.conf", g.projectConf())
	g.includes()
	for i := range count {
		g.element(i, seed%10 == 3, seed%10 == 7 && i == count-1)
	}
	all := "kind: stack\ndepends:\n"
	for _, i := range g.Perm(len(g.names)) {
		all += "- " + g.names[i] + "\n"
	}
	g.write("elements/all.bst", all)
	return generated{seed: seed, dir: dir, options: g.choices(), count: count}
}

func (g *generator) write(name, content string) {
	path := filepath.Join(g.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

// odd returns a scalar as YAML that readers tend to change: numbers, dates, nulls, blanks, escapes.
func (g *generator) odd() string {
	return g.one("yes", "no", "~", "null", "0x10", "2.50", "2011-01-01", "0o7", "1e3", "+1", "''", `" "`,
		`"  both ends  "`, `"tab\tquote\"back\\ \u00e9 \U0001F600 </a> & \x7f \x01"`, "'it''s'", "é中😀", `"\u2028|\u00a0x\u00a0"`,
		`"\x1cx\x1f"`, "'%{greeting}%'", `"%%{greeting} %{} %{1x} $%{prefix}"`, "'%{prefix}/%{late}'", `"%{empty} x %{empty}"`,
		"!!str 12", "!!int 7", "plain text", "'#no comment'", "'a:b'", "1_000", "TRUE", `"multi\nline"`)
}

// block returns the same kind of thing as a block scalar at an indent.
func (g *generator) block(indent string) string {
	head := g.one("|", ">", "|-", ">-", "|+", "|2")
	body := g.one("one\n{}two", "\n{}indented:\n{}  deeper %{late}\n\n{}end\n\n", "echo \"%{greeting}\"\n{}exit 0")
	if head == "|2" {
		return head + "\n" + indent + strings.ReplaceAll("    "+body, "{}", indent+"  ")
	}
	return head + "\n" + indent + strings.ReplaceAll(body, "{}", indent)
}

// condition returns an expression over the project's options.
func (g *generator) condition() string {
	atom := func() string {
		return g.one("debug", "not debug", "flavour == 'rich'", `flavour != "plain"`, "'alpha' in parts", `"beta" not in parts`,
			"arch == 'x86_64'", `arch in ["aarch64", 'x86_64',]`, "flavour in ['plain', 'none']", "(debug)", "true", "not (debug and false)", "'ri' in flavour",
			`parts == ["gamma", "alpha"]`, `os == "Linux"`, `debug == true`, `"x.bst" in mask`)
	}
	e := atom()
	for range g.IntN(3) {
		e = g.one("%s and %s", "%s or %s", "(%s) and %s", "not %s or %s", "(%s or %s)")
		e = fmt.Sprintf(e, atom(), atom())
	}
	return "'" + strings.ReplaceAll(e, "'", "''") + "'"
}

// when returns conditions at an indent that set key to one of two values, or nothing.
func (g *generator) when(indent, key, yes, no string) string {
	if !g.options {
		return ""
	}
	out := fmt.Sprintf("%s(?):\n%s- %s:\n%s    %s: %s\n", indent, indent, g.condition(), indent, key, yes)
	if g.IntN(2) == 0 {
		out += fmt.Sprintf("%s- %s:\n%s    %s: %s\n", indent, g.condition(), indent, key, no)
	}
	if g.IntN(3) == 0 {
		out += fmt.Sprintf("%s- %s:\n%s    (?):\n%s    - %s:\n%s        %s: %s\n", indent, g.condition(), indent, indent, g.condition(), indent, key, no)
	}
	return out
}

const optionDefinitions = `options:
  arch: {type: arch, description: machine, variable: arch, values: [amd64, x86_64, aarch64, i686]}
  os: {type: os, description: system, variable: os-name, values: [Linux, AIX]}
  debug: {type: bool, description: debugging, variable: debug-flag, default: False}
  flavour:
    type: enum
    description: taste
    variable: flavour
    values: [plain, rich, none]
    default: rich
  parts: {type: flags, description: parts, variable: parts-list, values: [alpha, beta, gamma], default: [gamma, alpha]}
  mask: {type: element-mask, description: mask, variable: mask, default: []}
`

// choices returns values for some options.
func (g *generator) choices() map[string]string {
	choices := map[string]string{}
	if !g.options {
		return choices
	}
	for _, c := range [][]string{{"debug", "true", "False"}, {"flavour", "plain", "none"}, {"arch", "aarch64", "i686"}, {"parts", "beta, alpha", "gamma"}, {"mask", "all.bst"}} {
		if g.IntN(2) == 0 {
			choices[c[0]] = g.one(c[1:]...)
		}
	}
	return choices
}
