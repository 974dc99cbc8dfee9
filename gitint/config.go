package gitint

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"
)

// config is what git's configuration says, from all files and the command line; the last value
// of a key wins, as for git.
type config struct {
	values map[string]string // section and name in lower case, as git prints them
	all    []Setting         // in their order
	sum    string            // names the whole configuration, wherever it is written
}

// Setting is one value in git's configuration.
type Setting struct {
	Key, Value string // section and name in lower case; a key without a value is "true"
	Origin     string // as git says it: "file:.git/config", "command line:"
}

// parseConfig reads the output of git config -z --show-origin --list.
func parseConfig(out []byte) config {
	c := config{values: map[string]string{}}
	sum := sha256.New()
	fields := strings.Split(string(out), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		key, value, ok := strings.Cut(fields[i+1], "\n")
		if !ok {
			value = "true" // a key without a value is a boolean
		}
		c.values[key] = value
		c.all = append(c.all, Setting{Key: key, Value: value, Origin: fields[i]})
		io.WriteString(sum, fields[i+1]+"\x00")
	}
	c.sum = hex.EncodeToString(sum.Sum(nil))
	return c
}

// extensions returns the names of the repository format extensions that are set.
func (c config) extensions() []string {
	var names []string
	for key := range c.values {
		if name, ok := strings.CutPrefix(key, "extensions."); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// promisor reports whether a remote may hold objects that are not here.
func (c config) promisor() bool {
	for key, value := range c.values {
		if strings.HasPrefix(key, "remote.") && strings.HasSuffix(key, ".promisor") && value != "false" {
			return true
		}
	}
	return false
}

// filters returns the names of the configured filter drivers but lfs, which this package does
// itself, sorted.
func (c config) filters() []string { return c.subsections("filter.", "lfs") }

func (c config) subsections(prefix, except string) []string {
	found := map[string]bool{}
	for key := range c.values {
		rest, ok := strings.CutPrefix(key, prefix)
		if end := strings.LastIndexByte(rest, '.'); ok && end >= 0 && rest[:end] != except {
			found[rest[:end]] = true
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// disarm returns the settings that keep git from running what the configuration names: hooks of
// git 2.54 and newer, the LFS filter always, the others without consent.
func (c config) disarm(allowFilters bool) []setting {
	var out []setting
	for _, name := range c.subsections("hook.", "") {
		out = append(out, setting{"hook." + name + ".enabled", "false"})
	}
	filters := []string{"lfs"}
	if !allowFilters {
		filters = append(filters, c.filters()...)
	}
	for _, name := range filters {
		driver := "filter." + name
		out = append(out, setting{driver + ".clean", ""}, setting{driver + ".smudge", ""}, setting{driver + ".process", ""}, setting{driver + ".required", "false"})
	}
	return out
}

// smudgers returns the settings that give a git without configuration the user's filters.
func (c config) smudgers() []setting {
	var out []setting
	for _, name := range c.filters() {
		for _, variable := range []string{".smudge", ".process", ".required"} {
			if value, ok := c.values["filter."+name+variable]; ok {
				out = append(out, setting{"filter." + name + variable, value})
			}
		}
	}
	return out
}

// setting is one variable of git's configuration. Its key may hold any character.
type setting struct{ key, value string }

// parametersVariable is how git hands what "git -c" says to its children, those that it starts in
// submodules included: 'key'='value', since git 2.31. Unlike an argument of -c, which ends the key
// at its first "=", it keeps keys whole; and nothing but -c goes before it.
const parametersVariable = "GIT_CONFIG_PARAMETERS"

// withSettings returns the variable that adds settings to what env has in it already.
func withSettings(env []string, settings []setting) string {
	var words []string
	for _, variable := range env {
		if before, ok := strings.CutPrefix(variable, parametersVariable+"="); ok && before != "" {
			words = []string{before} // the last one counts
		}
	}
	for _, s := range settings {
		words = append(words, quoteShell(s.key)+"="+quoteShell(s.value))
	}
	return parametersVariable + "=" + strings.Join(words, " ")
}

func quoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
