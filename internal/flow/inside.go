package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
)

// checkCacheDir refuses a cache that has no folder, and one in the work tree that git does not
// ignore: it would become part of what is built.
func (s *Session) checkCacheDir(ctx context.Context) error {
	dir := s.config.Cache.Dir
	if dir == "" {
		err := fmt.Errorf("open the cache: there is no place for it, as neither HOME nor XDG_CACHE_HOME is set")
		return hint.Add(err, "to name one: GIT_BST_CACHE_DIR=/FOLDER git bst ..., or git config --global bst.cache.dir /FOLDER")
	}
	inside, ok := s.seenByGit(ctx, dir)
	if standing := s.options.Standing; !ok && standing != nil { // the project may be built in place too
		inside, ok = s.inWorkTree(ctx, workTreeTop(real(standing.ProjectDir)), dir)
	}
	if !ok {
		return nil
	}
	err := fmt.Errorf("%w: open the cache: %s is in the work tree and git does not ignore it, so it would be part of what is built", ErrRefused, dir)
	return hint.Add(err, "name a folder elsewhere: git config bst.cache.dir /FOLDER", "or have git ignore it: "+ignoreCommand(inside))
}

// SeenByGit reports whether git would add what is in the folder dir (absolute) to the work tree in
// which the user stands; ignore is the command that has git ignore it there.
func (s *Session) SeenByGit(ctx context.Context, dir string) (ignore string, seen bool) {
	inside, seen := s.seenByGit(ctx, dir)
	return ignoreCommand(inside), seen
}

func ignoreCommand(inside string) string {
	return fmt.Sprintf("echo '/%s/' >> \"$(git rev-parse --git-path info/exclude)\"", inside)
}

// seenByGit returns the slash-separated path of dir in the work tree; false when dir is elsewhere,
// or ignored, or when git can't say.
func (s *Session) seenByGit(ctx context.Context, dir string) (inside string, seen bool) {
	return s.inWorkTree(ctx, workTreeTop(real(s.options.Dir)), dir)
}

// inWorkTree is seenByGit for the work tree with this top; "" is none.
func (s *Session) inWorkTree(ctx context.Context, top, dir string) (inside string, seen bool) {
	if top == "" {
		return "", false
	}
	inside, err := filepath.Rel(top, real(dir))
	if err != nil || !filepath.IsLocal(inside) || inside == ".git" || strings.HasPrefix(inside, ".git/") {
		return "", false
	}
	if inside == "." {
		return inside, true
	}
	git := gitint.Git{Bin: s.options.Git, Env: s.options.Environ}
	_, err = git.Run(ctx, top, "check-ignore", "--quiet", "--", inside+"/")
	var exit *gitint.ExitError
	return filepath.ToSlash(inside), errors.As(err, &exit) && exit.Code == 1
}

// workTreeTop returns the nearest folder with a .git at or above dir, "" without one.
func workTreeTop(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// real follows the symbolic links of as much of path as there is.
func real(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}
