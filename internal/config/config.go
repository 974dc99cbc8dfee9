// Package config holds the settings of git-bst: one immutable Config value, put together from
// defaults, the user's config.toml, the repository's .git-bst.toml, `git config bst.*`, variables
// GIT_BST_* and flags, in this order; later wins. Every setting is one line of the table in
// settings.go, which the documentation is made from too.
//
// Words: a setting is a named value ("build.builders"); its origin is where it was given last; a
// request is what a repository's file asks for that needs the user's consent.
package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/hint"
)

var (
	// ErrInvalid is returned for a setting that is unknown or has a value that it can't have.
	ErrInvalid = errors.New("invalid setting")
	// ErrFlag is returned, beside ErrInvalid, for a value of the command line.
	ErrFlag = errors.New("invalid value of a flag")
	// ErrNeedsTrust is returned when the repository asks for what the user has not agreed to.
	ErrNeedsTrust = errors.New("the repository asks for what needs your consent")
)

// Config is the settings of one run. Use it as a value: nothing changes it after Load.
type Config struct {
	Cache   Cache
	Build   Build
	Project Project
	Log     Log
	UI      UI
	Fetch   Fetch
	Hooks   Hooks
	Notes   Notes
	Promote Promote

	values  map[string]Value
	request Request
	trusted bool
}

// Cache is about $XDG_CACHE_HOME/git-bst.
type Cache struct {
	Dir            string // absolute
	Budget         Budget
	KeepBuildTrees string        // auto, always or never
	KeepFailed     time.Duration // of trees of builds that did not succeed; 0: like those of others
}

// Build is about running an element's commands.
type Build struct {
	Builders  int // elements at once; 0: as many as there are cores
	MaxJobs   int // jobs of one element's make; 0: as many as there are cores
	Sandbox   string
	Root      string        // sysroot or host
	Continue  string        // never or auto
	Timeout   time.Duration // of one element; 0: none
	HostPaths []string      // absolute, made visible in the sandbox, read-only
	// ConfigureInputs, ComeAndGo and NeverContinue are patterns, as plan.Policies explains them.
	ConfigureInputs, ComeAndGo []string
	NeverContinue              []string // elements' names
	IgnoreListing              bool
}

// Project is about which project and element a repository is for.
type Project struct {
	Path    string            // of the folder with project.conf, slash-separated, from the top of the work tree; "": the nearest
	Element string            // what is built when no element is named; "" if nothing is set
	Options map[string]string // the project's options
}

// Log is about the logs of builds.
type Log struct {
	Lines int // shown of a failed phase's log
}

// UI is about what is printed.
type UI struct {
	Color    string // auto, always or never
	Progress string // auto, live or plain
}

// Fetch is about downloading sources.
type Fetch struct {
	Jobs    int   // downloads at once
	MaxSize int64 // bytes of one download; 0: no limit
}

// Hooks is about what git's hooks start.
type Hooks struct {
	Policy   string            // build, promote, map or off
	Branches map[string]string // policies by pattern of the branch
	Older    string            // drop or last
}

// Notes is about git's notes.
type Notes struct {
	Update bool // builds are noted
}

// Promote is about which results may have BuildStream's own names, and who sees them.
type Promote struct {
	Trust       string // any, verified or clean
	BuildStream string // BuildStream's cache, absolute; "": none
}

// Value is one setting as it holds, for people.
type Value struct {
	Key    string
	Text   string // list items are separated by a blank
	Origin Origin
}

// Origin says where a value was given.
type Origin struct {
	Layer Layer
	Place string // "file:line:column", "file:.git/config", "GIT_BST_X" or "--builders"; "" for a default
}

// Layer is one of the places where settings are given; a later one wins.
type Layer int

// The layers, weakest first.
const (
	Default     Layer = iota
	User              // the user's config.toml
	Repository        // .git-bst.toml at the top of the work tree
	Git               // git config bst.*
	Environment       // GIT_BST_*
	Flag              // the command line
)

// String returns the layer's name, as `git bst config --show-origin` prints it.
func (l Layer) String() string {
	return []string{"default", "user", "repository", "git", "environment", "flag"}[l]
}

// String returns "layer:place" or "default".
func (o Origin) String() string {
	if o.Place == "" {
		return o.Layer.String()
	}
	return o.Layer.String() + ":" + o.Place
}

// Values returns all settings, sorted by key.
func (c Config) Values() []Value {
	return slices.SortedFunc(maps.Values(c.values), func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
}

// Value returns one setting. An unknown key is ErrInvalid with the nearest name as a hint.
func (c Config) Value(key string) (Value, error) {
	if v, ok := c.values[key]; ok {
		return v, nil
	}
	return Value{}, unknownKey("", key)
}

// Request returns what the repository's file asks for that needs consent; it may be empty.
func (c Config) Request() Request { return c.request }

// CheckTrust returns ErrNeedsTrust if the repository's file asks for something that the user has
// not agreed to. Commands that run anything or reach a server call it; those that only look
// don't: what was asked for without consent is not in Config.
func (c Config) CheckTrust() error {
	if c.trusted || len(c.request.Lines) == 0 {
		return nil
	}
	err := fmt.Errorf("%w: %s", ErrNeedsTrust, strings.Join(c.request.Lines, ", "))
	return hint.Add(err, "to see it: git bst trust --list", "to agree: git bst trust")
}

// invalid is ErrInvalid at a place.
func invalid(place, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if place != "" {
		text = place + ": " + text
	}
	return settingError{text}
}

// settingError is an ErrInvalid whose text is all there is to say.
type settingError struct{ text string }

func (e settingError) Error() string        { return e.text }
func (e settingError) Is(target error) bool { return target == ErrInvalid }

// wrongFlag is an ErrInvalid from the command line.
type wrongFlag struct{ error }

func (e wrongFlag) Unwrap() error        { return e.error }
func (e wrongFlag) Is(target error) bool { return target == ErrFlag }

func unknownKey(place, key string) error {
	err := invalid(place, "unknown setting %q", key)
	if near := hint.Nearest(key, Keys()); near != "" {
		return hint.Addf(err, "did you mean: %s", near)
	}
	return hint.Add(err, "there are: "+strings.Join(Keys(), ", "))
}
