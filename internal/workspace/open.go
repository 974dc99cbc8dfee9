package workspace

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// Write puts the workspace's own side down, in the git directory of its work tree. It is not believed
// before Register has put down the project's.
func Write(ctx context.Context, w Workspace) error {
	return changeState(ctx, w.GitDir, func(s *state) error {
		s.Workspaces = append(s.Workspaces, w)
		return nil
	})
}

// LockOpening keeps other processes from opening workspaces of a project until unlock: from the look at
// what is there to the last of what is written.
func LockOpening(ctx context.Context, home Home) (unlock func(), err error) {
	file := fileIn(home.GitDir, "opening.lock")
	if err := fsx.OwnDir(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("write the state of workspaces: %w", err)
	}
	return fsx.Lock(ctx, file)
}

// Register puts the project's side down. final is where the work tree will be, which may not be there
// yet. ErrOpen when the element has another workspace in that folder.
func Register(ctx context.Context, home Home, w Workspace, final Place) error {
	folder, err := home.folder()
	if err != nil {
		return err
	}
	return changeRegistry(ctx, home.GitDir, func(r *registry) error {
		for _, e := range r.Workspaces {
			same := e.Folder == folder && e.Element == w.Element && e.Top == final.Top && e.Inside == w.Folder
			if same && agreed(e) {
				err := fmt.Errorf("open %s in %s: %w", w.Element, final.Top, ErrOpen)
				return hint.Addf(err, "to see all: git bst workspace list; to forget it: git bst workspace close %s", final.Top)
			}
		}
		r.Workspaces = slices.DeleteFunc(r.Workspaces, func(e entry) bool { // what was there and is gone
			return e.Folder == folder && e.Element == w.Element && e.Top == final.Top && e.Inside == w.Folder
		})
		r.Workspaces = append(r.Workspaces, entry{
			ID: w.ID, Folder: folder, Element: w.Element, Inside: w.Folder, Top: final.Top, GitDir: final.GitDir, Opened: w.Opened,
		})
		return nil
	})
}

// agreed reports whether the workspace that an entry names has its id.
func agreed(e entry) bool {
	s, err := readState(Place{Top: e.Top, GitDir: e.GitDir})
	return err == nil && s.find(e.ID) != nil
}

// Drop takes a workspace out of a project's registry alone: for one that is another project's.
func Drop(ctx context.Context, home Home, id string) error {
	return changeRegistry(ctx, home.GitDir, func(r *registry) error {
		r.Workspaces = slices.DeleteFunc(r.Workspaces, func(e entry) bool { return e.ID == id })
		return nil
	})
}

// Forget takes a workspace out of both files. Its work tree stays as it is. That one of the sides is
// gone already is no error.
func Forget(ctx context.Context, w Workspace) error {
	r, err := readRegistry(w.ProjectGit)
	if err == nil && r.find(w.ID) != nil {
		err = Drop(ctx, Home{Place: Place{GitDir: w.ProjectGit}}, w.ID)
	}
	if err != nil {
		return err
	}
	s, err := readState(Place{Top: w.Top, GitDir: w.GitDir})
	if err == nil && s.find(w.ID) != nil {
		return changeState(ctx, w.GitDir, func(s *state) error {
			s.Workspaces = slices.DeleteFunc(s.Workspaces, func(other Workspace) bool { return other.ID == w.ID })
			return nil
		})
	}
	return nil // what can't be read there is not believed any more
}
