package artifact

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// Limits on the trees that are taken apart path by path; the same as tree.Walk's.
const (
	maxDepth   = 4096
	maxEntries = 10_000_000
)

// Rules are the split rules of an element: globs by domain, as `public: bst: split-rules` holds
// them, variables expanded.
type Rules map[string][]string

// Domains says which part of an artifact is wanted, as compose and filter are configured.
type Domains struct {
	// Include are the wanted domains; none means all that the element has.
	Include []string
	// Exclude are domains whose files are left out even if another domain includes them.
	Exclude []string
	// Orphans says whether files that no domain claims are wanted.
	Orphans bool
}

// Everything reports whether d wants all, so that nothing need be split.
func (d Domains) Everything() bool { return d.Orphans && len(d.Include) == 0 && len(d.Exclude) == 0 }

// splitter decides for one element.
type splitter struct {
	domains []splitDomain
	orphans bool
}

type splitDomain struct {
	pattern           *regexp.Regexp
	included, exclude bool
}

func newSplitter(rules Rules, want Domains) (*splitter, error) {
	s := &splitter{orphans: want.Orphans}
	for domain, globs := range rules {
		pattern, err := compileGlobs(globs)
		if err != nil {
			return nil, fmt.Errorf("split rules of domain %q: %w", domain, err)
		}
		s.domains = append(s.domains, splitDomain{
			pattern:  pattern,
			included: len(want.Include) == 0 || slices.Contains(want.Include, domain),
			exclude:  slices.Contains(want.Exclude, domain),
		})
	}
	return s, nil
}

// wants reports whether the file or folder at path, relative to the root, is selected.
func (s *splitter) wants(path string) bool {
	included, excluded, claimed := false, false, false
	for _, domain := range s.domains {
		if domain.pattern.MatchString("/" + path) {
			claimed = true
			included = included || domain.included
			excluded = excluded || domain.exclude
		}
	}
	return (included || (s.orphans && !claimed)) && !excluded
}

// Select returns the part of the tree root that the domains of one element want: what filter
// makes of its dependency. A folder stays if it is wanted itself or if something in it is. A rule
// that cannot be compiled is ErrInvalid; blobs of files need not be in the store.
func Select(ctx context.Context, store cas.Store, root digest.Digest, rules Rules, want Domains) (digest.Digest, error) {
	if want.Everything() {
		return root, nil
	}
	s, err := newSplitter(rules, want)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("split: %w", err)
	}
	return cut(ctx, store, root, s.wants)
}

// Manifest returns the paths of files and folders of the tree root that the domains of one element
// want, relative to root, sorted.
func Manifest(ctx context.Context, store cas.Store, root digest.Digest, rules Rules, want Domains) ([]string, error) {
	s, err := newSplitter(rules, want)
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return paths(ctx, store, root, func(path string) bool { return want.Everything() || s.wants(path) })
}

// Paths returns the paths of all files and folders of the tree root, relative to it, sorted.
func Paths(ctx context.Context, store cas.Store, root digest.Digest) ([]string, error) {
	return paths(ctx, store, root, func(string) bool { return true })
}

func paths(ctx context.Context, store cas.Store, root digest.Digest, want func(string) bool) ([]string, error) {
	var found []string
	err := tree.Walk(ctx, store, root, func(path string, _ tree.Entry) error {
		if path != "" && want(path) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	slices.Sort(found)
	return found, nil
}

// Compose returns the part of the tree root, all dependencies staged together and integrated,
// that a compose element collects: the paths of the manifests of its dependencies, without those
// that integration removed, and with those that it added. before is the staged tree before
// integration; without integration it is root.
func Compose(ctx context.Context, store cas.Store, before, root digest.Digest, manifests [][]string) (digest.Digest, error) {
	wanted := map[string]bool{}
	for _, manifest := range manifests {
		for _, path := range manifest {
			wanted[path] = true
		}
	}
	if before != root {
		if err := integrated(ctx, store, before, root, wanted); err != nil {
			return digest.Digest{}, fmt.Errorf("compose: %w", err)
		}
	}
	return cut(ctx, store, root, func(path string) bool { return wanted[path] })
}

// integrated adds to wanted what root has and before has not, and takes out the reverse.
func integrated(ctx context.Context, store cas.Store, before, root digest.Digest, wanted map[string]bool) error {
	old, err := Paths(ctx, store, before)
	if err != nil {
		return err
	}
	now, err := Paths(ctx, store, root)
	if err != nil {
		return err
	}
	for _, path := range now {
		if _, there := slices.BinarySearch(old, path); !there {
			wanted[path] = true
		}
	}
	for _, path := range old {
		if _, there := slices.BinarySearch(now, path); !there {
			delete(wanted, path)
		}
	}
	return nil
}

// cut returns the tree of what want says yes to, with the folders that lead there.
func cut(ctx context.Context, store cas.Store, root digest.Digest, want func(path string) bool) (digest.Digest, error) {
	c := cutter{ctx: ctx, store: store, want: want, limit: maxEntries}
	return c.cut(root)
}

func (c *cutter) cut(root digest.Digest) (digest.Digest, error) {
	dir, err := c.folder(root, "", 0)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("split: %w", err)
	}
	return tree.Save(c.ctx, c.store, dir)
}

type cutter struct {
	ctx     context.Context
	store   cas.Store
	want    func(path string) bool
	entries int
	limit   int // of entries
}

func (c *cutter) folder(d digest.Digest, prefix string, depth int) (tree.Directory, error) {
	dir, err := tree.Load(c.ctx, c.store, d)
	if err != nil {
		return tree.Directory{}, err
	}
	c.entries += len(dir.Files) + len(dir.Dirs) + len(dir.Symlinks)
	if depth > maxDepth || c.entries > c.limit {
		return tree.Directory{}, fmt.Errorf("%w: the tree is too deep or has too many entries", ErrInvalid)
	}
	var kept tree.Directory
	for _, file := range dir.Files {
		if c.want(prefix + file.Name) {
			kept.Files = append(kept.Files, file)
		}
	}
	for _, link := range dir.Symlinks {
		if c.want(prefix + link.Name) {
			kept.Symlinks = append(kept.Symlinks, link)
		}
	}
	for _, child := range dir.Dirs {
		path := prefix + child.Name
		part, err := c.folder(child.Digest, path+"/", depth+1)
		if err != nil {
			return tree.Directory{}, err
		}
		if len(part.Files)+len(part.Dirs)+len(part.Symlinks) == 0 && !c.want(path) {
			continue
		}
		if child.Digest, err = tree.Save(c.ctx, c.store, part); err != nil {
			return tree.Directory{}, err
		}
		kept.Dirs = append(kept.Dirs, child)
	}
	return kept, nil
}

// UnknownDomains returns the names in want that the rules do not have, sorted: an error for filter
// elements, which BuildStream calls "unknown domains declared".
func UnknownDomains(rules Rules, want Domains) []string {
	var unknown []string
	for _, domain := range slices.Concat(want.Include, want.Exclude) {
		if _, ok := rules[domain]; !ok {
			unknown = append(unknown, domain)
		}
	}
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// compileGlobs returns a pattern for "/path" that matches what any of the globs does.
func compileGlobs(globs []string) (*regexp.Regexp, error) {
	if len(globs) == 0 {
		// No path is empty: all begin with "/".
		return regexp.MustCompile(`\A\z`), nil
	}
	patterns := make([]string, 0, len(globs))
	for _, glob := range globs {
		pattern, err := translateGlob(glob)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, pattern)
	}
	pattern, err := regexp.Compile(`(?s)\A(?:` + strings.Join(patterns, "|") + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return pattern, nil
}
