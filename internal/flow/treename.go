package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// NamedTree is a tree that was asked for by name.
type NamedTree struct {
	Name      string
	Root      digest.Digest // as it is built (rule 3)
	Canonical digest.Digest // of git's own blobs; zero for what is no snapshot
	OID       string        // git's id of the tree; "" for what is no snapshot
	Commit    string
	Dirty     bool
	Times     digest.Digest // of a build tree: the blob of its files' times
	snapshot  *gitint.Snapshot
	repo      *gitint.Repo // the snapshot's
}

// Tree finds a tree by its name:
//
//	work, worktree    what git add -A and a commit would record
//	index             what is staged
//	record:RECORD     the source that a build attempt was asked to build
//	build:RECORD      what it left in its build folder
//	artifact:NAME     the files of an element's artifact, or of a reference's or a key's
//	digest:HASH/SIZE  a tree of the cache
//	REV               a commit, as git names it
//
// Behind a colon may follow a path in it: then it is the folder there. ErrNotCached for what is no
// longer in the cache.
func (s *Session) Tree(ctx context.Context, name string) (NamedTree, error) {
	base, path := splitTreeName(name)
	t, err := s.wholeTree(ctx, base)
	if err == nil && path != "" {
		t, err = s.folderOf(ctx, t, path)
	}
	if errors.Is(err, gitint.ErrUnknownRevision) {
		err = hint.Add(err, "what is no commit: work, index, record:RECORD, build:RECORD, artifact:ELEMENT, digest:HASH/SIZE")
	}
	if err != nil {
		return NamedTree{}, fmt.Errorf("find tree %s: %w", name, err)
	}
	t.Name = name
	return t, nil
}

// splitTreeName parts a path from a tree's name. No name of git's has a colon; ours have one, and
// elements of other projects one more for each.
func splitTreeName(name string) (base, path string) {
	for _, prefix := range []string{"record:", "build:", "digest:", "artifact:"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		end := strings.IndexByte(rest, ':')
		if prefix == "artifact:" {
			if last := strings.LastIndex(rest, ".bst:"); last >= 0 {
				end = last + len(".bst")
			} else if strings.HasSuffix(rest, ".bst") {
				end = -1
			}
		}
		if end < 0 {
			return name, ""
		}
		return prefix + rest[:end], strings.Trim(rest[end+1:], "/")
	}
	base, path, _ = strings.Cut(name, ":")
	return base, strings.Trim(path, "/")
}

// folderOf is the folder at a path of a tree.
func (s *Session) folderOf(ctx context.Context, t NamedTree, path string) (NamedTree, error) {
	entry, err := tree.Lookup(ctx, s.cas, t.Root, path)
	if err == nil && entry.Kind != tree.KindDir {
		err = wrongKind(entry, "folder", "", "")
	}
	if err != nil {
		return t, err
	}
	t.Root, t.Canonical, t.OID, t.Times = entry.Digest, digest.Digest{}, "", digest.Digest{}
	return t, nil
}

func (s *Session) wholeTree(ctx context.Context, name string) (NamedTree, error) {
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "digest":
		root, err := digest.Parse(rest)
		if err != nil {
			return NamedTree{}, err
		}
		return NamedTree{Root: root}, s.hereOrNot(ctx, root, "it is not in the cache")
	case "record", "build":
		return s.recordTree(ctx, kind, rest)
	case "artifact":
		found, err := s.artifactNamed(ctx, rest)
		return NamedTree{Root: found.Entry.Artifact.Files}, err
	}
	return s.gitTree(ctx, name)
}

// hereOrNot returns ErrNotCached, and says what, if a tree is not in the cache.
func (s *Session) hereOrNot(ctx context.Context, root digest.Digest, otherwise string) error {
	if _, err := tree.Load(ctx, s.cas, root); errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) {
		return fmt.Errorf("%w: %s", ErrNotCached, otherwise)
	} else if err != nil {
		return err
	}
	return nil
}

// recordTree is the source or the build tree of a build attempt.
func (s *Session) recordTree(ctx context.Context, kind, id string) (NamedTree, error) {
	rec, err := s.Record(ctx, id)
	if err != nil {
		return NamedTree{}, err
	}
	t := NamedTree{Root: rec.Parts.Source, Commit: rec.Facts.Commit, Dirty: rec.Facts.Dirty}
	what := "source"
	if kind == "build" {
		t, what = NamedTree{Root: rec.BuildTree, Times: rec.Times}, "build tree"
	}
	if t.Root.IsZero() {
		return t, fmt.Errorf("%w: %s of %s left no %s", ErrNotCached, record.Short(rec.ID), rec.Element, what)
	}
	return t, hint.Add(s.hereOrNot(ctx, t.Root, collected(rec, what)), "to see what is still there: git bst records "+rec.Element)
}

// collected says what a collection took of a record.
func collected(rec record.Record, what string) string {
	return fmt.Sprintf("the %s of %s, built %s, was collected", what, rec.Element, rec.Started.UTC().Format("2006-01-02"))
}

// artifactNamed is Artifact, also by the beginning of a key, of eight digits at least.
func (s *Session) artifactNamed(ctx context.Context, name string) (Found, error) {
	if s.dir == "" && !refLike.MatchString(name) {
		return Found{}, hint.Add(ErrNoProject, "outside of a project, name an artifact by its reference: git bst artifact list")
	}
	return s.Artifact(ctx, name)
}

// gitTree is a snapshot of the work tree, the index or a commit.
func (s *Session) gitTree(ctx context.Context, name string) (NamedTree, error) {
	if s.repo == nil {
		return NamedTree{}, hint.Add(gitint.ErrNoRepository, "outside of a repository, name it digest:HASH/SIZE")
	}
	repo, err := s.hereRepo(ctx)
	if err != nil {
		return NamedTree{}, err
	}
	take := func(ctx context.Context) (gitint.Snapshot, error) { return repo.Commit(ctx, name) }
	switch name {
	case "work", "worktree":
		take = repo.WorkTree
	case "index":
		take = repo.Index
	}
	snapshot, err := take(ctx)
	if err != nil {
		return NamedTree{}, err
	}
	return NamedTree{
		Root: snapshot.Staged, Canonical: snapshot.Canonical, OID: snapshot.OID, Commit: snapshot.Commit, Dirty: snapshot.Dirty, snapshot: &snapshot, repo: repo,
	}, nil
}
