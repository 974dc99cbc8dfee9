package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// The names of the files below "bst" in a git directory, and the newest version of their form.
const (
	stateFile    = "workspaces.json"
	registryFile = "registry.json"
	version      = 1
)

// state is the file of a work tree.
type state struct {
	Version    int         `json:"version"`
	Workspaces []Workspace `json:"workspaces"`
	// Marks are requests to build clean the elements of the project in this very work tree.
	Marks []mark `json:"soft_resets,omitempty"`
}

// mark is a request to build an element clean the next time.
type mark struct {
	ID      string `json:"id"`
	Folder  string `json:"folder"` // the project's, below the work tree's top
	Element string `json:"element"`
}

// registry is the file of a project's work tree.
type registry struct {
	Version    int     `json:"version"`
	Workspaces []entry `json:"workspaces"`
}

// entry is what a project knows of a workspace. The rest is in the workspace's own state.
type entry struct {
	ID      string    `json:"id"`
	Folder  string    `json:"folder"` // the project's, below its work tree's top
	Element string    `json:"element"`
	Inside  string    `json:"inside"` // the folder that the element sees, below Top
	Top     string    `json:"top"`
	GitDir  string    `json:"git_dir"`
	Opened  time.Time `json:"opened"`
}

func fileIn(gitDir, name string) string { return filepath.Join(gitDir, "bst", name) }

// read decodes a file into v. None is no error; only this user's own file in this user's own folder
// is read.
func read(gitDir, name string, v any) error {
	file := fileIn(gitDir, name)
	err := fsx.CheckOwnDir(filepath.Dir(file))
	var data []byte
	if err == nil {
		data, err = fsx.ReadOwn(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state of workspaces: %w", err)
	}
	var head struct {
		Version int `json:"version"`
	}
	if err = json.Unmarshal(data, &head); err == nil && head.Version > version {
		return fmt.Errorf("read the state of workspaces in %s: %w", file, ErrNewer)
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		err = fmt.Errorf("read the state of workspaces in %s: %w", file, err)
		return hint.Addf(err, "to start anew (no work tree is touched): rm %s", file)
	}
	return nil
}

// change reads a file, has edit change it and writes it, under the file's lock. edit's error ends it,
// and nothing is written then.
func change(ctx context.Context, gitDir, name string, v any, edit func() error) error {
	file := fileIn(gitDir, name)
	if err := fsx.OwnDir(filepath.Dir(file)); err != nil {
		return fmt.Errorf("write the state of workspaces: %w", err)
	}
	unlock, err := fsx.Lock(ctx, file+".lock")
	if err != nil {
		return fmt.Errorf("write the state of workspaces: %w", err)
	}
	defer unlock()
	if err := read(gitDir, name, v); err != nil {
		return err
	}
	if err := edit(); err != nil {
		return err
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write the state of workspaces: %w", err)
	}
	return fsx.WriteFile(file, append(data, '\n'), 0o644)
}

// readState returns the workspaces of a work tree. What leads out of it is left out.
func readState(place Place) (state, error) {
	var s state
	if err := read(place.GitDir, stateFile, &s); err != nil {
		return s, err
	}
	kept := s.Workspaces[:0]
	for _, w := range s.Workspaces {
		if !filepath.IsLocal(filepath.FromSlash(w.Folder)) || !filepath.IsAbs(w.ProjectDir) || !filepath.IsAbs(w.ProjectGit) || w.ID == "" {
			continue
		}
		w.Top, w.GitDir = place.Top, place.GitDir
		kept = append(kept, w)
	}
	s.Workspaces = kept
	return s, nil
}

func changeState(ctx context.Context, gitDir string, edit func(s *state) error) error {
	s := state{Version: version}
	return change(ctx, gitDir, stateFile, &s, func() error { return edit(&s) })
}

// readRegistry returns what the project in a folder knows.
func readRegistry(gitDir string) (registry, error) {
	var r registry
	if err := read(gitDir, registryFile, &r); err != nil {
		return r, err
	}
	kept := r.Workspaces[:0]
	for _, e := range r.Workspaces {
		if filepath.IsAbs(e.Top) && filepath.IsAbs(e.GitDir) && filepath.IsLocal(filepath.FromSlash(e.Inside)) && e.ID != "" {
			kept = append(kept, e)
		}
	}
	r.Workspaces = kept
	return r, nil
}

func changeRegistry(ctx context.Context, gitDir string, edit func(r *registry) error) error {
	r := registry{Version: version}
	return change(ctx, gitDir, registryFile, &r, func() error { return edit(&r) })
}

func (s *state) find(id string) *Workspace {
	for i := range s.Workspaces {
		if s.Workspaces[i].ID == id {
			return &s.Workspaces[i]
		}
	}
	return nil
}

func (r *registry) find(id string) *entry {
	for i := range r.Workspaces {
		if r.Workspaces[i].ID == id {
			return &r.Workspaces[i]
		}
	}
	return nil
}

// topOf returns the top of the work tree that a git directory belongs to, as far as it can be told: a
// linked work tree's git directory names it, git keeps that up to date when it is moved. "" when
// neither that nor the old top is there.
func topOf(gitDir, old string) string {
	if text, err := os.ReadFile(filepath.Join(gitDir, "gitdir")); err == nil {
		dotGit := strings.TrimSpace(string(text))
		if !filepath.IsAbs(dotGit) { // worktree.useRelativePaths
			dotGit = filepath.Join(gitDir, dotGit)
		}
		if _, err := os.Lstat(dotGit); err == nil && filepath.Base(dotGit) == ".git" {
			return filepath.Dir(dotGit)
		}
		return ""
	}
	if _, err := os.Lstat(filepath.Join(old, ".git")); err == nil {
		return old
	}
	return ""
}
