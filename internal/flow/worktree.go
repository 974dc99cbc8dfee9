package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/workspace"
)

// workTree is an open workspace as the source of an element.
type workTree struct {
	workspace.Workspace
	repo *gitint.Repo
	snap gitint.Snapshot
	root digest.Digest // what the element is built from
	// differs: root is not what the element's own sources stage, or that is not known as they are not
	// fetched. Then the element has no strict key (rule 8). Else it is built as if there was no workspace.
	differs bool
	// hasGit: the element's kind stages a .git (rule 9).
	hasGit bool
	others int // further open workspaces of the element, which are not used
}

// differs reports whether n is built from a work tree that its own sources do not stage.
func (n *node) differs() bool { return n.work != nil && n.work.differs }

// stagesWork reports whether n's work tree is what is staged. Where it is as the element's sources that
// comes to the same, but that these need not be fetched; a .git is theirs.
func (n *node) stagesWork() bool { return n.work != nil && (n.work.differs || !n.work.hasGit) }

// workspaceDir is the folder of the workspace that n is built from; "" without.
func (n *node) workspaceDir() string {
	if n.work == nil {
		return ""
	}
	return n.work.Dir()
}

// works is what a session knows of its project's workspaces, found out once.
type works struct {
	once  sync.Once
	err   error
	known []workspace.Known
	marks map[string]string // soft resets of elements in the project's own work tree, by element
}

// home is where the project is.
func (s *Session) home() workspace.Home {
	return workspace.Home{Place: workspace.Place{Top: s.repo.TopLevel(), GitDir: s.repo.GitDir()}, Dir: real(s.dir)}
}

// workspaces returns the project's workspaces, the newest first.
func (s *Session) workspaces(ctx context.Context) ([]workspace.Known, error) {
	s.works.once.Do(func() {
		if s.works.known, s.works.err = workspace.Of(ctx, s.home()); s.works.err == nil {
			s.works.marks, s.works.err = workspace.Marks(s.home())
		}
	})
	return s.works.known, s.works.err
}

// standingElements are the elements of the workspaces in which the user stands.
func (s *Session) standingElements() []string {
	var names []string
	for _, w := range s.options.Standing.Workspaces {
		names = append(names, w.Element)
	}
	return names
}

// chosen returns the workspace that an element is built from: the one in which the user stands, else
// the newest; nil without one that can be used. others is the number of those that are not.
func (s *Session) chosen(ctx context.Context, element string) (found *workspace.Workspace, others int, err error) {
	list, err := s.workspaces(ctx)
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		if list[i].Element != element || list[i].Status != workspace.Ready {
			continue
		}
		others++
		if found == nil || s.standsIn(list[i].ID) {
			found = &list[i].Workspace
		}
	}
	return found, max(others-1, 0), nil
}

func (s *Session) standsIn(id string) bool {
	if s.options.Standing == nil {
		return false
	}
	for _, w := range s.options.Standing.Workspaces {
		if w.ID == id {
			return true
		}
	}
	return false
}

// worksAtOnce is how many work trees are read at a time: git itself uses several cores for one.
const worksAtOnce = 4

// findWorks finds the workspaces that the elements are built from, and which were reset softly.
func (s *Session) findWorks(ctx context.Context, g *graph) error {
	list, err := s.workspaces(ctx)
	if err != nil || len(list) == 0 && len(s.works.marks) == 0 {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(worksAtOnce)
	for _, n := range g.nodes {
		group.Go(func() error { return s.findWork(ctx, g, n) })
	}
	return group.Wait()
}

// findWork finds the workspace that n is built from, and whether it was reset softly.
func (s *Session) findWork(ctx context.Context, g *graph, n *node) error {
	found, others, err := s.chosen(ctx, n.element.FullName())
	if err != nil {
		return err
	}
	n.softReset = s.works.marks[n.element.FullName()]
	if found == nil {
		return nil
	}
	n.softReset = found.SoftReset
	n.work = &workTree{Workspace: *found, others: others}
	if err := s.readWork(ctx, g, n); err != nil {
		return fmt.Errorf("read the workspace of %s: %w", n.element.FullName(), err)
	}
	if n.work.differs {
		n.sources = []source.Identity{{Kind: "workspace"}}
	}
	return nil
}

// readWork takes the work tree's snapshot and compares it with the element's sources.
func (s *Session) readWork(ctx context.Context, g *graph, n *node) error {
	w := n.work
	options := s.gitOptions(nil)
	wanted := func(string) bool { return true }
	cloneable := source.Cloneable(n.element)
	if cloneable {
		all, none, some, err := source.Submodules(g.sources, n.element)
		switch {
		case err != nil:
			return err
		case none:
			options.Submodules = gitint.SubmodulesEmpty
		case !all:
			options.Submodules, wanted = gitint.SubmodulesLoose, some
		}
	}
	var err error
	if w.repo, err = gitint.Open(ctx, w.Dir(), options); err != nil {
		return err
	}
	read := w.repo.WorkTree
	if rev := s.options.Revision; rev != "" && s.standsIn(w.ID) {
		read = func(ctx context.Context) (gitint.Snapshot, error) { return w.repo.Commit(ctx, rev) }
	}
	if w.snap, err = read(ctx); err != nil {
		return err
	}
	if w.root, err = s.workRoot(ctx, w, wanted); err != nil {
		return err
	}
	return s.compareWork(ctx, g, n, cloneable)
}

// workRoot is the tree that the element sees: the snapshot below its folder, without the files of
// submodules that its configuration does not check out, and with the empty folders that git does not
// keep, as far as they are still there.
func (s *Session) workRoot(ctx context.Context, w *workTree, wanted func(string) bool) (digest.Digest, error) {
	root := w.snap.Staged
	if w.Origin == workspace.Fresh {
		root = w.snap.Canonical // what was unpacked is what is built: its attributes say nothing
	}
	var err error
	for _, sub := range w.snap.Submodules {
		if wanted(sub.Path) {
			continue
		}
		if root, err = tree.Insert(ctx, s.cas, root, sub.Path, tree.Entry{Kind: tree.KindDir, Digest: digest.Empty}); err != nil {
			return root, err
		}
	}
	root, err = tree.Subtree(ctx, s.cas, root, w.Folder)
	if errors.Is(err, tree.ErrNotFound) { // git knows no empty folders
		root, err = tree.Save(ctx, s.cas, tree.Directory{})
	}
	for _, folder := range w.Empty {
		if err != nil {
			break
		}
		_, missing := tree.Lookup(ctx, s.cas, root, folder)
		info, statErr := os.Lstat(filepath.Join(w.Dir(), filepath.FromSlash(folder)))
		if errors.Is(missing, tree.ErrNotFound) && statErr == nil && info.IsDir() {
			root, err = tree.Insert(ctx, s.cas, root, folder, tree.Entry{Kind: tree.KindDir, Digest: digest.Empty})
		}
	}
	return root, err
}

// compareWork finds out whether the work tree is what the element's sources stage, and gives it the
// .git that they would have (rule 9).
func (s *Session) compareWork(ctx context.Context, g *graph, n *node, cloneable bool) error {
	w := n.work
	own, known, err := s.ownSource(ctx, g, n)
	if err != nil {
		return err
	}
	w.hasGit = known && own.HasGit
	fetched := func() bool { return source.Cached(ctx, g.sources, n.element) }
	if known && own.Source == w.root && (!w.hasGit || fetched() && (!cloneable || s.atRef(ctx, g, n))) {
		return nil
	}
	w.differs = true
	if cloneable && w.snap.Commit != "" && w.Folder == "." {
		git, err := source.GitFor(ctx, g.sources, n.element, w.GitDir, w.snap.Commit)
		if err != nil || git.IsZero() {
			return err
		}
		w.root, err = tree.Insert(ctx, s.cas, w.root, ".git", tree.Entry{Kind: tree.KindDir, Digest: git})
		return err
	}
	if !w.hasGit || !fetched() {
		return nil
	}
	staged, err := source.StageParts(ctx, g.sources, n.element)
	if err != nil {
		return err
	}
	return s.addGit(ctx, w, staged)
}

// ownSource returns what n's own sources stage, without their .git; not known where they are not fetched,
// or are the project's work tree itself.
func (s *Session) ownSource(ctx context.Context, g *graph, n *node) (own source.Known, known bool, err error) {
	for _, id := range n.sources {
		if id.InPlace || !id.Resolved {
			return own, false, nil
		}
	}
	if own, known = source.Recall(g.sources, n.sources); known || !source.Cached(ctx, g.sources, n.element) {
		return own, known, nil
	}
	staged, err := source.StageParts(ctx, g.sources, n.element)
	if err != nil {
		return own, false, err
	}
	own = source.Known{Source: staged.Source, HasGit: staged.Root != staged.Source}
	return own, true, source.Remember(g.sources, n.sources, own)
}

// atRef reports whether the work tree is at the commit that the element names: a .git that is staged
// says so too.
func (s *Session) atRef(ctx context.Context, g *graph, n *node) bool {
	_, commit, err := source.Mirror(ctx, g.sources, n.element)
	return err == nil && commit == n.work.snap.Commit
}

// addGit adds the repositories that the element's sources stage as they are: the work tree has another
// history than they, and theirs is what a build would find.
func (s *Session) addGit(ctx context.Context, w *workTree, staged source.Staged) error {
	if staged.Root == staged.Source {
		return nil
	}
	changes, err := tree.Compare(ctx, s.cas, staged.Source, staged.Root)
	if err != nil {
		return err
	}
	for _, change := range changes {
		at := change.Path
		for path.Base(at) != ".git" && at != "." {
			at = path.Dir(at)
		}
		if path.Base(at) != ".git" {
			continue
		}
		entry, err := tree.Lookup(ctx, s.cas, staged.Root, at)
		if err != nil {
			return err
		}
		if w.root, err = tree.Insert(ctx, s.cas, w.root, at, entry); err != nil {
			return err
		}
	}
	return nil
}

// noteWorkspaces says which work trees a build takes in place of sources.
func (s *Session) noteWorkspaces(order []*node) {
	for _, n := range order {
		if n.work == nil {
			for _, known := range s.works.known {
				if known.Element == n.element.FullName() && known.Status == workspace.Missing {
					s.note(n, "its workspace "+known.Dir()+" is not there: it is built from its own sources; to forget it: git bst workspace close "+known.Dir())
				}
			}
			continue
		}
		text := "built from its workspace " + n.work.Dir()
		if !n.work.differs {
			text = "its workspace " + n.work.Dir() + " is as its sources"
		}
		if n.work.others > 0 {
			which := fmt.Sprintf(", the newest of %d", n.work.others+1)
			if s.standsIn(n.work.ID) {
				which = ", in which you are"
			}
			text += which
		}
		s.noteNewer(n)
		s.note(n, text)
	}
}

// noteNewer says which workspaces would be taken instead of the one that is, were they there.
func (s *Session) noteNewer(n *node) {
	for _, known := range s.works.known { // the newest first
		if known.ID == n.work.ID || s.standsIn(n.work.ID) {
			return
		}
		if known.Element == n.element.FullName() && known.Status == workspace.Missing {
			s.note(n, "its newer workspace "+known.Dir()+" is not there; to forget it: git bst workspace close "+known.Dir())
		}
	}
}

func (s *Session) note(n *node, text string) {
	s.env.Report(build.Event{Kind: build.EventNote, Element: n.element.FullName(), Lines: []string{text}})
}

// unmark takes a soft reset back once a build has left something that a later one may begin with: it
// ended by itself, or its configure phase did.
func (s *Session) unmark(ctx context.Context, n *node, err error) {
	if n.softReset == "" {
		return
	}
	var failure *build.Failure
	if err != nil && (!errors.As(err, &failure) || !s.leftBase(ctx, failure)) {
		return
	}
	gitDir := s.repo.GitDir()
	if n.work != nil {
		gitDir = n.work.GitDir
	}
	// A mark that can't be taken back costs a clean build more, and nothing else.
	_ = workspace.Unmark(context.WithoutCancel(ctx), gitDir, n.softReset)
}

// leftBase reports whether a build that did not succeed got as far as its build phase.
func (s *Session) leftBase(ctx context.Context, failure *build.Failure) bool {
	if failure.Result == record.Failed {
		return true
	}
	rec, err := s.env.Records.Get(context.WithoutCancel(ctx), failure.Record)
	return err == nil && len(rec.Phases) > 1
}
