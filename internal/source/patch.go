package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// ErrPatch is returned for a patch that cannot be applied.
var ErrPatch = errors.New("the patch does not apply")

// What a patch is told by, at the beginning of a line: in hunks all lines begin with other signs.
var (
	unifiedMark = regexp.MustCompile(`(?m)^(@@ -[0-9]|diff --git )`)
	contextMark = regexp.MustCompile(`(?m)^\*{15}`)
	normalMark  = regexp.MustCompile(`(?m)^[0-9]+(,[0-9]+)?[acd][0-9]+(,[0-9]+)?\r?$`)
)

// patch is a source that changes what is staged before it, with the host's patch program, as
// BuildStream does.
type patch struct {
	static
	env   Env
	file  string // absolute
	name  string // as written
	strip int64
}

func (e Env) openPatch(el *project.Element, src project.Source) (kind, error) {
	if err := src.Config.ValidateKeys("path", "strip-level"); err != nil {
		return nil, err
	}
	name, err := src.Config.Str("path")
	if err != nil {
		return nil, err
	}
	strip, err := src.Config.IntOr("strip-level", 1)
	if err != nil {
		return nil, err
	}
	file, err := projectPath(el.Project.Dir, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.At, err)
	}
	return patch{env: e, file: file, name: name, strip: strip}, nil
}

// stage applies the patch to a copy of previous. A .git in it stays in the store (rule 39) and is
// put back afterwards as it was; a patch cannot see it.
func (p patch) stage(ctx context.Context, previous digest.Digest) (layer, error) {
	text, err := os.ReadFile(p.file)
	if err != nil {
		return layer{}, fmt.Errorf("read patch: %w", err)
	}
	form, err := patchForm(text)
	if err != nil {
		return layer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	if previous == digest.Empty {
		return layer{}, fmt.Errorf("%w: %s: nothing is staged there to patch", ErrPatch, p.name)
	}
	tool, err := p.env.tool("patch", "apply "+p.name)
	if err != nil {
		return layer{}, err
	}
	visible, hidden, err := p.hideGit(ctx, previous)
	if err != nil {
		return layer{}, err
	}
	dir, remove, err := p.env.temporary("patch")
	if err != nil {
		return layer{}, err
	}
	defer remove()
	work := filepath.Join(dir, "tree")
	if err := tree.Export(ctx, p.env.Store, visible, work, tree.ExportOptions{Default: arbitraryTime}); err != nil {
		return layer{}, err
	}
	args := []string{form, "-p" + strconv.FormatInt(p.strip, 10), "-d", work}
	if err := p.run(ctx, tool, text, args); err != nil {
		return layer{}, err
	}
	imported, err := tree.Import(ctx, p.env.Store, work, tree.ImportOptions{})
	if err != nil {
		return layer{}, err
	}
	root, err := p.restoreGit(ctx, imported.Root, hidden)
	return layer{root: root, replaces: true}, err
}

// arbitraryTime is the time that BuildStream gives to staged files.
var arbitraryTime = time.Date(2011, 11, 11, 11, 11, 11, 0, time.UTC)

// patchForm returns the option that fixes the patch's form. Without it patch guesses, and what
// looks like a script for ed would be run by ed, which runs commands.
func patchForm(text []byte) (string, error) {
	unified, context := unifiedMark.Match(text), contextMark.Match(text)
	switch {
	case unified && context:
		return "", fmt.Errorf("%w: it is in part a unified, in part a context diff", ErrPatch)
	case unified:
		return "-u", nil
	case context:
		return "-c", nil
	case normalMark.Match(text):
		return "-n", nil
	}
	return "", fmt.Errorf("%w: it has no change in the form of diff, diff -c or diff -u", ErrPatch)
}

// run has no terminal, so patch asks nothing: what it would ask about is a failure.
func (p patch) run(ctx context.Context, tool string, text []byte, args []string) error {
	cmd := exec.CommandContext(ctx, tool, append(args, "-i", "-")...)
	cmd.Env = p.env.Environ
	cmd.Stdin = bytes.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err := fmt.Errorf("%w: %s: %s", ErrPatch, p.name, strings.TrimSpace(string(output)))
		return hint.Add(err, "is strip-level right, and does the patch fit the version that ref names?")
	}
	if err != nil {
		return fmt.Errorf("run patch: %w", err)
	}
	if strings.Contains(string(output), "dangerous file name") {
		return fmt.Errorf("%w: %s: it names files outside: %s", ErrPatch, p.name, strings.TrimSpace(string(output)))
	}
	return nil
}

// hideGit takes everything named .git out of a tree.
func (p patch) hideGit(ctx context.Context, root digest.Digest) (digest.Digest, map[string]tree.Entry, error) {
	hidden := map[string]tree.Entry{}
	err := tree.Walk(ctx, p.env.Store, root, func(path string, entry tree.Entry) error {
		parent, name := splitPath(path)
		if isGitName(name) && !isGitName(parent) {
			hidden[path] = entry
		}
		return nil
	})
	for path := range hidden {
		if err == nil {
			root, err = tree.Remove(ctx, p.env.Store, root, path)
		}
	}
	return root, hidden, err
}

func (p patch) restoreGit(ctx context.Context, root digest.Digest, hidden map[string]tree.Entry) (digest.Digest, error) {
	var err error
	for path, entry := range hidden {
		if _, lookup := tree.Lookup(ctx, p.env.Store, root, path); lookup == nil {
			return root, fmt.Errorf("%w: %s: it changes %s", ErrPatch, p.name, path)
		}
		if root, err = tree.Insert(ctx, p.env.Store, root, path, entry); err != nil {
			return root, err
		}
	}
	return root, nil
}

func splitPath(path string) (parent, name string) {
	at := strings.LastIndexByte(path, '/')
	return path[:max(at, 0)], path[at+1:]
}
