package gitint

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// gitlink is an index entry for a repository that is there. Git add would run git status in it,
// with its own configuration and so with its filters, only to learn what never enters the tree;
// so such entries are kept from git add and moved to the repository's HEAD afterwards.
type gitlink struct {
	path string
	oid  string // in the index; "" while unmerged
	left bool   // git is told not to look at it
}

// gitlinks returns those of the copy of the index.
func (q *quarantine) gitlinks(ctx context.Context) ([]gitlink, error) {
	var all []gitlink
	note := func(link gitlink) {
		if n := len(all); n > 0 && all[n-1].path == link.path {
			all[n-1].oid = "" // another side of a conflict
		} else if q.checkedOut(link.path) {
			all = append(all, link)
		}
	}
	sparse := q.repo.config.values["core.sparsecheckout"] == "true" // then what is there is looked at
	err := eachFileEntry(q.index, q.repo.oidLen()/2, func(e indexEntry) {
		if e.gitlink() {
			note(gitlink{path: string(e.name), oid: hex.EncodeToString(e.oid), left: e.left && !sparse})
		}
	})
	if !errors.Is(err, errIndexForm) {
		return all, err
	}
	all = nil
	entries, err := q.repo.listIndex(ctx, q.env())
	for _, e := range entries {
		if e.mode == modeGitlink {
			note(gitlink{path: e.name, oid: e.oid})
		}
	}
	return all, err
}

// checkedOut reports whether there is something at path that git takes for a repository. Behind a
// symbolic link there is not.
func (q *quarantine) checkedOut(path string) bool {
	top := q.repo.place.topLevel
	for i, c := range path + "/" {
		if c != '/' {
			continue
		}
		if info, err := os.Lstat(filepath.Join(top, path[:i])); err != nil || !info.IsDir() {
			return false
		}
	}
	return exists(filepath.Join(top, path, ".git"))
}

// allBut is the list of pathspecs, each ended by a zero byte, for everything but links.
func allBut(links []gitlink) string {
	var out strings.Builder
	out.WriteString(":(top)\x00")
	for _, link := range links {
		out.WriteString(":(top,literal,exclude)" + link.path + "\x00")
	}
	return out.String()
}

// moveGitlinks does for links what git add would: the entry names the HEAD of the repository. One
// without a commit stays as it is.
func (q *quarantine) moveGitlinks(ctx context.Context, links []gitlink) error {
	heads := make([]string, len(links))
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(identifyJobs)
	for i, link := range links {
		group.Go(func() error {
			heads[i] = q.repo.gitlinkHead(ctx2, link.path)
			return ctx2.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("read submodules: %w", err)
	}
	var lines strings.Builder
	for i, link := range links {
		if heads[i] == "" || heads[i] == link.oid || link.left {
			continue
		}
		fmt.Fprintf(&lines, "%s %s\t%s\x00", modeGitlink, heads[i], link.path)
	}
	return q.updateIndex(ctx, lines.String())
}

// updateIndex puts entries into the copy of the index: "MODE OID\tPATH\0" each.
func (q *quarantine) updateIndex(ctx context.Context, lines string) error {
	if lines == "" {
		return nil
	}
	err := q.repo.run(ctx, Command{Args: []string{"update-index", "-z", "--index-info"}, Env: q.env(), Stdin: strings.NewReader(lines)})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGit, err)
	}
	return nil
}

// gitlinkHead returns the commit of the repository at path; "" for none.
func (r *Repo) gitlinkHead(ctx context.Context, path string) string {
	dir := filepath.Join(r.place.topLevel, path)
	var out bytes.Buffer
	err := r.git.Do(ctx, Command{Dir: dir, Args: []string{"--git-dir=.git", "rev-parse", "--verify", "-q", "HEAD"}, Stdout: &out})
	head := strings.TrimSpace(out.String())
	if err != nil || len(head) != r.oidLen() {
		return ""
	}
	return head
}
