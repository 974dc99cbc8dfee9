package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/hint"
)

// commitLine is what git says of a commit.
type commitLine struct {
	id, subject string
	time        time.Time
	refs        []string
}

// listCommits asks git for the commits of a request, with further flags of git log's.
func (s *Session) listCommits(ctx context.Context, repo *gitint.Repo, request LogRequest, flags ...string) ([]commitLine, error) {
	args := append([]string{"log", "--no-show-signature", "--no-color", "--no-notes", "-z", "--format=%H%x00%ct%x00%D%x00%s"}, flags...)
	if request.Limit > 0 {
		args = append(args, "--max-count="+strconv.Itoa(request.Limit))
	}
	var stashes []string
	if request.All {
		stashes = listStashes(ctx, repo)
		args = append(args, "--exclude=refs/notes/*", "--exclude=refs/replace/*", "--all") // those are no history
	}
	args = append(append(append(args, "--end-of-options"), request.Revisions...), stashes...)
	args = append(append(args, "--"), request.Paths...)
	var out bytes.Buffer
	err := repo.Do(ctx, gitint.Command{Args: args, Stdout: &out, Dir: s.standsAt(repo)})
	var exit *gitint.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stderr, "does not have any commits yet") {
		return nil, nil
	}
	if err != nil {
		return nil, hintCommits(fmt.Errorf("list commits: %w", err), request)
	}
	return parseCommits(out.String(), stashes)
}

// hintCommits is for an element where revisions are expected.
func hintCommits(err error, request LogRequest) error {
	for _, revision := range request.Revisions {
		if strings.HasSuffix(revision, ".bst") {
			err = hint.Addf(err, "to show an element: git bst log -e %s", revision)
		}
	}
	return err
}

// standsAt is where the user stands in a repository: paths begin there; "" outside of it.
func (s *Session) standsAt(repo *gitint.Repo) string {
	rel, err := filepath.Rel(repo.TopLevel(), s.options.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	return s.options.Dir
}

// listStashes returns the commits of all stash entries, the newest first: git's --all shows the
// newest only.
func listStashes(ctx context.Context, repo *gitint.Repo) []string {
	var out bytes.Buffer
	if repo.Do(ctx, gitint.Command{Args: []string{"rev-list", "--walk-reflogs", "refs/stash", "--"}, Stdout: &out}) != nil {
		return nil // there is none
	}
	return strings.Fields(out.String())
}

func parseCommits(text string, stashes []string) ([]commitLine, error) {
	names := map[string]string{}
	for i, id := range stashes {
		names[id] = fmt.Sprintf("stash@{%d}", i)
	}
	fields := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	var commits []commitLine
	for i := 0; i+3 < len(fields); i += 4 {
		seconds, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("list commits: git says %q", fields[i+1])
		}
		commit := commitLine{id: fields[i], subject: fields[i+3], time: time.Unix(seconds, 0).UTC()}
		if name, ok := names[commit.id]; ok {
			commit.refs = append(commit.refs, name)
		}
		for _, ref := range strings.Split(fields[i+2], ", ") {
			if ref != "" && ref != "refs/stash" {
				commit.refs = append(commit.refs, ref)
			}
		}
		commits = append(commits, commit)
	}
	return commits, nil
}
