package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
)

// clonedConfig is the configuration that a clone begins with: nothing of a template's or a mirror's.
const clonedConfig = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"

// Cloneable reports whether an element's only source is a git repository that becomes the whole of its
// build folder, so that a clone of it can stand in for it.
func Cloneable(el *project.Element) bool {
	if len(el.Sources) != 1 || directory(el.Sources[0]) != "" {
		return false
	}
	kind := el.Sources[0].Kind
	return kind == "git" || kind == "git_repo"
}

// Checkout is where Clone puts things.
type Checkout struct {
	Dir    string // the work tree; absolute, absent or empty
	Branch string // made at the commit and checked out; "" leaves HEAD detached
}

// Clone makes a git repository of a Cloneable element's source: HEAD at its ref, the mirror's branches
// and tags, the source's own URL as origin, and the submodules that the element's configuration checks
// out. Its objects are its own: they may be linked to the mirror's, but outlive it. The sources must
// have been fetched: ErrNotFetched. Nothing of the repository's runs (rule 39). It returns the commit.
// After an error what was made is still there.
func Clone(ctx context.Context, e Env, el *project.Element, to Checkout) (string, error) {
	root, modules, err := e.checkouts(ctx, el)
	if err != nil {
		return "", fmt.Errorf("clone %s: %w", describe(el, el.Sources[0]), err)
	}
	gitDir := filepath.Join(to.Dir, ".git")
	err = root.mirror.cloneTo(ctx, gitDir, to.Dir)
	made := gitMirror{env: e, dir: gitDir, work: to.Dir}
	if err == nil && to.Branch != "" {
		_, err = made.git(ctx, "symbolic-ref", "HEAD", "refs/heads/"+to.Branch)
	}
	if err == nil {
		err = made.checkoutAt(ctx, root.commit, to.Branch == "")
	}
	if err == nil {
		err = e.cloneModules(ctx, gitDir, to.Dir, modules)
	}
	if err != nil {
		return "", fmt.Errorf("clone %s: %w", describe(el, el.Sources[0]), err)
	}
	return root.commit, nil
}

// CloneSubmodules makes the submodules that a Cloneable element's configuration checks out, in a work
// tree that is at the source's ref. gitDir is the work tree's own git directory.
func CloneSubmodules(ctx context.Context, e Env, el *project.Element, gitDir, dir string) error {
	_, modules, err := e.checkouts(ctx, el)
	if err == nil {
		err = e.cloneModules(ctx, gitDir, dir, modules)
	}
	if err != nil {
		return fmt.Errorf("clone the submodules of %s: %w", describe(el, el.Sources[0]), err)
	}
	return nil
}

// Mirror returns the commit of a Cloneable element's ref, and the git directory that holds it and all
// that it needs. ErrNotFetched, ErrNoRef.
func Mirror(ctx context.Context, e Env, el *project.Element) (gitDir, commit string, err error) {
	root, _, err := e.checkouts(ctx, el)
	if err != nil {
		return "", "", fmt.Errorf("find %s: %w", describe(el, el.Sources[0]), err)
	}
	return root.mirror.dir, root.commit, nil
}

// GitFor returns the .git that a Cloneable element's kind stages (rule 9), made from a commit of another
// repository, in which tags may have moved: as the kind would make it from there. Zero where the kind
// stages none.
func GitFor(ctx context.Context, e Env, el *project.Element, gitDir, commit string) (digest.Digest, error) {
	k, err := e.open(el, el.Sources[0])
	if err != nil {
		return digest.Digest{}, err
	}
	switch k := k.(type) {
	case git:
		from := gitMirror{env: e, dir: gitDir, url: k.mirror.url}
		known := slices.DeleteFunc(slices.Clone(k.tags), func(t gitTag) bool { return !from.has(ctx, t.commit, "") })
		if len(known) == 0 {
			return digest.Digest{}, nil
		}
		return from.historyOf(ctx, commit, known)
	case gitRepo:
		from, tag := gitMirror{env: e, dir: gitDir, url: k.mirror.url}, ""
		if k.tag != "" {
			named, err := from.describe(ctx, commit)
			if err != nil {
				return digest.Digest{}, err
			}
			if match := gitRepoRef.FindStringSubmatch(named); match != nil {
				tag = match[1]
			}
		}
		return from.repositoryOf(ctx, commit, tag)
	}
	return digest.Digest{}, nil
}

// Submodules says which submodules a Cloneable element's configuration checks out: all, none, or, where
// both are false, those for which wanted is true, by their paths.
func Submodules(e Env, el *project.Element) (all, none bool, wanted func(at string) bool, err error) {
	k, err := e.open(el, el.Sources[0])
	if err != nil {
		return false, false, nil, err
	}
	g, ok := k.(git)
	if !ok {
		return false, true, nil, nil // git_repo stages empty folders
	}
	wanted = func(at string) bool {
		for parent := at; parent != "." && parent != "/"; parent = path.Dir(parent) {
			if checkout, ok := g.checkout[parent]; ok && (parent == at || !checkout) {
				return checkout
			}
		}
		return g.submodules
	}
	mixed := false
	for _, checkout := range g.checkout {
		mixed = mixed || checkout != g.submodules
	}
	return g.submodules && !mixed, !g.submodules && !mixed, wanted, nil
}

// checkouts returns the source itself and its submodules, parents first.
func (e Env) checkouts(ctx context.Context, el *project.Element) (root submodule, modules []submodule, err error) {
	if !Cloneable(el) {
		return root, nil, fmt.Errorf("%w: only an element whose one source is git can be cloned", ErrUnsupported)
	}
	k, err := e.open(el, el.Sources[0])
	if err != nil {
		return root, nil, err
	}
	switch k := k.(type) {
	case git:
		root = submodule{mirror: k.mirror, commit: k.commit}
	case gitRepo:
		root = submodule{mirror: k.mirror, commit: k.commit}
	}
	if root.commit == "" {
		return root, nil, ErrNoRef
	}
	if !k.cached(ctx) {
		return root, nil, fmt.Errorf("%w: %s", ErrNotFetched, redact(root.mirror.url))
	}
	if k, ok := k.(git); ok {
		err = k.walk(ctx, func(module submodule) error {
			modules = append(modules, module)
			return nil
		})
	}
	return root, modules, err
}

// cloneTo makes gitDir from the mirror, with dir as its work tree, in which nothing is checked out.
func (m gitMirror) cloneTo(ctx context.Context, gitDir, dir string) error {
	unlock, err := m.lock(ctx) // the mirror must not change meanwhile
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(filepath.Dir(gitDir), 0o755); err != nil {
		return err
	}
	// A bare clone has neither a template's hooks nor a configuration of branches.
	err = m.env.Git.Do(ctx, gitint.Command{
		Dir: m.env.MirrorDir, Env: aloneEnv,
		Args: []string{"clone", "--quiet", "--local", "--bare", "--template=", "--", m.dir, gitDir},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(gitDir, "config"), []byte(clonedConfig), 0o644); err != nil {
		return err
	}
	made := gitMirror{env: m.env, dir: gitDir, work: dir}
	if err := made.renameBranches(ctx); err != nil {
		return err
	}
	if err := made.noteTags(ctx); err != nil {
		return err
	}
	for _, setting := range [][2]string{{"remote.origin.url", m.url}, {"remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"}} {
		if _, err := made.git(ctx, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// clonedFile lists, in a clone's git directory, the tags that it began with, "OID NAME" a line, and the
// commit that was checked out, as "OID HEAD": what is no work of the user's.
var clonedFile = filepath.Join("bst", "cloned")

func (m gitMirror) noteTags(ctx context.Context) error {
	out, err := m.git(ctx, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
	if err != nil {
		return err
	}
	return writeFiles(m.dir, map[string]string{filepath.ToSlash(clonedFile): string(out)})
}

// ClonedTags returns the tags that a repository made by Clone began with, by their full names; none for
// other repositories.
func ClonedTags(gitDir string) map[string]string {
	text, err := os.ReadFile(filepath.Join(gitDir, clonedFile))
	if err != nil {
		return nil
	}
	tags := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			tags[name] = id
		}
	}
	return tags
}

// ClonedCommit returns the commit that Clone checked out in a repository of its; "" for others.
func ClonedCommit(gitDir string) string { return ClonedTags(gitDir)["HEAD"] }

// renameBranches turns the branches of a bare clone into origin's.
func (m gitMirror) renameBranches(ctx context.Context) error {
	out, err := m.git(ctx, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
	if err != nil {
		return err
	}
	var edits strings.Builder
	for line := range strings.Lines(string(out)) {
		id, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		branch := strings.TrimPrefix(name, "refs/heads/")
		fmt.Fprintf(&edits, "create refs/remotes/origin/%s %s\ndelete %s\n", branch, id, name)
	}
	if edits.Len() == 0 {
		return nil
	}
	_, err = m.gitInput(ctx, strings.NewReader(edits.String()), "update-ref", "--stdin")
	return err
}

// checkoutAt puts HEAD, or the branch that it names, at a commit, and writes its files.
func (m gitMirror) checkoutAt(ctx context.Context, commit string, detached bool) error {
	args := []string{"update-ref", "-m", "git bst workspace open", "HEAD", commit}
	if detached {
		args = slices.Insert(args, 1, "--no-deref")
	}
	if _, err := m.git(ctx, args...); err != nil {
		return err
	}
	if err := appendLine(filepath.Join(m.dir, clonedFile), commit+" HEAD\n"); err != nil {
		return err
	}
	_, err := m.git(ctx, "read-tree", "--reset", "-u", "HEAD")
	return err
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// cloneModules makes the submodules where git keeps them: below "modules" in the git directory that
// they belong to, with relative paths, so that the whole can be moved.
func (e Env) cloneModules(ctx context.Context, gitDir, dir string, modules []submodule) error {
	gitDirs := map[string]string{"": gitDir}
	for _, module := range modules {
		if err := checkModuleName(module, modules); err != nil {
			return err
		}
		parent := gitDirs[module.parent]
		own := filepath.Join(parent, "modules", filepath.FromSlash(module.name))
		work := filepath.Join(dir, filepath.FromSlash(module.at))
		gitDirs[module.at] = own
		if err := e.cloneModule(ctx, module, parent, own, work); err != nil {
			return fmt.Errorf("submodule %s: %w", module.at, err)
		}
	}
	return nil
}

func (e Env) cloneModule(ctx context.Context, module submodule, parent, own, work string) error {
	if err := module.mirror.cloneTo(ctx, own, work); err != nil {
		return err
	}
	toGit, err := filepath.Rel(work, own)
	if err != nil {
		return err
	}
	toWork, err := filepath.Rel(own, work)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, ".git"), []byte("gitdir: "+toGit+"\n"), 0o644); err != nil {
		return err
	}
	made := gitMirror{env: e, dir: own, work: work}
	if _, err := made.git(ctx, "config", "core.worktree", toWork); err != nil {
		return err
	}
	above := gitMirror{env: e, dir: parent}
	for key, value := range map[string]string{"active": "true", "url": module.mirror.url} {
		if _, err := above.git(ctx, "config", "submodule."+module.name+"."+key, value); err != nil {
			return err
		}
	}
	return made.checkoutAt(ctx, module.commit, true)
}

// checkModuleName refuses names that would be places outside of "modules", or inside of another
// submodule's git directory, where they could become its hooks.
func checkModuleName(module submodule, all []submodule) error {
	bad := !filepath.IsLocal(module.name) || path.Clean(module.name) != module.name || module.name == "." ||
		strings.HasPrefix(module.name, "-") || strings.ContainsAny(module.name, "\\\n")
	bad = bad || isGitName(module.name)
	for _, other := range all {
		bad = bad || other.parent == module.parent && strings.HasPrefix(module.name, other.name+"/")
	}
	if bad {
		return errors.New("submodule " + module.at + ": it has the unsafe name " + fmt.Sprintf("%q", module.name))
	}
	return nil
}
