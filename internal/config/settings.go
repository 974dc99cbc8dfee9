package config

import "strings"

// Setting describes one setting.
type Setting struct {
	Key     string
	Form    Form
	Default string   // as in Value.Text
	Choices []string // of a Choice
	Consent Consent
	Doc     string // one sentence
}

// Form is what values look like.
type Form int

// The forms.
const (
	Text     Form = iota
	Choice        // one of Setting.Choices
	Count         // a whole number, 1 or more
	AutoNum       // a Count, or "auto"
	Size          // bytes, with a suffix K, M, G or T for powers of 1024; "none"
	Share         // a Size, or a percentage of the disk
	Duration      // such as "90m" or "1h30m"; "none"
	Path          // of a folder; "~/" is the user's home
	Inside        // a slash-separated path that stays inside the work tree
	Paths         // several absolute paths
	Globs         // several patterns of names
	Table         // names with values
)

// String returns what the documentation says of a form.
func (f Form) String() string {
	return []string{
		"text", "a choice", "a number", "a number or auto", "a size (K, M, G, T) or none",
		"a size or a percentage", "a duration (90m) or none", "a folder", "a path inside the work tree",
		"a list of absolute paths", "a list of patterns", "a table of text",
	}[f]
}

// formText is a setting's form with the choices there are.
func formText(s Setting) string {
	if len(s.Choices) > 0 {
		return "one of " + strings.Join(s.Choices, ", ") + ", as text"
	}
	return s.Form.String()
}

// Consent says what a repository's file may do with a setting.
type Consent int

// The kinds of consent.
const (
	Free   Consent = iota // it may set it
	Asked                 // only after `git bst trust`
	NoNone                // it may set it, but not to "none"
)

// Settings returns the table of all settings, sorted by key.
func Settings() []Setting {
	return []Setting{
		{Key: "build.builders", Form: AutoNum, Default: "auto", Doc: "How many elements are built at once; auto is the number of cores."},
		{Key: "build.come-and-go", Form: Globs, Consent: Asked, Doc: "Files that may be added, deleted and renamed without a clean build."},
		{Key: "build.configure-inputs", Form: Globs, Doc: "Files of which configure depends though no trace shows it: where one changes the build is clean. The patterns of all places count."},
		{Key: "build.continue", Form: Choice, Default: "auto", Choices: []string{"auto", "never"}, Doc: "Whether a changed source may be built on the last build tree: auto does where a trace of the last full build shows that it is safe."},
		{Key: "build.host-paths", Form: Paths, Consent: Asked, Doc: "Further paths of this machine that builds may read."},
		{Key: "build.ignore-listing", Form: Choice, Default: "no", Choices: []string{"no", "yes"}, Consent: Asked, Doc: "Whether a file counts as not read when only its folder was listed, as make lists those of its targets; names do not change with content, sizes do."},
		{Key: "build.max-jobs", Form: AutoNum, Default: "auto", Doc: "How many jobs one element's make or ninja runs; auto is the number of cores."},
		{Key: "build.never-continue", Form: Globs, Doc: "Elements that are not continued, as patterns of their names. The patterns of all places count."},
		{Key: "build.root", Form: Choice, Default: "sysroot", Choices: []string{"sysroot", "host"}, Doc: "What builds see as their system: the element's dependencies, as in BuildStream, or this machine's /usr, read-only."},
		{Key: "build.sandbox", Form: Choice, Default: "auto", Choices: []string{"auto", "namespaces", "bubblewrap", "none"}, Consent: NoNone, Doc: "How builds are kept apart from this machine; a result made with none can't be promoted."},
		{Key: "build.timeout", Form: Duration, Default: "none", Doc: "How long the build of one element may take."},
		{Key: "cache.budget", Form: Share, Default: "10%", Consent: Asked, Doc: "How large the cache may become; a percentage is of the disk that it is on."},
		{Key: "cache.dir", Form: Path, Consent: Asked, Doc: "Where builds are kept; by default $XDG_CACHE_HOME/git-bst."},
		{Key: "cache.keep-buildtrees", Form: Choice, Default: "auto", Choices: []string{"auto", "always", "never"}, Doc: "Whether build trees are kept in artifacts; auto keeps those of failed builds, as BuildStream does."},
		{Key: "cache.keep-failed", Form: Duration, Default: "336h", Doc: "How long the build trees of builds that did not succeed are kept, as far as there is room."},
		{Key: "fetch.jobs", Form: Count, Default: "4", Doc: "How many sources are downloaded at once."},
		{Key: "fetch.max-size", Form: Size, Default: "8G", Consent: Asked, Doc: "How large one downloaded source may be."},
		{Key: "hooks.branches", Form: Table, Consent: Asked, Doc: "What git's hooks do for branches: patterns such as wip/* with a policy as in hooks.policy; the first that matches counts."},
		{Key: "hooks.older", Form: Choice, Default: "drop", Choices: []string{"drop", "last"}, Doc: "What becomes of commits that a newer one overtakes in the background: they are not built, or built last."},
		{Key: "hooks.policy", Form: Choice, Default: "build", Choices: []string{"build", "promote", "map", "off"}, Consent: Asked, Doc: "What installed hooks do in the background: build; take only what is built under another name; read the commit's content; nothing."},
		{Key: "log.lines", Form: Count, Default: "30", Doc: "How many lines of a failed phase's log are shown."},
		{Key: "notes.update", Form: Choice, Default: "no", Choices: []string{"no", "yes"}, Consent: Asked, Doc: "Whether builds of commits are noted in refs/notes/bst, as git bst notes does it."},
		{Key: "project.element", Form: Text, Doc: "What is built when no element is named."},
		{Key: "project.options", Form: Table, Doc: "The project's options, as with -o NAME=VALUE."},
		{Key: "project.path", Form: Inside, Doc: "Where project.conf is, from the top of the work tree; by default the nearest at or above the current folder."},
		{Key: "promote.buildstream", Form: Path, Consent: Asked, Doc: "BuildStream's cache, which git bst promote copies to what others may see, where it is there; by default $XDG_CACHE_HOME/buildstream, and none is no folder."},
		{Key: "promote.trust", Form: Choice, Default: "any", Choices: []string{"any", "verified", "clean"}, Consent: Asked, Doc: "Which results may have BuildStream's own name here: any; those that are as a clean build's (built clean, resumed or verified); only those of a clean build (or verified by one)."},
		{Key: "ui.color", Form: Choice, Default: "auto", Choices: []string{"auto", "always", "never"}, Doc: "Whether colours are printed; auto does on a terminal."},
		{Key: "ui.progress", Form: Choice, Default: "auto", Choices: []string{"auto", "live", "plain"}, Doc: "How progress is printed: a live line for each running element, or plain lines."},
	}
}

// Keys returns the names of all settings, sorted.
func Keys() []string {
	var keys []string
	for _, s := range Settings() {
		keys = append(keys, s.Key)
	}
	return keys
}

// Env returns the name of the setting's environment variable, such as GIT_BST_CACHE_DIR.
func (s Setting) Env() string { return envPrefix + envName(s.Key) }

const envPrefix = "GIT_BST_"

func envName(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// lookUp returns the setting of this key.
func lookUp(key string) (Setting, bool) {
	for _, s := range Settings() {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}

// isSection reports whether settings' keys begin with name and a dot.
func isSection(name string) bool {
	for _, key := range Keys() {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}
