package config

import (
	"fmt"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Budget is a number of bytes or a part of a disk.
type Budget struct {
	bytes   int64
	percent int
}

// Of returns the budget in bytes on a disk of this many bytes.
func (b Budget) Of(diskBytes int64) int64 {
	if b.percent > 0 {
		return diskBytes / 100 * int64(b.percent)
	}
	return b.bytes
}

// raw is a value as it was written, before its form is known to fit.
type raw struct {
	text  string
	list  []string
	table map[string]string
}

func (r raw) String() string {
	switch {
	case r.table != nil:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(r.table)) {
			parts = append(parts, name+"="+r.table[name])
		}
		return strings.Join(parts, " ")
	case r.list != nil:
		return strings.Join(r.list, " ")
	}
	return r.text
}

// rawText reads a value from a place that knows only text: git's configuration gives several
// texts, the environment and the command line one.
func rawText(s Setting, texts []string) (raw, error) {
	switch s.Form {
	case Paths, Globs:
		var list []string
		for _, text := range texts {
			list = append(list, strings.FieldsFunc(text, func(r rune) bool { return r == ':' })...)
		}
		return raw{list: list}, nil
	case Table:
		table := map[string]string{}
		for _, text := range texts {
			for _, pair := range strings.Fields(text) {
				name, value, ok := strings.Cut(pair, "=")
				if !ok || name == "" {
					return raw{}, fmt.Errorf("%q is not NAME=VALUE", pair)
				}
				table[name] = value
			}
		}
		return raw{table: table}, nil
	}
	return raw{text: texts[len(texts)-1]}, nil
}

// set puts a value into c. home is the user's, for "~/".
func (c *Config) set(s Setting, r raw, home string) error {
	text := r.text
	switch s.Key {
	case "cache.budget":
		return setBudget(&c.Cache.Budget, text)
	case "cache.dir":
		return setFolder(&c.Cache.Dir, text, home)
	case "cache.keep-buildtrees":
		return setChoice(&c.Cache.KeepBuildTrees, text, s)
	case "cache.keep-failed":
		return setDuration(&c.Cache.KeepFailed, text)
	case "fetch.jobs":
		return setNumber(&c.Fetch.Jobs, text, "")
	case "fetch.max-size":
		return setSize(&c.Fetch.MaxSize, text)
	case "hooks.branches":
		c.Hooks.Branches = maps.Clone(r.table)
	case "hooks.older":
		return setChoice(&c.Hooks.Older, text, s)
	case "hooks.policy":
		return setChoice(&c.Hooks.Policy, text, s)
	case "log.lines":
		return setNumber(&c.Log.Lines, text, "")
	case "notes.update":
		c.Notes.Update = text == "yes"
		var choice string
		return setChoice(&choice, text, s)
	case "project.element":
		c.Project.Element = text
	case "project.options":
		c.Project.Options = maps.Clone(r.table)
	case "project.path":
		return setInside(&c.Project.Path, text)
	case "promote.buildstream":
		if text == "none" {
			c.Promote.BuildStream = ""
			return nil
		}
		return setFolder(&c.Promote.BuildStream, text, home)
	case "promote.trust":
		return setChoice(&c.Promote.Trust, text, s)
	case "ui.color":
		return setChoice(&c.UI.Color, text, s)
	case "ui.progress":
		return setChoice(&c.UI.Progress, text, s)
	default:
		return c.setBuild(s, r)
	}
	return nil
}

// setBuild puts a value into c.Build.
func (c *Config) setBuild(s Setting, r raw) error {
	text := r.text
	switch s.Key {
	case "build.builders":
		return setNumber(&c.Build.Builders, text, "auto")
	case "build.come-and-go":
		return setGlobs(&c.Build.ComeAndGo, r.list)
	case "build.configure-inputs":
		return setGlobs(&c.Build.ConfigureInputs, r.list)
	case "build.continue":
		return setChoice(&c.Build.Continue, text, s)
	case "build.host-paths":
		return setPaths(&c.Build.HostPaths, r.list)
	case "build.ignore-listing":
		c.Build.IgnoreListing = text == "yes"
		var choice string
		return setChoice(&choice, text, s)
	case "build.max-jobs":
		return setNumber(&c.Build.MaxJobs, text, "auto")
	case "build.never-continue":
		return setGlobs(&c.Build.NeverContinue, r.list)
	case "build.root":
		return setChoice(&c.Build.Root, text, s)
	case "build.sandbox":
		return setChoice(&c.Build.Sandbox, text, s)
	case "build.timeout":
		return setDuration(&c.Build.Timeout, text)
	default:
		panic("internal error: setting " + s.Key + " has no place in Config")
	}
}

// maxNumber is far above any number of jobs or lines that makes sense, and fits every int.
const maxNumber = 1 << 20

func setNumber(to *int, text, automatic string) error {
	if automatic != "" && text == automatic {
		*to = 0
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxNumber {
		if automatic != "" {
			return fmt.Errorf("%q is neither a number from 1 nor %s", text, automatic)
		}
		return fmt.Errorf("%q is not a number from 1", text)
	}
	*to = n
	return nil
}

func setChoice(to *string, text string, s Setting) error {
	if !slices.Contains(s.Choices, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(s.Choices, ", "))
	}
	*to = text
	return nil
}

func setDuration(to *time.Duration, text string) error {
	if text == "none" {
		*to = 0
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is neither a duration, such as 90m, nor none", text)
	}
	*to = d
	return nil
}

func setSize(to *int64, text string) error {
	if text == "none" {
		*to = 0
		return nil
	}
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	*to = n
	return nil
}

func setBudget(to *Budget, text string) error {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.Atoi(percent)
		if err != nil || n < 1 || n > 100 {
			return fmt.Errorf("%q is not a percentage from 1%% to 100%%", text)
		}
		*to = Budget{percent: n}
		return nil
	}
	if text == "0" { // nothing is to be kept but what is in use
		*to = Budget{}
		return nil
	}
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	*to = Budget{bytes: n}
	return nil
}

// ParseSize reads a number of bytes: "512", "10K", "1.5G"; suffixes are powers of 1024 and may be
// followed by "B" or "iB".
func ParseSize(text string) (int64, error) {
	wrong := fmt.Errorf("%q is not a size, such as 500M or 20G", text)
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	factor := float64(1)
	if i := strings.IndexAny(number, "KMGT"); i >= 0 && i == len(number)-1 {
		factor = math.Pow(1024, float64(strings.IndexByte("KMGT", number[i])+1))
		number = number[:i]
	}
	n, err := strconv.ParseFloat(number, 64)
	bytes := n * factor
	if err != nil || strings.ContainsAny(number, "EXPN_+-") || !(bytes >= 1) || bytes >= math.MaxInt64 {
		return 0, wrong
	}
	return int64(bytes), nil
}

// FormatSize writes a number of bytes for people, such as "1.5 GiB".
func FormatSize(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), 0
	for value >= 1024 && unit < 4 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGT"[unit])
}

func setFolder(to *string, text, home string) error {
	if rest, ok := strings.CutPrefix(text, "~/"); ok && home != "" {
		text = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(text) {
		return fmt.Errorf("%q is not an absolute path", text)
	}
	*to = filepath.Clean(text)
	return nil
}

func setInside(to *string, text string) error {
	if text == "" {
		*to = ""
		return nil
	}
	if !filepath.IsLocal(text) {
		return fmt.Errorf("%q leaves the work tree", text)
	}
	*to = filepath.ToSlash(filepath.Clean(text))
	return nil
}

func setGlobs(to *[]string, list []string) error {
	for _, pattern := range list {
		for part := range strings.SplitSeq(pattern, "/") {
			if _, err := path.Match(part, ""); err != nil || pattern == "" {
				return fmt.Errorf("%q is not a pattern such as *.md or docs/**", pattern)
			}
		}
	}
	*to = slices.Clone(list)
	return nil
}

func setPaths(to *[]string, list []string) error {
	for _, path := range list {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q is not an absolute path", path)
		}
	}
	*to = slices.Clone(list)
	return nil
}
