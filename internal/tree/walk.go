package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// ErrSkipDir, returned by the function given to Walk for a folder, leaves out what is below it.
var ErrSkipDir = errors.New("skip this folder")

// checkPath refuses all but the paths that the package comment allows; "" is refused too.
func checkPath(path string) error {
	if !utf8.ValidString(path) {
		return fmt.Errorf("%w: the path %q is not UTF-8", ErrInvalid, path)
	}
	for rest, more := path, true; more; {
		part := rest
		if part, rest, more = strings.Cut(rest, "/"); part == "" || part[0] == '.' || strings.IndexByte(part, 0) >= 0 {
			if err := checkName(part); err != nil {
				return fmt.Errorf("%w in the path %q", err, path)
			}
		}
	}
	return nil
}

// splitPath returns the parts of path; none for "" and ".".
func splitPath(path string) ([]string, error) {
	if path == "" || path == "." {
		return nil, nil
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	parts := strings.Split(path, "/")
	if len(parts) > maxDepth {
		return nil, fmt.Errorf("%w: a path of %d parts", ErrInvalid, len(parts))
	}
	return parts, nil
}

// Walk calls visit for every entry below the root, each folder before its content, the names of a
// folder sorted by their bytes. The root itself is not visited. The first error ends it; ErrSkipDir
// for a folder leaves out its content. Trees that are deeper than 4096 or have more than 10^7
// entries (a subtree counts each time it occurs) are ErrInvalid.
func Walk(ctx context.Context, s cas.Store, root digest.Digest, visit func(path string, e Entry) error) error {
	w := walker{ctx: ctx, store: s, visit: visit}
	return w.walk(root, "", 0)
}

type walker struct {
	ctx   context.Context
	store cas.Store
	visit func(path string, e Entry) error
	count int
}

func (w *walker) walk(d digest.Digest, prefix string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("walk: %w: more than %d folders deep", ErrInvalid, maxDepth)
	}
	dir, err := Load(w.ctx, w.store, d)
	if err != nil {
		return inFolder(prefix, err)
	}
	for e := range dir.entries() {
		if w.count++; w.count > maxEntries {
			return fmt.Errorf("walk: %w: more than %d entries", ErrInvalid, maxEntries)
		}
		path := prefix + e.name
		err := w.visit(path, e.Entry)
		if err == nil && e.Kind == KindDir {
			err = w.walk(e.Digest, path+"/", depth+1)
		}
		if err != nil && !(e.Kind == KindDir && errors.Is(err, ErrSkipDir)) {
			return err
		}
	}
	return nil
}

// inFolder adds the folder to an error; prefix is "" or ends in a slash.
func inFolder(prefix string, err error) error {
	if prefix == "" {
		return err
	}
	return fmt.Errorf("%s: %w", strings.TrimSuffix(prefix, "/"), err)
}

// Lookup returns what path holds; the root for "" and ".". ErrNotFound when there is nothing, also
// when a part of the way is a file or a symbolic link: links are not followed. ErrInvalid for what
// is no path.
func Lookup(ctx context.Context, s cas.Store, root digest.Digest, path string) (Entry, error) {
	return lookup(root, path, func(d digest.Digest) (Directory, error) { return Load(ctx, s, d) })
}

func lookup(root digest.Digest, path string, load func(digest.Digest) (Directory, error)) (Entry, error) {
	parts, err := splitPath(path)
	if err != nil {
		return Entry{}, fmt.Errorf("look up: %w", err)
	}
	e := Entry{Kind: KindDir, Digest: root}
	for _, part := range parts {
		if e.Kind != KindDir {
			return Entry{}, fmt.Errorf("look up %s: %w", path, ErrNotFound)
		}
		dir, err := load(e.Digest)
		if err != nil {
			return Entry{}, fmt.Errorf("look up %s: %w", path, err)
		}
		if e = dir.lookup(part); e.Kind == KindNone {
			return Entry{}, fmt.Errorf("look up %s: %w", path, ErrNotFound)
		}
	}
	return e, nil
}

// Subtree returns the digest of the folder at path; ErrNotFound where there is no folder.
func Subtree(ctx context.Context, s cas.Store, root digest.Digest, path string) (digest.Digest, error) {
	e, err := Lookup(ctx, s, root, path)
	if err != nil {
		return digest.Digest{}, err
	}
	if e.Kind != KindDir {
		return digest.Digest{}, fmt.Errorf("look up %s: %w: it is a %s", path, ErrNotFound, e.Kind)
	}
	return e.Digest, nil
}

// Insert returns the tree in which path holds e, whatever it held. Missing parents are made;
// ErrConflict when one is there and is no folder. At "" only a folder can be inserted: it is the
// result.
func Insert(ctx context.Context, s cas.Store, root digest.Digest, path string, e Entry) (digest.Digest, error) {
	parts, err := splitPath(path)
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return digest.Digest{}, fmt.Errorf("insert %s: %w", path, err)
	}
	if len(parts) == 0 {
		if e.Kind != KindDir {
			return digest.Digest{}, fmt.Errorf("insert a %s as the root: %w", e.Kind, ErrConflict)
		}
		return e.Digest, nil
	}
	d, err := edit(ctx, s, root, parts, e)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("insert %s: %w", path, err)
	}
	return d, nil
}

// Remove returns the tree without path and all below it. Its parents stay, even when they are
// empty then. ErrNotFound when there is nothing at path.
func Remove(ctx context.Context, s cas.Store, root digest.Digest, path string) (digest.Digest, error) {
	if _, err := Lookup(ctx, s, root, path); err != nil {
		return digest.Digest{}, fmt.Errorf("remove: %w", err)
	}
	parts, err := splitPath(path)
	if err != nil || len(parts) == 0 {
		return digest.Empty, err
	}
	d, err := edit(ctx, s, root, parts, Entry{})
	if err != nil {
		return digest.Digest{}, fmt.Errorf("remove %s: %w", path, err)
	}
	return d, nil
}

func edit(ctx context.Context, s cas.Store, root digest.Digest, parts []string, e Entry) (digest.Digest, error) {
	dir, err := Load(ctx, s, root)
	if err != nil {
		return digest.Digest{}, err
	}
	name := parts[0]
	if len(parts) > 1 {
		below := dir.lookup(name)
		switch below.Kind {
		case KindNone:
			below.Digest = digest.Empty
		case KindFile, KindSymlink:
			return digest.Digest{}, fmt.Errorf("%s is a %s: %w", name, below.Kind, ErrConflict)
		}
		d, err := edit(ctx, s, below.Digest, parts[1:], e)
		if err != nil {
			return digest.Digest{}, inFolder(name, err)
		}
		e = Entry{Kind: KindDir, Digest: d}
	}
	return Save(ctx, s, dir.with(name, e))
}

// check returns ErrInvalid for an Entry that cannot be in a tree.
func (e Entry) check() error {
	switch e.Kind {
	case KindFile, KindDir:
		if e.Digest.IsZero() {
			return fmt.Errorf("%w: a %s without digest", ErrInvalid, e.Kind)
		}
		return nil
	case KindSymlink:
		return checkTarget(e.Target)
	}
	return fmt.Errorf("%w: nothing to insert", ErrInvalid)
}

// Missing returns the blobs of the whole tree, folders and files, that the store does not hold,
// each once. Below a missing folder nothing is known.
func Missing(ctx context.Context, s cas.Store, root digest.Digest) ([]digest.Digest, error) {
	m := &missing{ctx: ctx, store: s, dirs: map[digest.Digest]bool{}, files: map[digest.Digest]bool{}}
	if err := m.folder(root, 0); err != nil {
		return nil, fmt.Errorf("find missing blobs of %s: %w", root, err)
	}
	if err := m.flush(); err != nil {
		return nil, fmt.Errorf("find missing blobs of %s: %w", root, err)
	}
	return m.found, nil
}

// missing asks about files in batches, for stores that are far away.
type missing struct {
	ctx   context.Context
	store cas.Store
	dirs  map[digest.Digest]bool // visited
	files map[digest.Digest]bool // asked about, or in ask
	ask   []digest.Digest
	found []digest.Digest
}

const askAtOnce = 4096

func (m *missing) folder(d digest.Digest, depth int) error {
	if m.dirs[d] {
		return nil
	}
	m.dirs[d] = true
	if depth > maxDepth {
		return fmt.Errorf("%w: more than %d folders deep", ErrInvalid, maxDepth)
	}
	dir, err := Load(m.ctx, m.store, d)
	if errors.Is(err, cas.ErrNotFound) || errors.Is(err, cas.ErrCorrupt) {
		m.found = append(m.found, d)
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range dir.Files {
		if !m.files[f.Digest] {
			m.files[f.Digest] = true
			m.ask = append(m.ask, f.Digest)
		}
	}
	if len(m.ask) >= askAtOnce {
		if err := m.flush(); err != nil {
			return err
		}
	}
	for _, sub := range dir.Dirs {
		if err := m.folder(sub.Digest, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (m *missing) flush() error {
	found, err := m.store.Missing(m.ctx, m.ask)
	m.found = append(m.found, found...)
	m.ask = m.ask[:0]
	return err
}
