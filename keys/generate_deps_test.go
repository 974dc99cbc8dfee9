package keys_test

import (
	"fmt"
	"slices"
	"strings"
)

// dependencies writes what an element of a kind may depend on.
func (g *generator) dependencies(b *strings.Builder, kind string, chain, hub bool) {
	if len(g.names) == 0 {
		if kind == "filter" { // it cannot be without
			g.write("elements/base.bst", "kind: manual\n")
			b.WriteString("build-depends: [base.bst]\n")
		}
		return
	}
	picked := g.pick(chain, hub)
	switch kind {
	case "filter":
		i := slices.IndexFunc(g.kinds, func(k string) bool { return k != "stack" })
		if i < 0 {
			g.write("elements/base.bst", "kind: manual\n")
			b.WriteString("build-depends: [base.bst]\n")
			return
		}
		fmt.Fprintf(b, "build-depends: [%s]\n", g.names[i])
		if len(picked) > 0 && picked[0] != g.names[i] {
			fmt.Fprintf(b, "runtime-depends: [%s]\n", picked[0])
		}
	case "stack":
		g.list(b, "depends", picked, false)
	case "compose":
		g.list(b, "build-depends", picked, false)
	case "script":
		g.list(b, "build-depends", picked, true)
	default:
		configs := kind != "import"
		third := len(picked) / 3
		g.list(b, "build-depends", picked[:2*third], configs)
		// Some are named twice, which merges them.
		g.list(b, "runtime-depends", picked[third:len(picked)-third/2], false)
		g.typed(b, picked[len(picked)-third/2-len(picked)%2:])
	}
}

// pick returns distinct earlier elements in random order.
func (g *generator) pick(chain, hub bool) []string {
	n := min(len(g.names), g.IntN(7))
	if hub {
		n = len(g.names)
	}
	var picked []string
	for _, i := range g.Perm(len(g.names))[:n] {
		picked = append(picked, g.names[i])
	}
	if last := g.names[len(g.names)-1]; chain && !slices.Contains(picked, last) {
		picked = append(picked, last)
	}
	return picked
}

// list writes a list of dependencies in the forms that there are.
func (g *generator) list(b *strings.Builder, key string, names []string, configs bool) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	for i, name := range names {
		switch form := g.IntN(12); {
		case form == 0 && key != "runtime-depends":
			fmt.Fprintf(b, "- filename: %s\n  strict: True\n", name)
		case form == 1:
			fmt.Fprintf(b, "- filename: [%s, %s]\n", name, names[g.IntN(i+1)])
		case form == 2 && configs:
			fmt.Fprintf(b, "- filename: %s\n  config: {location: %s}\n", name, g.one("/sysroot", "/", "'%{build-root}'", "/other"))
		case form == 3:
			fmt.Fprintf(b, "- ./%s\n", name)
		case form == 4:
			fmt.Fprintf(b, "- filename: %s\n", name)
		default:
			fmt.Fprintf(b, "- %s\n", name)
		}
	}
}

func (g *generator) typed(b *strings.Builder, names []string) {
	if len(names) == 0 {
		return
	}
	b.WriteString("depends:\n")
	for _, name := range names {
		switch g.IntN(5) {
		case 0:
			fmt.Fprintf(b, "- filename: %s\n  type: %s\n", name, g.one("build", "runtime", "all"))
		case 1:
			fmt.Fprintf(b, "- filename: %s\n  (@): include/dep.yml\n", name)
		case 2:
			fmt.Fprintf(b, "- filename: %s\n%s", name, g.when("  ", "type", "runtime", "all"))
		default:
			fmt.Fprintf(b, "- %s\n", name)
		}
	}
}
