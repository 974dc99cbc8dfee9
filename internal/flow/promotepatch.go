package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/source"
)

// patchesDir is where patches are put, below the project's folder.
const patchesDir = "patches"

// patchTo makes what a commit has more than n's sources a patch behind them: a file of the project, which
// is written, and a source, which is n's from here on and in the candidate's edit. Without a difference
// there is nothing to be written.
func (s *Session) patchTo(ctx context.Context, g *graph, n *node, snap gitint.Snapshot, request PromoteRequest) (*candidate, error) {
	c := &candidate{commit: snap.Commit}
	if !source.Cached(ctx, g.sources, n.element) {
		return nil, hint.Addf(fmt.Errorf("%w: its sources are not here to compare with", ErrNothing), "git bst source fetch %s", n.element.Name)
	}
	base, err := source.StageParts(ctx, g.sources, n.element)
	if err != nil {
		return nil, err
	}
	wanted, err := s.commitRoot(ctx, g, n, snap)
	if err != nil {
		return nil, err
	}
	text, err := s.patchText(ctx, NamedTree{Root: base.Source}, NamedTree{Root: wanted, snapshot: &snap, repo: n.work.repo}, request)
	if err != nil || len(text) == 0 {
		return c, err
	}
	if c.patch, c.undo, err = writePatchFile(n.element, snap.Commit, text); err != nil {
		return nil, err
	}
	edit, err := project.AddPatch(n.element, c.patch)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	} else {
		err = s.checkUntouched(ctx, edit)
	}
	if err != nil {
		c.undo()
		return nil, err
	}
	c.edit = &edit
	if !g.project.Registers("patch") {
		s.note(n, "for BuildStream project.conf must name the plugin, under plugins: {origin: pip, package-name: buildstream-plugins, sources: [patch]}")
	}
	config := project.NewMapping()
	config.Set("path", project.NewScalar(c.patch))
	n.element.Sources = append(n.element.Sources, project.Source{Kind: "patch", Index: len(n.element.Sources), Config: config, At: n.element.At})
	made, err := source.StageParts(ctx, g.sources, n.element)
	if err == nil && made.Source != wanted {
		err = fmt.Errorf("%w: a patch can't tell all that differs: empty folders, or what the patch program does not know", ErrRefused)
	}
	if err != nil {
		c.undo()
		n.element.Sources = n.element.Sources[:len(n.element.Sources)-1]
		return nil, err
	}
	return c, nil
}

// patchText is the difference of two trees as a patch; empty where there is none.
func (s *Session) patchText(ctx context.Context, old, next NamedTree, request PromoteRequest) ([]byte, error) {
	var out bytes.Buffer
	err := s.diff(ctx, old, next, DiffRequest{NoRenames: true, Lines: true}, func(d Diffed) error {
		switch {
		case d.Text == nil:
			return fmt.Errorf("%w: %s: a patch has no folders", ErrRefused, d.Path)
		case d.Text.Binary || d.Text.Large:
			err := fmt.Errorf("%w: %s is no text, or too long: no patch can tell how it changed", ErrRefused, d.Path)
			return hint.Addf(err, "publish the commit, and promote it as the source's ref")
		}
		return request.WritePatch(&out, d)
	})
	return out.Bytes(), err
}

// writePatchFile writes a new file of the project, and returns its name below the project's folder. undo
// removes it, and its folder if that was made for it.
func writePatchFile(e *project.Element, commit string, text []byte) (name string, undo func(), err error) {
	dir := filepath.Join(e.Project.Dir, patchesDir)
	madeDir := os.Mkdir(dir, 0o777) == nil
	for i := 1; ; i++ {
		name = path.Join(patchesDir, fmt.Sprintf("%s-%s-%d.patch", artifact.NormalName(e.Name), commit[:12], i))
		file := filepath.Join(e.Project.Dir, filepath.FromSlash(name))
		if _, err := os.Lstat(file); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("write %s: %w", name, err)
		}
		undo = func() {
			_ = os.Remove(file)
			if madeDir {
				_ = os.Remove(dir) // unless there is something else in it now
			}
		}
		return name, undo, fsx.WriteFile(file, text, 0o644)
	}
}
