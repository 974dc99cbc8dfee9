package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
)

// marks are what is known of a bisection: its state in git's own words.
type marks struct {
	bad         string   // "" while none is
	good        []string // commits
	skipped     map[string]bool
	firstParent bool
	paths       []string // only commits that change one of these
	words       [2]string
}

// The words of marks.
const (
	wordBad  = 0
	wordGood = 1
)

// bisection is a bisection in a repository; with a state of git's, marks are written there too.
type bisection struct {
	marks
	repo    *gitint.Repo
	started bool // git has its state
}

// ErrNoBisection: there is no bisection to go on with.
var ErrNoBisection = errors.New("no bisection has been started")

// bisectFile is a file of git's state of a bisection; "" when there is none.
func bisectFile(repo *gitint.Repo, name string) string {
	data, err := os.ReadFile(filepath.Join(repo.GitDir(), name))
	if err != nil {
		return ""
	}
	return string(data)
}

// readBisection reads git's state. ErrNoBisection when there is none.
func readBisection(ctx context.Context, repo *gitint.Repo) (*bisection, error) {
	b := &bisection{repo: repo, started: true}
	b.skipped, b.words = map[string]bool{}, [2]string{"bad", "good"}
	if bisectFile(repo, "BISECT_START") == "" {
		return nil, hint.Add(ErrNoBisection, "git bst bisect start BAD GOOD, or give both to run: git bst bisect run --bad BAD --good GOOD -- COMMAND")
	}
	if words := strings.Fields(bisectFile(repo, "BISECT_TERMS")); len(words) == 2 {
		b.words = [2]string(words)
	}
	_, err := os.Lstat(filepath.Join(repo.GitDir(), "BISECT_FIRST_PARENT"))
	b.firstParent, b.paths = err == nil, unquote(bisectFile(repo, "BISECT_NAMES"))
	if at := slices.Index(b.paths, "--"); at >= 0 {
		b.paths = b.paths[at+1:]
	}
	out, err := b.ask(ctx, "for-each-ref", "--format=%(objectname) %(refname)", "refs/bisect/")
	if err != nil {
		return nil, fmt.Errorf("read the bisection: %w", err)
	}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		commit, ref, _ := strings.Cut(line, " ")
		switch name := strings.TrimPrefix(ref, "refs/bisect/"); {
		case name == b.words[wordBad]:
			b.bad = commit
		case strings.HasPrefix(name, b.words[wordGood]+"-"):
			b.good = append(b.good, commit)
		case strings.HasPrefix(name, "skip-"):
			b.skipped[commit] = true
		}
	}
	return b, nil
}

// unquote splits words that are quoted as git does it for a shell: 'a' 'it'\”s'.
func unquote(text string) []string {
	var words []string
	var word strings.Builder
	inWord, quoted := false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'':
			quoted, inWord = !quoted, true
		case quoted:
			word.WriteByte(c)
		case c == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case c == ' ' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// ask returns what a git command prints.
func (b *bisection) ask(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := b.repo.Do(ctx, gitint.Command{Args: args, Stdout: &out})
	return out.String(), err
}

// resolve returns the commit that a revision names.
func (b *bisection) resolve(ctx context.Context, revision string) (string, error) {
	out, err := b.ask(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", hint.Add(fmt.Errorf("%w: %s", gitint.ErrUnknownRevision, revision), "git log --oneline --all shows what there is")
	}
	return strings.TrimSpace(out), nil
}

// suspect is a commit that may be the first bad one.
type suspect struct {
	commit string
	split  int // how many of them are settled by its test at least
}

// suspects are the commits that may be the first bad one, those with the best split first: what bad
// reaches and no good one does, bad included.
func (b *bisection) suspects(ctx context.Context) ([]suspect, error) {
	args := []string{"rev-list", "--bisect-all"}
	if b.firstParent {
		args = append(args, "--first-parent")
	}
	args = append(args, b.bad)
	for _, good := range b.good {
		args = append(args, "^"+good)
	}
	out, err := b.ask(ctx, append(append(args, "--"), b.paths...)...)
	if err != nil {
		return nil, fmt.Errorf("list what may be the first bad commit: %w", err)
	}
	var list []suspect
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		commit, rest, _ := strings.Cut(line, " ") // "OID (ref, dist=N)"
		_, number, ok := strings.Cut(rest, "dist=")
		if !ok {
			continue
		}
		split, err := strconv.Atoi(strings.TrimRight(number, ") "))
		if err != nil {
			return nil, fmt.Errorf("list what may be the first bad commit: git says %q", line)
		}
		list = append(list, suspect{commit, split})
	}
	return list, nil
}

// bases are the merge bases of bad and the good commits that are not among its ancestors: as long as
// these are not known to be good, bad may be what was always so, and mended in good.
func (b *bisection) bases(ctx context.Context) ([]string, error) {
	args := append([]string{"rev-list", "--max-count=1"}, b.good...)
	aside, err := b.ask(ctx, append(args, "^"+b.bad)...)
	if err != nil || strings.TrimSpace(aside) == "" {
		return nil, err
	}
	out, err := b.ask(ctx, append([]string{"merge-base", "--all", b.bad}, b.good...)...)
	var exit *gitint.ExitError
	if errors.As(err, &exit) && exit.Code == 1 { // nothing in common
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Fields(out), func(commit string) bool {
		return slices.Contains(b.good, commit) || b.skipped[commit]
	}), nil
}

// mark takes a verdict down, in git's state too where there is one.
func (b *bisection) mark(ctx context.Context, judged Judged, commit string) error {
	word := string(Skipped)
	switch judged {
	case Bad:
		b.bad, word = commit, b.words[wordBad]
	case Good:
		b.good, word = append(b.good, commit), b.words[wordGood]
	default:
		b.skipped[commit] = true
	}
	if !b.started {
		return nil
	}
	_, err := b.ask(ctx, "bisect", word, commit)
	return settled(err)
}

// settled takes out what git ends with when it can't go on: that is found out here too.
func settled(err error) error {
	var exit *gitint.ExitError
	if errors.As(err, &exit) && (exit.Code == 2 || exit.Code == 3 || exit.Code == 4) {
		return nil
	}
	return err
}

// keepWorkTree has git leave the work tree alone when it is told marks, as after git bisect start
// --no-checkout. release puts the state back to what it was.
func (b *bisection) keepWorkTree(ctx context.Context) (release func() error, err error) {
	if !b.started || b.head(ctx) != "" {
		return func() error { return nil }, nil
	}
	if _, err := b.ask(ctx, "update-ref", "--no-deref", "BISECT_HEAD", "HEAD"); err != nil {
		return nil, fmt.Errorf("keep the work tree: %w", err)
	}
	return func() error {
		_, err := b.ask(context.WithoutCancel(ctx), "update-ref", "-d", "--no-deref", "BISECT_HEAD")
		return err
	}, nil
}

// head is the commit that is to be tested next in a bisection without checkout; "" in another.
func (b *bisection) head(ctx context.Context) string {
	out, err := b.ask(ctx, "rev-parse", "--verify", "--quiet", "BISECT_HEAD")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
