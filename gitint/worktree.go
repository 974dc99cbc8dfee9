package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/internal/hint"
)

// WorkTree returns the snapshot of the files as they are: what `git add -A && git commit` would
// commit, but for submodules, which are taken as their work trees are (rule 5). What differs from
// the index is in the store afterwards, so later edits do not matter; see Ensure for the rest.
// The errors are ErrBare, ErrNested, ErrSparse, ErrSubmodule, ErrName and ErrGit.
func (r *Repo) WorkTree(ctx context.Context) (Snapshot, error) {
	s, err := r.workTree(ctx)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of work tree %s: %w", r.place.topLevel, err)
	}
	return s, nil
}

// Index returns the snapshot of what `git commit` would commit: the index. The errors are those
// of WorkTree, and ErrConflicted.
func (r *Repo) Index(ctx context.Context) (Snapshot, error) {
	s, err := r.quarantined(ctx, (*quarantine).indexTree, (*view).committedSubmodule)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of the index of %s: %w", r.place.topLevel, err)
	}
	return s, nil
}

func (r *Repo) workTree(ctx context.Context) (Snapshot, error) {
	s, err := r.quarantined(ctx, (*quarantine).workTree, (*view).workSubmodule)
	if err != nil {
		return Snapshot{}, err
	}
	for _, sub := range s.Submodules {
		s.Dirty = s.Dirty || sub.Dirty
	}
	return s, nil
}

// quarantined makes a snapshot of the tree that make writes into a quarantine.
func (r *Repo) quarantined(ctx context.Context, make func(*quarantine, context.Context) (string, error),
	links func(*view, context.Context, string, string) (Snapshot, error)) (Snapshot, error) {
	if r.place.topLevel == "" {
		return Snapshot{}, ErrBare
	}
	q, err := newQuarantine(ctx, r)
	if err != nil {
		return Snapshot{}, err
	}
	defer q.close()
	var commit, headTree, oid string
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		commit, headTree, err = r.head(groupCtx)
		return err
	})
	group.Go(func() (err error) {
		oid, err = make(q, groupCtx)
		return err
	})
	if err := group.Wait(); err != nil {
		return Snapshot{}, err
	}
	objects := q.reader()
	defer objects.Close()
	if commit != "" {
		r.learnTree(ctx, objects, commit, headTree)
	}
	v := &view{repo: r, objects: objects, env: q.objectEnv(), links: links, fresh: q.has}
	v.out.Warnings = q.warnings
	s, err := v.snapshot(ctx, oid)
	s.Commit, s.Dirty = commit, oid != headTree && (headTree != "" || !emptyTree(oid))
	return s, err
}

// emptyTree reports whether oid is the tree without files, in either format.
func emptyTree(oid string) bool {
	sum := newObjectHash("tree", 0, len(oid))
	return sum.matches(oid) == nil
}

// workTree adds everything to the copy of the index and writes the tree.
func (q *quarantine) workTree(ctx context.Context) (string, error) {
	if err := q.copyIndex(); err != nil {
		return "", err
	}
	if err := q.warnUnmerged(ctx); err != nil {
		return "", err
	}
	before, times := statIndex(q.index), q.repo.readTimes()
	links, err := q.gitlinks(ctx)
	if err != nil {
		return "", err
	}
	if err := q.add(ctx, links); err != nil {
		return "", err
	}
	if err := q.moveGitlinks(ctx, links); err != nil {
		return "", err
	}
	if statIndex(q.index) == before && q.base.Tree != "" {
		return q.base.Tree, nil // git had nothing to write
	}
	defer times.restore()
	return q.writeChanged(ctx)
}

// warnUnmerged names unmerged files: they are taken as they are, conflict markers included, as
// git add would. It asks git only in the middle of an operation that leaves such files.
func (q *quarantine) warnUnmerged(ctx context.Context) error {
	for _, sign := range []string{"MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"} {
		if _, err := os.Lstat(filepath.Join(q.repo.place.gitDir, sign)); err != nil {
			continue
		}
		var out bytes.Buffer
		err := q.repo.run(ctx, Command{Args: []string{"ls-files", "-u", "-z"}, Env: q.env(), Stdout: &out})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrGit, err)
		}
		last := "" // each has up to three entries, one after the other
		for _, e := range parseIndexList(out.String()) {
			if e.name != last {
				q.warnings = append(q.warnings, e.name+": unmerged; taken as it is, with its conflict markers")
			}
			last = e.name
		}
		return nil
	}
	return nil
}

// add runs git add -A, the authority on what belongs to the tree, on all but links.
func (q *quarantine) add(ctx context.Context, links []gitlink) error {
	var said bytes.Buffer
	c := Command{Args: []string{"-c", "advice.addEmbeddedRepo=false", "add", "-A"}, Env: q.env(), Stdout: &said, Stderr: &said}
	if len(links) > 0 {
		c.Args = append(c.Args, "--pathspec-from-file=-", "--pathspec-file-nul")
		c.Stdin = strings.NewReader(allBut(links))
	}
	err := q.repo.run(ctx, c)
	var exit *ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	}
	text := strings.TrimSpace(said.String())
	switch {
	case strings.Contains(text, "does not have a commit checked out"):
		return hint.Add(fmt.Errorf("%w: %s", ErrNested, text), "commit something in it, or add it to .gitignore")
	case strings.Contains(text, "sparse-checkout definition"):
		return hint.Add(fmt.Errorf("%w: %s", ErrSparse, text), "git sparse-checkout add DIR, or git add --sparse, or remove them")
	}
	return fmt.Errorf("%w: git add: %s", ErrGit, text)
}

// indexTree writes the tree of the index as it is.
func (q *quarantine) indexTree(ctx context.Context) (string, error) {
	if err := q.copyUserIndex(); err != nil {
		return "", err
	}
	return q.writeTree(ctx)
}

// writeTree runs git write-tree on the copy of the index.
func (q *quarantine) writeTree(ctx context.Context) (string, error) {
	var out bytes.Buffer
	err := q.repo.run(ctx, Command{Args: []string{"write-tree"}, Env: q.env(), Stdout: &out})
	var exit *ExitError
	switch {
	case errors.As(err, &exit) && strings.Contains(exit.Stderr, "unmerged"):
		return "", hint.Add(fmt.Errorf("%w: %s", ErrConflicted, exit.Stderr), "git status lists them; edit them, then git add")
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrGit, err)
	}
	return strings.TrimSpace(out.String()), nil
}

// fileStat is what tells one state of a file from another; times in nanoseconds.
type fileStat struct {
	Size, Mtime, Ctime int64
	Inode              uint64
}

func statFile(path string) fileStat {
	info, err := os.Lstat(path)
	if err != nil {
		return fileStat{}
	}
	return statOf(info)
}
