package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// PatchOptions says what time changed files get.
type PatchOptions struct {
	// Newest is the newest recorded time in the folder (Times.Newest), nanoseconds since 1970.
	Newest int64
	// Now is the file system's time, nanoseconds since 1970; 0 asks for it.
	Now int64
}

// Patched is what Patch did.
type Patched struct {
	// Stamp is the time of all files and links that were written, nanoseconds since 1970.
	Stamp int64
	// Replaced lists where the source's version took the place of something that a build had made
	// of the old one, sorted by path.
	Replaced []Replaced
}

// Replaced is a path where a build tree held neither the old nor the new version of the source.
type Replaced struct {
	Path string
	Was  Kind // KindNone: a build had deleted it
	Now  Kind // KindNone: the source deletes it
}

// Stamp returns the time that files get which differ from the base's: now, but later than all in
// the tree. So content decides what make and ninja take for newer, and never a user's times.
func Stamp(now, newest int64) int64 { return max(now, newest+1) }

// Patch makes the changes of the source in the folder dir, where a build has been at work since
// the changes' old state was staged: a three-way merge whose third side, the build's own files, is
// left alone where the source did not change. It does to a folder what Apply does to a tree, and
// the words there hold here, ErrConflict and ErrInvalid too; in a folder of names, deletions come
// before additions. Files and links that it writes get one time, Stamp(now, newest); a file that
// the source changed gets it also where it holds the new content already. A written file is a new
// one: other names of the old one keep their content.
//
// Links are never followed, so nothing outside dir is touched. Nobody else may be at work in dir.
// After an error dir holds a part of the changes.
func Patch(ctx context.Context, store *cas.Local, dir string, changes []Change, opts PatchOptions) (Patched, error) {
	root := &edits{}
	for _, c := range changes {
		if err := root.insert(c); err != nil {
			return Patched{}, fmt.Errorf("patch %s: %w", dir, err)
		}
	}
	if opts.Now == 0 {
		now, err := indexTime()
		if err != nil {
			return Patched{}, fmt.Errorf("patch %s: %w", dir, err)
		}
		opts.Now = now
	}
	var open folders
	defer open.close()
	top, err := open.openRoot(dir)
	if err != nil {
		return Patched{}, fmt.Errorf("patch: %w", err)
	}
	stamp := Stamp(opts.Now, opts.Newest)
	p := &patcher{ctx: ctx, w: &worker{buf: make([]byte, workerBuffer)}, stamp: stamp,
		ex: &exporter{ctx: ctx, store: store, chmod: fsx.Umask()&0o755 != 0}}
	if err := p.folder(top, root); err != nil {
		return Patched{}, fmt.Errorf("patch %s: %w", dir, err)
	}
	slices.SortFunc(p.replaced, func(a, b Replaced) int { return strings.Compare(a.Path, b.Path) })
	return Patched{Stamp: stamp, Replaced: p.replaced}, nil
}

// Patch returns the times of a tree with times t to which the changes were applied, those of
// changed and added files being stamp.
func (t Times) Patch(changes []Change, stamp int64) Times {
	gone, written := map[string]bool{}, Times{}
	for _, c := range changes {
		gone[c.Path] = true
		if c.New.Kind == KindFile {
			written = append(written, Time{c.Path, stamp})
		}
	}
	patched := make(Times, 0, len(t)+len(written))
	for _, e := range t {
		if !gone[e.Path] {
			patched = append(patched, e)
		}
	}
	patched = append(patched, written...)
	slices.SortFunc(patched, func(a, b Time) int { return strings.Compare(a.Path, b.Path) })
	return patched
}

// Overwritten returns the changes whose path in the build tree built holds neither the old nor the
// new version: there a build rewrote, deleted or made what the source changes.
func Overwritten(ctx context.Context, s cas.Store, built digest.Digest, changes []Change) ([]Replaced, error) {
	var all []Replaced
	for _, c := range changes {
		was, err := Lookup(ctx, s, built, c.Path)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("compare with the build tree: %w", err)
		}
		if replaces(was, c) {
			all = append(all, Replaced{c.Path, was.Kind, c.New.Kind})
		}
	}
	return all, nil
}

// replaces reports whether what is there is of neither side of the change. The content of folders
// is looked at by its own changes.
func replaces(was Entry, c Change) bool {
	if c.Old.Kind == KindDir && c.New.Kind == KindNone {
		return false // a folder that is gone already, or stays as it is not empty
	}
	for _, side := range []Entry{c.Old, c.New} {
		if was == side || was.Kind == KindDir && side.Kind == KindDir {
			return false
		}
	}
	return true
}

// KeepsNanoseconds reports whether files in dir keep a time that is one nanosecond later than
// another as the later one (rule 21). It makes a file there and removes it.
func KeepsNanoseconds(dir string) (bool, error) {
	var open folders
	defer open.close()
	f, err := open.openRoot(dir)
	if err != nil {
		return false, fmt.Errorf("probe times: %w", err)
	}
	name := fsx.TempName("times-")
	fd, err := unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, fmt.Errorf("probe times in %s: %w", dir, err)
	}
	defer func() { unix.Close(fd); _ = unix.Unlinkat(f.fd, name, 0) }()
	const some = 1_700_000_000_123_456_788
	for _, nano := range []int64{some, some + 1} {
		var st unix.Stat_t
		if err := errors.Join(setTime(f.fd, name, nano), unix.Fstat(fd, &st)); err != nil {
			return false, fmt.Errorf("probe times in %s: %w", dir, err)
		}
		if st.Mtim.Nano() != nano {
			return false, nil
		}
	}
	return true, nil
}
