package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
)

// Snapshot is a git tree as directories of the store.
type Snapshot struct {
	OID        string        // git's id of the tree
	Canonical  digest.Digest // the tree with the bytes of git's blobs
	Staged     digest.Digest // the tree as it is built (rule 3)
	Commit     string        // the commit it is of, or that the work tree is based on; "" before the first
	Dirty      bool          // it differs from Commit, or a submodule's work tree from its commit
	Submodules []Submodule   // by path, those of submodules included
	Warnings   []string      // lines for the user
}

// Submodule is a repository inside a tree.
type Submodule struct {
	Path  string // slash-separated, below the top of the snapshot
	OID   string // the commit that the tree names
	Dirty bool   // its files are not those of the commit
}

// Commit returns the snapshot of the commit that rev names, as in git rev-parse. The errors are
// ErrUnknownRevision, ErrNoCommit for HEAD before the first commit, ErrMissingObject,
// ErrSubmodule and ErrName. Directories are in the store afterwards; see Ensure for blobs.
func (r *Repo) Commit(ctx context.Context, rev string) (Snapshot, error) {
	s, err := r.commit(ctx, rev)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of %s: %w", rev, err)
	}
	return s, nil
}

func (r *Repo) commit(ctx context.Context, rev string) (Snapshot, error) {
	commit, oid, err := r.resolve(ctx, rev)
	if err != nil {
		return Snapshot{}, err
	}
	objects := r.objects()
	defer objects.Close()
	r.learnTree(ctx, objects, commit, oid)
	v := &view{repo: r, objects: objects, links: (*view).committedSubmodule}
	s, err := v.snapshot(ctx, oid)
	s.Commit = commit
	return s, err
}

// resolve returns the ids of a commit and of its tree.
func (r *Repo) resolve(ctx context.Context, rev string) (commit, tree string, err error) {
	if rev == "" || strings.ContainsAny(rev, "\n\x00") {
		return "", "", fmt.Errorf("%w: %q", ErrUnknownRevision, rev)
	}
	if rev == "HEAD" {
		if commit, tree, ok := r.quickHead(); ok {
			return commit, tree, nil
		}
	}
	var out bytes.Buffer
	err = r.run(ctx, Command{
		Args:  []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"},
		Stdin: strings.NewReader(rev + "^{commit}\n" + rev + "^{tree}\n"), Stdout: &out,
	})
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrGit, err)
	}
	lines := strings.Split(out.String(), "\n")
	commit, isCommit := strings.CutSuffix(lines[0], " commit")
	if !isCommit {
		return "", "", r.explainUnknown(ctx, rev)
	}
	tree, isTree := strings.CutSuffix(lines[1], " tree")
	if !isTree {
		return "", "", fmt.Errorf("%w: the tree of commit %s", ErrMissingObject, commit)
	}
	return commit, tree, nil
}

// explainUnknown tells an unborn branch from a wrong name.
func (r *Repo) explainUnknown(ctx context.Context, rev string) error {
	if rev == "HEAD" {
		var out bytes.Buffer
		err := r.run(ctx, Command{Args: []string{"symbolic-ref", "-q", "HEAD"}, Stdout: &out})
		branch := strings.TrimSpace(out.String())
		missing := err == nil && r.run(ctx, Command{Args: []string{"show-ref", "-q", "--verify", branch}}) != nil
		if missing {
			return hint.Add(ErrNoCommit, "git commit makes the first one")
		}
	}
	return hint.Add(ErrUnknownRevision, "git log --oneline --all shows what there is; git fetch gets what a server has")
}

// head returns the ids of HEAD and its tree; both "" before the first commit.
func (r *Repo) head(ctx context.Context) (commit, tree string, err error) {
	commit, tree, err = r.resolve(ctx, "HEAD")
	if errors.Is(err, ErrNoCommit) {
		return "", "", nil
	}
	return commit, tree, err
}

// view is the making of one snapshot: where objects are read and what a submodule is.
type view struct {
	repo    *Repo
	objects reader
	env     []string // how git finds objects that are not in the repository
	links   func(v *view, ctx context.Context, path, commit string) (Snapshot, error)

	fresh  func(oid string) bool    // trees that only this snapshot has; nil for none
	anew   bool                     // do not believe the memo's list of staged files
	names  map[string]string        // of .gitmodules, path to name
	staged map[string]digest.Digest // staged folder of each submodule, by path
	out    Snapshot
}

// snapshot makes both digests of a tree.
func (v *view) snapshot(ctx context.Context, oid string) (Snapshot, error) {
	r := v.repo
	defer r.memo.flush(ctx)
	v.out.OID, v.staged = oid, map[string]digest.Digest{}
	warnings := v.out.Warnings
	s, err := v.make(ctx, v.anew)
	if errors.Is(err, cas.ErrNotFound) { // the memo outlives the store
		v.out.Submodules, v.out.Warnings = nil, warnings
		return v.make(ctx, true)
	}
	return s, err
}

// make is snapshot; force reads all trees. The root's folder must be in the store.
func (v *view) make(ctx context.Context, force bool) (Snapshot, error) {
	r := v.repo
	c := &conversion{repo: r, objects: v.objects, links: v.link, force: force, fresh: v.fresh}
	value, err := c.convert(ctx, v.out.OID)
	if err != nil {
		return Snapshot{}, err
	}
	missing, err := r.opts.Store.Missing(ctx, []digest.Digest{value.digest})
	if err != nil {
		return Snapshot{}, fmt.Errorf("look for tree %s in the store: %w", v.out.OID, err)
	}
	if len(missing) > 0 {
		return Snapshot{}, fmt.Errorf("tree %s: %w", v.out.OID, cas.ErrNotFound)
	}
	v.out.Canonical = value.digest
	v.out.Staged, err = v.stage(ctx, value)
	return v.out, err
}

// link is the conversion's linker: it notes the submodule and returns its canonical digest.
func (v *view) link(ctx context.Context, path, commit string) (digest.Digest, error) {
	s, err := v.submodule(ctx, path, commit)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("submodule %s: %w", path, err)
	}
	v.out.Submodules = append(v.out.Submodules, Submodule{Path: path, OID: commit, Dirty: s.Dirty})
	for _, inner := range s.Submodules {
		inner.Path = path + "/" + inner.Path
		v.out.Submodules = append(v.out.Submodules, inner)
	}
	for _, warning := range s.Warnings {
		v.out.Warnings = append(v.out.Warnings, path+": "+warning)
	}
	if s.Staged != s.Canonical {
		v.staged[path] = s.Staged
	}
	return s.Canonical, nil
}

// submodule applies the policy.
func (v *view) submodule(ctx context.Context, path, commit string) (Snapshot, error) {
	r := v.repo
	empty := Snapshot{Canonical: digest.Empty, Staged: digest.Empty}
	if r.opts.Submodules == SubmodulesEmpty {
		return empty, nil
	}
	if r.depth >= maxNesting {
		return Snapshot{}, fmt.Errorf("%w: nested more than %d deep", ErrSubmodule, maxNesting)
	}
	s, err := v.links(v, ctx, path, commit)
	if errors.Is(err, ErrSubmodule) && r.opts.Submodules == SubmodulesLoose {
		return empty, nil
	}
	return s, err
}

// maxNesting ends submodules that hold themselves; real ones nest three or four deep.
const maxNesting = 32
