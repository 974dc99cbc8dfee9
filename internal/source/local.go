package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// local is a source that is a file or folder of the project, staged raw: ignored files, empty
// folders and a .git below it too, as BuildStream sees them (rule 6).
type local struct {
	static
	env  Env
	el   *project.Element
	src  project.Source
	file string // absolute
}

func (e Env) openLocal(el *project.Element, src project.Source) (kind, error) {
	if err := src.Config.ValidateKeys("path"); err != nil {
		return nil, err
	}
	name, err := src.Config.Str("path")
	if err != nil {
		return nil, err
	}
	file, err := projectPath(el.Project.Dir, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.At, err)
	}
	return local{env: e, el: el, src: src, file: file}, nil
}

// projectPath returns the absolute path of a file or folder that a project names. It must be in
// the project's folder, whatever symlinks lead to it, and be no symlink itself.
func projectPath(dir, name string) (string, error) {
	if name == "" || filepath.IsAbs(name) || hasParentComponent(filepath.ToSlash(name)) {
		return "", fmt.Errorf("path %q is not a path in the project", name)
	}
	file := filepath.Join(dir, name)
	info, err := os.Lstat(file)
	if err != nil {
		return "", fmt.Errorf("path %q: %w", name, err)
	}
	if kind := info.Mode().Type(); kind != 0 && kind != fs.ModeDir {
		return "", fmt.Errorf("path %q is neither a file nor a folder", name)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("path %q: %w", name, err)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", fmt.Errorf("path %q: %w", name, err)
	}
	if below, err := filepath.Rel(root, real); err != nil || hasParentComponent(filepath.ToSlash(below)) {
		return "", fmt.Errorf("path %q leads out of the project through a symlink", name)
	}
	return file, nil
}

// inPlace reports whether the folder is the one that holds the project, and somebody works in it.
func (l local) inPlace() bool {
	return filepath.Clean(l.file) == filepath.Clean(l.el.Project.Dir) && !l.el.Project.Staged
}

func (l local) stage(ctx context.Context, _ digest.Digest) (layer, error) {
	if l.env.Local != nil {
		root, err := l.env.Local(ctx, l.el, l.src)
		if !errors.Is(err, ErrAsItIs) {
			return layer{root: root}, err
		}
	}
	if l.inPlace() {
		if l.env.InPlace == nil {
			return layer{}, fmt.Errorf("%w: a source that is the whole project", ErrUnsupported)
		}
		root, err := l.env.InPlace(ctx, l.el, l.src)
		return layer{root: root}, err
	}
	info, err := os.Lstat(l.file)
	if err != nil {
		return layer{}, fmt.Errorf("read source: %w", err)
	}
	if info.Mode().IsRegular() {
		return l.stageFile(ctx)
	}
	imported, err := l.importFolder(ctx)
	staged := layer{root: imported.Root}
	if n := len(imported.Skipped); n > 0 {
		staged.warnings = []string{fmt.Sprintf("%d files of other types are not staged, the first is %s", n, imported.Skipped[0])}
	}
	return staged, err
}

// importFolder reads only the files that changed since the last time, as their status tells.
func (l local) importFolder(ctx context.Context) (tree.Imported, error) {
	file := filepath.Join(l.env.MirrorDir, "local", mirrorName(l.file))
	options := tree.ImportOptions{}
	if data, err := os.ReadFile(file); err == nil {
		if index, err := tree.DecodeIndex(data); err == nil {
			options.Index = index
		}
	}
	imported, err := tree.Import(ctx, l.env.Store, l.file, options)
	if err != nil || imported.Hashed == 0 {
		return imported, err
	}
	// The index is a help only: a cache that cannot be written is no error here.
	if data, err := tree.EncodeIndex(imported.Index); err == nil && os.MkdirAll(filepath.Dir(file), 0o755) == nil {
		_ = fsx.WriteFile(file, data, 0o644)
	}
	return imported, nil
}

func (l local) stageFile(ctx context.Context) (layer, error) {
	content, err := l.env.Store.PutFile(ctx, l.file)
	if err != nil {
		return layer{}, err
	}
	// As in BuildStream: of a single file it counts whether we may execute it.
	file := tree.File{Name: filepath.Base(l.file), Digest: content, Executable: unix.Access(l.file, unix.X_OK) == nil}
	root, err := tree.Save(ctx, l.env.Store, tree.Directory{Files: []tree.File{file}})
	return layer{root: root}, err
}
