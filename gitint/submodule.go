package gitint

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
)

// committedSubmodule returns the files of the commit that a tree names at path.
func (v *view) committedSubmodule(ctx context.Context, path, commit string) (Snapshot, error) {
	r := v.repo
	name, err := v.submoduleName(ctx, path)
	if err != nil {
		return Snapshot{}, err
	}
	if s, ok := v.knownSubmodule(ctx, path, name, commit); ok {
		return s, nil
	}
	for _, open := range r.submodulePlaces(path, name) {
		sub, err := open(ctx)
		if err != nil || !sub.has(ctx, commit) {
			continue
		}
		sub.depth = r.depth + 1
		return sub.commit(ctx, commit)
	}
	return Snapshot{}, r.uninitialised(path, commit)
}

// knownSubmodule answers from the memo, without starting git, for a submodule that is there and
// whose files have been seen before: none of them converted, and no submodules inside.
func (v *view) knownSubmodule(ctx context.Context, path, name, commit string) (Snapshot, bool) {
	r := v.repo
	here := r.place.topLevel != "" && exists(filepath.Join(r.place.topLevel, path, ".git")) ||
		validModule(name) && (exists(filepath.Join(r.place.gitDir, "modules", name)) || exists(filepath.Join(r.place.commonDir, "modules", name)))
	oid, known := r.knownTree(commit)
	if !here || !known {
		return Snapshot{}, false
	}
	value, known := r.memo.get(kindTree, oid)
	if !known || value.flags != 0 {
		return Snapshot{}, false
	}
	missing, err := r.opts.Store.Missing(ctx, []digest.Digest{value.digest})
	return Snapshot{OID: oid, Canonical: value.digest, Staged: value.digest, Commit: commit}, err == nil && len(missing) == 0
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// validModule reports whether git would keep a submodule of this name below "modules".
func validModule(name string) bool {
	return name != "" && !strings.Contains("/"+name+"/", "/../")
}

// workSubmodule returns the files of a submodule's work tree (rule 5), or those of the commit
// when it has none.
func (v *view) workSubmodule(ctx context.Context, path, commit string) (Snapshot, error) {
	r := v.repo
	sub, err := r.openNested(ctx, path)
	if err != nil {
		return v.committedSubmodule(ctx, path, commit)
	}
	sub.depth = r.depth + 1
	return sub.workTree(ctx)
}

func (r *Repo) uninitialised(path, commit string) error {
	return hint.Addf(fmt.Errorf("%w: commit %s is not here", ErrSubmodule, commit),
		"git -C %s submodule update --init --recursive -- %s", r.dir(), path)
}

// submodulePlaces are the repositories that may hold a submodule's commits: in the work tree,
// then where git keeps those that are not checked out.
func (r *Repo) submodulePlaces(path, name string) []func(context.Context) (*Repo, error) {
	var places []func(context.Context) (*Repo, error)
	if r.place.topLevel != "" {
		places = append(places, func(ctx context.Context) (*Repo, error) { return r.openNested(ctx, path) })
	}
	if !validModule(name) {
		return places // no name, or one that leads elsewhere: git refuses it too
	}
	for _, dir := range []string{r.place.gitDir, r.place.commonDir} {
		places = append(places, func(ctx context.Context) (*Repo, error) {
			return OpenGitDir(ctx, filepath.Join(dir, "modules", name), r.opts)
		})
	}
	return places
}

// openNested opens the repository whose top is at path in the work tree.
func (r *Repo) openNested(ctx context.Context, path string) (*Repo, error) {
	dir := filepath.Join(r.place.topLevel, path)
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return nil, ErrNoRepository
	}
	sub, err := Open(ctx, dir, r.opts)
	if err != nil {
		return nil, err
	}
	if sub.place.prefix != "" || sub.place.gitDir == r.place.gitDir {
		return nil, ErrNoRepository // .git there is something else
	}
	return sub, nil
}

// has reports whether the commit is in the repository.
func (r *Repo) has(ctx context.Context, commit string) bool {
	return r.run(ctx, Command{Args: []string{"cat-file", "-e", commit + "^{tree}"}}) == nil
}

// submoduleName returns the name that .gitmodules of the tree gives to path; "" for none.
func (v *view) submoduleName(ctx context.Context, path string) (string, error) {
	modules, err := v.modules(ctx)
	return modules[path], err
}

// modules reads .gitmodules at the root of the tree: path to name.
func (v *view) modules(ctx context.Context) (map[string]string, error) {
	if v.names != nil {
		return v.names, nil
	}
	v.names = map[string]string{}
	root, err := readOne(ctx, v.objects, v.out.OID, "tree")
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(root, len(v.out.OID)/2)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.name != ".gitmodules" || e.mode == modeSymlink || e.mode == modeTree {
			continue
		}
		text, err := readOne(ctx, v.objects, e.oid, "blob")
		if err != nil {
			return nil, err
		}
		v.parseModules(ctx, text)
	}
	return v.names, nil
}

// parseModules lets git read the file. One that it cannot read names nothing.
func (v *view) parseModules(ctx context.Context, text []byte) {
	var out strings.Builder
	err := v.repo.run(ctx, Command{
		Args:  []string{"config", "-z", "--file", "-", "--no-includes", "--get-regexp", `^submodule\..*\.path$`},
		Stdin: strings.NewReader(string(text)), Stdout: &out,
	})
	if err != nil {
		return
	}
	for record := range strings.SplitSeq(out.String(), "\x00") {
		key, path, ok := strings.Cut(record, "\n")
		if ok {
			v.names[path] = strings.TrimSuffix(strings.TrimPrefix(key, "submodule."), ".path")
		}
	}
}

// submoduleRepo opens the repository that has the files of a snapshot's submodule, which may be
// inside another one.
func (r *Repo) submoduleRepo(ctx context.Context, sub Submodule) (*Repo, error) {
	if r.place.topLevel != "" {
		if nested, err := r.openNested(ctx, sub.Path); err == nil {
			return nested, nil
		}
	}
	// Where it is not checked out, the folder of all submodules is searched for the commit.
	for _, dir := range []string{r.place.gitDir, r.place.commonDir} {
		var found *Repo
		_ = filepath.WalkDir(filepath.Join(dir, "modules"), func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.IsDir() || entry.Name() != "objects" {
				return err
			}
			if nested, err := OpenGitDir(ctx, filepath.Dir(path), r.opts); err == nil && nested.has(ctx, sub.OID) {
				found = nested
				return filepath.SkipAll
			}
			return filepath.SkipDir
		})
		if found != nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrSubmodule, sub.Path)
}
