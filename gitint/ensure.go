package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// Ensure brings every blob of the tree root into the store, which is s.Staged, s.Canonical or a
// part of either (rule 26). What is there is not read. Cheap when nothing is missing: it looks at
// each name once. The errors are ErrMissingObject, ErrMissingLFS and those of the store.
func (r *Repo) Ensure(ctx context.Context, s Snapshot, root digest.Digest) error {
	if err := r.ensure(ctx, s, root); err != nil {
		return fmt.Errorf("fetch files of tree %s: %w", s.OID, err)
	}
	return nil
}

func (r *Repo) ensure(ctx context.Context, s Snapshot, root digest.Digest) error {
	left, err := r.fetchTree(ctx, s, root)
	if err != nil || len(left) == 0 {
		return err
	}
	// Nobody has them: they may be folders, which a garbage collection took while the memo knew them.
	if err := r.fetchFolders(ctx, s); err != nil {
		return err
	}
	left, err = r.fetchTree(ctx, s, root)
	for d := range left {
		err = hint.Add(fmt.Errorf("%w: a file with SHA-256 %s", ErrMissingObject, d.Hash()),
			"if it was a file that has changed since, make a new snapshot; else git fetch --refetch gets what a partial clone left out")
	}
	return err
}

// EnsureFiles is Ensure for these files of the snapshot only. ErrMissingObject too where Ensure would
// find a way.
func (r *Repo) EnsureFiles(ctx context.Context, s Snapshot, files []digest.Digest) error {
	missing, err := r.opts.Store.Missing(ctx, files)
	if err == nil && len(missing) > 0 {
		var left map[digest.Digest]bool
		if left, err = r.fetch(ctx, s, missing); err == nil && len(left) > 0 {
			err = ErrMissingObject
		}
	}
	if err != nil {
		return fmt.Errorf("fetch files of tree %s: %w", s.OID, err)
	}
	return nil
}

// fetchTree asks for what is missing of a tree, and returns what is missing still.
func (r *Repo) fetchTree(ctx context.Context, s Snapshot, root digest.Digest) (map[digest.Digest]bool, error) {
	missing, err := tree.Missing(ctx, r.opts.Store, root)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	return r.fetch(ctx, s, missing)
}

// fetch asks everybody who may have a missing blob, and returns what is still missing.
func (r *Repo) fetch(ctx context.Context, s Snapshot, missing []digest.Digest) (map[digest.Digest]bool, error) {
	want := map[digest.Digest]bool{}
	for _, d := range missing {
		want[d] = true
	}
	fetchers := []func(context.Context, Snapshot, map[digest.Digest]bool) error{r.fetchBlobs, r.fetchSubmodules, r.fetchConverted, r.fetchLFS}
	for _, fetch := range fetchers {
		if err := fetch(ctx, s, want); err != nil || len(want) == 0 {
			return want, err
		}
	}
	return want, nil
}

// fetchFolders makes all folders of a snapshot again: from its tree, or, if that exists nowhere
// but in a work tree, from the commit that it is based on; what differs is made by each snapshot.
func (r *Repo) fetchFolders(ctx context.Context, s Snapshot) error {
	if err := r.remake(ctx, s.OID); errors.Is(err, ErrMissingObject) && s.Commit != "" {
		if err := r.remake(ctx, s.Commit+"^{tree}"); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, sub := range s.Submodules {
		nested, err := r.submoduleRepo(ctx, sub)
		if err == nil {
			err = nested.remake(ctx, sub.OID+"^{tree}")
		}
		if err != nil && !errors.Is(err, ErrSubmodule) {
			return err
		}
	}
	return nil
}

// remake converts a tree without believing the memo about folders.
func (r *Repo) remake(ctx context.Context, treeish string) error {
	present, err := r.present(ctx, []string{treeish})
	if err != nil {
		return err
	}
	if len(present) == 0 {
		return fmt.Errorf("%w: %s", ErrMissingObject, treeish)
	}
	objects := r.objects()
	defer objects.Close()
	v := &view{repo: r, objects: objects, links: (*view).committedSubmodule, anew: true}
	_, err = v.snapshot(ctx, present[0])
	return err
}

// fetchBlobs puts those wanted blobs into the store that the repository has, and strikes them
// off. Which objects they are, the memo says: it is read once from end to end, some ms.
func (r *Repo) fetchBlobs(ctx context.Context, _ Snapshot, want map[digest.Digest]bool) error {
	names := r.memo.find(want)
	oids, err := r.present(ctx, names)
	if err != nil {
		return err
	}
	objects := r.objects()
	defer objects.Close()
	var mu sync.Mutex // of want
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(identifyJobs)
	for part := range slices.Chunk(oids, max(len(oids)/identifyJobs+1, batchBulk)) {
		group.Go(func() error {
			return objects.each(ctx, part, func(i int, _ string, size int64, body io.Reader) error {
				d, err := r.saveBlob(ctx, part[i], size, body)
				mu.Lock()
				defer mu.Unlock()
				delete(want, d)
				return err
			})
		})
	}
	return group.Wait()
}

// present returns those of the object ids that the repository has.
func (r *Repo) present(ctx context.Context, oids []string) ([]string, error) {
	var out bytes.Buffer
	if len(oids) == 0 {
		return nil, nil
	}
	slices.Sort(oids)
	err := r.run(ctx, Command{
		Args:  []string{"cat-file", "--batch-check=%(objectname)", "--buffer"},
		Stdin: strings.NewReader(strings.Join(oids, "\n") + "\n"), Stdout: &out,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGit, err)
	}
	var found []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasSuffix(line, " missing\n") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found, nil
}

// fetchSubmodules asks the repositories of the snapshot's submodules.
func (r *Repo) fetchSubmodules(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	for _, sub := range s.Submodules {
		nested, err := r.submoduleRepo(ctx, sub)
		if errors.Is(err, ErrSubmodule) {
			continue
		}
		if err != nil {
			return err
		}
		if err := nested.fetchBlobs(ctx, Snapshot{}, want); err != nil || len(want) == 0 {
			return err
		}
		if err := nested.fetchLFS(ctx, Snapshot{}, want); err != nil && !errors.Is(err, ErrMissingLFS) {
			return err
		}
	}
	return nil
}
