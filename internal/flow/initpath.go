package flow

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Programs says where Init looks for what builds run. The zero value looks nowhere.
type Programs struct {
	Path   []string // where the user's programs are: PATH
	Builds []string // PATH of builds; nil: BuildStream's default
	Shown  []string // what builds on the host's system see of this machine; nil: what the sandbox shows
}

// defaultPath is the PATH of elements that set none.
var defaultPath = []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"}

// shown are the host's folders that hold programs and that the sandbox shows.
var shown = []string{"/usr", "/bin", "/sbin", "/opt", "/nix/store", "/gnu/store"}

// needs are the programs that builds of a kind begin with.
var needs = map[string][]string{
	"meson": {"meson", "ninja"}, "autotools": {"make"}, "configure": {"make"}, "cmake": {"cmake"},
	"cargo": {"cargo", "rustc"}, "go": {"go"}, "make": {"make"},
}

// environmentPath finds the programs of a kind. It returns the PATH that builds need, "" for the
// default, and says what to do about programs that builds would not find.
func (p Programs) environmentPath(kind, element string) (path string, hints []string) {
	if len(p.Path) == 0 {
		return "", nil
	}
	builds, visible := p.Builds, p.Shown
	if builds == nil {
		builds = defaultPath
	}
	if visible == nil {
		visible = shown
	}
	var further []string
	for _, name := range needs[kind] {
		if p.find(name, builds, visible) != "" {
			continue
		}
		if dir := p.find(name, p.Path, visible); dir != "" {
			further = append(further, dir)
			continue
		}
		hints = append(hints, p.advice(name, element, builds))
		break // what helps against one missing program of a kind helps against the others
	}
	if len(further) == 0 {
		return "", hints
	}
	slices.Sort(further)
	return strings.Join(append(slices.Compact(further), builds...), ":"), hints
}

// find returns the first folder of path with a program that is within one of the visible folders,
// as is what it links to; nil visible: anywhere.
func (p Programs) find(name string, path, visible []string) string {
	for _, dir := range path {
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || !filepath.IsAbs(dir) {
			continue
		}
		if visible == nil || within(file, visible) && within(real(file), visible) {
			return dir
		}
	}
	return ""
}

func within(file string, folders []string) bool {
	for _, folder := range folders {
		if strings.HasPrefix(file, folder+"/") {
			return true
		}
	}
	return false
}

// advice says what to do about a program that builds do not see.
func (p Programs) advice(name, element string, builds []string) string {
	dir := p.find(name, p.Path, nil)
	if dir == "" {
		return fmt.Sprintf("there is no %s on this machine: install it, with its system packages", name)
	}
	where := filepath.Dir(real(filepath.Join(dir, name)))
	show := filepath.Dir(where)
	if filepath.Base(filepath.Dir(dir)) == ".cargo" { // rustup's own stand-in, which needs the user's home
		where, show = toolchain(filepath.Dir(filepath.Dir(dir)))
	}
	return fmt.Sprintf("builds don't see %s, as it is in %s: install the system's package of it, or let them read it: "+
		"git config --add bst.build.host-paths %s, and put into %s: environment: {PATH: \"%s\"}",
		name, dir, show, element, strings.Join(append([]string{where}, builds...), ":"))
}

// toolchain returns where rustup keeps the toolchain of a home, its programs and the whole.
func toolchain(home string) (bin, dir string) {
	found, err := filepath.Glob(filepath.Join(home, ".rustup", "toolchains", "*", "bin"))
	if err != nil || len(found) == 0 {
		found = []string{filepath.Join(home, ".rustup", "toolchains", "TOOLCHAIN", "bin")}
	}
	return found[0], filepath.Dir(found[0])
}

// withPath puts a PATH into an element's environment.
func withPath(element, path string) string {
	if path == "" {
		return element
	}
	line := "  PATH: " + path + "\n"
	if before, after, ok := strings.Cut(element, "\nenvironment:\n"); ok {
		return before + "\nenvironment:\n" + line + after
	}
	before, _, _ := strings.Cut(element, inPlace)
	return before + "\nenvironment:\n" + line + inPlace
}
