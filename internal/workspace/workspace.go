// Package workspace knows which git work trees stand in for the sources of which elements.
//
// A workspace is an element of a project that is built from a folder of a git work tree in place
// of its own sources. The project's folder may be anywhere else on the machine. Both sides keep a
// file, in a folder "bst" of their own git directory, so that nothing of ours shows in a work tree
// and `git clean` does not touch it:
//
//   - the state, in the workspace's: which project, element and options, and how it was opened;
//   - the registry, in the project's: which work trees.
//
// Each entry has an id, a random number. A side is believed only where the other one has the same
// id: a git directory that came out of an archive can't make us build somebody's project, nor read
// a folder that nobody opened. A copy of a workspace or project has the ids too; it is told from a
// moved one by the original, which is still there.
//
// Every change of a file is made under its lock and written whole, so any number of processes may
// work at once and be killed.
package workspace

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path/filepath"
	"time"
)

var (
	// ErrNone: there is no such workspace.
	ErrNone = errors.New("no such workspace")
	// ErrOpen: the element has a workspace in that folder already.
	ErrOpen = errors.New("it is open already")
	// ErrNotAgreed: the project's registry does not know the workspace: it was closed, or copied, or
	// the project was moved.
	ErrNotAgreed = errors.New("the project does not know this workspace")
	// ErrCopy: it is a copy of a workspace that is still where it was opened.
	ErrCopy = errors.New("a copy of a workspace")
	// ErrProjectGone: the project is not where it was.
	ErrProjectGone = errors.New("the workspace's project is not there")
	// ErrNewer: a newer program wrote the file.
	ErrNewer = errors.New("written by a newer git-bst")
)

// Origin says where a workspace's work tree came from.
type Origin string

// The origins.
const (
	Clone    Origin = "clone"    // we cloned the element's git source
	Worktree Origin = "worktree" // we had git add a work tree to an existing clone
	Fresh    Origin = "fresh"    // we made a repository whose first commit is the staged source
	Attached Origin = "attached" // it was there
)

// Workspace is one element that is built from a work tree. The zero value is none.
type Workspace struct {
	ID      string            `json:"id"`
	Project string            `json:"project"` // its name
	Element string            `json:"element"`
	Options map[string]string `json:"options,omitempty"` // of the project, as given when it was opened

	// Folder is what the element sees, slash-separated below the work tree's top; "." is all.
	Folder string    `json:"folder"`
	Origin Origin    `json:"origin"`
	Opened time.Time `json:"opened"`
	// Commit is the one that the work tree was at when it was opened; "" when there was none.
	Commit string `json:"commit,omitempty"`
	// Empty lists folders of the source that have nothing in them, slash-separated below Folder: git
	// does not keep these. They are part of what is built as long as they are there.
	Empty []string `json:"empty_folders,omitempty"`
	// SoftReset is the id of a request to build clean the next time; "" is none.
	SoftReset string `json:"soft_reset,omitempty"`

	// ProjectDir is the folder that holds project.conf, ProjectGit the git directory of its work
	// tree; both absolute.
	ProjectDir string `json:"project_dir"`
	ProjectGit string `json:"project_git"`

	// Top is the absolute path of the work tree's top, GitDir that of its own git directory. They are
	// where the state was found, and not part of it.
	Top    string `json:"-"`
	GitDir string `json:"-"`
}

// Dir is the absolute path of the folder that the element sees.
func (w Workspace) Dir() string { return filepath.Join(w.Top, filepath.FromSlash(w.Folder)) }

// Place is a work tree: its top and its own git directory, absolute.
type Place struct{ Top, GitDir string }

// Home is where a project is: its work tree, and its folder.
type Home struct {
	Place
	Dir string // holds project.conf; absolute, at or below Top
}

// folder is the project's folder below its work tree's top, slash-separated.
func (h Home) folder() (string, error) { return Below(h.Top, h.Dir) }

// Below returns the slash-separated path of dir below top, "." for top itself. Both are absolute.
func Below(top, dir string) (string, error) {
	rel, err := filepath.Rel(top, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errors.New(dir + " is not within " + top)
	}
	return filepath.ToSlash(rel), nil
}

// NewID returns an id that nobody can guess: 128 random bits.
func NewID() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails: crypto/rand
	return hex.EncodeToString(bits[:])
}
