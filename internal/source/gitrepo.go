package source

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
)

// gitRepoRef is the form of a ref of git_repo: a commit, or what git describe says of one.
var gitRepoRef = regexp.MustCompile(`\A(?:(.*)-(\d+)-g)?([0-9a-f]{40})`)

// gitRepo is a source of the kind of buildstream-plugins-community: the work tree of a commit, and
// a .git with as much history as git describe needs.
type gitRepo struct {
	mirror   gitMirror
	commit   string // "" without ref
	tag      string // "" when ref is a plain commit
	tracked  string
	exclude  []string
	describe bool
}

func (e Env) openGitRepo(el *project.Element, src project.Source) (kind, error) {
	if err := src.Config.ValidateKeys("ref", "url", "track", "exclude", "ref-format", "version", "version-guess-pattern"); err != nil {
		return nil, err
	}
	common, err := e.openGitCommon(el, src)
	if err != nil {
		return nil, err
	}
	r := gitRepo{mirror: common.mirror, tracked: common.tracked, describe: common.describe}
	if r.exclude, err = src.Config.StrList("exclude"); err != nil || common.ref == "" {
		return r, err
	}
	match := gitRepoRef.FindStringSubmatch(common.ref)
	if match == nil {
		return nil, fmt.Errorf("%s: ref %q is neither a commit nor in the form of git describe", src.At, common.ref)
	}
	r.tag, r.commit = match[1], match[3]
	if r.tag == "" {
		return r, nil
	}
	if err := checkTagName(r.tag); err != nil {
		return nil, fmt.Errorf("%s: %w", src.At, err)
	}
	return r, nil
}

func (r gitRepo) cached(ctx context.Context) bool {
	return r.commit != "" && r.mirror.has(ctx, r.commit, r.tag)
}

func (r gitRepo) fetch(ctx context.Context) error {
	if r.commit == "" {
		return ErrNoRef
	}
	return r.mirror.fetch(ctx, r.commit, r.tag)
}

func (r gitRepo) stage(ctx context.Context, _ digest.Digest) (layer, error) {
	if r.commit == "" {
		return layer{}, ErrNoRef
	}
	if !r.cached(ctx) {
		return layer{}, fmt.Errorf("%w: %s", ErrNotFetched, redact(r.mirror.url))
	}
	root, err := r.mirror.checkout(ctx, r.commit, asDulwich)
	if err != nil {
		return layer{}, err
	}
	repository, err := r.mirror.repositoryOf(ctx, r.commit, r.tag)
	return layer{root: root, git: repository}, err
}

// track picks the highest version among the branches and tags that match.
func (r gitRepo) track(ctx context.Context) (string, error) {
	if r.tracked == "" {
		return "", nil
	}
	if err := r.mirror.refresh(ctx); err != nil {
		return "", err
	}
	names, err := r.mirror.matching(ctx, r.tracked, r.exclude)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("%w: no branch or tag matches %q in %s", ErrNoCommit, r.tracked, redact(r.mirror.url))
	}
	best := slices.MaxFunc(names, compareVersions)
	commit, err := r.mirror.revision(ctx, best)
	if err != nil || !r.describe {
		return commit, err
	}
	if tag, ok := strings.CutPrefix(best, "refs/tags/"); ok {
		return tag + "-0-g" + commit, nil
	}
	return r.mirror.describe(ctx, commit)
}

// matching lists the branches and tags that track names and exclude does not.
func (m gitMirror) matching(ctx context.Context, tracked string, exclude []string) ([]string, error) {
	out, err := m.git(ctx, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	wanted, err := refPattern(tracked)
	if err != nil {
		return nil, err
	}
	var unwanted []*regexp.Regexp
	for _, pattern := range exclude {
		compiled, err := refPattern(pattern)
		if err != nil {
			return nil, err
		}
		unwanted = append(unwanted, compiled)
	}
	names := strings.Fields(string(out))
	return slices.DeleteFunc(names, func(name string) bool {
		return !wanted.MatchString(name) ||
			slices.ContainsFunc(unwanted, func(r *regexp.Regexp) bool { return r.MatchString(name) })
	}), nil
}

// refPattern translates a pattern of the shell, whose "*" takes slashes too. Without refs/ it is
// the name of a branch or tag.
func refPattern(pattern string) (*regexp.Regexp, error) {
	prefix := `refs/(?:heads|tags)/`
	if strings.HasPrefix(pattern, "refs/") {
		prefix = ""
	}
	var b strings.Builder
	for i := 0; i < len(pattern); {
		expression, n := globToken(pattern[i:])
		switch pattern[i] {
		case '*':
			expression, n = `.*`, 1
		case '?':
			expression = `.`
		}
		b.WriteString(expression)
		i += n
	}
	compiled, err := regexp.Compile(`(?s)\A` + prefix + b.String() + `\z`)
	if err != nil {
		return nil, fmt.Errorf("read pattern %q: %w", pattern, err)
	}
	return compiled, nil
}

// versionParts are runs of letters and of digits; what is between them does not count.
var versionParts = regexp.MustCompile(`[a-zA-Z]+|[0-9]+`)

// compareVersions orders names of refs as git_repo does: part by part, letters before numbers,
// so 1.beta is before 1.0. Names that are equal so are ordered by their text.
func compareVersions(a, b string) int {
	left, right := versionParts.FindAllString(a, -1), versionParts.FindAllString(b, -1)
	if c := slices.CompareFunc(left, right, compareParts); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func compareParts(a, b string) int {
	isNumber := func(s string) bool { return s[0] >= '0' && s[0] <= '9' }
	switch {
	case isNumber(a) && !isNumber(b):
		return 1
	case !isNumber(a) && isNumber(b):
		return -1
	case !isNumber(a):
		return strings.Compare(a, b)
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// describe names a commit by the first tag met while walking back, newest first, as git_repo does;
// git describe itself may choose another. Without any tag it is the commit.
func (m gitMirror) describe(ctx context.Context, commit string) (string, error) {
	tagged, err := m.taggedCommits(ctx)
	if err != nil {
		return "", err
	}
	out, err := m.git(ctx, "rev-list", commit)
	if err != nil {
		return "", err
	}
	for i, at := range strings.Fields(string(out)) {
		if tag, ok := tagged[at]; ok {
			return tag + "-" + strconv.Itoa(i) + "-g" + commit, nil
		}
	}
	return commit, nil
}

// taggedCommits maps commits to their tags; of several the last by name.
func (m gitMirror) taggedCommits(ctx context.Context) (map[string]string, error) {
	out, err := m.git(ctx, "for-each-ref", "--format=%(objectname) %(*objectname) %(refname:lstrip=2)", "refs/tags")
	if err != nil {
		return nil, err
	}
	tagged := map[string]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 {
			tagged[fields[len(fields)-2]] = fields[len(fields)-1]
		}
	}
	return tagged, nil
}
