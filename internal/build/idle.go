package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
)

// A build that is continued comes to what a clean one comes to only if what it does a second time
// changes nothing: what counts builds, or adds a line to a file, does not.

// clearLate deletes what the base's install phase, and those after it, made in the build folder.
func (c *chain) clearLate(ctx context.Context) error {
	sources := c.sources(ctx, c.job.Base.Record.SourceTree)
	left := plan.Leftovers(c.before, sources.has)
	if sources.err != nil {
		return sources.err
	}
	root, err := os.OpenRoot(c.path("build"))
	if err != nil {
		return err
	}
	defer root.Close()
	c.touch(true, left...)
	for _, name := range slices.Backward(left) { // sorted: what is in a folder comes before it
		err := root.Remove(filepath.FromSlash(name))
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENOTEMPTY):
		default:
			return doubt(plan.CodeDistrustIdle, "what the last build's install phase made can't be deleted: %v", err)
		}
	}
	return nil
}

// idle asks whether a run of the build phase with nothing to do left all as it was.
func (c *chain) idle(ctx context.Context, noop trace.Phase) error {
	root, err := os.OpenRoot(c.path("build"))
	if err != nil {
		return err
	}
	defer root.Close()
	const changed = trace.Written | trace.Created | trace.Deleted | trace.Moved | trace.Linked
	for _, used := range noop.Paths {
		if used.Uses&changed == 0 || plan.IsOwn(used.Name) {
			continue
		}
		now, err := contentAt(root, used.Name)
		if err != nil {
			return fmt.Errorf("look at what the trial left: %w", err)
		}
		// After a build that went on from a failed one, nobody knows what was there before the trial.
		equal := now == ""
		if !c.job.Base.Case.Base.Partial() {
			before, err := tree.Lookup(ctx, c.env.CAS, c.job.Base.Record.BuildTree, used.Name)
			if err != nil && !errors.Is(err, tree.ErrNotFound) {
				return err
			}
			equal = now == contentOfEntry(before) || errors.Is(err, tree.ErrNotFound) && c.takenAway(used.Name)
		}
		if !equal {
			return doubt(plan.CodeDistrustIdle, "the build changes %s even when there is nothing to do", used.Name)
		}
	}
	return nil
}

// takenAway reports whether the base's build phase made a file that a later one took away, as
// installing by mv does: then to make it again is what there is to do.
func (c *chain) takenAway(name string) bool {
	made, _ := c.before.Phase(plan.BuildPhase)
	if made.Uses(name)&(trace.Created|trace.Written) == 0 {
		return false
	}
	for _, phase := range c.before.Phases {
		if plan.IsLate(phase.Name) && phase.Uses(name)&(trace.Moved|trace.Deleted) != 0 {
			return true
		}
	}
	return false
}

// contentAt says what is at a path: "" for nothing, and for a folder, whose content has paths of its own.
func contentAt(root *os.Root, name string) (string, error) {
	name = filepath.FromSlash(name)
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "", nil
	case err != nil:
		return "", err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		return "link " + target, err
	case info.IsDir():
		return "", nil
	case !info.Mode().IsRegular():
		return "special", nil
	}
	file, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hasher := digest.NewHasher()
	_, err = io.Copy(hasher, file)
	return hasher.Sum().String(), err
}

func contentOfEntry(e tree.Entry) string {
	switch e.Kind {
	case tree.KindFile:
		return e.Digest.String()
	case tree.KindSymlink:
		return "link " + e.Target
	}
	return ""
}

// sameTemporary asks whether what builds keep in /tmp and /dev/shm is as it was: who reads it nobody
// traces, so if it changed, a reader may have the old state. What was added there is nothing to anybody
// who ran before.
func (c *chain) sameTemporary(ctx context.Context) error {
	base := c.job.Base.Record
	for _, folder := range []struct {
		name   string
		is, to digest.Digest
	}{{"/tmp", base.Tmp, c.last.Tmp}, {"/dev/shm", base.Shm, c.last.Shm}} {
		if EmptyTree(folder.is) {
			continue
		}
		changes, err := tree.Compare(ctx, c.env.CAS, folder.is, orEmpty(folder.to))
		if err != nil {
			return fmt.Errorf("compare %s: %w", folder.name, err)
		}
		for _, change := range changes {
			if change.Op != tree.Added {
				return doubt(plan.CodeDistrustIdle, "the continued build changed %s/%s, and it can't be told who reads that", folder.name, change.Path)
			}
		}
	}
	return nil
}

// EmptyTree reports whether a build left nothing in a folder.
func EmptyTree(root digest.Digest) bool { return root.IsZero() || root == digest.Empty }
