package gitint

import (
	"bufio"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
)

// save puts all blobs of the quarantine into the store and the memo. They are what differs from
// the index: the only bytes that no repository has.
func (q *quarantine) save(ctx context.Context) error {
	folders, err := os.ReadDir(q.objects)
	if err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	for _, folder := range folders {
		if folder.Name() == "pack" { // git streams very large files into a pack
			if err := q.savePacked(ctx); err != nil {
				return err
			}
		}
		if len(folder.Name()) != 2 {
			continue
		}
		files, err := os.ReadDir(filepath.Join(q.objects, folder.Name()))
		if err != nil {
			return fmt.Errorf("read quarantine: %w", err)
		}
		for _, file := range files {
			if err := q.saveLoose(ctx, folder.Name()+file.Name()); err != nil {
				return fmt.Errorf("save object %s%s: %w", folder.Name(), file.Name(), err)
			}
		}
	}
	return nil
}

func (q *quarantine) saveLoose(ctx context.Context, oid string) error {
	object, err := openLoose(q.objects, oid)
	if err != nil {
		return err
	}
	defer object.Close()
	if object.kind != "blob" {
		return nil
	}
	_, err = q.repo.saveBlob(ctx, oid, object.size, object)
	return err
}

// saveBlob puts a blob into the store and the memo after it has proved itself.
func (r *Repo) saveBlob(ctx context.Context, oid string, size int64, body io.Reader) (digest.Digest, error) {
	sum := newObjectHash("blob", size, len(oid))
	d, err := r.opts.Store.Put(ctx, io.TeeReader(body, sum))
	if err != nil {
		return digest.Digest{}, err
	}
	if err := sum.matches(oid); err != nil {
		return digest.Digest{}, fmt.Errorf("%w: object %s: %w", ErrGit, oid, err)
	}
	r.memo.put(kindBlob, oid, memoValue{digest: d})
	return d, nil
}

// savePacked saves the blobs of the quarantine's packs.
func (q *quarantine) savePacked(ctx context.Context) error {
	indexes, err := filepath.Glob(filepath.Join(q.objects, "pack", "*.idx"))
	if err != nil || len(indexes) == 0 {
		return err
	}
	var list strings.Builder
	alone := []string{"GIT_OBJECT_DIRECTORY=" + q.objects}
	err = q.repo.run(ctx, Command{Args: []string{"cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"}, Env: alone, Stdout: &list})
	if err != nil {
		return fmt.Errorf("list quarantine: %w", err)
	}
	var oids []string
	for line := range strings.SplitSeq(list.String(), "\n") {
		if oid, ok := strings.CutPrefix(line, "blob "); ok {
			oids = append(oids, oid)
		}
	}
	objects := newBatch(q.repo, alone...)
	defer objects.Close()
	return objects.each(ctx, oids, func(i int, _ string, size int64, body io.Reader) error {
		_, err := q.repo.saveBlob(ctx, oids[i], size, body)
		return err
	})
}

// loose is an open loose object: its bytes without the header.
type loose struct {
	io.Reader
	kind  string
	size  int64
	file  *os.File
	plain io.ReadCloser
}

// openLoose opens the object in a folder of objects; ErrMissingObject if it is not there.
func openLoose(dir, oid string) (*loose, error) {
	f, err := os.Open(filepath.Join(dir, oid[:2], oid[2:]))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissingObject, oid)
	}
	if err != nil {
		return nil, err
	}
	plain, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return nil, err
	}
	buffered := bufio.NewReader(plain)
	o := &loose{Reader: buffered, file: f, plain: plain}
	header, err := buffered.ReadString(0)
	if err == nil {
		kind, size, _ := strings.Cut(strings.TrimSuffix(header, "\x00"), " ")
		o.kind = kind
		o.size, err = strconv.ParseInt(size, 10, 64)
	}
	if err != nil {
		o.Close()
		return nil, fmt.Errorf("header: %w", err)
	}
	return o, nil
}

// Close implements io.Closer.
func (o *loose) Close() error {
	o.plain.Close()
	return o.file.Close()
}
