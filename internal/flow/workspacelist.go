package flow

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/workspace"
)

// The states of a workspace in lists.
const (
	StateClean   = "clean"   // its files are those of its commit
	StateChanged = "changed" // they are not
	StateMoved   = "moved"   // it was found elsewhere just now; that is written down
	StateMissing = "missing" // its folder is gone
	StateForeign = "foreign" // it belongs to the project that this one is a copy of
	StateBroken  = "broken"  // git can't read it
)

// WorkspaceRow is one workspace of the project.
type WorkspaceRow struct {
	workspace.Workspace
	State   string
	Problem string // why it is broken, or where it moved from
	Branch  string // "" for a detached HEAD
	Head    string // the commit that is checked out; "" before the first
	Used    bool   // it is what the element is built from
	// Last is the element's newest build from this folder, or from this workspace while it was elsewhere; nil without.
	Last *record.Record
}

// Workspaces lists the project's workspaces, the newest first.
func (s *Session) Workspaces(ctx context.Context) ([]WorkspaceRow, error) {
	list, err := s.workspaces(ctx)
	if err != nil {
		return nil, err
	}
	var rows []WorkspaceRow
	for _, known := range list {
		row, err := s.workspaceRow(ctx, known)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (s *Session) workspaceRow(ctx context.Context, known workspace.Known) (WorkspaceRow, error) {
	row := WorkspaceRow{Workspace: known.Workspace, State: string(known.Status)}
	records, err := s.env.Records.List(ctx, record.Filter{Project: known.Project, Element: localName(known.Element), Limit: compared}, nil)
	if err != nil {
		return row, err
	}
	for i := range records {
		facts := records[i].Facts
		if known.Project != "" && (facts.Workspace == known.ID || facts.WorkDir == known.Dir()) {
			row.Last = &records[i]
			break
		}
	}
	if known.Status != workspace.Ready {
		return row, nil
	}
	used, _, err := s.chosen(ctx, known.Element)
	if err != nil {
		return row, err
	}
	row.Used = used != nil && used.ID == known.ID
	row.Branch = branchOf(known.GitDir)
	options := s.gitOptions(nil)
	options.Submodules = gitint.SubmodulesLoose
	repo, err := gitint.Open(ctx, known.Dir(), options)
	var snap gitint.Snapshot
	if err == nil {
		snap, err = repo.WorkTree(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return row, ctx.Err()
	case err != nil:
		row.State, row.Problem = StateBroken, err.Error()
	case known.MovedFrom != "":
		row.State, row.Problem = StateMoved, "from "+known.MovedFrom
	case snap.Dirty:
		row.State = StateChanged
	default:
		row.State = StateClean
	}
	row.Head = snap.Commit
	return row, nil
}

// FindWorkspaces returns the workspaces that the user names: by element or by folder; "" is where the
// user stands. Those whose folder is gone count too. ErrNoWorkspace when there is none.
func (s *Session) FindWorkspaces(ctx context.Context, name string) ([]workspace.Known, error) {
	list, err := s.workspaces(ctx)
	if err != nil {
		return nil, err
	}
	var found []workspace.Known
	for _, known := range list {
		if name == "" && s.standsIn(known.ID) || name != "" && s.isNamed(known, name) {
			found = append(found, known)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if name == "" {
		return nil, hint.Add(fmt.Errorf("%w: you are in none", workspace.ErrNone), "name its element or folder; to see all: git bst workspace list")
	}
	return nil, hint.Add(fmt.Errorf("%w: %s", workspace.ErrNone, name), "to see all: git bst workspace list")
}

// isNamed reports whether name is the workspace's element, or its folder or work tree.
func (s *Session) isNamed(known workspace.Known, name string) bool {
	if known.Element == name {
		return true
	}
	dir := name
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(s.options.Dir, dir)
	}
	dir = filepath.Clean(dir)
	return dir == known.Dir() || real(dir) == real(known.Dir()) || real(dir) == real(known.Top)
}

// one returns the only workspace of a list; of several on one element that in which the user stands.
func (s *Session) one(found []workspace.Known, name string) ([]workspace.Known, error) {
	if len(found) == 1 || name == "" || found[0].Element != name {
		return found, nil // of a folder all are meant
	}
	var folders []string
	for _, known := range found {
		if s.standsIn(known.ID) {
			return []workspace.Known{known}, nil
		}
		folders = append(folders, known.Dir())
	}
	err := fmt.Errorf("%s has %d workspaces", name, len(found))
	return nil, hint.Add(err, "name the folder: "+strings.Join(folders, ", "))
}

// CloseWorkspaces forgets the named workspaces. Their work trees stay as they are.
func (s *Session) CloseWorkspaces(ctx context.Context, name string) ([]workspace.Known, error) {
	found, err := s.FindWorkspaces(ctx, name)
	if err == nil {
		found, err = s.one(found, name)
	}
	if err != nil {
		return nil, fmt.Errorf("close a workspace: %w", err)
	}
	for _, known := range found {
		if err := s.forget(ctx, known); err != nil {
			return nil, fmt.Errorf("close the workspace %s: %w", known.Dir(), err)
		}
	}
	return found, nil
}

// forget takes a workspace out of the files. One of the project that this one is a copy of stays that one's.
func (s *Session) forget(ctx context.Context, known workspace.Known) error {
	if known.Status == workspace.Foreign {
		return workspace.Drop(ctx, s.home(), known.ID)
	}
	return workspace.Forget(ctx, known.Workspace)
}

// SoftReset has the next build of the named workspaces, or of an element that has its source in the
// project's own work tree, start clean. It returns the elements.
func (s *Session) SoftReset(ctx context.Context, name string) ([]string, error) {
	found, err := s.FindWorkspaces(ctx, name)
	if err == nil {
		found, err = s.one(found, name)
	}
	if errors.Is(err, workspace.ErrNone) {
		return s.softResetInPlace(ctx, name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reset a workspace softly: %w", err)
	}
	var elements []string
	for _, known := range found {
		if known.Status != workspace.Ready {
			return nil, fmt.Errorf("reset the workspace of %s softly: %s is %s", known.Element, known.Dir(), known.Status)
		}
		if err := workspace.SoftReset(ctx, known.Workspace); err != nil {
			return nil, fmt.Errorf("reset the workspace of %s softly: %w", known.Element, err)
		}
		elements = append(elements, known.Element)
	}
	return elements, nil
}

func (s *Session) softResetInPlace(ctx context.Context, name string, none error) ([]string, error) {
	if strings.ContainsRune(name, filepath.Separator) && !strings.HasSuffix(name, ".bst") {
		return nil, none
	}
	var targets []string
	if name != "" {
		targets = []string{name}
	}
	g, err := s.load(ctx, targets)
	if err != nil {
		return nil, err
	}
	var elements []string
	for _, target := range g.project.Targets {
		if !g.nodes[target].inPlaceSource() {
			err := fmt.Errorf("reset %s softly: %w: it has none, and its source is not in this work tree", target.FullName(), workspace.ErrNone)
			return nil, hint.Addf(err, "to build it once from its sources alone: git bst build --clean %s", target.FullName())
		}
		if err := workspace.SoftResetInPlace(ctx, s.home(), target.FullName()); err != nil {
			return nil, fmt.Errorf("reset %s softly: %w", target.FullName(), err)
		}
		elements = append(elements, target.FullName())
	}
	return elements, nil
}

// inPlaceSource reports whether a source of n is a folder of the project.
func (n *node) inPlaceSource() bool {
	for _, src := range n.element.Sources {
		if src.Kind == "local" {
			return true
		}
	}
	return false
}
