package gitint

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// goGit reads objects in this process. What go-git does not find or cannot read, git is asked
// for: another process may have repacked the repository meanwhile.
type goGit struct {
	fallback *batch

	mu      sync.Mutex // go-git's storage is not for several goroutines
	storage *filesystem.Storage
}

// goGitLargeBytes is from which size on go-git reads a blob as a stream.
const goGitLargeBytes = 1 << 20

func newGoGit(r *Repo) *goGit {
	options := filesystem.Options{KeepDescriptors: true, LargeObjectThreshold: goGitLargeBytes}
	dir := osfs.New(r.place.commonDir, osfs.WithBoundOS())
	return &goGit{
		fallback: newBatch(r),
		storage:  filesystem.NewStorageWithOptions(dir, cache.NewObjectLRUDefault(), options),
	}
}

// each implements reader.
func (g *goGit) each(ctx context.Context, oids []string, visit visitor) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var rest []int
	for i, oid := range oids {
		if ctx.Err() != nil {
			return fmt.Errorf("read objects: %w", context.Cause(ctx))
		}
		err := g.one(i, oid, visit)
		if errors.Is(err, errNotRead) {
			rest = append(rest, i)
			continue
		}
		if err != nil {
			return err
		}
	}
	return eachOf(ctx, g.fallback, oids, rest, visit)
}

var errNotRead = errors.New("not read by go-git")

func (g *goGit) one(i int, oid string, visit visitor) error {
	object, err := g.storage.EncodedObject(plumbing.AnyObject, plumbing.NewHash(oid))
	if err != nil {
		return errNotRead
	}
	body, err := object.Reader()
	if err != nil {
		return errNotRead
	}
	defer body.Close()
	return visit(i, object.Type().String(), object.Size(), body)
}

// Close implements reader.
func (g *goGit) Close() error {
	return errors.Join(g.storage.Close(), g.fallback.Close())
}
