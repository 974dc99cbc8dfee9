package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// A conversion turns one git tree into REAPI directories: first all trees that the memo does not
// know are read, level by level; then all their unknown blobs; then the directories are made
// from the leaves up. Directories go to the store, blobs are only identified.
type conversion struct {
	repo    *Repo
	objects reader
	links   linker
	fresh   func(oid string) bool // trees to read even if the memo knows them; may be nil
	force   bool                  // read all trees even if the memo knows them, so that the store gets them again

	nodes    map[string]*node
	blobs    map[string]blobUse // blobs to identify
	contents map[string][]byte  // links' targets
	made     int                // directories made so far
}

// linker says which files a submodule has: the path and the commit that the tree names, to the
// digest of a directory.
type linker func(ctx context.Context, path, commit string) (digest.Digest, error)

// node is a tree that had to be read.
type node struct {
	oid     string
	path    string // one place where it is
	entries []entry
	linked  bool // holds a submodule somewhere: its digest depends on the place
	flags   memoFlags
	digest  digest.Digest
}

type blobUse struct{ path, mode string }

// Limits on what a tree may be, far above any real one.
const (
	maxDepth   = 4096
	maxObjects = 10_000_000
)

// convert returns the canonical digest of a tree.
func (c *conversion) convert(ctx context.Context, oid string) (memoValue, error) {
	if value, ok := c.known(oid); ok {
		return value, nil
	}
	c.nodes, c.blobs, c.contents = map[string]*node{}, map[string]blobUse{}, map[string][]byte{}
	if err := c.readTrees(ctx, oid); err != nil {
		return memoValue{}, err
	}
	if err := c.readLinks(ctx); err != nil {
		return memoValue{}, err
	}
	if err := c.repo.identify(ctx, c.objects, c.blobs); err != nil {
		return memoValue{}, err
	}
	c.markLinked(c.nodes[oid], map[string]bool{})
	return c.resolve(ctx, c.nodes[oid], "")
}

// known returns the memo's entry for a tree.
func (c *conversion) known(oid string) (memoValue, bool) {
	value, ok := c.repo.memo.get(kindTree, oid)
	if !ok || c.force || c.fresh != nil && c.fresh(oid) {
		return memoValue{}, false
	}
	return value, true
}

// readTrees reads all unknown trees below the root, a level at a time.
func (c *conversion) readTrees(ctx context.Context, root string) error {
	level := []*node{{oid: root}}
	c.nodes[root] = level[0]
	for depth := 0; len(level) > 0; depth++ {
		if depth > maxDepth || len(c.nodes)+len(c.blobs) > maxObjects {
			return fmt.Errorf("%w: tree %s is too deep or too large", ErrGit, root)
		}
		oids := make([]string, len(level))
		for i, n := range level {
			oids[i] = n.oid
		}
		var next []*node
		err := c.objects.each(ctx, oids, func(i int, kind string, size int64, body io.Reader) error {
			if kind != "tree" {
				return fmt.Errorf("%w: %s is a %s, not a tree", ErrGit, oids[i], kind)
			}
			data, err := readWhole(oids[i], kind, size, body)
			if err != nil {
				return err
			}
			found, err := c.parse(level[i], data)
			next = append(next, found...)
			return err
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// parse fills n and returns the trees in it that must be read.
func (c *conversion) parse(n *node, data []byte) (next []*node, err error) {
	n.entries, err = parseTree(data, len(n.oid)/2)
	if err != nil {
		return nil, fmt.Errorf("%w: tree %s: %w", ErrGit, n.oid, err)
	}
	for _, e := range n.entries {
		name := path.Join(n.path, e.name)
		if !utf8.ValidString(e.name) {
			return nil, hint.Add(fmt.Errorf("%w: %q is not UTF-8", ErrName, name), "rename it, or add it to .gitignore and remove it from the index")
		}
		if e.name == "" || e.name == "." || e.name == ".." || strings.EqualFold(e.name, ".git") || strings.Contains(e.name, "/") {
			return nil, fmt.Errorf("%w: %q in tree %s", ErrName, e.name, n.oid)
		}
		switch e.mode {
		case modeTree:
			_, known := c.known(e.oid)
			if !known && c.nodes[e.oid] == nil {
				c.nodes[e.oid] = &node{oid: e.oid, path: name}
				next = append(next, c.nodes[e.oid])
			}
		case modeGitlink:
			n.linked = true
		default:
			c.wantBlob(e, name)
		}
	}
	return next, nil
}

// wantBlob notes a blob whose digest, bytes or attributes must be found out.
func (c *conversion) wantBlob(e entry, name string) {
	_, known := c.repo.memo.get(kindBlob, e.oid)
	if e.mode == modeSymlink || e.name == ".gitattributes" {
		c.contents[e.oid] = nil
	}
	if !known || e.mode == modeSymlink {
		if _, seen := c.blobs[e.oid]; !seen {
			c.blobs[e.oid] = blobUse{path: name, mode: e.mode}
		}
	}
}

// readLinks reads the targets of symbolic links and the .gitattributes, which are needed whole.
func (c *conversion) readLinks(ctx context.Context) error {
	oids := make([]string, 0, len(c.contents))
	for oid := range c.contents {
		oids = append(oids, oid)
	}
	slices.Sort(oids)
	return c.objects.each(ctx, oids, func(i int, kind string, size int64, body io.Reader) error {
		if kind != "blob" {
			return fmt.Errorf("%w: %s is a %s, not a blob", ErrGit, oids[i], kind)
		}
		data, err := readWhole(oids[i], kind, size, body)
		if err != nil {
			return err
		}
		c.contents[oids[i]] = data
		c.repo.memo.put(kindBlob, oids[i], memoValue{digest: digest.Of(data)})
		delete(c.blobs, oids[i])
		return nil
	})
}

// markLinked sets linked on n if any tree below it holds a submodule.
func (c *conversion) markLinked(n *node, seen map[string]bool) bool {
	if seen[n.oid] {
		return n.linked
	}
	seen[n.oid] = true
	for _, e := range n.entries {
		if child := c.nodes[e.oid]; e.mode == modeTree && child != nil && c.markLinked(child, seen) {
			n.linked = true
		}
	}
	return n.linked
}

// resolve makes the directory of n, which is at where, and of all below.
func (c *conversion) resolve(ctx context.Context, n *node, where string) (memoValue, error) {
	if !n.digest.IsZero() {
		return memoValue{digest: n.digest, flags: n.flags}, nil
	}
	if c.made++; c.made > maxObjects { // a tree with submodules is made anew in each place
		return memoValue{}, fmt.Errorf("%w: tree %s is too large", ErrGit, n.oid)
	}
	var dir tree.Directory
	var flags memoFlags
	for _, e := range n.entries {
		below, err := c.add(ctx, &dir, e, path.Join(where, e.name))
		if err != nil {
			return memoValue{}, err
		}
		flags |= below
	}
	// Git sorts folders as if their names ended in a slash; REAPI sorts by plain name.
	slices.SortFunc(dir.Dirs, func(a, b tree.Dir) int { return strings.Compare(a.Name, b.Name) })
	d, err := tree.Save(ctx, c.repo.opts.Store, dir)
	if err != nil {
		return memoValue{}, fmt.Errorf("save folder %q of tree: %w", where, err)
	}
	value := memoValue{digest: d, flags: flags}
	if !n.linked {
		n.digest, n.flags = d, flags
		c.repo.memo.put(kindTree, n.oid, value)
	}
	return value, nil
}

// add puts one entry into dir.
func (c *conversion) add(ctx context.Context, dir *tree.Directory, e entry, where string) (memoFlags, error) {
	switch e.mode {
	case modeTree:
		value, err := c.subtree(ctx, e.oid, where)
		if err == nil {
			dir.Dirs = append(dir.Dirs, tree.Dir{Name: e.name, Digest: value.digest})
		}
		return value.flags, err
	case modeGitlink:
		d, err := c.links(ctx, where, e.oid)
		if err == nil {
			dir.Dirs = append(dir.Dirs, tree.Dir{Name: e.name, Digest: d})
		}
		return 0, err
	case modeSymlink:
		target := string(c.contents[e.oid])
		if !utf8.ValidString(target) || target == "" || strings.Contains(target, "\x00") {
			return 0, fmt.Errorf("%w: the target %q of link %q", ErrName, target, where)
		}
		dir.Symlinks = append(dir.Symlinks, tree.Symlink{Name: e.name, Target: target})
		return 0, nil
	}
	value, ok := c.repo.memo.get(kindBlob, e.oid)
	if !ok {
		return 0, errors.New("internal error: blob " + e.oid + " was not identified")
	}
	dir.Files = append(dir.Files, tree.File{Name: e.name, Digest: value.digest, Executable: e.executable()})
	if e.name == ".gitattributes" && changesBytes(c.contents[e.oid]) {
		return flagAttributes, nil
	}
	return 0, nil
}

func (c *conversion) subtree(ctx context.Context, oid, where string) (memoValue, error) {
	if n := c.nodes[oid]; n != nil {
		return c.resolve(ctx, n, where)
	}
	value, ok := c.known(oid)
	if !ok {
		return memoValue{}, errors.New("internal error: tree " + oid + " was not read")
	}
	return value, nil
}

// changesBytes reports whether a .gitattributes may make checkout write other bytes than the
// blob's, with all configuration switched off. On Linux, text and text=auto alone do not.
func changesBytes(attributes []byte) bool {
	for _, word := range [][]byte{[]byte("eol=crlf"), []byte("ident"), []byte("working-tree-encoding"), []byte("filter")} {
		if bytes.Contains(attributes, word) {
			return true
		}
	}
	return false
}
