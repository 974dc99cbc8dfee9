package source

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// maxSubmoduleDepth bounds submodules of submodules; repositories that contain each other would
// otherwise be followed for ever.
const maxSubmoduleDepth = 32

// gitTag is an entry of tags: the commit it is on, and whether it has a message.
type gitTag struct {
	name, commit string
	annotated    bool
}

// git is a source of the kind of buildstream-plugins: the work tree of a commit with its
// submodules.
type git struct {
	mirror     gitMirror
	element    *project.Element
	commit     string // "" without ref
	tracked    string
	describe   bool // ref-format is git-describe
	tags       []gitTag
	trackTags  bool
	submodules bool              // checked out where not overridden
	urls       map[string]string // of submodules, by their paths; expanded
	checkout   map[string]bool   // of submodules, by their paths
}

func (e Env) openGit(el *project.Element, src project.Source) (kind, error) {
	c := src.Config
	if err := c.ValidateKeys("url", "track", "ref", "submodules", "checkout-submodules", "ref-format",
		"track-tags", "tags", "version", "version-guess-pattern"); err != nil {
		return nil, err
	}
	g := git{element: el}
	common, err := e.openGitCommon(el, src)
	if err != nil {
		return nil, err
	}
	g.mirror, g.tracked, g.describe = common.mirror, common.tracked, common.describe
	if g.commit, err = commitOf(common.ref); err != nil {
		return nil, fmt.Errorf("%s: %w", src.At, err)
	}
	if common.ref == "" && g.tracked == "" {
		return nil, fmt.Errorf("%s: a git source needs ref or track", src.At)
	}
	if g.trackTags, err = c.BoolOr("track-tags", false); err != nil {
		return nil, err
	}
	if g.submodules, err = c.BoolOr("checkout-submodules", true); err != nil {
		return nil, err
	}
	if g.tags, err = readTags(c); err != nil {
		return nil, err
	}
	return g, g.readSubmodules(c)
}

// gitCommon is what git and git_repo have in common.
type gitCommon struct {
	mirror   gitMirror
	ref      string
	tracked  string
	describe bool
}

func (e Env) openGitCommon(el *project.Element, src project.Source) (gitCommon, error) {
	from, err := originOf(el, src)
	if err != nil {
		return gitCommon{}, err
	}
	for _, address := range from.all() {
		if err := checkGitURL(address); err != nil {
			return gitCommon{}, fmt.Errorf("%s: %w", src.At, err)
		}
	}
	found := gitCommon{mirror: e.gitMirror(from)}
	if found.ref, err = src.Config.StrOr("ref", ""); err != nil {
		return gitCommon{}, err
	}
	if found.tracked, err = src.Config.StrOr("track", ""); err != nil {
		return gitCommon{}, err
	}
	form, err := src.Config.StrOr("ref-format", "sha1")
	if err == nil && form != "sha1" && form != "git-describe" {
		err = fmt.Errorf("%s: ref-format must be sha1 or git-describe, not %q", src.At, form)
	}
	found.describe = form == "git-describe"
	return found, err
}

// checkGitURL refuses what git would not read as the address of a repository.
func checkGitURL(address string) error {
	scheme, _, ok := strings.Cut(address, "://")
	switch {
	case !ok && strings.Contains(address, "::"):
		return fmt.Errorf("%w: git through a remote helper: %s", ErrUnsupported, redact(address))
	case !ok || scheme == "https" || scheme == "http" || scheme == "ssh" || scheme == "git" || scheme == "file":
		return nil
	}
	return fmt.Errorf("%w: git over %s: %s", ErrUnsupported, scheme, redact(address))
}

// commitOf takes the commit out of a ref, which may be in the form of git describe.
func commitOf(ref string) (string, error) {
	commit := ref[strings.LastIndex(ref, "-g")+1:]
	commit = strings.TrimPrefix(commit, "g")
	if ref == "" || commitText.MatchString(commit) {
		return commit, nil
	}
	return "", fmt.Errorf("ref %q does not end with the 40 digits of a commit", ref)
}

func readTags(c *project.Node) ([]gitTag, error) {
	list, err := c.Sequence("tags")
	if err != nil || list == nil {
		return nil, err
	}
	var tags []gitTag
	for _, item := range list.Items() {
		var t gitTag
		if err := item.ValidateKeys("tag", "commit", "annotated"); err != nil {
			return nil, err
		}
		if t.name, err = item.Str("tag"); err != nil {
			return nil, err
		}
		if t.commit, err = item.Str("commit"); err != nil {
			return nil, err
		}
		if t.annotated, err = item.Bool("annotated"); err != nil {
			return nil, err
		}
		if !commitText.MatchString(t.commit) {
			return nil, fmt.Errorf("%s: commit %q of tag %q is not 40 digits", item.At(), t.commit, t.name)
		}
		if err := checkTagName(t.name); err != nil {
			return nil, fmt.Errorf("%s: %w", item.At(), err)
		}
		tags = append(tags, t)
	}
	return tags, nil
}

// readSubmodules reads the overrides; a path without url keeps the repository's own, which
// BuildStream cannot fetch.
func (g *git) readSubmodules(c *project.Node) error {
	overrides, err := c.Mapping("submodules")
	if err != nil || overrides == nil {
		return err
	}
	g.urls, g.checkout = map[string]string{}, map[string]bool{}
	for _, at := range overrides.Keys() {
		override, err := overrides.Mapping(at)
		if err != nil {
			return err
		}
		address, err := override.StrOr("url", "")
		if err != nil {
			return err
		}
		if address != "" {
			if g.urls[at], err = g.element.ExpandURL(address); err != nil {
				return err
			}
		}
		if override.Get("checkout") == nil {
			continue
		}
		if g.checkout[at], err = override.Bool("checkout"); err != nil {
			return err
		}
	}
	return nil
}

func (g git) cached(ctx context.Context) bool {
	if g.commit == "" || !g.mirror.has(ctx, g.commit, "") {
		return false
	}
	err := g.walk(ctx, func(module submodule) error {
		if !module.mirror.has(ctx, module.commit, "") {
			return ErrNotFetched
		}
		return nil
	})
	return err == nil
}

func (g git) fetch(ctx context.Context) error {
	if g.commit == "" {
		return ErrNoRef
	}
	if err := g.mirror.fetch(ctx, g.commit, ""); err != nil {
		return err
	}
	return g.walk(ctx, func(module submodule) error {
		if err := module.mirror.fetch(ctx, module.commit, ""); err != nil {
			return fmt.Errorf("submodule %s: %w", module.at, err)
		}
		return nil
	})
}

func (g git) track(ctx context.Context) (string, error) {
	switch {
	case g.tracked == "":
		return "", nil
	case g.trackTags:
		err := fmt.Errorf("%w: track-tags: ref would move and tags stay", ErrUnsupported)
		return "", hint.Add(err, "track this element with bst, or take track-tags and tags out")
	}
	if err := g.mirror.refresh(ctx); err != nil {
		return "", err
	}
	commit, err := g.mirror.revision(ctx, g.tracked)
	if err != nil || !g.describe {
		return commit, err
	}
	out, err := g.mirror.git(ctx, "describe", "--tags", "--abbrev=40", "--long", "--always", commit)
	return strings.TrimSpace(string(out)), err
}

// refresh brings all branches and tags as they are now.
func (m gitMirror) refresh(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return m.fetchAll(ctx, m.url)
}

// revision returns the commit that a branch, tag or other name stands for.
func (m gitMirror) revision(ctx context.Context, name string) (string, error) {
	out, err := m.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	commit := strings.TrimSpace(string(out))
	if err != nil || !commitText.MatchString(commit) {
		return "", fmt.Errorf("%w: no branch or tag %q in %s", ErrNoCommit, name, redact(m.url))
	}
	return commit, nil
}

func (g git) stage(ctx context.Context, _ digest.Digest) (layer, error) {
	if g.commit == "" {
		return layer{}, ErrNoRef
	}
	if !g.mirror.has(ctx, g.commit, "") {
		return layer{}, fmt.Errorf("%w: %s", ErrNotFetched, redact(g.mirror.url))
	}
	var staged layer
	var err error
	if staged.root, err = g.mirror.checkout(ctx, g.commit, asGit); err != nil {
		return layer{}, err
	}
	err = g.walk(ctx, func(module submodule) error {
		if !module.mirror.has(ctx, module.commit, "") {
			return fmt.Errorf("%w: submodule %s", ErrNotFetched, module.at)
		}
		root, err := module.mirror.checkout(ctx, module.commit, asGit)
		if err != nil {
			return fmt.Errorf("submodule %s: %w", module.at, err)
		}
		staged.root, err = tree.Insert(ctx, g.mirror.env.Store, staged.root, module.at, folderEntry(root))
		return err
	})
	if err != nil || len(g.tags) == 0 {
		return staged, err
	}
	staged.git, err = g.mirror.historyOf(ctx, g.commit, g.tags)
	return staged, err
}

// submodule is a submodule that is checked out.
type submodule struct {
	mirror gitMirror
	commit string
	at     string // path in the whole
	parent string // path of what it is a submodule of; "" is the source itself
	name   string // what its parent calls it
	depth  int    // 0 is the source itself
}

// walk calls visit for each submodule that is to be checked out, parents first; those below one that visit did not make available are not known yet and left out.
func (g git) walk(ctx context.Context, visit func(module submodule) error) error {
	return g.walkBelow(ctx, submodule{mirror: g.mirror, commit: g.commit}, visit)
}

func (g git) walkBelow(ctx context.Context, parent submodule, visit func(submodule) error) error {
	if parent.depth > maxSubmoduleDepth {
		return fmt.Errorf("submodule %s: nested too deep", parent.at)
	}
	listed, err := parent.mirror.submodules(ctx, parent.commit)
	if err != nil {
		return err
	}
	for _, found := range listed {
		at := path.Join(parent.at, found.path)
		wanted, ok := g.checkout[at]
		if !ok {
			wanted = g.submodules
		}
		if !wanted {
			continue
		}
		address := g.urls[at]
		if address == "" {
			if address, err = submoduleURL(parent.mirror.url, found.url); err != nil {
				return fmt.Errorf("submodule %s: %w", at, err)
			}
		}
		module := submodule{mirror: g.mirror.env.gitMirror(origin{url: address}), commit: found.commit, at: at, depth: parent.depth + 1,
			parent: parent.at, name: found.name}
		if err := visit(module); err != nil {
			return err
		}
		if err := g.walkBelow(ctx, module, visit); err != nil {
			return err
		}
	}
	return nil
}

// submoduleURL is where a submodule comes from: relative addresses are relative to the parent's,
// as for git. A repository from elsewhere cannot name files of this machine.
func submoduleURL(parent, written string) (string, error) {
	address := written
	if strings.HasPrefix(written, "./") || strings.HasPrefix(written, "../") {
		base, err := url.Parse(parent)
		if err != nil || base.Scheme == "" {
			return "", fmt.Errorf("%w: the relative address %q of a submodule of %s", ErrUnsupported, written, redact(parent))
		}
		base.Path = path.Join(base.Path, written)
		address = base.String()
	}
	if err := checkGitURL(address); err != nil {
		return "", err
	}
	isLocal := func(u string) bool {
		return strings.HasPrefix(u, "file://") || strings.HasPrefix(u, "/") || !strings.Contains(u, ":")
	}
	if isLocal(address) && !isLocal(parent) {
		err := fmt.Errorf("%w: a submodule of %s from this machine's %s", ErrUnsupported, redact(parent), address)
		return "", hint.Add(err, "if it is meant, set its url under submodules in the element")
	}
	return address, nil
}
