package gitint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// base is a copy of the user's index that differs from it only in the times of files which git
// has read again, so that it need not do so in each snapshot. It counts as long as the user's
// index and configuration are what they were, and the attributes of those files: with others, git
// would read the files again and might find something else. It is the file "base" beside
// "base.state", which is a line with the SHA-256 of what follows, and this in JSON; both may be
// removed at any time.
type base struct {
	User       fileStat // the user's index
	Config     string   // sum of git's configuration
	Filters    bool     // filters were run
	Folders    []string // of the files that were read again, and all above; "" is the top
	Attributes string   // what these folders and the machine had of attributes, see attributesSum
	Base       fileStat // the file base
	Tree       string   // the tree of both
}

// copyIndex takes base if it counts, else a copy of the user's index. Git replaces the index by
// another file and never writes into it, so a hard link of base is as good as a copy.
func (q *quarantine) copyIndex() error {
	path := filepath.Join(q.home, "base")
	now := base{User: statFile(q.repo.place.index), Config: q.repo.config.sum, Filters: q.repo.opts.AllowFilters}
	if kept, ok := readBase(path + ".state"); ok && kept.User == now.User && kept.Config == now.Config && kept.Filters == now.Filters &&
		kept.Attributes == q.repo.attributesSum(kept.Folders) {
		linked := os.Link(path, q.index) == nil
		if linked && statIndex(q.index) == kept.Base {
			q.base = kept
			return nil
		}
		if linked {
			_ = os.Remove(q.index)
		} else if statIndex(path) == kept.Base && copyWithTime(path, q.index) == nil {
			q.base = kept
			return nil
		}
	}
	q.base = now
	return q.copyUserIndex()
}

func readBase(path string) (b base, ok bool) {
	file, err := fsx.ReadOwn(path)
	if err != nil {
		return b, false
	}
	// The tree is believed without a look at it, so a flipped bit would be believed too.
	sum, text, _ := bytes.Cut(file, []byte("\n"))
	if string(sum) != digest.Of(text).Hash() {
		return b, false
	}
	return b, json.Unmarshal(text, &b) == nil && b.Base != fileStat{} && b.Tree != ""
}

// statIndex is the state of a regular file without the time of its last link.
func statIndex(path string) fileStat {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fileStat{}
	}
	stat := statOf(info)
	stat.Ctime = 0
	return stat
}

// keepBase makes the copy of the index the new base if its tree is that of the user's index:
// then git has changed nothing in it but times. The repository must have that tree. When base
// counted, its tree is known. A base that cannot be kept only costs time later.
func (q *quarantine) keepBase(ctx context.Context, tree string) {
	if q.base.Tree == "" {
		q.base.Tree = q.userTree(ctx)
	}
	if q.base.Tree != tree || q.has(tree) || statFile(q.repo.place.index) != q.base.User {
		return
	}
	folders, err := q.readAgain(ctx)
	if err != nil || q.repo.attributesSince(folders, q.begin) {
		return
	}
	q.base.Folders, q.base.Attributes = folders, q.repo.attributesSum(folders)
	path := filepath.Join(q.home, "base")
	unlock, err := fsx.TryLock(path + ".lock")
	if err != nil {
		return // someone else is at it
	}
	defer unlock()
	if os.Rename(q.index, path) != nil {
		return
	}
	q.base.Base = statIndex(path)
	if text, err := json.Marshal(q.base); err == nil {
		_ = fsx.WriteFile(path+".state", append([]byte(digest.Of(text).Hash()+"\n"), text...), 0o666)
	}
}

// readAgain returns the folders, with all above them, of the files that git has read again or
// would: their entries differ from the user's, or are not older than the user's index. Of an index
// of an unusual form these are all folders.
func (q *quarantine) readAgain(ctx context.Context) ([]string, error) {
	var users []byte // all entries' stat data, one after the other
	var racy []bool
	oidBytes := q.repo.oidLen() / 2
	err := eachFileEntry(q.repo.place.index, oidBytes, func(e indexEntry) {
		users = append(users, e.stat...)
		racy = append(racy, e.mtime()/1e9 >= q.base.User.Mtime/1e9) // not every git looks at nanoseconds
	})
	folders, i := folderSet{}, 0
	if err == nil {
		err = eachFileEntry(q.index, oidBytes, func(e indexEntry) {
			if i >= len(racy) || racy[i] || !bytes.Equal(users[i*indexStatBytes:(i+1)*indexStatBytes], e.stat) {
				folders.add(string(e.name))
			}
			i++
		})
	}
	if errors.Is(err, errIndexForm) || err == nil && i != len(racy) {
		var entries []entry
		entries, err = q.repo.listIndex(ctx, q.env())
		for _, e := range entries {
			folders.add(e.name)
		}
	}
	return slices.Sorted(maps.Keys(folders)), err
}

// folderSet is a set of slash-separated paths; "" is the top.
type folderSet map[string]bool

// add adds all folders above a file.
func (s folderSet) add(name string) {
	for name != "" {
		name = name[:max(strings.LastIndexByte(name, '/'), 0)]
		if s[name] {
			return
		}
		s[name] = true
	}
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
