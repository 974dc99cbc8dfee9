package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
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
	Paths     []string // only commits that change one of these
	All       bool     // of all branches and tags
	Limit     int      // 0: all
}

// LogRow is one element at one commit.
type LogRow struct {
	Commit  string
	Subject string
	Time    time.Time
	Element string
	Source  digest.Digest // what the element is built from; equal ones are one build
	Key     string        // build key; "" while a dependency is not built
	State   LogState
	Record  string // of the newest build; "" without
	Verdict string
	Trust   record.Trust
	Took    time.Duration
}

// Log shows history with what is built of it: every commit's content of each element, with the recipe
// and the dependencies of now. It calls yield for each row, the newest commit first; nothing runs and
// nothing is fetched. Errors: gitint.ErrUnknownRevision, ErrNoHistory.
func (s *Session) Log(ctx context.Context, request LogRequest, yield func(LogRow) error) error {
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return err
	}
	if err := s.planAll(ctx, g); err != nil {
		return err
	}
	repo := s.repo
	var mapped []*node
	for _, e := range g.project.Targets {
		n := g.nodes[e]
		if n.work != nil {
			repo = n.work.repo
		}
		if n.work != nil || inPlaceOf(n) {
			mapped = append(mapped, n)
		}
	}
	if len(mapped) == 0 {
		return hintNoHistory(g)
	}
	commits, err := listCommits(ctx, repo, request)
	if err != nil {
		return err
	}
	known := map[string]LogRow{}
	for _, commit := range commits {
		for _, n := range mapped {
			row, err := s.logRow(ctx, g, n, commit, known)
			if err == nil {
				err = yield(row)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrNoHistory: no element that was named is built from this repository's commits.
var ErrNoHistory = errors.New("no element is built from this repository's commits")

func hintNoHistory(g *graph) error {
	name := g.project.Targets[0].Name
	if g.nodes[g.project.Targets[0]].inTree {
		err := fmt.Errorf("%w, but from a folder of it as it stands there: %s", ErrNoHistory, name)
		return hint.Add(err, "files that git ignores and empty folders are built from too, so no commit tells; to see what is built: git bst status "+name)
	}
	return hint.Addf(fmt.Errorf("%w: %s", ErrNoHistory, name), "to build it from a work tree: git bst workspace open %s DIR", name)
}

// inPlaceOf reports whether n is built from the project's own work tree.
func inPlaceOf(n *node) bool {
	for _, id := range n.sources {
		if id.InPlace {
			return true
		}
	}
	return false
}

// logRow is one element at one commit. Rows of equal content are made once.
func (s *Session) logRow(ctx context.Context, g *graph, n *node, commit commitLine, known map[string]LogRow) (LogRow, error) {
	repo := s.repo
	if n.work != nil {
		repo = n.work.repo
	}
	snap, err := repo.Commit(ctx, commit.id)
	if err != nil {
		return LogRow{}, err
	}
	at, atGraph, err := s.nodeAt(ctx, g, n, snap)
	if err != nil {
		return LogRow{}, fmt.Errorf("%s at %s: %w", n.element.Name, commit.id, err)
	}
	row := LogRow{State: LogUnknown}
	var job build.Job
	if s.blocked(ctx, g, n) == nil {
		if job, err = s.job(ctx, atGraph, at); err != nil {
			return LogRow{}, err
		}
		row.Source, row.Key = job.Source, job.Chain.Build
	}
	if row.Key != "" {
		same, ok := known[row.Key]
		if !ok {
			if err := s.fillLogRow(ctx, job, n, &row); err != nil {
				return LogRow{}, err
			}
			known[row.Key] = row
		} else {
			row = same
		}
	}
	row.Commit, row.Subject, row.Time, row.Element = commit.id, commit.subject, commit.time, n.element.Name
	return row, nil
}

// nodeAt is n with a commit's content as its source.
func (s *Session) nodeAt(ctx context.Context, g *graph, n *node, snap gitint.Snapshot) (*node, *graph, error) {
	at := *n
	if n.work == nil {
		sources := g.sources
		sources.InPlace = func(ctx context.Context, element *project.Element, src project.Source) (digest.Digest, error) {
			return s.inPlaceAt(ctx, snap, element, src)
		}
		return &at, &graph{project: g.project, nodes: g.nodes, sources: sources}, nil
	}
	work := *n.work
	work.snap, work.differs = snap, true
	wanted := func(string) bool { return true }
	if source.Cloneable(n.element) {
		if all, none, some, err := source.Submodules(g.sources, n.element); err != nil {
			return nil, nil, err
		} else if !all && !none {
			wanted = some
		}
	}
	var err error
	if work.root, err = s.workRoot(ctx, &work, wanted); err != nil {
		return nil, nil, err
	}
	at.work = &work
	if err := s.compareWork(ctx, g, &at, source.Cloneable(n.element)); err != nil {
		return nil, nil, err
	}
	work.differs = true // its root is what it is built from, whatever the name
	return &at, g, nil
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

type commitLine struct {
	id, subject string
	time        time.Time
}

// listCommits asks git for the commits of a request.
func listCommits(ctx context.Context, repo *gitint.Repo, request LogRequest) ([]commitLine, error) {
	args := []string{"log", "--no-show-signature", "--no-color", "-z", "--format=%H%x00%ct%x00%s"}
	if request.Limit > 0 {
		args = append(args, "--max-count="+strconv.Itoa(request.Limit))
	}
	if request.All {
		args = append(args, "--all")
	}
	args = append(append(args, "--end-of-options"), request.Revisions...)
	args = append(append(args, "--"), request.Paths...)
	var out bytes.Buffer
	err := repo.Do(ctx, gitint.Command{Args: args, Stdout: &out})
	var exit *gitint.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "does not have any commits yet") {
		return nil, nil
	}
	if err != nil {
		err = fmt.Errorf("list commits: %w", err)
		for _, revision := range request.Revisions {
			if strings.HasSuffix(revision, ".bst") {
				err = hint.Addf(err, "to show an element: git bst log -e %s", revision)
			}
		}
		return nil, err
	}
	fields := strings.Split(strings.TrimSuffix(out.String(), "\x00"), "\x00")
	var commits []commitLine
	for i := 0; i+2 < len(fields); i += 3 {
		seconds, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("list commits: git says %q", fields[i+1])
		}
		commits = append(commits, commitLine{id: fields[i], subject: fields[i+2], time: time.Unix(seconds, 0).UTC()})
	}
	return commits, nil
}
