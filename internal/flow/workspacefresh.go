package flow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/internal/workspace"
)

// freshAttributes has git keep every byte, whatever attributes the source brings along: what was
// unpacked is what is built.
const freshAttributes = "* -text -ident !filter !working-tree-encoding !eol\n"

// freshEnv is for the first commit: nobody's configuration, and nothing that differs from one machine
// to the next, so that the same source has the same first commit everywhere.
var freshEnv = []string{
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_CONFIG_PARAMETERS=", "GIT_CONFIG_COUNT=0",
	"GIT_AUTHOR_NAME=git-bst", "GIT_AUTHOR_EMAIL=git-bst@localhost", "GIT_COMMITTER_NAME=git-bst", "GIT_COMMITTER_EMAIL=git-bst@localhost",
	fmt.Sprintf("GIT_AUTHOR_DATE=@%d +0000", build.SourceTime), fmt.Sprintf("GIT_COMMITTER_DATE=@%d +0000", build.SourceTime),
}

// makeFresh makes a repository in dir, which is empty, whose first commit is what n's sources stage.
// Nothing named .git comes out of the sources (rule 39), and all else is committed, what the source
// itself has git ignore too.
func (s *Session) makeFresh(ctx context.Context, g *graph, n *node, dir, branch string, w *workspace.Workspace) error {
	staged, err := source.StageParts(ctx, s.telling(g, n), n.element)
	if err != nil {
		return err
	}
	root, empty, err := s.withoutGit(ctx, staged.Source)
	if err != nil {
		return err
	}
	w.Empty = empty
	if err := tree.Export(ctx, s.cas, root, dir, tree.ExportOptions{Default: s.options.Now()}); err != nil {
		return err
	}
	if branch == "" {
		branch = "main"
	}
	git := gitint.Git{Bin: s.options.Git, Env: s.options.Environ}
	run := func(args ...string) error { return git.Do(ctx, gitint.Command{Dir: dir, Args: args, Env: freshEnv}) }
	if err := run("init", "--quiet", "--template=", "--initial-branch="+branch); err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	info := filepath.Join(dir, ".git", "info")
	if err := os.MkdirAll(info, 0o777); err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(info, "attributes"), []byte(freshAttributes), 0o666); err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	if err := run("add", "--all", "--force"); err != nil {
		return fmt.Errorf("commit the source: %w", err)
	}
	if err := run("commit", "--quiet", "--allow-empty", "--no-verify", "-m", "The source of "+n.element.FullName()); err != nil {
		return fmt.Errorf("commit the source: %w", err)
	}
	head, err := git.Run(ctx, dir, "rev-parse", "HEAD")
	w.Commit = strings.TrimSpace(string(head))
	return err
}

// withoutGit returns a tree without anything that is named .git, and its empty folders.
func (s *Session) withoutGit(ctx context.Context, root digest.Digest) (digest.Digest, []string, error) {
	var empty, repositories []string
	err := tree.Walk(ctx, s.cas, root, func(path string, e tree.Entry) error {
		if name := path[strings.LastIndexByte(path, '/')+1:]; strings.EqualFold(name, ".git") {
			repositories = append(repositories, path)
			if e.Kind == tree.KindDir {
				return tree.ErrSkipDir
			}
			return nil
		}
		if e.Kind == tree.KindDir && e.Digest == digest.Empty && path != "" && path != "." {
			empty = append(empty, path)
		}
		return nil
	})
	for _, path := range repositories {
		if err == nil {
			root, err = tree.Remove(ctx, s.cas, root, path)
		}
	}
	return root, empty, err
}
