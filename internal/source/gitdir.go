package source

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/adler32"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// stagedConfig is the configuration of a staged .git.
const stagedConfig = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"

// errForged is returned when an object's content is not what its id says.
var errForged = errors.New("an object of the repository is not what its id says")

// checkTagName refuses names that git refuses, and so all that would be another file's name.
func checkTagName(name string) error {
	bad := name == "" || name == "@" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "/") ||
		strings.HasSuffix(name, ".") || strings.ContainsAny(name, " ~^:?*[\\\x7f") ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return fmt.Errorf("%q is not the name of a tag", name)
	}
	return nil
}

// object is a git object.
type object struct {
	kind string
	data []byte
}

// repositoryOf returns the .git that git_repo stages: the commits from tag to commit (only commit
// without a tag), all their trees and symlinks, the tag, an index of the commit, HEAD at it.
func (m gitMirror) repositoryOf(ctx context.Context, commit, tag string) (digest.Digest, error) {
	return m.env.remember(ctx, []string{"git_repo", commit, tag, m.tagID(ctx, tag)}, func() (digest.Digest, error) {
		objects := map[string]object{}
		refs := map[string]string{}
		commits := []string{commit}
		if tag != "" {
			base, err := m.addTag(ctx, tag, objects, refs)
			if err != nil {
				return digest.Digest{}, err
			}
			if commits, err = m.between(ctx, base, commit); err != nil {
				return digest.Digest{}, err
			}
		}
		if err := m.addCommits(ctx, commits, objects); err != nil {
			return digest.Digest{}, err
		}
		if err := m.addTrees(ctx, commits, objects); err != nil {
			return digest.Digest{}, err
		}
		return m.saveRepository(ctx, repository{head: commit, objects: objects, refs: refs, shallow: boundary(commits, objects), index: true})
	})
}

// historyOf returns the .git that git with tags stages: the commits between each tag and the
// commit, no trees, tags without their messages.
func (m gitMirror) historyOf(ctx context.Context, commit string, tags []gitTag) (digest.Digest, error) {
	objects := map[string]object{}
	refs := map[string]string{}
	shallow, included := map[string]bool{}, map[string]bool{}
	for _, t := range tags {
		if err := m.addPath(ctx, t.commit, commit, shallow, included); err != nil {
			return digest.Digest{}, err
		}
		refs["refs/tags/"+t.name] = t.commit
		if t.annotated {
			text := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger Unspecified Tagger <unspecified-tagger> 0 +0000\n", t.commit, t.name)
			tag := object{kind: "tag", data: []byte(text)}
			refs["refs/tags/"+t.name] = tag.id()
			objects[tag.id()] = tag
		}
	}
	var ends, all []string
	for id := range shallow {
		if !included[id] {
			ends = append(ends, id)
		}
		all = append(all, id)
	}
	for id := range included {
		if !shallow[id] {
			all = append(all, id)
		}
	}
	if err := m.addCommits(ctx, all, objects); err != nil {
		return digest.Digest{}, err
	}
	return m.saveRepository(ctx, repository{head: commit, objects: objects, refs: refs, shallow: ends})
}

// addPath sorts the commits between two into those whose parents are there, and the others.
func (m gitMirror) addPath(ctx context.Context, from, to string, shallow, included map[string]bool) error {
	if from == to {
		shallow[to] = true
		return nil
	}
	out, err := m.git(ctx, "rev-list", "--ancestry-path", "--boundary", from+".."+to)
	if err != nil {
		return fmt.Errorf("read history from %s to %s: %w", from, to, err)
	}
	for _, line := range strings.Fields(string(out)) {
		if id, ok := strings.CutPrefix(line, "-"); ok {
			shallow[id] = true
		} else {
			included[line] = true
		}
	}
	return nil
}

// tagID is what a tag stands for now: tags can be moved.
func (m gitMirror) tagID(ctx context.Context, tag string) string {
	if tag == "" {
		return ""
	}
	out, err := m.git(ctx, "rev-parse", "--verify", "--quiet", "refs/tags/"+tag)
	if err != nil {
		return "" // addTag says so
	}
	return strings.TrimSpace(string(out))
}

// addTag adds a tag's own objects, which are none without a message, and returns its commit.
func (m gitMirror) addTag(ctx context.Context, tag string, objects map[string]object, refs map[string]string) (string, error) {
	id := m.tagID(ctx, tag)
	if id == "" {
		return "", fmt.Errorf("%w: tag %q in %s", ErrNoCommit, tag, redact(m.url))
	}
	refs["refs/tags/"+tag] = id
	for range maxSubmoduleDepth { // tags of tags: as deep as anybody would nest anything
		found, err := m.objects(ctx, []string{id})
		if err != nil {
			return "", err
		}
		switch found[id].kind {
		case "commit":
			return id, nil
		case "tag":
			objects[id] = found[id]
			id = headerValue(found[id].data, "object ")
		default:
			return "", fmt.Errorf("tag %q is not on a commit", tag)
		}
	}
	return "", fmt.Errorf("tag %q is not on a commit", tag)
}

// between returns base and the commits that lead from it to commit.
func (m gitMirror) between(ctx context.Context, base, commit string) ([]string, error) {
	out, err := m.git(ctx, "rev-parse", base+"^@")
	if err != nil {
		return nil, err
	}
	args := []string{"rev-list", commit}
	for _, parent := range strings.Fields(string(out)) {
		args = append(args, "^"+parent)
	}
	if out, err = m.git(ctx, args...); err != nil {
		return nil, err
	}
	return strings.Fields(string(out)), nil
}

func (m gitMirror) addCommits(ctx context.Context, commits []string, objects map[string]object) error {
	found, err := m.objects(ctx, commits)
	if err != nil {
		return err
	}
	for id, found := range found {
		if found.kind != "commit" {
			return fmt.Errorf("%s is a %s, not a commit", id, found.kind)
		}
		objects[id] = found
	}
	return nil
}

// addTrees adds all trees of the commits, and the targets of their symlinks, level by level.
func (m gitMirror) addTrees(ctx context.Context, commits []string, objects map[string]object) error {
	wave := map[string]bool{}
	for _, id := range commits {
		wave[headerValue(objects[id].data, "tree ")] = true
	}
	for len(wave) > 0 {
		var ids []string
		for id := range wave {
			if _, ok := objects[id]; !ok {
				ids = append(ids, id)
			}
		}
		found, err := m.objects(ctx, ids)
		if err != nil {
			return err
		}
		wave = map[string]bool{}
		for id, found := range found {
			objects[id] = found
			if err := children(found, wave); err != nil {
				return fmt.Errorf("read tree %s: %w", id, err)
			}
		}
	}
	return nil
}

// children adds the folders and symlinks of a tree object to wave.
func children(o object, wave map[string]bool) error {
	if o.kind != "tree" {
		return nil
	}
	for data := o.data; len(data) > 0; {
		end := bytes.IndexByte(data, 0)
		if end < 0 || len(data) < end+1+sha1.Size {
			return errors.New("it ends in an entry")
		}
		mode, _, _ := bytes.Cut(data[:end], []byte(" "))
		if bytes.Equal(mode, []byte("40000")) || bytes.Equal(mode, []byte("120000")) {
			wave[hex.EncodeToString(data[end+1:end+1+sha1.Size])] = true
		}
		data = data[end+1+sha1.Size:]
	}
	return nil
}

// objects reads objects of the mirror and proves each by its id.
func (m gitMirror) objects(ctx context.Context, ids []string) (map[string]object, error) {
	found := make(map[string]object, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	out, err := m.gitInput(ctx, strings.NewReader(strings.Join(ids, "\n")+"\n"), "cat-file", "--batch")
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	for len(out) > 0 {
		header, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(header))
		size := -1
		if len(fields) == 3 {
			size, _ = strconv.Atoi(fields[2])
		}
		if size < 0 || len(rest) < size+1 {
			return nil, fmt.Errorf("read objects: %s", header)
		}
		read := object{kind: fields[1], data: rest[:size]}
		if read.id() != fields[0] {
			return nil, fmt.Errorf("%w: %s", errForged, fields[0])
		}
		found[fields[0]] = read
		out = rest[size+1:]
	}
	return found, nil
}

func (o object) encoded() []byte {
	return append([]byte(o.kind+" "+strconv.Itoa(len(o.data))+"\x00"), o.data...)
}

func (o object) id() string {
	sum := sha1.Sum(o.encoded())
	return hex.EncodeToString(sum[:])
}

// loose is the object's file: zlib without compression, so that its bytes follow from the object
// and not from a version of a compressor.
func (o object) loose() []byte {
	const largestBlock = 0xffff
	data := o.encoded()
	out := []byte{0x78, 0x01}
	for rest := data; ; {
		block := rest[:min(len(rest), largestBlock)]
		rest = rest[len(block):]
		last := byte(0)
		if len(rest) == 0 {
			last = 1
		}
		out = append(out, last)
		out = binary.LittleEndian.AppendUint16(out, uint16(len(block)))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(len(block)))
		out = append(out, block...)
		if last == 1 {
			return binary.BigEndian.AppendUint32(out, adler32.Checksum(data))
		}
	}
}

// headerValue returns what follows a key in the head of a commit or tag.
func headerValue(data []byte, key string) string {
	for line := range bytes.Lines(data) {
		if value, ok := bytes.CutPrefix(line, []byte(key)); ok {
			return strings.TrimSpace(string(value))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return ""
		}
	}
	return ""
}

// boundary returns the commits with a parent that is not among them, sorted.
func boundary(commits []string, objects map[string]object) []string {
	there := map[string]bool{}
	for _, id := range commits {
		there[id] = true
	}
	var ends []string
	for _, id := range commits {
		head, _, _ := bytes.Cut(objects[id].data, []byte("\n\n"))
		for line := range strings.Lines(string(head)) {
			if parent, ok := strings.CutPrefix(strings.TrimSpace(line), "parent "); ok && !there[parent] {
				ends = append(ends, id)
				break
			}
		}
	}
	return ends
}

// repository is a .git that is to be staged.
type repository struct {
	head    string
	objects map[string]object
	refs    map[string]string
	shallow []string
	index   bool // of head, as if nothing had been compared with the files yet
}

// saveRepository writes r in a form that depends on nothing but r.
func (m gitMirror) saveRepository(ctx context.Context, r repository) (digest.Digest, error) {
	dir, remove, err := m.env.temporary("repository")
	if err != nil {
		return digest.Digest{}, err
	}
	defer remove()
	made := gitMirror{env: m.env, dir: filepath.Join(dir, "made")} // a name that no git looks for
	files := map[string]string{"HEAD": r.head + "\n", "config": stagedConfig, "refs/heads/": "", "refs/tags/": "",
		"objects/info/": "", "objects/pack/": ""}
	for name, id := range r.refs {
		files[name] = id + "\n"
	}
	for id, o := range r.objects {
		files["objects/"+id[:2]+"/"+id[2:]] = string(o.loose())
	}
	if len(r.shallow) > 0 {
		slices.Sort(r.shallow)
		files["shallow"] = strings.Join(r.shallow, "\n") + "\n"
	}
	if err := writeFiles(made.dir, files); err != nil {
		return digest.Digest{}, fmt.Errorf("make .git: %w", err)
	}
	if r.index {
		if _, err := made.git(ctx, "read-tree", r.head); err != nil {
			return digest.Digest{}, fmt.Errorf("make .git: %w", err)
		}
	}
	imported, err := tree.Import(ctx, m.env.Store, made.dir, tree.ImportOptions{})
	return imported.Root, err
}
