package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
)

// BisectRequest is a bisection that is run to its end.
type BisectRequest struct {
	TestSpec
	// Bad and Good are revisions; without any, git's own bisection goes on.
	Bad         string
	Good        []string
	FirstParent bool
}

// BisectStep is one test of a bisection.
type BisectStep struct {
	TestRow
	Left int // commits that may be the first bad one, this one included
}

// Bisected is what a bisection came to.
type Bisected struct {
	First    string // the first bad commit; "" when that was not found
	Subject  string
	Suspects []string // one of which is the first bad commit, where the others could not be tested
	Words    [2]string
	Known    int                  // verdicts that were known
	Tested   int                  // commands that were run
	Verdicts map[plan.Verdict]int // of what had to be done to have what was tested
	Plain    int                  // builds that git bisect would have made
	// Unsure is the trust of the first bad commit's build, where that was continued and not verified.
	Unsure *record.Trust
}

// ErrBisect: a bisection can't be brought to an end; its text is in git's words.
var ErrBisect = errors.New("bisect")

// Bisect finds the first bad commit: it runs a command on what commits are built to, as Test, and chooses
// commits by what is cheap. yield is called for each step. What it finds is what git bisect finds.
func (s *Session) Bisect(ctx context.Context, request BisectRequest, yield func(BisectStep) error) (Bisected, error) {
	t, err := s.newTrial(ctx, request.TestSpec)
	if err == nil {
		err = t.unmapped
	}
	if err != nil {
		return Bisected{}, err
	}
	b, err := t.bisection(ctx, request)
	if err != nil {
		return Bisected{}, err
	}
	release, err := b.keepWorkTree(ctx)
	if err != nil {
		return Bisected{}, err
	}
	begun := b.marks.clone()
	h := &hunt{trial: t, bisection: b, given: b.bad, looked: map[string]TestRow{}, found: Bisected{Words: b.words, Verdicts: map[plan.Verdict]int{}}}
	err = h.run(ctx, yield)
	if err == nil && h.found.First != "" {
		plain := &bisection{marks: begun, repo: b.repo}
		h.found.Plain, err = plain.plainSteps(ctx, h.found.First)
	}
	return h.found, errors.Join(err, release())
}

func (m marks) clone() marks {
	m.good = slices.Clone(m.good)
	skipped := map[string]bool{}
	for commit := range m.skipped {
		skipped[commit] = true
	}
	m.skipped = skipped
	return m
}

// bisection is the one that is asked for, or git's own.
func (t *trial) bisection(ctx context.Context, request BisectRequest) (*bisection, error) {
	if request.Bad == "" && len(request.Good) == 0 {
		b, err := readBisection(ctx, t.history.repo)
		if err == nil && (b.bad == "" || len(b.good) == 0) {
			err = fmt.Errorf("%w: at least one %s and one %s commit have to be known", ErrBisect, b.words[wordGood], b.words[wordBad])
			err = hint.Addf(err, "git bst bisect %s REVISION", missingWord(b))
		}
		return b, err
	}
	b := &bisection{repo: t.history.repo}
	b.skipped, b.words, b.firstParent = map[string]bool{}, [2]string{"bad", "good"}, request.FirstParent
	var err error
	if b.bad, err = b.resolve(ctx, request.Bad); err != nil {
		return nil, err
	}
	for _, revision := range request.Good {
		good, err := b.resolve(ctx, revision)
		if err != nil {
			return nil, err
		}
		b.good = append(b.good, good)
	}
	return b, nil
}

func missingWord(b *bisection) string {
	if b.bad == "" {
		return b.words[wordBad]
	}
	return b.words[wordGood]
}

// hunt is a bisection that is run with a trial.
type hunt struct {
	*trial
	*bisection
	given  string             // the bad commit at the beginning
	looked map[string]TestRow // by commit
	found  Bisected
}

func (h *hunt) run(ctx context.Context, yield func(BisectStep) error) error {
	for first := true; ; first = false {
		next, left, err := h.next(ctx)
		if err != nil || next == nil {
			return err
		}
		row, err := h.test(ctx, *next)
		if err != nil {
			return err
		}
		if err := yield(BisectStep{TestRow: row, Left: left}); err != nil {
			return err
		}
		h.count(row)
		h.learn(row)
		if row.Judged == Aborted {
			return nil
		}
		if first {
			if err := h.checkCommand(ctx, row); err != nil {
				return err
			}
		}
		if err := h.mark(ctx, row.Judged, row.Commit); err != nil {
			return err
		}
	}
}

// checkCommand makes sure, as git does, that a command that can't be found or run is not taken for one
// that says bad: it is run on a good commit, where it must end otherwise.
func (h *hunt) checkCommand(ctx context.Context, row TestRow) error {
	if row.Judged != Bad || row.ExitCode != exitNotRun && row.ExitCode != exitNotFound {
		return nil
	}
	line, err := h.line(ctx, h.good[0])
	if err != nil {
		return err
	}
	good, err := h.test(ctx, *line)
	if err != nil {
		return err
	}
	h.count(good)
	h.learn(good)
	if good.ExitCode == row.ExitCode {
		err := fmt.Errorf("%w: exit code %d at the %s commit %.12s too", ErrBisect, good.ExitCode, h.words[wordGood], line.id)
		return hint.Add(err, "is the command there, where it runs? git bst test shows what it says; a script of yours: --script FILE")
	}
	return nil
}

// count adds a test to what the bisection cost.
func (h *hunt) count(row TestRow) {
	if row.Known {
		h.found.Known++
	} else if row.Testing > 0 {
		h.found.Tested++
	}
	if !row.Known || row.Building > 0 { // what was built may come to what was tested before
		h.found.Verdicts[row.Step.Verdict]++
	}
}

// learn takes over what a test says for all commits that come to the same.
func (h *hunt) learn(row TestRow) {
	row.Known = true
	h.looked[row.Commit] = row
	for commit, other := range h.looked {
		if row.Key != "" && other.Key == row.Key {
			again := row
			again.Commit, again.Subject = commit, other.Subject
			h.looked[commit] = again
		}
	}
}

// maxLooked bounds how many commits are looked at in one step, those with the best split first: each takes
// some ms, and a range that is larger has good splits among these.
const maxLooked = 2000

// next is the commit to be tested, and how many may be the first bad one; nil when the bisection has
// ended, and why is in h.found.
func (h *hunt) next(ctx context.Context) (*commitLine, int, error) {
	bases, err := h.bases(ctx)
	if err != nil {
		return nil, 0, err
	}
	if slices.Contains(bases, h.bad) {
		return nil, 0, h.mendedLater()
	}
	list, err := h.suspects(ctx)
	if err != nil {
		return nil, 0, err
	}
	if len(bases) > 0 {
		line, err := h.line(ctx, bases[0])
		return line, len(list), err
	}
	open, away := h.open(list)
	if len(open) == 0 {
		return nil, 0, h.end(ctx, list)
	}
	priced := make([]plan.Suspect, len(open))
	for i, one := range open {
		priced[i] = plan.Suspect{Split: one.split, Price: plan.PriceBuild}
		if i < maxLooked {
			if priced[i].Price, err = h.price(ctx, one.commit); err != nil {
				return nil, 0, err
			}
		}
	}
	line, err := h.line(ctx, open[plan.PickSuspect(priced, away)].commit)
	return line, len(list), err
}

// open are the suspects that are not marked; away is how many of them are skipped.
func (h *hunt) open(list []suspect) (open []suspect, away int) {
	for _, one := range list {
		switch {
		case h.skipped[one.commit]:
			away++
		case one.commit != h.bad:
			open = append(open, one)
		}
	}
	return open, away
}

// price is what it costs to learn whether a commit is good. What can't be tested is dear: it is tried last.
func (h *hunt) price(ctx context.Context, commit string) (plan.Price, error) {
	row, ok := h.looked[commit]
	if !ok {
		var err error
		if row, _, err = h.look(ctx, commitLine{id: commit}); err != nil {
			return 0, err
		}
		h.looked[commit] = row
	}
	if row.Judged == Good || row.Judged == Bad {
		return plan.PriceNothing, nil
	}
	return plan.PriceOf(row.Step.Verdict), nil
}

func (h *hunt) line(ctx context.Context, commit string) (*commitLine, error) {
	lines, err := h.trial.session.listCommits(ctx, h.bisection.repo, LogRequest{Revisions: []string{commit}}, "--no-walk")
	if err == nil && len(lines) != 1 {
		err = fmt.Errorf("internal error: bisect: expected one commit for %s", commit)
	}
	if err != nil {
		return nil, err
	}
	return &lines[0], nil
}

// end says what a bisection came to in which nothing is left to be tested.
func (h *hunt) end(ctx context.Context, list []suspect) error {
	if !slices.ContainsFunc(list, func(one suspect) bool { return one.commit == h.bad }) && len(h.paths) > 0 {
		return hint.Add(fmt.Errorf("%w: no testable commit was found", ErrBisect), "maybe the bisection was started with wrong paths")
	}
	if len(list) == 0 {
		err := fmt.Errorf("%w: %s is an ancestor of a %s commit", ErrBisect, h.bad, h.words[wordGood])
		return hint.Addf(err, "maybe %s and %s were mistaken for each other", h.words[wordGood], h.words[wordBad])
	}
	if len(list) > 1 {
		for _, one := range list {
			h.found.Suspects = append(h.found.Suspects, one.commit)
		}
		return nil
	}
	line, err := h.line(ctx, h.bad)
	if err != nil {
		return err
	}
	h.found.First, h.found.Subject = line.id, line.subject
	if _, err := h.price(ctx, h.bad); err != nil {
		return err
	}
	if row := h.looked[h.bad]; row.Trust.How == record.Continued && !row.Trust.Verified {
		h.found.Unsure = &row.Trust
	}
	return nil
}

// Marked is a mark that is to be set in git's bisection: what git says, and what is best tested next.
type Marked struct {
	Said string
	Next *BisectNext // nil where git chooses itself, as it checks commits out, or nothing is left to choose
}

// BisectNext is the commit that is best tested next.
type BisectNext struct {
	Commit  string
	Subject string
	Left    int // commits that may be the first bad one
	Verdict plan.Verdict
	Judged  Judged // where that is known; else ""
}

// BisectMark has git start a bisection without checkout, or mark commits in it (git bisect ARGS), and then
// chooses what is tested next by what is cheap, for a test of spec.
func (s *Session) BisectMark(ctx context.Context, spec TestSpec, args ...string) (Marked, error) {
	var marked Marked
	t, err := s.newTrial(ctx, spec)
	if err == nil {
		err = t.unmapped
	}
	if err != nil {
		return marked, err
	}
	b := &bisection{repo: t.history.repo}
	marked.Said, err = b.ask(ctx, append([]string{"bisect"}, args...)...)
	if err = settled(err); err != nil {
		return marked, err
	}
	if b, err = readBisection(ctx, t.history.repo); err != nil || b.bad == "" || len(b.good) == 0 || b.head(ctx) == "" {
		return marked, err
	}
	h := &hunt{trial: t, bisection: b, given: b.bad, looked: map[string]TestRow{}, found: Bisected{Words: b.words}}
	next, left, err := h.next(ctx)
	if err != nil || next == nil {
		return marked, err
	}
	if _, err := h.price(ctx, next.id); err != nil {
		return marked, err
	}
	row := h.looked[next.id]
	marked.Next = &BisectNext{Commit: next.id, Subject: next.subject, Left: left, Verdict: row.Step.Verdict, Judged: row.Judged}
	_, err = b.ask(ctx, "update-ref", "--no-deref", "BISECT_HEAD", next.id)
	return marked, err
}

// mendedLater is git's message for a merge base that is bad.
func (h *hunt) mendedLater() error {
	good, bad := h.words[wordGood], h.words[wordBad]
	if h.bad == h.given {
		err := fmt.Errorf("%w: a %s commit is no ancestor of the %s one, but the other way round", ErrBisect, good, bad)
		return hint.Addf(err, "maybe %s and %s were mistaken for each other", good, bad)
	}
	err := fmt.Errorf("%w: the merge base %s is %s: it was mended between that and %s", ErrBisect, h.bad, bad, strings.Join(h.good, " "))
	return hint.Addf(err, "to find where it was mended, call what is %s %s and what is %s %s", good, bad, bad, good)
}

// plainSteps is how many commits git bisect would have had built, with the first bad one known.
func (b *bisection) plainSteps(ctx context.Context, first string) (int, error) {
	for steps := 0; ; steps++ {
		bases, err := b.bases(ctx)
		if err != nil {
			return 0, err
		}
		commit := ""
		if len(bases) > 0 {
			commit = bases[0]
		} else if commit, err = b.middle(ctx); err != nil || commit == "" {
			return steps, err
		}
		judged := Good
		_, err = b.ask(ctx, "merge-base", "--is-ancestor", first, commit)
		var exit *gitint.ExitError
		if err == nil {
			judged = Bad
		} else if !errors.As(err, &exit) {
			return 0, err
		}
		if err := b.mark(ctx, judged, commit); err != nil {
			return 0, err
		}
	}
}

// middle is the commit that git bisect would test; "" when there is nothing to test.
func (b *bisection) middle(ctx context.Context) (string, error) {
	list, err := b.suspects(ctx)
	if err != nil {
		return "", err
	}
	for _, one := range list {
		if one.commit != b.bad && !b.skipped[one.commit] {
			return one.commit, nil
		}
	}
	return "", nil
}
