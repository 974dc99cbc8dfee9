package workspace

import (
	"context"
	"slices"
)

// SoftReset has the next build of a workspace start clean. It is on disk after success.
func SoftReset(ctx context.Context, w Workspace) error {
	return changeState(ctx, w.GitDir, func(s *state) error {
		found := s.find(w.ID)
		if found == nil {
			return ErrNone
		}
		found.SoftReset = NewID()
		return nil
	})
}

// SoftResetInPlace is SoftReset for an element of the project that has its source in the project's
// own work tree.
func SoftResetInPlace(ctx context.Context, home Home, element string) error {
	folder, err := home.folder()
	if err != nil {
		return err
	}
	return changeState(ctx, home.GitDir, func(s *state) error {
		s.Marks = slices.DeleteFunc(s.Marks, func(m mark) bool { return m.Folder == folder && m.Element == element })
		s.Marks = append(s.Marks, mark{ID: NewID(), Folder: folder, Element: element})
		return nil
	})
}

// Marks returns the ids of the soft resets of a project's elements in its own work tree, by element.
func Marks(home Home) (map[string]string, error) {
	s, err := readState(home.Place)
	if err != nil || len(s.Marks) == 0 {
		return nil, err
	}
	folder, err := home.folder()
	if err != nil {
		return nil, err
	}
	marks := map[string]string{}
	for _, m := range s.Marks {
		if m.Folder == folder {
			marks[m.Element] = m.ID
		}
	}
	return marks, nil
}

// Unmark takes the soft reset with this id back, after the build that it asked for. Another one, that
// was asked for since, stays.
func Unmark(ctx context.Context, gitDir, id string) error {
	return changeState(ctx, gitDir, func(s *state) error {
		s.Marks = slices.DeleteFunc(s.Marks, func(m mark) bool { return m.ID == id })
		for i := range s.Workspaces {
			if s.Workspaces[i].SoftReset == id {
				s.Workspaces[i].SoftReset = ""
			}
		}
		return nil
	})
}
