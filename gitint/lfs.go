package gitint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/tree"
)

// LFS keeps a pointer in git and the content elsewhere. The pointer's SHA-256 and size are the
// content's digest, so a staged tree names the content without having it. The LFS program is
// never run: what its clean filter does when files are added is done here.

// maxPointerBytes is the largest pointer that LFS recognises.
const maxPointerBytes = 1024

const lfsVersion = "version https://git-lfs.github.com/spec/v1"

// lfsPointer returns the pointer to content.
func lfsPointer(content digest.Digest) string {
	return lfsVersion + "\noid sha256:" + content.Hash() + "\nsize " + strconv.FormatInt(content.Size(), 10) + "\n"
}

// parsePointer returns the digest of the content that text points to. Pointers with extensions
// are not understood: their content passes through programs.
func parsePointer(text []byte) (digest.Digest, bool) {
	lines := strings.Split(string(text), "\n")
	if len(text) > maxPointerBytes || len(lines) != 4 || lines[0] != lfsVersion || lines[3] != "" {
		return digest.Digest{}, false
	}
	hash, ok := strings.CutPrefix(lines[1], "oid sha256:")
	size, ok2 := strings.CutPrefix(lines[2], "size ")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || !ok2 || err != nil {
		return digest.Digest{}, false
	}
	d, err := digest.New(hash, n)
	return d, err == nil
}

// usesLFS reports whether git add would run the LFS filter, had it not been switched off.
func (c config) usesLFS() bool {
	return c.values["filter.lfs.clean"] != "" || c.values["filter.lfs.process"] != ""
}

// cleanFiltered does for files that were added what filters would have done. Content under
// filter=lfs is replaced, in the copy of the index, by its pointer, as LFS would have; it is in
// the store already. Of other filters that the user has not consented to, it warns.
func (q *quarantine) cleanFiltered(ctx context.Context) error {
	var refused []string
	if !q.repo.opts.AllowFilters {
		refused = q.repo.config.filters()
	}
	if !q.repo.config.usesLFS() && len(refused) == 0 {
		return nil
	}
	changed, err := q.changedEntries(ctx)
	if err != nil || len(changed) == 0 {
		return err
	}
	filters, err := q.repo.addFilters(ctx, q.env(), changed)
	if err != nil {
		return err
	}
	for _, e := range changed {
		if filter := filters[e.name]; slices.Contains(refused, filter) && e.regular() {
			q.warnings = append(q.warnings, fmt.Sprintf("%s: filter %q was not run; a commit would hold something else (git bst trust gives consent)", e.name, filter))
		}
	}
	if !q.repo.config.usesLFS() {
		return nil
	}
	return q.cleanLFS(ctx, slices.DeleteFunc(changed, func(e entry) bool { return filters[e.name] != "lfs" || !e.regular() }))
}

// cleanLFS puts pointers to the entries' content into the copy of the index.
func (q *quarantine) cleanLFS(ctx context.Context, entries []entry) error {
	var lines strings.Builder
	for _, e := range entries {
		if oid, err := q.pointerTo(ctx, e.oid); err != nil {
			return fmt.Errorf("clean %s for LFS: %w", e.name, err)
		} else if oid != e.oid {
			fmt.Fprintf(&lines, "%s %s\t%s\x00", e.mode, oid, e.name)
		}
	}
	return q.updateIndex(ctx, lines.String())
}

// changedEntries returns the index entries that are not in the user's index.
func (q *quarantine) changedEntries(ctx context.Context) ([]entry, error) {
	user := filepath.Join(q.dir, "user-index")
	if err := copyWithTime(q.repo.place.index, user); err != nil {
		return nil, err
	}
	before, err := q.repo.listIndex(ctx, append(q.objectEnv(), "GIT_INDEX_FILE="+user))
	if err != nil {
		return nil, err
	}
	after, err := q.repo.listIndex(ctx, q.env())
	if err != nil {
		return nil, err
	}
	known := make(map[entry]bool, len(before))
	for _, e := range before {
		known[e] = true
	}
	return slices.DeleteFunc(after, func(e entry) bool { return known[e] }), nil
}

// listIndex reads an index.
func (r *Repo) listIndex(ctx context.Context, env []string) ([]entry, error) {
	var out bytes.Buffer
	if err := r.run(ctx, Command{Args: []string{"ls-files", "-s", "-z"}, Env: env, Stdout: &out}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGit, err)
	}
	return parseIndexList(out.String()), nil
}

// parseIndexList reads "mode oid stage\tname\0" lines.
func parseIndexList(text string) []entry {
	var entries []entry
	for line := range strings.SplitSeq(text, "\x00") {
		facts, name, ok := strings.Cut(line, "\t")
		if fields := strings.Fields(facts); ok && len(fields) == 3 {
			entries = append(entries, entry{mode: fields[0], oid: fields[1], name: name})
		}
	}
	return entries
}

// addFilters returns the filter of each entry that has one, as git add sees it.
func (r *Repo) addFilters(ctx context.Context, env []string, entries []entry) (map[string]string, error) {
	var out bytes.Buffer
	err := r.run(ctx, Command{Args: []string{"check-attr", "-z", "--stdin", "filter"}, Env: env, Stdin: strings.NewReader(joinNames(entries)), Stdout: &out})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGit, err)
	}
	found := map[string]string{}
	for name, values := range parseAttributes(out.String()) {
		found[name] = values["filter"]
	}
	return found, nil
}

func joinNames(entries []entry) string {
	var names strings.Builder
	for _, e := range entries {
		names.WriteString(e.name)
		names.WriteByte(0)
	}
	return names.String()
}

// parseAttributes reads "name\0attribute\0value\0" triples: name, attribute, value. What is
// unspecified is left out.
func parseAttributes(text string) map[string]map[string]string {
	found := map[string]map[string]string{}
	fields := strings.Split(text, "\x00")
	for ; len(fields) >= 3; fields = fields[3:] {
		if fields[2] == "unspecified" {
			continue
		}
		if found[fields[0]] == nil {
			found[fields[0]] = map[string]string{}
		}
		found[fields[0]][fields[1]] = fields[2]
	}
	return found
}

// pointerTo returns the object id of the pointer to a blob, which it writes to the quarantine;
// a pointer or an empty blob stays as it is.
func (q *quarantine) pointerTo(ctx context.Context, oid string) (string, error) {
	value, ok := q.repo.memo.get(kindBlob, oid)
	if !ok || value.digest.Size() <= maxPointerBytes {
		objects := q.reader()
		defer objects.Close()
		data, err := readOne(ctx, objects, oid, "blob")
		if err != nil {
			return "", err
		}
		if _, is := parsePointer(data); is || len(data) == 0 {
			return oid, nil
		}
		value.digest = digest.Of(data)
	}
	var out bytes.Buffer
	err := q.repo.run(ctx, Command{Args: []string{"hash-object", "-w", "--stdin"}, Env: q.env(), Stdin: strings.NewReader(lfsPointer(value.digest)), Stdout: &out})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrGit, err)
	}
	pointer := strings.TrimSpace(out.String())
	q.repo.memo.put(kindBlob, pointer, memoValue{digest: digest.Of([]byte(lfsPointer(value.digest)))})
	_, err = q.repo.opts.Store.Put(ctx, strings.NewReader(lfsPointer(value.digest)))
	return pointer, err
}

// fetchLFS puts wanted LFS content into the store: from where LFS keeps it, or from the work
// tree's file. What is left and known to be LFS content is ErrMissingLFS.
func (r *Repo) fetchLFS(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	storage := r.config.values["lfs.storage"]
	if storage == "" {
		storage = "lfs"
	}
	if !filepath.IsAbs(storage) {
		storage = filepath.Join(r.place.commonDir, storage)
	}
	for d := range want {
		hash := d.Hash()
		if err := r.fetchFile(ctx, filepath.Join(storage, "objects", hash[:2], hash[2:4], hash), d, want); err != nil {
			return err
		}
	}
	if len(want) == 0 || s.Staged.IsZero() {
		return nil
	}
	return r.fetchLFSFiles(ctx, s, want)
}

// fetchFile puts a file into the store if it is there and has the digest.
func (r *Repo) fetchFile(ctx context.Context, path string, d digest.Digest, want map[digest.Digest]bool) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != d.Size() {
		return nil
	}
	got, err := r.opts.Store.PutFile(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err == nil && got == d {
		delete(want, d)
	}
	return err
}

// fetchLFSFiles looks for content where the tree has it, in the work tree.
func (r *Repo) fetchLFSFiles(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	absent := map[digest.Digest]string{}
	err := tree.Walk(ctx, r.opts.Store, s.Staged, func(path string, e tree.Entry) error {
		if !want[e.Digest] {
			return nil
		}
		if r.place.topLevel != "" {
			if err := r.fetchFile(ctx, filepath.Join(r.place.topLevel, path), e.Digest, want); err != nil {
				return err
			}
		}
		if want[e.Digest] {
			absent[e.Digest] = path
		}
		return nil
	})
	if errors.Is(err, cas.ErrNotFound) {
		return nil // a folder is missing: Ensure makes it and asks again
	}
	if err != nil {
		return err
	}
	for d, path := range absent {
		was, err := tree.Lookup(ctx, r.opts.Store, s.Canonical, path)
		if err == nil && want[d] && was.Digest == digest.Of([]byte(lfsPointer(d))) {
			return hint.Addf(fmt.Errorf("%w: %s", ErrMissingLFS, path), "git -C %s lfs pull", r.dir())
		}
	}
	return nil
}
