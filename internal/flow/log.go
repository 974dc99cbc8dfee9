package flow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// LogState is what is known of an element at a commit.
type LogState string

// The states, the most useful first.
const (
	LogBuilt   LogState = "built"   // its files are here
	LogRunning LogState = "running" // it is being built now
	LogFailed  LogState = "failed"  // its own commands failed
	LogTree    LogState = "tree"    // there is a build tree, of a build that did not end
	LogUnknown LogState = "unknown" // nothing is here
)

// LogRequest says which commits are shown.
type LogRequest struct {
	Elements  []string // none: the configured one, or the workspace's
	Revisions []string // as git log takes them; none: HEAD
	Deps      Deps     // DepsNone, or what the elements need too, as far as it is built from commits
	Paths     []string // only commits that change one of these, as seen from where the user stands
	All       bool     // of all branches, tags and stash entries
	Limit     int      // 0: all
}

// LogRow is one element at one commit.
type LogRow struct {
	Commit  string
	Subject string
	Time    time.Time
	Refs    []string // short names of what is at the commit
	Element string
	Of      int           // how many elements are shown of the commit
	Source  digest.Digest // what the element is built from; equal ones are one build
	Key     string        // build key; "" while a dependency is not built
	State   LogState
	Why     string // why nothing is known; "" where nothing was built
	Record  string // of the newest build; "" without
	Verdict string
	Trust   record.Trust
	Took    time.Duration
}

// Log shows history with what is built of it: every commit's content of each element, with the recipe
// and the dependencies of now. It calls yield for each row, the newest commit first; nothing runs and
// nothing is fetched. Errors: gitint.ErrUnknownRevision, ErrNoHistory.
func (s *Session) Log(ctx context.Context, request LogRequest, yield func(LogRow) error) error {
	return s.eachGroup(ctx, request, func(_ *gitint.Repo, rows iter.Seq2[LogRow, error]) error {
		for row, err := range rows {
			if err == nil {
				err = yield(row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// eachGroup calls visit for each repository that a request is about, with the rows of its commits.
func (s *Session) eachGroup(ctx context.Context, request LogRequest, visit func(*gitint.Repo, iter.Seq2[LogRow, error]) error) error {
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return err
	}
	if err := s.planAll(ctx, g); err != nil {
		return err
	}
	selected, err := g.selected(ShowRequest{Deps: request.Deps})
	if err != nil {
		return err
	}
	groups := s.byRepository(g, selected)
	if len(groups) == 0 {
		return hintNoHistory(selected)
	}
	known := map[string]LogRow{}
	for _, mapped := range groups {
		repo := s.repoOf(mapped[0])
		commits, err := s.listCommits(ctx, repo, request)
		if err != nil {
			return err
		}
		if err := visit(repo, s.logRows(ctx, g, mapped, commits, known)); err != nil {
			return err
		}
	}
	return nil
}

// logRows are the rows of elements at commits; an error ends them.
func (s *Session) logRows(ctx context.Context, g *graph, mapped []*node, commits []commitLine, known map[string]LogRow) iter.Seq2[LogRow, error] {
	return func(yield func(LogRow, error) bool) {
		for _, commit := range commits {
			for _, n := range mapped {
				row, err := s.logRow(ctx, g, n, commit, known)
				row.Of = len(mapped)
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// byRepository returns those of the elements that commits tell of, together with the others of the
// same repository's work tree.
func (s *Session) byRepository(g *graph, elements []*project.Element) [][]*node {
	var groups [][]*node
	at := map[string]int{} // by work tree
	for _, e := range elements {
		n := g.nodes[e]
		if !n.mapped() {
			continue
		}
		top := s.repoOf(n).TopLevel()
		if _, ok := at[top]; !ok {
			at[top] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[top]] = append(groups[at[top]], n)
	}
	return groups
}

// ErrNoHistory: no element that was named is built from this repository's commits.
var ErrNoHistory = errors.New("no element is built from this repository's commits")

func hintNoHistory(elements []*project.Element) error {
	if len(elements) == 0 {
		return ErrNoHistory
	}
	name := elements[0].Name
	return hint.Addf(fmt.Errorf("%w: %s", ErrNoHistory, name), "to build it from a work tree: git bst workspace open %s DIR", name)
}

// logRow is one element at one commit. Rows of equal content are made once.
func (s *Session) logRow(ctx context.Context, g *graph, n *node, commit commitLine, known map[string]LogRow) (LogRow, error) {
	row, err := s.stateAt(ctx, g, n, commit, known)
	if err != nil {
		return row, fmt.Errorf("%s at %s: %w", n.element.FullName(), commit.id, err)
	}
	row.Commit, row.Subject, row.Time, row.Refs, row.Element = commit.id, commit.subject, commit.time, commit.refs, n.element.FullName()
	return row, nil
}

// unreadable are the errors of commits that can't be mapped; other commits may be.
var unreadable = []error{gitint.ErrSubmodule, gitint.ErrName, gitint.ErrMissingObject}

func (s *Session) stateAt(ctx context.Context, g *graph, n *node, commit commitLine, known map[string]LogRow) (LogRow, error) {
	row := LogRow{State: LogUnknown}
	snap, err := s.repoOf(n).Commit(ctx, commit.id)
	if slices.ContainsFunc(unreadable, func(one error) bool { return errors.Is(err, one) }) {
		row.Why = err.Error()
		return row, nil
	}
	if err != nil {
		return row, err
	}
	at, atGraph, why, err := s.nodeAt(ctx, g, n, snap)
	if err != nil || at == nil {
		row.Why = why.Text
		return row, err
	}
	if blocked := s.blocked(ctx, atGraph, at); blocked != nil {
		row.Why = blocked.Text
		return row, nil
	}
	job, err := s.job(ctx, atGraph, at)
	if err != nil {
		return row, err
	}
	if same, ok := known[job.Chain.Build]; ok {
		return same, nil
	}
	row.Source, row.Key = job.Source, job.Chain.Build
	if err := s.fillLogRow(ctx, job, n, &row); err != nil {
		return row, err
	}
	known[row.Key] = row
	return row, nil
}

// fillLogRow asks the stores what is here of a job.
func (s *Session) fillLogRow(ctx context.Context, job build.Job, n *node, row *LogRow) error {
	records, err := s.env.Records.ByBuildKey(ctx, job.Chain.Build)
	if err != nil {
		return err
	}
	for _, rec := range records {
		state, err := s.logState(ctx, rec)
		if err != nil {
			return err
		}
		if row.Record == "" || better(state, row.State) {
			row.State, row.Record, row.Verdict, row.Trust, row.Took = state, rec.ID, rec.Verdict, rec.Trust, rec.Duration
		}
	}
	if row.State != LogBuilt {
		key, err := keys.ArtifactKey(job.Chain.Build, n.element.Public.Plain())
		if err != nil {
			return err
		}
		if entry, err := s.artifactAt(ctx, artifact.BuildRef(key)); err != nil {
			return err
		} else if entry != nil {
			row.State = LogBuilt
		}
	}
	if row.State != LogBuilt && s.building(job) {
		row.State = LogRunning
	}
	return nil
}

// logState is what one build attempt left.
func (s *Session) logState(ctx context.Context, rec record.Record) (LogState, error) {
	if rec.Result == record.Success {
		missing, err := tree.Missing(ctx, s.cas, rec.Files)
		if err == nil && len(missing) == 0 {
			return LogBuilt, nil
		}
	}
	if rec.Replayable() || rec.Result == record.Failed {
		return LogFailed, nil
	}
	if rec.BuildTree.IsZero() {
		return LogUnknown, nil
	}
	if missing, err := tree.Missing(ctx, s.cas, rec.BuildTree); err != nil || len(missing) > 0 {
		return LogUnknown, nil
	}
	return LogTree, nil
}

func better(a, b LogState) bool { return rank(a) < rank(b) }

func rank(state LogState) int {
	for i, one := range []LogState{LogBuilt, LogRunning, LogFailed, LogTree} {
		if one == state {
			return i
		}
	}
	return 4
}

// building reports whether a process builds the job now: it holds the lock on its key.
func (s *Session) building(job build.Job) bool {
	path := filepath.Join(s.config.Cache.Dir, "locks", "build-"+job.Chain.Build)
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	unlock, err := fsx.TryLock(path)
	if err == nil {
		unlock()
	}
	return errors.Is(err, fsx.ErrLocked)
}
