package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/project"
)

// localRefs hold, in a mirror, commits that came from a work tree of this machine, with all that they
// need. Nobody else can fetch them, as far as is known.
const localRefs = "refs/bst-local/"

// publicRefs hold what was fetched from the source's own server.
var publicRefs = []string{"refs/heads", "refs/tags", "refs/bst"}

// Commit is a commit in a repository of this machine that is to become a Cloneable element's ref.
type Commit struct {
	ID     string
	GitDir string // with all its objects; absolute
	Repo   *gitint.Repo
}

// RefTo returns the ref of a Cloneable element's source that names a commit, in the form that the
// source's ref has: the commit, or what git describe says of it from the repository's tags.
func RefTo(ctx context.Context, e Env, el *project.Element, c Commit) (string, error) {
	k, err := e.open(el, el.Sources[0])
	if err != nil {
		return "", err
	}
	from := gitMirror{env: e, dir: c.GitDir}
	switch k := k.(type) {
	case git:
		if old, err := el.Sources[0].Config.StrOr("ref", ""); err != nil || !k.describe && commitText.MatchString(old) {
			return c.ID, err
		}
		out, err := from.git(ctx, "describe", "--tags", "--abbrev=40", "--long", "--always", c.ID)
		return strings.TrimSpace(string(out)), err
	case gitRepo:
		if !k.describe && k.tag == "" {
			return c.ID, nil
		}
		return from.describe(ctx, c.ID)
	}
	return "", fmt.Errorf("%w: %s has no commits", ErrUnsupported, describe(el, el.Sources[0]))
}

// Publish makes sure that the ref of a Cloneable element, which names a commit of this machine, can be
// fetched by others, and brings it with its submodules into the mirror. It asks the mirror, then the
// repository's remote-tracking branches, and at last the server. ErrNoCommit or ErrDownload: it can't.
func Publish(ctx context.Context, e Env, el *project.Element, c Commit) error {
	root, err := e.gitSource(el)
	if err != nil {
		return err
	}
	if !root.published(ctx, c.ID) && pushed(ctx, c, append(slices.Clone(root.more), root.url)) {
		if err := root.borrowCommit(ctx, c, "refs/bst/"); err != nil {
			return err
		}
	}
	if !root.published(ctx, c.ID) { // has may say yes of a local one, so that nothing would be fetched
		unlock, err := root.lock(ctx)
		if err != nil {
			return err
		}
		err = root.fetchPublic(ctx, c.ID)
		unlock()
		if err != nil {
			return err
		}
	}
	return Fetch(ctx, e, el)
}

// Lend brings a commit into the mirror of a Cloneable element, whose ref names it, from a repository of
// this machine. Its submodules are fetched.
func Lend(ctx context.Context, e Env, el *project.Element, c Commit) error {
	root, err := e.gitSource(el)
	if err != nil {
		return err
	}
	if !root.has(ctx, c.ID, "") {
		if err := root.borrowCommit(ctx, c, localRefs); err != nil {
			return err
		}
	}
	return Fetch(ctx, e, el)
}

// gitSource returns the mirror of a Cloneable element.
func (e Env) gitSource(el *project.Element) (gitMirror, error) {
	k, err := e.open(el, el.Sources[0])
	if err != nil {
		return gitMirror{}, err
	}
	switch k := k.(type) {
	case git:
		return k.mirror, nil
	case gitRepo:
		return k.mirror, nil
	}
	return gitMirror{}, fmt.Errorf("%w: %s has no commits", ErrUnsupported, describe(el, el.Sources[0]))
}

// published reports whether a commit is part of what was fetched from the server.
func (m gitMirror) published(ctx context.Context, commit string) bool {
	if !m.has(ctx, commit, "") {
		return false
	}
	out, err := m.git(ctx, append([]string{"for-each-ref", "--count=1", "--contains=" + commit}, publicRefs...)...)
	return err == nil && len(out) > 0
}

// IsBefore reports whether a commit is a proper ancestor of what the ref of a Cloneable element names, as far
// as the mirror knows.
func IsBefore(ctx context.Context, e Env, el *project.Element, c Commit) bool {
	root, err := e.gitSource(el)
	if err != nil {
		return false
	}
	old, err := el.Sources[0].Config.StrOr("ref", "")
	if err != nil || old == "" || old == c.ID {
		return false
	}
	_, err = root.git(ctx, "merge-base", "--is-ancestor", "--end-of-options", c.ID, old+"^{commit}")
	return err == nil
}

var errNotAsked = errors.New("not asked")

// fetchPublic fetches one commit from the server, whatever the mirror has of it. Its lock is held.
func (m gitMirror) fetchPublic(ctx context.Context, commit string) error {
	var failures []error
	for _, from := range append(slices.Clone(m.more), m.url) {
		m.env.progress("fetch " + redact(from))
		err := errNotAsked
		if !m.has(ctx, commit, "") { // else git would not ask the server at all
			err = m.fetchRefs(ctx, from, "+"+commit+":refs/bst/"+commit)
		}
		if err != nil && ctx.Err() == nil {
			err = m.fetchAll(ctx, from) // not every server gives single commits
		}
		if err == nil && m.published(ctx, commit) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%w: commit %s in %s", ErrNoCommit, commit, redact(from))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// borrowCommit copies a commit with its history from a repository of this machine.
func (m gitMirror) borrowCommit(ctx context.Context, c Commit, below string) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return m.fetchRefs(ctx, c.GitDir, "+"+c.ID+":"+below+c.ID)
}

// pushesBack reports whether what is pushed to a remote goes where it is fetched from. Else its tracking
// branches, which a push moves too, may say what only a fork has.
func pushesBack(ctx context.Context, c Commit, name string) bool {
	var fetched, pushed strings.Builder
	err := c.Repo.Do(ctx, gitint.Command{Args: []string{"remote", "get-url", "--all", "--", name}, Stdout: &fetched})
	if err == nil {
		err = c.Repo.Do(ctx, gitint.Command{Args: []string{"remote", "get-url", "--push", "--all", "--", name}, Stdout: &pushed})
	}
	return err == nil && fetched.String() == pushed.String()
}

// pushed reports whether the repository's own remote-tracking branches show that one of these servers
// has the commit.
func pushed(ctx context.Context, c Commit, urls []string) bool {
	var out strings.Builder
	err := c.Repo.Do(ctx, gitint.Command{Args: []string{"config", "-z", "--get-regexp", `^remote\..*\.url$`}, Stdout: &out})
	if err != nil {
		return false // there is no remote
	}
	for entry := range strings.SplitSeq(out.String(), "\x00") {
		key, url, ok := strings.Cut(entry, "\n")
		if !ok || !slices.Contains(urls, url) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".url")
		if !pushesBack(ctx, c, name) {
			continue
		}
		var found strings.Builder
		err := c.Repo.Do(ctx, gitint.Command{Args: []string{"for-each-ref", "--count=1", "--contains=" + c.ID, "refs/remotes/" + name}, Stdout: &found})
		if err == nil && found.Len() > 0 {
			return true
		}
	}
	return false
}
