package gitint

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
)

// quickHead returns the ids of HEAD's commit and tree without starting git: HEAD and the branch
// are read from their files, and the memo knows the commit's tree. Whatever is unusual (another
// storage of refs, a chain of symbolic refs, replace refs) is left to git.
func (r *Repo) quickHead() (commit, tree string, ok bool) {
	if slices.Contains(r.config.extensions(), "refstorage") {
		return "", "", false
	}
	text, err := os.ReadFile(filepath.Join(r.place.gitDir, "HEAD"))
	if err != nil {
		return "", "", false
	}
	commit = strings.TrimSpace(string(text))
	if branch, symbolic := strings.CutPrefix(commit, "ref: "); symbolic {
		if !strings.HasPrefix(branch, "refs/heads/") || strings.Contains(branch, "..") {
			return "", "", false
		}
		commit = r.readBranch(branch)
	}
	tree, ok = r.knownTree(commit)
	return commit, tree, ok
}

// Branch returns the name of the branch that is checked out, without refs/heads/; "" where none is,
// or where refs are not kept in files. It is for people to read: nothing is started to find it out.
func (r *Repo) Branch() string {
	text, err := os.ReadFile(filepath.Join(r.place.gitDir, "HEAD"))
	if err != nil || slices.Contains(r.config.extensions(), "refstorage") {
		return ""
	}
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "ref: refs/heads/")
	if !ok {
		return ""
	}
	return branch
}

// readBranch returns what a branch's file or packed-refs says; "" for neither.
func (r *Repo) readBranch(branch string) string {
	if text, err := os.ReadFile(filepath.Join(r.place.commonDir, branch)); err == nil {
		return strings.TrimSpace(string(text))
	}
	packed, err := os.ReadFile(filepath.Join(r.place.commonDir, "packed-refs"))
	if err != nil {
		return ""
	}
	before, _, found := bytes.Cut(packed, []byte(" "+branch+"\n"))
	if !found {
		return ""
	}
	return string(before[bytes.LastIndexByte(before, '\n')+1:])
}

// knownTree returns the tree of a commit from the memo, whose value has the tree's id in the
// place of a hash, padded with zeros.
func (r *Repo) knownTree(commit string) (tree string, ok bool) {
	if len(commit) != r.oidLen() {
		return "", false
	}
	value, ok := r.memo.get(kindCommit, commit)
	if !ok {
		return "", false
	}
	return value.digest.Hash()[:r.oidLen()], true
}

// oidLen is the number of hex digits of an object id.
func (r *Repo) oidLen() int {
	if r.place.format == "sha256" {
		return 64
	}
	return 40
}

// learnTree puts a commit's tree into the memo, if the commit's bytes prove it.
func (r *Repo) learnTree(ctx context.Context, objects reader, commit, tree string) {
	if _, known := r.knownTree(commit); known {
		return
	}
	data, err := readOne(ctx, objects, commit, "commit")
	if err != nil || !bytes.HasPrefix(data, []byte("tree "+tree+"\n")) {
		return
	}
	padded, err := digest.New(tree+strings.Repeat("0", 64-len(tree)), 0)
	if err == nil {
		r.memo.put(kindCommit, commit, memoValue{digest: padded})
	}
}
