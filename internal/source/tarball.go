package source

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// tarball is a source that is an archive, staged unpacked.
type tarball struct {
	downloaded
	baseDir string
}

func (e Env) openTar(el *project.Element, src project.Source) (kind, error) {
	d, err := e.openDownload(el, src, "base-dir")
	if err != nil {
		return nil, err
	}
	base, err := src.Config.StrOr("base-dir", "*")
	return tarball{downloaded: d, baseDir: base}, err
}

func (t tarball) stage(ctx context.Context, _ digest.Digest) (layer, error) {
	var staged layer
	limits := t.env.Limits.orDefault()
	parts := []string{"tar", t.ref, t.baseDir, fmt.Sprint(limits)}
	root, err := t.env.remember(ctx, parts, func() (digest.Digest, error) {
		root, warnings, err := t.unpack(ctx)
		staged.warnings = warnings
		return root, err
	})
	staged.root = root
	return staged, err
}

func (t tarball) unpack(ctx context.Context) (digest.Digest, []string, error) {
	f, err := t.open()
	if err != nil {
		return digest.Digest{}, nil, err
	}
	defer f.file.Close()
	found, err := t.read(ctx, f)
	if damaged := f.check(); damaged != nil {
		return digest.Digest{}, nil, damaged
	}
	if err != nil {
		return digest.Digest{}, nil, fmt.Errorf("%s: %w", redact(t.url), err)
	}
	root, err := unpack(found.members, t.baseDir)
	if err != nil {
		return digest.Digest{}, nil, fmt.Errorf("%s: %w", redact(t.url), err)
	}
	saved, err := saveNode(ctx, t.env, root)
	return saved, archiveWarnings(found), err
}

func (t tarball) read(ctx context.Context, f io.Reader) (archive, error) {
	unpacked, err := decompress(ctx, t.env, f)
	if err != nil {
		return archive{}, err
	}
	defer unpacked.Close()
	return readArchive(ctx, unpacked, t.env.Limits, t.env.Store.Put)
}

func archiveWarnings(found archive) []string {
	var warnings []string
	if n := len(found.skipped); n > 0 {
		warnings = append(warnings, fmt.Sprintf("%d devices or fifos are not staged, the first is %s", n, found.skipped[0]))
	}
	for _, m := range found.members {
		if isGitName(m.name) {
			return append(warnings, fmt.Sprintf("the archive has a git repository, which is seen inside the sandbox only: %s", m.name))
		}
	}
	return warnings
}

// isGitName reports whether a component of a path is a .git to git on any file system.
func isGitName(name string) bool {
	for component := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(component, ".git") {
			return true
		}
	}
	return false
}

// saveNode stores a tree made in memory.
func saveNode(ctx context.Context, e Env, n *node) (digest.Digest, error) {
	var dir tree.Directory
	for name, entry := range n.entries {
		switch entry.kind {
		case memberDir:
			d, err := saveNode(ctx, e, entry)
			if err != nil {
				return digest.Digest{}, err
			}
			dir.Dirs = append(dir.Dirs, tree.Dir{Name: name, Digest: d})
		case memberSymlink:
			dir.Symlinks = append(dir.Symlinks, tree.Symlink{Name: name, Target: entry.target})
		default:
			dir.Files = append(dir.Files, tree.File{Name: name, Digest: entry.content, Executable: entry.executable})
		}
	}
	slices.SortFunc(dir.Files, func(a, b tree.File) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(dir.Dirs, func(a, b tree.Dir) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(dir.Symlinks, func(a, b tree.Symlink) int { return strings.Compare(a.Name, b.Name) })
	return tree.Save(ctx, e.Store, dir)
}
