package flow

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pluginKinds are the element kinds that BuildStream has in a package of its own.
var pluginKinds = []string{"autotools", "cmake", "make", "meson"}

func projectText(name, folder, kind string) string {
	text := fmt.Sprintf(`# The BuildStream project of this repository. It is built with: git bst build
name: %s
min-version: 2.0
element-path: %s
`, name, folder)
	if slices.Contains(pluginKinds, kind) {
		text += fmt.Sprintf(`
# Where BuildStream itself finds the element kind; git bst knows it.
plugins:
- origin: pip
  package-name: buildstream-plugins
  elements:
  - %s
`, kind)
	}
	return text
}

func settingsText(element string) string {
	return fmt.Sprintf(`# What git bst needs to know about this repository. All settings: git bst config

[project]
# What is built when no element is named.
element = %q

[build]
# Builds see this machine's /usr, read-only. With "sysroot" they see their dependencies only, as in
# BuildStream.
root = "host"
`, element)
}

func existingSettingsText(project string) string {
	text := "# What git bst needs to know about this repository. All settings: git bst config\n\n[project]\n"
	if project == "." {
		return text + "# What is built when no element is named.\n# element = \"NAME.bst\"\n"
	}
	return text + fmt.Sprintf("# Where project.conf is.\npath = %q\n# What is built when no element is named.\n# element = \"NAME.bst\"\n", project)
}

// The element's source is the folder of project.conf itself, in place (rule 7).
const inPlace = `
# The work tree itself, as git would commit it; this element and project.conf are not part of it.
sources:
- kind: local
  path: .
`

const parallelMake = `
environment:
  MAKEFLAGS: -j%{max-jobs}
environment-nocache:
- MAKEFLAGS
`

// elementText returns the element for a kind, and what the user should know.
func elementText(top, kind string) (text string, hints []string) {
	switch kind {
	case "configure":
		return manual(configureCommands) + parallelMake + inPlace, nil
	case "cargo":
		return manual(cargoCommands) + inPlace, cargoHints(top)
	case "go":
		return manual(goCommands) + goEnvironment + inPlace, goHints(top)
	case "make":
		return makeElement(top)
	case "manual":
		return manual(emptyCommands) + inPlace, []string{"write the commands into the element, then: git bst build"}
	}
	return "kind: " + kind + "\n" + inPlace, nil
}

func manual(commands string) string { return "kind: manual\n\nconfig:\n" + commands }

const (
	configureCommands = `  configure-commands:
  - ./configure --prefix="%{prefix}"
  build-commands:
  - make
  install-commands:
  - make -j1 DESTDIR="%{install-root}" install
`
	cargoCommands = `  build-commands:
  - cargo build --release --offline --locked
  install-commands:
  - cargo install --offline --locked --no-track --path . --root "%{install-root}%{prefix}"
`
	goCommands = `  build-commands:
  - mkdir -p .bst-out
  - go build -trimpath -buildvcs=false -o .bst-out/ ./...
  install-commands:
  - install -d "%{install-root}%{bindir}"
  - find .bst-out -type f -exec install -m 755 {} "%{install-root}%{bindir}/" \;
`
	goEnvironment = `
environment:
  GOCACHE: /tmp/go-build
  GOPATH: /tmp/go
  GOPROXY: "off"
  GOTOOLCHAIN: local
`
	emptyCommands = `  # All commands run in the folder of the sources, without a network.
  configure-commands: []
  build-commands: []
  # What is to be kept goes below %{install-root}.
  install-commands: []
`
)

const noNetwork = "builds have no network: "

func cargoHints(top string) []string {
	var hints []string
	if !exists(top, "Cargo.lock") {
		hints = append(hints, "there is no Cargo.lock, which builds take their versions from: cargo generate-lockfile, and don't have git ignore it")
	}
	if exists(top, "vendor") {
		return hints
	}
	return append(hints, noNetwork+"if it has dependencies, vendor and commit them: cargo vendor (it prints what goes to .cargo/config.toml)")
}

func goHints(top string) []string {
	module, err := readHead(filepath.Join(top, "go.mod"), 1<<20)
	if err == nil && !strings.Contains(string(module), "require") || exists(top, "vendor/modules.txt") {
		return nil
	}
	return []string{noNetwork + "vendor the dependencies and commit them: go mod vendor"}
}

func exists(top, name string) bool {
	_, err := os.Stat(filepath.Join(top, filepath.FromSlash(name)))
	return err == nil
}

// makeElement fits the install variables to what the Makefile knows. Only DESTDIR with PREFIX is
// the kind's default.
func makeElement(top string) (text string, hints []string) {
	var makefile string
	for _, name := range []string{"GNUmakefile", "makefile", "Makefile"} {
		if data, err := readHead(filepath.Join(top, name), 1<<20); err == nil {
			makefile = string(data)
			break
		}
	}
	look := "look at make-args and make-install-args in the element; to try them: git bst build"
	switch {
	case strings.Contains(makefile, "DESTDIR") && strings.Contains(makefile, "PREFIX"):
		return "kind: make\n" + inPlace, nil
	case strings.Contains(makefile, "INSTALL_TOP"):
		return "kind: make\n" + makeVariables(`INSTALL_TOP="%{install-root}%{prefix}" install`) + inPlace,
			[]string{"the Makefile installs to INSTALL_TOP, so make-install-args sets that", look}
	case strings.Contains(makefile, "DESTDIR") && strings.Contains(makefile, "prefix"):
		return "kind: make\n" + makeVariables(`prefix="%{prefix}" DESTDIR="%{install-root}" install`) + inPlace,
			[]string{"the Makefile installs to $(DESTDIR)$(prefix), so make-install-args sets these", look}
	case strings.Contains(makefile, "DESTDIR"):
		return "kind: make\n" + inPlace, nil
	}
	return "kind: make\n" + makeVariables(`PREFIX="%{install-root}%{prefix}" install`) + inPlace,
		[]string{"the Makefile knows no DESTDIR, so it may install elsewhere than below %{install-root}", look}
}

func makeVariables(install string) string {
	return fmt.Sprintf(`
variables:
  # The arguments of make for building, and for installing.
  make-args: ''
  make-install-args: '%s'
`, install)
}
