package gitint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/fsx"
)

// base is a copy of the user's index that differs from it only in the times of files which git
// has read again, so that it need not do so in each snapshot. It counts as long as the user's
// index and configuration are what they were. It is the file "base" beside "base.state", which is
// this in JSON; both may be removed at any time.
type base struct {
	User   fileStat // the user's index
	Config string   // sum of git's configuration
	Base   fileStat // the file base
	Tree   string   // the tree of both
}

// copyIndex copies base if it counts, else the user's index.
func (q *quarantine) copyIndex() error {
	path := filepath.Join(q.home, "base")
	now := base{User: statFile(q.repo.place.index), Config: q.repo.config.sum, Base: statFile(path)}
	if text, err := os.ReadFile(path + ".state"); err == nil && json.Unmarshal(text, &q.base) == nil {
		now.Tree = q.base.Tree
		if now == q.base && now.Base != (fileStat{}) && copyWithTime(path, q.index) == nil {
			return nil
		}
	}
	q.base = base{User: now.User, Config: now.Config}
	return q.copyUserIndex()
}

// keepBase makes the copy of the index the new base if its tree is that of the user's index:
// then git has changed nothing in it but times. The repository must have that tree. When base counted, its tree is known.
func (q *quarantine) keepBase(ctx context.Context, tree string) error {
	if q.base.Tree == "" {
		q.base.Tree = q.userTree(ctx)
	}
	if q.base.Tree != tree || q.has(tree) || statFile(q.repo.place.index) != q.base.User {
		return nil
	}
	path := filepath.Join(q.home, "base")
	unlock, err := fsx.TryLock(path + ".lock")
	if errors.Is(err, fsx.ErrLocked) {
		return nil // someone else is at it
	}
	if err != nil {
		return fmt.Errorf("keep index: %w", err)
	}
	defer unlock()
	if err := os.Rename(q.index, path); err != nil {
		return fmt.Errorf("keep index: %w", err)
	}
	q.base.Base = statFile(path)
	text, err := json.Marshal(q.base)
	if err == nil {
		err = fsx.WriteFile(path+".state", text, 0o666)
	}
	if err != nil {
		return fmt.Errorf("keep index: %w", err)
	}
	return nil
}

// userTree returns the tree of the user's index; "" when it has none, being unmerged.
func (q *quarantine) userTree(ctx context.Context) string {
	copied := filepath.Join(q.dir, "user-index")
	if copyWithTime(q.repo.place.index, copied) != nil {
		return ""
	}
	var out bytes.Buffer
	env := append(q.objectEnv(), "GIT_INDEX_FILE="+copied)
	if q.repo.run(ctx, Command{Args: []string{"write-tree"}, Env: env, Stdout: &out}) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}
