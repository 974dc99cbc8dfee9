package gitint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// quarantine is a folder in "<git dir>/bst" with a copy of the index and an object directory of
// its own, in which git may write what it likes. It is removed when the snapshot is made.
//
// One thing outlives it, see base.
type quarantine struct {
	repo *Repo
	scratch
	index    string // the copy
	objects  string // what git adds
	begin    int64  // when it was made, by the file system's clock
	base     base
	warnings []string
}

// newQuarantine makes the folder.
func newQuarantine(ctx context.Context, r *Repo) (*quarantine, error) {
	scratch, err := r.scratch(ctx)
	if err != nil {
		return nil, fmt.Errorf("make quarantine: %w", err)
	}
	q := &quarantine{repo: r, scratch: scratch, index: filepath.Join(scratch.dir, "index"), objects: filepath.Join(scratch.dir, "objects")}
	if err := os.Mkdir(q.objects, 0o777); err != nil {
		q.close()
		return nil, fmt.Errorf("make quarantine: %w", err)
	}
	q.begin = statFile(q.objects).Mtime
	return q, nil
}

// env points git at the copy of the index and at the quarantine, the repository's objects behind.
func (q *quarantine) env() []string {
	return append(q.objectEnv(), "GIT_INDEX_FILE="+q.index)
}

// objectEnv is env without the index.
func (q *quarantine) objectEnv() []string {
	return []string{
		"GIT_OBJECT_DIRECTORY=" + q.objects,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + quoteAlternate(q.repo.place.objects),
	}
}

// quoteAlternate writes a path so that it stands for itself in git's list of folders.
func quoteAlternate(path string) string {
	if !strings.ContainsAny(path, ":\"\\\n") {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// copyUserIndex copies the user's index with its time: git reads files again that are not older
// than the index, and would not if the copy looked newer. Before the first add there is none.
func (q *quarantine) copyUserIndex() error {
	return copyWithTime(q.repo.place.index, q.index)
}

func copyWithTime(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("copy index: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of the open file: git replaces the index by rename
	if err != nil {
		return fmt.Errorf("copy index: %w", err)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return fmt.Errorf("copy index: %w", err)
	}
	if err := os.WriteFile(to, data, 0o666); err != nil {
		return fmt.Errorf("copy index: %w", err)
	}
	if err := os.Chtimes(to, time.Time{}, info.ModTime()); err != nil {
		return fmt.Errorf("copy index: %w", err)
	}
	return nil
}

func statOf(info fs.FileInfo) fileStat {
	s := fileStat{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Ctime, s.Inode = sys.Ctim.Nano(), sys.Ino
	}
	return s
}

// writeChanged writes the tree after git has changed the copy of the index, and brings the new
// blobs to safety.
func (q *quarantine) writeChanged(ctx context.Context) (string, error) {
	if err := q.save(ctx); err != nil {
		return "", err
	}
	if err := q.cleanFiltered(ctx); err != nil {
		return "", err
	}
	tree, err := q.writeTree(ctx)
	if err != nil {
		return "", err
	}
	q.keepBase(ctx, tree)
	return tree, nil
}

// reader reads the quarantine's objects first, then the repository's.
func (q *quarantine) reader() reader {
	return layered{dir: q.objects, next: q.repo.objects()}
}

// has reports whether the quarantine holds the loose object: then the repository does not. The
// folder of such a tree is made in every snapshot, since nobody could make it later.
func (q *quarantine) has(oid string) bool {
	return exists(filepath.Join(q.objects, oid[:2], oid[2:]))
}
