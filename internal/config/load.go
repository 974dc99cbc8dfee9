package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// RepositoryFile is the name of the repository's file, at the top of the work tree.
const RepositoryFile = ".git-bst.toml"

// A Source says where Load finds settings. All of it is optional.
type Source struct {
	Environ  []string   // "NAME=value": HOME, XDG_*, GIT_BST_*
	UserFile string     // absolute; "" for $XDG_CONFIG_HOME/git-bst/config.toml. One that is named must exist.
	TopLevel string     // of the work tree, absolute; "" outside of one
	Git      []GitEntry // what `git config --get-regexp ^bst\.` lists, in git's order
	Flags    []Override
	// Consented reports whether the user has agreed to this request; nil: never.
	Consented func(Request) bool
}

// GitEntry is one line of git's configuration.
type GitEntry struct {
	Key    string // with "bst." in front
	Value  string
	Origin string // as git prints it: "file:.git/config", "command line:"
}

// Override is a setting from the command line.
type Override struct {
	Key    string
	Values []string // of a list or table several; else the last counts
	Flag   string   // such as "--builders"
}

// Load puts the settings together. Its errors are ErrInvalid with the place of the setting in
// front, or the failure to read a file. What needs a consent that is not given is left out:
// Config.CheckTrust says so.
func Load(from Source) (Config, error) {
	l := loader{from: from, home: getenv(from.Environ, "HOME"), config: Config{values: map[string]Value{}}}
	for _, step := range []func() error{l.defaults, l.userFile, l.repositoryFile, l.git, l.environment, l.flags} {
		if err := step(); err != nil {
			return Config{}, err
		}
	}
	return l.config, nil
}

type loader struct {
	from   Source
	home   string
	config Config
}

func (l *loader) put(key string, r raw, origin Origin) error {
	setting, ok := lookUp(key)
	if !ok {
		return unknownKey(origin.Place, key)
	}
	switch key { // they can only make builds clean: no place takes another's away
	case "build.configure-inputs":
		r.list = slices.Concat(l.config.Build.ConfigureInputs, r.list)
	case "build.never-continue":
		r.list = slices.Concat(l.config.Build.NeverContinue, r.list)
	}
	if err := l.config.set(setting, r, l.home); err != nil {
		return invalid(origin.Place, "%s: %v", key, err)
	}
	l.config.values[key] = Value{Key: key, Text: r.String(), Origin: origin}
	return nil
}

func (l *loader) defaults() error {
	cache := getenv(l.from.Environ, "XDG_CACHE_HOME")
	if !filepath.IsAbs(cache) && l.home != "" {
		cache = filepath.Join(l.home, ".cache")
	}
	for _, s := range Settings() {
		r := raw{text: s.Default}
		switch {
		case s.Key == "cache.dir" && filepath.IsAbs(cache):
			r.text = filepath.Join(cache, "git-bst")
		case s.Key == "cache.dir": // no home: it must be set
			l.config.values[s.Key] = Value{Key: s.Key}
			continue
		case s.Key == "promote.buildstream":
			r.text = "none"
			if filepath.IsAbs(cache) {
				r.text = filepath.Join(cache, "buildstream")
			}
		}
		if err := l.put(s.Key, r, Origin{}); err != nil {
			panic("internal error: default of " + err.Error())
		}
	}
	return nil
}

func (l *loader) userFile() error {
	file := l.from.UserFile
	if file == "" {
		dir := userDir(l.from.Environ)
		if dir == "" {
			return nil
		}
		file = filepath.Join(dir, "config.toml")
	}
	entries, err := readTOML(file)
	if errors.Is(err, fs.ErrNotExist) && l.from.UserFile == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return l.putAll(entries, User)
}

// userDir is the folder of the user's own settings; "" where the environment names none.
func userDir(environ []string) string {
	dir := getenv(environ, "XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home := getenv(environ, "HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "git-bst")
}

func (l *loader) putAll(entries []entry, layer Layer) error {
	for _, e := range entries {
		if err := l.put(e.key, e.value, Origin{Layer: layer, Place: e.place}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) repositoryFile() error {
	if l.from.TopLevel == "" {
		return nil
	}
	file := filepath.Join(l.from.TopLevel, RepositoryFile)
	if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
		return invalid(file, "is not a regular file")
	}
	entries, err := readTOML(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	request, err := requestOf(entries)
	if err != nil {
		return err
	}
	l.config.request = request
	l.config.trusted = len(request.Lines) > 0 && l.from.Consented != nil && l.from.Consented(request)
	if !l.config.trusted {
		entries, err = l.withoutRequest(entries)
	}
	if err != nil {
		return err
	}
	return l.putAll(entries, Repository)
}

// withoutRequest leaves out what needs consent, but checks it: wrong settings are errors at once.
func (l *loader) withoutRequest(entries []entry) ([]entry, error) {
	var free []entry
	for _, e := range entries {
		setting, _ := lookUp(e.key)
		if setting.Consent != Asked {
			free = append(free, e)
			continue
		}
		if err := new(Config).set(setting, e.value, l.home); err != nil {
			return nil, invalid(e.place, "%s: %v", e.key, err)
		}
	}
	return free, nil
}

func (l *loader) git() error {
	type group struct {
		values []string
		origin string
	}
	groups, order := map[string]*group{}, []string(nil)
	for _, e := range l.from.Git {
		key, ok := strings.CutPrefix(e.Key, "bst.")
		if !ok {
			continue
		}
		if groups[key] == nil {
			groups[key] = &group{}
			order = append(order, key)
		}
		groups[key].values = append(groups[key].values, e.Value)
		groups[key].origin = strings.TrimSuffix(e.Origin, ":")
	}
	for _, key := range order {
		if err := l.putText(key, groups[key].values, Origin{Layer: Git, Place: groups[key].origin}); err != nil {
			return hintGit(err, key, groups[key].origin)
		}
	}
	return nil
}

// hintGit says how to mend a setting that git gives.
func hintGit(err error, key, origin string) error {
	_, known := lookUp(key)
	file, inFile := strings.CutPrefix(origin, "file:")
	switch {
	case !inFile:
		return hint.Addf(err, "it was given by: git -c bst.%s=VALUE, or by GIT_CONFIG_* in the environment", key)
	case known:
		return hint.Addf(err, "to change it: git config --file %s bst.%s VALUE", file, key)
	}
	return hint.Addf(err, "to remove it: git config --file %s --unset-all bst.%s", file, key)
}

func (l *loader) putText(key string, texts []string, origin Origin) error {
	setting, ok := lookUp(key)
	if !ok {
		return unknownKey(origin.Place, key)
	}
	r, err := rawText(setting, texts)
	if err != nil {
		return invalid(origin.Place, "%s: %v", key, err)
	}
	return l.put(key, r, origin)
}

func (l *loader) environment() error {
	byEnv := map[string]string{}
	for _, s := range Settings() {
		byEnv[s.Env()] = s.Key
	}
	for _, variable := range l.from.Environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || strings.HasPrefix(name, envPrefix+"TEST_") {
			continue
		}
		key, ok := byEnv[name]
		if !ok {
			return unknownVariable(name)
		}
		if err := l.putText(key, []string{value}, Origin{Layer: Environment, Place: name}); err != nil {
			return err
		}
	}
	return nil
}

func unknownVariable(name string) error {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Env())
	}
	err := invalid(name, "no setting has this variable")
	if near := hint.Nearest(name, names); near != "" {
		return hint.Addf(err, "did you mean: %s", near)
	}
	return hint.Add(err, "there are: "+strings.Join(names, ", "))
}

func (l *loader) flags() error {
	for _, o := range l.from.Flags {
		if len(o.Values) == 0 {
			continue
		}
		if err := l.putText(o.Key, o.Values, Origin{Layer: Flag, Place: o.Flag}); err != nil {
			return wrongFlag{err}
		}
	}
	return nil
}

func getenv(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// readFile reads a file of settings. One that is too large to be one is an error.
func readFile(file string) ([]byte, error) {
	const limit = 1 << 20 // a file of settings has a few hundred bytes
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if info.Size() > limit {
		return nil, invalid(file, "is larger than %d bytes", limit)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return data, nil
}
