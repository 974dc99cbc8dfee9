package gitint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// identifyJobs is how many files are hashed at once: hashing is bound by the processor, and two
// threads took 1.35 s where one took 2.8 s for 876 MB.
const identifyJobs = 2

// identify finds the digests of blobs and puts them into the memo. A file of the work tree that
// has the blob's bytes is quicker to read than the object; it is believed only if its bytes give
// the blob's id. The rest is read from the repository.
func (r *Repo) identify(ctx context.Context, objects reader, blobs map[string]blobUse) error {
	oids := make([]string, 0, len(blobs))
	for oid := range blobs {
		oids = append(oids, oid)
	}
	slices.SortFunc(oids, func(a, b string) int { return strings.Compare(blobs[a].path, blobs[b].path) })
	rest, err := r.identifyFiles(ctx, oids, blobs)
	if err != nil {
		return err
	}
	return objects.each(ctx, rest, func(i int, kind string, size int64, body io.Reader) error {
		if kind != "blob" {
			return fmt.Errorf("%w: %s is a %s, not a blob", ErrGit, rest[i], kind)
		}
		sum := newObjectHash(kind, size, len(rest[i]))
		if _, err := io.Copy(sum, body); err != nil {
			return fmt.Errorf("read object %s: %w", rest[i], err)
		}
		if err := sum.matches(rest[i]); err != nil {
			return fmt.Errorf("%w: read object %s: %w", ErrGit, rest[i], err)
		}
		r.memo.put(kindBlob, rest[i], memoValue{digest: sum.content.Sum()})
		return nil
	})
}

// identifyFiles tries the work tree and returns the blobs that are not found there.
func (r *Repo) identifyFiles(ctx context.Context, oids []string, blobs map[string]blobUse) ([]string, error) {
	if r.place.topLevel == "" || r.objectsOnly {
		return oids, nil
	}
	var mu sync.Mutex
	var rest []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(identifyJobs)
	for chunk := range slices.Chunk(oids, 64) {
		group.Go(func() error {
			buffer := make([]byte, 64<<10)
			for _, oid := range chunk {
				if err := ctx.Err(); err != nil {
					return fmt.Errorf("read work tree: %w", context.Cause(ctx))
				}
				if r.identifyFile(oid, blobs[oid].path, buffer) == nil {
					continue
				}
				mu.Lock()
				rest = append(rest, oid)
				mu.Unlock()
			}
			return nil
		})
	}
	err := group.Wait()
	slices.Sort(rest)
	return rest, err
}

var errNotRegular = errors.New("not a regular file")

// identifyFile hashes one file both ways. Any error only means that it is not the blob.
func (r *Repo) identifyFile(oid, path string, buffer []byte) error {
	fd, err := unix.Open(filepath.Join(r.place.topLevel, path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errNotRegular
	}
	sum := newObjectHash("blob", info.Size(), len(oid))
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{io.LimitReader(f, info.Size()+1)}, buffer); err != nil {
		return err
	}
	if err := sum.matches(oid); err != nil {
		return err
	}
	r.memo.put(kindBlob, oid, memoValue{digest: sum.content.Sum()})
	return nil
}
