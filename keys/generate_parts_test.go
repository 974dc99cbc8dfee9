package keys_test

import (
	"fmt"
	"strings"
)

const plugins = `plugins:
- origin: pip
  package-name: buildstream-plugins
  elements: [autotools, cmake, make, meson]
  sources: [git, {kind: patch}]
- origin: pip
  package-name: buildstream-plugins-community
  sources: [git_repo]
`

func (g *generator) projectConf() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "name: %s\nmin-version: 2.%d\nelement-path: elements\n%s", g.one("gen", "g-e_n2"), g.IntN(9), plugins)
	if g.IntN(2) == 0 {
		fmt.Fprintf(b, "fatal-warnings: [%s]\n", g.one("overlaps", "undefined, overlaps", "zz, aa"))
	}
	if g.options {
		b.WriteString(optionDefinitions)
	}
	fmt.Fprintf(b, "(@):\n- include/base.yml\n- include/more.yml\n")
	fmt.Fprintf(b, "aliases:\n  up: https://up.example.org/%s\n  deep: 'https://up.example.org/%%{project-name}/prefix-'\n", g.one("", "x/"))
	fmt.Fprintf(b, "variables:\n  greeting: %s\n  empty: ''\n  late: 'late %%{greeting}'\n  odd: %s\n", g.one(`"  hello  "`, "hi", "a'b"), g.odd())
	b.WriteString(g.when("  ", "greeting", "conditional", "'other one'"))
	fmt.Fprintf(b, "environment:\n  GREETING: '%%{greeting} %%{empty}'\n  JOBS: '%%{max-jobs}'\n  ODD: %s\n", g.odd())
	b.WriteString(g.when("  ", "ODD", "conditional", "~"))
	b.WriteString("environment-nocache: [JOBS]\n")
	if g.IntN(2) == 0 {
		fmt.Fprintf(b, "split-rules:\n  devel:\n    %s:\n    - '%%{datadir}/x/**'\n  own:\n  - /own\n", g.one("(>)", "(<)", "(=)"))
	}
	if g.IntN(3) == 0 {
		fmt.Fprintf(b, "sandbox:\n  build-arch: %s\n  build-os: %s\n", g.one("x86_64", "aarch64", "i686", "PPC64le"), g.one("linux", "Linux"))
	}
	if g.IntN(2) == 0 {
		g.overrides(b)
	}
	return b.String()
}

func (g *generator) overrides(b *strings.Builder) {
	kind := g.one("manual", "autotools", "make")
	fmt.Fprintf(b, "elements:\n  %s:\n    variables:\n      own: 'own %%{greeting}'\n      strip-binaries: strip %%{own}\n", kind)
	fmt.Fprintf(b, "    config:\n      strip-commands:\n        %s:\n        - echo %%{own}\n", g.one("(>)", "(<)", "(=)"))
	fmt.Fprintf(b, "    environment: {OWN: '%%{own}', V: %s}\n    environment-nocache: [OWN]\n", g.one("'2'", "x"))
	b.WriteString("    public: {bst: {split-rules: {overridden: ['/ov/%{own}']}, integration-commands: [dropped]}, gone: {a: b}}\n")
	fmt.Fprintf(b, "  import:\n    config: {target: %s}\n", g.one("/imported", "/"))
	b.WriteString("  stack: {variables: {build-root: /elsewhere}}\n")
	fmt.Fprintf(b, "sources:\n  remote: {config: {executable: %s}}\n  tar: {config: {base-dir: %s}}\n", g.one("true", "False", "'1'"), g.one("''", "'*-x'"))
}

// includes writes files that include each other.
func (g *generator) includes() {
	base := "variables:\n  inc-var: 'inc %{project-name}'\n  greeting: overridden by the includer\n"
	g.write("include/base.yml", base+g.when("  ", "inc-var", "conditional", "'%{greeting}'")+"environment: {INC: '%{inc-var}'}\n(@): include/nested/base.yml\n")
	g.write("include/nested/base.yml", fmt.Sprintf("variables: {nested: %s, inc-var: lost}\nsplit-rules: {nested: [/nested]}\n", g.odd()))
	g.write("include/more.yml", "# a comment\nvariables: {nested: wins or not, more: '%{nested}'}\n")
	g.write("include/dep.yml", "type: build\n")
	g.write("include/element.yml", fmt.Sprintf("variables: {from-include: %s}\n(@): [include/element2.yml, include/element3.yml]\npublic: {inc: {list: [1, 2]}}\n", g.odd()))
	g.write("include/element2.yml", "variables: {from-include: lost, second: '%{from-include}'}\nenvironment: {SECOND: '%{second}'}\n"+g.when("", "description", "conditional", "no"))
	g.write("include/element3.yml", "public: {inc: {list: {(>): [3]}}}\nenvironment: {SECOND: lost, THIRD: here}\n")
	g.write("include/commands.yml", "install-commands:\n- included\n")
}

// element writes element i. A chain depends on the one before it; a hub on very many.
func (g *generator) element(i int, chain, hub bool) {
	name := fmt.Sprintf("%s%03d.bst", g.one("e", "deep/er/e", "B", "a-x/", "z.1"), g.IntN(1000))
	for _, old := range g.names {
		if old == name {
			name = fmt.Sprintf("u%03d-%d.bst", i, g.IntN(10))
		}
	}
	kind := g.one("manual", "manual", "make", "autotools", "cmake", "meson", "script", "import", "stack", "compose", "filter", "import")
	if hub {
		kind = "manual"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "kind: %s\n", kind)
	if g.IntN(5) == 0 {
		fmt.Fprintf(b, "description: %s\n", g.block("  "))
		b.WriteString("\n")
	}
	if g.IntN(4) == 0 {
		b.WriteString("(@):\n- include/element.yml\n")
	}
	g.dependencies(b, kind, chain, hub)
	if kind == "import" || kind == "manual" && g.IntN(2) == 0 || kind == "make" {
		b.WriteString("sources:\n")
		for range 1 + g.IntN(3) {
			g.source(b)
		}
	}
	g.variables(b)
	g.public(b)
	g.config(b, kind)
	if g.IntN(6) == 0 {
		fmt.Fprintf(b, "sandbox: {build-uid: %d, build-gid: '%d'%s}\n", g.IntN(2000), g.IntN(3), g.one("", ", remote-apis-socket: {path: /s.sock, action-cache-enable-update: true}", ", remote-apis-socket: {path: '%{prefix}/s'}"))
	}
	g.write("elements/"+name, b.String())
	g.names = append(g.names, name)
	g.kinds = append(g.kinds, kind)
}

func (g *generator) variables(b *strings.Builder) {
	if g.IntN(3) == 0 {
		return
	}
	fmt.Fprintf(b, "variables:\n  v1: %s\n  v2: '%%{v1}|%%{late}|%%{more}'\n", g.odd())
	if g.IntN(2) == 0 {
		fmt.Fprintf(b, "  text: %s\n\n", g.block("    "))
	}
	if g.IntN(5) == 0 {
		fmt.Fprintf(b, "  notparallel: %s\n", g.one("True", "true", "'1'", "False", "0"))
	}
	if g.IntN(5) == 0 {
		fmt.Fprintf(b, "  command-subdir: %s\n", g.one("sub", "''", "a/b"))
	}
	if g.IntN(6) == 0 {
		b.WriteString("  build-root: /src/%{element-name}\n")
	}
	b.WriteString(g.when("  ", "v3", "yes", "'%{v2}'"))
	fmt.Fprintf(b, "environment:\n  E1: %s\n  E2: %s\n  'E 3': '%%{v2}'\n", g.odd(), g.odd())
	if g.IntN(3) == 0 {
		b.WriteString("environment-nocache: [E2, JOBS]\n")
	}
}

func (g *generator) public(b *strings.Builder) {
	if g.IntN(2) == 0 {
		return
	}
	fmt.Fprintf(b, "public:\n  data:\n    list: [1, true, ~, 2.50, %s, {}, [], {a: [b, {c: d}]}]\n    map: {b: 1, a: 2, 'é': 3}\n", g.one("2011-01-01", "0x1F", "'%{prefix}'"))
	fmt.Fprintf(b, "  bst:\n    split-rules:\n      runtime:\n        %s: [/added]\n      fresh: ['/fresh/%%{element-name}']\n", g.one("(>)", "(<)", "(=)"))
	fmt.Fprintf(b, "    integration-commands:\n    - %s\n\n    overlap-whitelist: ['/usr/**']\n", g.block("      "))
}

func (g *generator) config(b *strings.Builder, kind string) {
	if g.IntN(3) == 0 {
		return
	}
	switch kind {
	case "manual", "make", "autotools", "cmake", "meson":
		fmt.Fprintf(b, "config:\n  configure-commands: ['%s', %s]\n", g.one("echo %{max-jobs}", "true"), g.one("''", "'%{late}'"))
		if kind != "manual" && kind != "make" || g.IntN(2) == 0 {
			fmt.Fprintf(b, "  build-commands:\n    (>):\n    - %s\n\n    (<): ['first']\n", g.block("      "))
		}
		b.WriteString("  (@): include/commands.yml\n")
		if g.options && g.IntN(2) == 0 {
			fmt.Fprintf(b, "  (?):\n  - %s:\n      strip-commands: {(>): [cond]}\n  - %s:\n      strip-commands: {(>): [second], (<): [zero]}\n", g.condition(), g.condition())
		}
	case "script":
		fmt.Fprintf(b, "config:\n  root-read-only: %s\n  commands:\n  - %s\n\n", g.one("true", "False"), g.block("    "))
	case "import":
		fmt.Fprintf(b, "config: {source: %s}\n", g.one("/", "/sub", "'%{prefix}'"))
	case "compose":
		fmt.Fprintf(b, "config: {integrate: %s, include: [%s], exclude: [%s], include-orphans: %s}\n", g.one("True", "False"), g.one("", "runtime, devel", "b, a"), g.one("", "doc, debug"), g.one("0", "1"))
	case "filter":
		fmt.Fprintf(b, "config: {include: [zeta, alpha], exclude: [%s], pass-integration: %s}\n", g.one("", "x"), g.one("true", "false"))
	}
}

func (g *generator) source(b *strings.Builder) {
	hex := strings.Repeat(g.one("0", "a", "9f", "1234"), 64)
	directory := g.one("", "", "  directory: sub/dir\n", "  directory: '%{late}'\n")
	versions := g.one("", "", "  version: 3.40\n", "  version-guess-pattern: '(\\d+)'\n")
	switch g.IntN(8) {
	case 0:
		fmt.Fprintf(b, "- kind: local\n  path: %s\n%s", g.one("files/tree", "files/one", "files/tree/", "./files/tree"), directory)
	case 1:
		fmt.Fprintf(b, "- kind: tar\n  url: up:dist/%%{greeting}.tar.gz\n  ref: %.64s\n%s%s%s", hex, directory, versions, g.one("", "  base-dir: ''\n", "  base-dir: x\n"))
	case 2:
		fmt.Fprintf(b, "- kind: remote\n  url: %s\n  ref: %.64s\n%s%s%s", g.one("up:file.bin", "deep:tail", "https://x.example.org/d/"), hex, directory, versions, g.one("", "  filename: other\n", "  executable: true\n"))
	case 3:
		fmt.Fprintf(b, "- kind: git\n  url: up:repo.git\n  track: main\n  ref: %s%.40s\n%s%s", g.one("", "v1.0-3-g"), hex, directory, versions)
		if g.IntN(2) == 0 {
			fmt.Fprintf(b, "  checkout-submodules: %s\n  submodules: {a/b: {url: 'up:sub.git'}, c: {checkout: %s}}\n  tags: [{tag: v1, commit: %.40s, annotated: true}]\n", g.one("true", "False"), g.one("true", "false"), hex)
		}
	case 4:
		fmt.Fprintf(b, "- kind: git_repo\n  url: %s\n  ref: %s%.40s\n%s%s", g.one("up:repo.git", "ssh://x.example.org/r"), g.one("", "v1.0-3-g"), hex, directory, versions)
	case 5:
		fmt.Fprintf(b, "- kind: patch\n  path: files/fix.patch\n%s%s", directory, g.one("", "  strip-level: 2\n", "  strip-level: '0'\n"))
	case 6:
		fmt.Fprintf(b, "- kind: tar\n  url: up:unresolved.tar\n  provenance: {homepage: 'https://x.example.org'}\n%s", g.one("  ref: "+hex[:64]+"\n", "  ref: "+hex[:64]+"\n", ""))
	default:
		fmt.Fprintf(b, "- kind: local\n  path: files/one\n%s", g.when("  ", "directory", "conditional", "''"))
	}
}
