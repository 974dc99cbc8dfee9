package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// Status says whether a workspace can be used.
type Status string

// The values of Status.
const (
	Ready   Status = "ready"
	Missing Status = "missing" // its folder is gone, or has another repository
	Foreign Status = "foreign" // it belongs to the project that this one is a copy of
)

// Known is a workspace as its project sees it. Where it is not Ready, only what the registry has is
// filled in.
type Known struct {
	Workspace
	Status    Status
	MovedFrom string // the old top of a work tree that was found elsewhere just now; else ""
}

// Of returns the workspaces of a project, the newest first. What has moved since is brought up to
// date in the files, where these can be written.
func Of(ctx context.Context, home Home) ([]Known, error) {
	r, err := readRegistry(home.GitDir)
	if err != nil || len(r.Workspaces) == 0 {
		return nil, err
	}
	folder, err := home.folder()
	if err != nil {
		return nil, err
	}
	var list []Known
	for _, e := range r.Workspaces {
		if e.Folder == folder {
			list = append(list, look(ctx, home, e))
		}
	}
	slices.SortStableFunc(list, func(a, b Known) int { return b.Opened.Compare(a.Opened) })
	return list, nil
}

// look finds out what is behind an entry.
func look(ctx context.Context, home Home, e entry) Known {
	known := Known{Status: Missing, Workspace: Workspace{
		ID: e.ID, Element: e.Element, Folder: e.Inside, Opened: e.Opened, Top: e.Top, GitDir: e.GitDir, ProjectDir: home.Dir, ProjectGit: home.GitDir,
	}}
	top := topOf(e.GitDir, e.Top)
	if top == "" {
		return known
	}
	s, err := readState(Place{Top: top, GitDir: e.GitDir})
	if err != nil {
		return known
	}
	found := s.find(e.ID)
	if found == nil || found.Element != e.Element {
		return known
	}
	if found.ProjectGit != home.GitDir && registered(found.ProjectGit, e.ID) {
		known.Workspace, known.Status = *found, Foreign
		return known
	}
	if info, err := os.Stat(found.Dir()); err != nil || !info.IsDir() {
		return known
	}
	known.Workspace, known.Status = *found, Ready
	if top != e.Top {
		known.MovedFrom = e.Top
	}
	known.heal(ctx, home, known.MovedFrom != "")
	return known
}

// registered reports whether the project with this git directory knows the id.
func registered(gitDir, id string) bool {
	r, err := readRegistry(gitDir)
	return err == nil && r.find(id) != nil
}

// heal writes down where both sides are now. It is a help only: what can't be written is found out
// again the next time.
func (k *Known) heal(ctx context.Context, home Home, moved bool) {
	if k.ProjectDir != home.Dir || k.ProjectGit != home.GitDir {
		k.ProjectDir, k.ProjectGit = home.Dir, home.GitDir
		_ = changeState(ctx, k.GitDir, func(s *state) error {
			if w := s.find(k.ID); w != nil {
				w.ProjectDir, w.ProjectGit = home.Dir, home.GitDir
			}
			return nil
		})
	}
	if !moved {
		return
	}
	_ = changeRegistry(ctx, home.GitDir, func(r *registry) error {
		if e := r.find(k.ID); e != nil {
			e.Top, e.GitDir = k.Top, k.GitDir
		}
		return nil
	})
}

// Standing is where the user stands: in the folder of workspaces.
type Standing struct {
	Dir        string      // the folder that their elements see; absolute
	ProjectDir string      // of their project
	Workspaces []Workspace // the newest first
}

// At returns the workspaces in whose folder dir is, of several folders the nearest; nil when there
// are none, or when a project.conf is as near. What is not believed is not returned, with the reason as
// the error: ErrProjectGone, ErrNotAgreed, ErrCopy; of several projects the newest workspace decides.
func At(ctx context.Context, place Place, dir string) (*Standing, error) {
	s, err := readState(place)
	if err != nil || len(s.Workspaces) == 0 {
		return nil, err
	}
	slices.SortStableFunc(s.Workspaces, func(a, b Workspace) int { return b.Opened.Compare(a.Opened) })
	var refused error
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, "project.conf")); err == nil {
			return nil, nil
		}
		var found *Standing
		for _, w := range s.Workspaces {
			if w.Dir() != at {
				continue
			}
			if err := confirm(ctx, &w); err != nil {
				if refused == nil {
					refused = err
				}
				continue
			}
			if found == nil {
				found = &Standing{Dir: at, ProjectDir: w.ProjectDir}
			}
			if w.ProjectDir == found.ProjectDir {
				found.Workspaces = append(found.Workspaces, w)
			}
		}
		if found != nil {
			return found, nil
		}
		if at == place.Top || len(at) <= len(place.Top) || !strings.HasPrefix(at, place.Top) {
			return nil, refused
		}
	}
}

// confirm asks the project's registry about a workspace whose state was found in a work tree.
func confirm(ctx context.Context, w *Workspace) error {
	if _, err := os.Lstat(filepath.Join(w.ProjectDir, "project.conf")); err != nil {
		err := fmt.Errorf("%w: %s", ErrProjectGone, w.ProjectDir)
		return hint.Add(err, "if it was moved: git -C NEW-FOLDER bst workspace list lets it find its workspaces",
			"to forget the workspace: git bst workspace close")
	}
	r, err := readRegistry(w.ProjectGit)
	if err != nil {
		return err
	}
	e := r.find(w.ID)
	if e == nil || e.Element != w.Element {
		err := fmt.Errorf("%w: %s of %s", ErrNotAgreed, w.Element, w.ProjectDir)
		return hint.Addf(err, "if this is yours: git -C %s bst workspace open --attach %s %s", w.ProjectDir, w.Element, w.Dir())
	}
	if e.Top == w.Top && e.GitDir == w.GitDir {
		return nil
	}
	if e.GitDir != w.GitDir && topOf(e.GitDir, e.Top) != "" && agreed(*e) {
		err := fmt.Errorf("%w: the workspace of %s is %s", ErrCopy, w.Element, e.Top)
		return hint.Addf(err, "to use this one too: git -C %s bst workspace open --attach %s %s", w.ProjectDir, w.Element, w.Dir())
	}
	_ = changeRegistry(ctx, w.ProjectGit, func(r *registry) error { // it was moved
		if e := r.find(w.ID); e != nil {
			e.Top, e.GitDir, e.Inside = w.Top, w.GitDir, w.Folder
		}
		return nil
	})
	return nil
}

// In returns the workspaces of a work tree, whether their projects know them or not.
func In(place Place) ([]Workspace, error) {
	s, err := readState(place)
	return s.Workspaces, err
}

// Disown takes the workspaces in whose folder dir is out of the work tree's own file, of several folders
// those of the nearest, and leaves their projects alone. It returns them. It is for those that At does not
// believe.
func Disown(ctx context.Context, place Place, dir string) ([]Workspace, error) {
	all, err := In(place)
	if err != nil {
		return nil, err
	}
	var nearest []Workspace
	for _, w := range all {
		if _, err := Below(w.Dir(), dir); err != nil {
			continue
		}
		if len(nearest) > 0 && len(w.Dir()) > len(nearest[0].Dir()) {
			nearest = nil
		}
		if len(nearest) == 0 || nearest[0].Dir() == w.Dir() {
			nearest = append(nearest, w)
		}
	}
	if len(nearest) == 0 {
		return nil, nil
	}
	return nearest, changeState(ctx, place.GitDir, func(s *state) error {
		s.Workspaces = slices.DeleteFunc(s.Workspaces, func(other Workspace) bool {
			return slices.ContainsFunc(nearest, func(w Workspace) bool { return w.ID == other.ID })
		})
		return nil
	})
}

// Names returns the workspaces that a project's registry names, as far as it tells, without looking at
// them: elements and work trees, for completion.
func Names(gitDir string) []Workspace {
	r, err := readRegistry(gitDir)
	if err != nil {
		return nil
	}
	var list []Workspace
	for _, e := range r.Workspaces {
		list = append(list, Workspace{ID: e.ID, Element: e.Element, Folder: e.Inside, Top: e.Top, GitDir: e.GitDir})
	}
	return list
}
