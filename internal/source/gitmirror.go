package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/tree"
)

// ErrNoCommit is returned when a repository does not have the commit, branch or tag that is named.
var ErrNoCommit = errors.New("not in the repository")

// commitText is a commit's id; repositories with SHA-256 ids are not known to BuildStream.
var commitText = regexp.MustCompile(`\A[0-9a-f]{40}\z`)

// aloneEnv keeps the configuration of user and machine from what is staged (rule 3), and says what
// a checkout depends on, whatever the mirror's own configuration says.
var aloneEnv = []string{
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_CONFIG_PARAMETERS=",
	"GIT_CONFIG_COUNT=6",
	"GIT_CONFIG_KEY_0=core.autocrlf", "GIT_CONFIG_VALUE_0=false",
	"GIT_CONFIG_KEY_1=core.eol", "GIT_CONFIG_VALUE_1=lf",
	"GIT_CONFIG_KEY_2=core.attributesFile", "GIT_CONFIG_VALUE_2=/dev/null",
	"GIT_CONFIG_KEY_3=core.symlinks", "GIT_CONFIG_VALUE_3=true",
	"GIT_CONFIG_KEY_4=core.fileMode", "GIT_CONFIG_VALUE_4=true",
	"GIT_CONFIG_KEY_5=core.ignoreCase", "GIT_CONFIG_VALUE_5=false",
}

// gitMirror is the bare repository with everything that was fetched from one URL.
type gitMirror struct {
	env  Env
	dir  string
	url  string   // expanded
	more []string // the project's mirrors of url
	work string   // of a checkout, its work tree; else ""
}

func (e Env) gitMirror(from origin) gitMirror {
	return gitMirror{env: e, dir: filepath.Join(e.MirrorDir, "git", mirrorName(from.url)), url: from.url, more: from.mirrors}
}

// git runs git on the mirror, with nobody's configuration.
func (m gitMirror) git(ctx context.Context, args ...string) ([]byte, error) {
	return m.gitInput(ctx, nil, args...)
}

func (m gitMirror) gitInput(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := m.env.Git.Do(ctx, gitint.Command{
		Dir:   m.env.MirrorDir,
		Args:  args,
		Env:   append(m.place(), aloneEnv...),
		Stdin: stdin, Stdout: &out,
	})
	return out.Bytes(), err
}

// place names the repository to git.
func (m gitMirror) place() []string {
	if m.work == "" {
		return []string{"GIT_DIR=" + m.dir}
	}
	return []string{"GIT_DIR=" + m.dir, "GIT_WORK_TREE=" + m.work}
}

// has reports whether the mirror has the commit (and so, since git fetches that way, all that it
// needs), and the tag unless it is "".
func (m gitMirror) has(ctx context.Context, commit, tag string) bool {
	if _, err := os.Stat(filepath.Join(m.dir, "HEAD")); err != nil {
		return false
	}
	if _, err := m.git(ctx, "cat-file", "-e", commit+"^{commit}"); err != nil {
		return false
	}
	if tag == "" {
		return true
	}
	_, err := m.git(ctx, "rev-parse", "--verify", "--quiet", "refs/tags/"+tag+"^{commit}")
	return err == nil
}

// create makes the mirror when it is not there. It appears whole.
func (m gitMirror) create(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(m.dir, "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(m.dir), 0o755); err != nil {
		return fmt.Errorf("make mirror: %w", err)
	}
	dir, remove, err := m.env.temporary("mirror")
	if err != nil {
		return err
	}
	defer remove()
	made := gitMirror{env: m.env, dir: filepath.Join(dir, "repository")}
	if _, err := made.git(ctx, "init", "--quiet", "--bare", "--template="); err != nil {
		return fmt.Errorf("make mirror: %w", err)
	}
	if err := os.Rename(made.dir, m.dir); err != nil {
		if _, there := os.Stat(filepath.Join(m.dir, "HEAD")); there == nil {
			return nil // another one was quicker
		}
		return fmt.Errorf("make mirror: %w", err)
	}
	return nil
}

// fetch brings a commit with its history, and a tag unless it is "": by their names where the
// server gives single commits, else all branches and tags.
func (m gitMirror) fetch(ctx context.Context, commit, tag string) error {
	if m.has(ctx, commit, tag) {
		return nil
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if m.has(ctx, commit, tag) {
		return nil // another process was quicker
	}
	var failures []error
	for _, from := range append(slices.Clone(m.more), m.url) {
		m.env.progress("fetch " + redact(from))
		if err = m.fetchCommit(ctx, from, commit, tag); err == nil {
			// The commit stays when its branch moves.
			_, err = m.git(ctx, "update-ref", "refs/bst/"+commit, commit)
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (m gitMirror) fetchCommit(ctx context.Context, from, commit, tag string) error {
	wanted := []string{"+" + commit + ":refs/bst/" + commit}
	if tag != "" {
		wanted = append(wanted, "+refs/tags/"+tag+":refs/tags/"+tag)
	}
	err := m.fetchRefs(ctx, from, wanted...)
	if !m.has(ctx, commit, tag) && ctx.Err() == nil {
		err = m.fetchAll(ctx, from)
	}
	if err == nil && !m.has(ctx, commit, tag) {
		what := "commit " + commit
		if tag != "" {
			what += " with tag " + tag
		}
		err = fmt.Errorf("%w: %s in %s", ErrNoCommit, what, redact(from))
	}
	return err
}

func (m gitMirror) lock(ctx context.Context) (func(), error) {
	if err := m.create(ctx); err != nil {
		return nil, err
	}
	unlock, err := fsx.Lock(ctx, m.dir+".lock")
	if err == nil {
		m.removeStaleLocks()
	}
	return unlock, err
}

// removeStaleLocks removes what a killed git left, which would make every further one fail. Nobody
// else writes to the mirror while its lock is held.
func (m gitMirror) removeStaleLocks() {
	stale, _ := filepath.Glob(filepath.Join(m.dir, "*.lock")) // the pattern is right
	_ = filepath.WalkDir(filepath.Join(m.dir, "refs"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".lock") { // git allows no ref to be named so
			stale = append(stale, path)
		}
		return nil
	})
	for _, path := range stale {
		_ = os.Remove(path) // else git says what is wrong
	}
}

// fetchAll brings all branches and tags as they are now.
func (m gitMirror) fetchAll(ctx context.Context, from string) error {
	return m.fetchRefs(ctx, from, "--prune", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
}

// fetchRefs reaches the server with the user's configuration. Git itself leaves the mirror whole
// whenever it is killed: objects come before the refs that need them.
func (m gitMirror) fetchRefs(ctx context.Context, from string, refs ...string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules",
		"--no-write-fetch-head", "--no-auto-gc"}
	for len(refs) > 0 && strings.HasPrefix(refs[0], "--") {
		args, refs = append(args, refs[0]), refs[1:]
	}
	args = append(append(args, "--", from), refs...)
	err := m.env.Git.Do(ctx, gitint.Command{Dir: m.env.MirrorDir, Args: args, Env: m.place()})
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s: %s", ErrDownload, redact(from), hideCredentials(oneLine(err.Error()), from))
}

// oneLine joins the lines of what git says up to an empty one; general advice comes after that.
func oneLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n\n")
	return strings.ReplaceAll(text, "\n", "; ")
}

// hideCredentials takes a URL's secrets out of what git says about it.
func hideCredentials(text, url string) string { return strings.ReplaceAll(text, url, redact(url)) }

// checkoutAttributes are set over those in the tree (gitattributes(5), info/attributes).
type checkoutAttributes string

const (
	asGit checkoutAttributes = "" // all that git knows
	// asDulwich is what git_repo's library makes of a tree since its version 1.0: ends of lines
	// only. Older ones change nothing.
	asDulwich checkoutAttributes = "* -ident !working-tree-encoding\n"
)

// checkout returns the commit's tree as git writes it to a work tree: attributes in the tree are
// applied, no filters, submodules are empty folders.
func (m gitMirror) checkout(ctx context.Context, commit string, attributes checkoutAttributes) (digest.Digest, error) {
	return m.env.remember(ctx, []string{"git", commit, string(attributes)}, func() (digest.Digest, error) {
		dir, remove, err := m.env.temporary("checkout")
		if err != nil {
			return digest.Digest{}, err
		}
		defer remove()
		work, repository := filepath.Join(dir, "tree"), filepath.Join(dir, "repository")
		if err := m.borrow(repository, attributes); err != nil {
			return digest.Digest{}, fmt.Errorf("check out: %w", err)
		}
		if err := os.Mkdir(work, 0o755); err != nil {
			return digest.Digest{}, fmt.Errorf("check out: %w", err)
		}
		borrowed := gitMirror{env: m.env, dir: repository, work: work}
		if _, err := borrowed.git(ctx, "read-tree", "--reset", "-u", commit); err != nil {
			return digest.Digest{}, fmt.Errorf("check out %s: %w", commit, err)
		}
		imported, err := tree.Import(ctx, m.env.Store, work, tree.ImportOptions{})
		return imported.Root, err
	})
}

// borrow makes a repository with an index of its own and the mirror's objects.
func (m gitMirror) borrow(dir string, attributes checkoutAttributes) error {
	return writeFiles(dir, map[string]string{
		"HEAD":                    "ref: refs/heads/none\n",
		"config":                  "[core]\n\trepositoryformatversion = 0\n",
		"objects/info/alternates": filepath.Join(m.dir, "objects") + "\n",
		"refs/heads/":             "",
		"info/attributes":         string(attributes),
	})
}

// writeFiles writes small files below dir, by their slash-separated names. A name with a slash at
// its end is an empty folder.
func writeFiles(dir string, files map[string]string) error {
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(file, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
