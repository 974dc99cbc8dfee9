package gitint

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

// changes are the files and submodules of a tree whose staged digest is not the canonical one,
// by slash-separated path.
type changes map[string]digest.Digest

// stage returns the staged digest of the tree (rule 3). A tree without telling .gitattributes and
// without submodules costs nothing.
func (v *view) stage(ctx context.Context, canonical memoValue) (digest.Digest, error) {
	changed := changes{}
	if canonical.flags&flagAttributes != 0 {
		var err error
		if changed, err = v.converted(ctx); err != nil {
			return digest.Digest{}, fmt.Errorf("apply attributes: %w", err)
		}
	}
	for path, d := range v.staged {
		changed[path] = d
	}
	return overlay(ctx, v.repo.opts.Store, canonical.digest, changed)
}

// converted returns what checkout changes, from the memo if it is known. The memo's value is the
// digest of a blob with the list. With consented filters it depends on programs: no memo.
func (v *view) converted(ctx context.Context) (changes, error) {
	r := v.repo
	if value, ok := r.memo.get(kindStaged, v.out.OID); ok && !r.opts.AllowFilters && !v.anew {
		if changed, warnings, err := loadChanges(ctx, r.opts.Store, value.digest); err == nil {
			v.out.Warnings = append(v.out.Warnings, warnings...)
			return changed, nil
		}
	}
	scratch, err := r.scratch(ctx)
	if err != nil {
		return nil, err
	}
	defer scratch.close()
	c := &checkout{view: v, dir: scratch.dir}
	changed, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	v.out.Warnings = append(v.out.Warnings, c.warnings...)
	if r.opts.AllowFilters {
		return changed, nil
	}
	list, err := cas.PutBytes(ctx, r.opts.Store, encodeChanges(changed, c.warnings))
	if err == nil {
		r.memo.put(kindStaged, v.out.OID, memoValue{digest: list})
	}
	return changed, err
}

// encodeChanges writes "path\0digest\0" for each change by path, then an empty path, then the
// warnings, each ended by a zero byte.
func encodeChanges(changed changes, warnings []string) []byte {
	paths := make([]string, 0, len(changed))
	for path := range changed {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var out bytes.Buffer
	for _, path := range paths {
		out.WriteString(path + "\x00" + changed[path].String() + "\x00")
	}
	out.WriteByte(0)
	for _, warning := range warnings {
		out.WriteString(warning + "\x00")
	}
	return out.Bytes()
}

func loadChanges(ctx context.Context, store cas.Store, d digest.Digest) (changes, []string, error) {
	data, err := cas.Get(ctx, store, d)
	if err != nil {
		return nil, nil, err
	}
	fields := strings.Split(string(data), "\x00")
	changed := changes{}
	for ; len(fields) >= 2 && fields[0] != ""; fields = fields[2:] {
		if changed[fields[0]], err = digest.Parse(fields[1]); err != nil {
			return nil, nil, err
		}
	}
	if len(fields) < 2 {
		return nil, nil, fmt.Errorf("list of staged files %s is cut off", d)
	}
	return changed, fields[1 : len(fields)-1], nil
}

// overlay returns root with the changes made: a file keeps its mode, a folder is replaced.
func overlay(ctx context.Context, store cas.Store, root digest.Digest, changed changes) (digest.Digest, error) {
	if len(changed) == 0 {
		return root, nil
	}
	dir, err := tree.Load(ctx, store, root)
	if err != nil {
		return digest.Digest{}, err
	}
	here, below := changes{}, map[string]changes{}
	for path, d := range changed {
		name, rest, deeper := strings.Cut(path, "/")
		switch {
		case !deeper:
			here[name] = d
		case below[name] == nil:
			below[name] = changes{rest: d}
		default:
			below[name][rest] = d
		}
	}
	for i, file := range dir.Files {
		if d, ok := here[file.Name]; ok {
			dir.Files[i].Digest = d
		}
	}
	for i, sub := range dir.Dirs {
		if d, ok := here[sub.Name]; ok {
			dir.Dirs[i].Digest = d
		} else if dir.Dirs[i].Digest, err = overlay(ctx, store, sub.Digest, below[sub.Name]); err != nil {
			return digest.Digest{}, err
		}
	}
	return tree.Save(ctx, store, dir)
}

// checkout finds out what a checkout of one tree would write, in a git directory of its own that
// has no configuration: neither the user's files nor "info/attributes" say anything there.
type checkout struct {
	view     *view
	dir      string
	warnings []string
}

func (c *checkout) run(ctx context.Context) (changes, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if _, err := c.git(ctx, "", "read-tree", c.view.out.OID); err != nil {
		return nil, err
	}
	list, err := c.git(ctx, "", "ls-files", "-s", "-z")
	if err != nil {
		return nil, err
	}
	entries := slices.DeleteFunc(parseIndexList(list), func(e entry) bool { return !e.regular() })
	text, err := c.git(ctx, joinNames(entries), "check-attr", "--cached", "-z", "--stdin", "filter", "eol", "ident", "working-tree-encoding")
	if err != nil {
		return nil, err
	}
	attributes := parseAttributes(text)
	changed, rest, err := c.pointers(ctx, entries, attributes)
	if err != nil {
		return nil, err
	}
	return changed, c.write(ctx, rest, changed)
}

// prepare makes the git directory.
func (c *checkout) prepare() error {
	for _, dir := range []string{"git/objects", "git/refs", "work", "out"} {
		if err := os.MkdirAll(filepath.Join(c.dir, dir), 0o777); err != nil {
			return err
		}
	}
	config := "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = " + c.view.repo.place.format + "\n"
	if err := os.WriteFile(filepath.Join(c.dir, "git/config"), []byte(config), 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, "git/HEAD"), []byte("ref: refs/heads/none\n"), 0o666)
}

// git runs git there.
func (c *checkout) git(ctx context.Context, stdin string, args ...string) (string, error) {
	r := c.view.repo
	env := c.view.env
	if env == nil {
		env = []string{"GIT_OBJECT_DIRECTORY=" + r.place.objects}
	}
	env = append(slices.Clone(env), "GIT_DIR="+filepath.Join(c.dir, "git"), "GIT_WORK_TREE="+filepath.Join(c.dir, "work"),
		"GIT_INDEX_FILE="+filepath.Join(c.dir, "index"), "GIT_ALLOW_PROTOCOL=none",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_CONFIG_COUNT=0")
	global := []string{"-c", "core.attributesFile=/dev/null", "-c", "core.autocrlf=false", "-c", "core.eol=lf"}
	var filters []setting
	if r.opts.AllowFilters {
		filters = r.config.smudgers()
	}
	env = append(env, withSettings(nil, filters))
	var out bytes.Buffer
	err := r.git.Do(ctx, Command{Dir: filepath.Join(c.dir, "work"), Args: append(global, args...), Env: env, Stdin: strings.NewReader(stdin), Stdout: &out})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrGit, err)
	}
	return out.String(), nil
}

// pointers resolves LFS pointers and returns what else needs a checkout.
func (c *checkout) pointers(ctx context.Context, entries []entry, attributes map[string]map[string]string) (changes, []entry, error) {
	changed, refused := changes{}, map[string]bool{}
	var rest []entry
	r := c.view.repo
	drivers := r.config.filters()
	for _, e := range entries {
		a := attributes[e.name]
		filter := a["filter"]
		value, _ := r.memo.get(kindBlob, e.oid)
		if filter == "lfs" && value.digest.Size() <= maxPointerBytes {
			data, err := readOne(ctx, c.view.objects, e.oid, "blob")
			if err != nil {
				return nil, nil, err
			}
			if content, ok := parsePointer(data); ok {
				changed[e.name] = content
				continue
			}
		}
		configured := slices.Contains(drivers, filter)
		if configured && !r.opts.AllowFilters {
			refused[filter] = true
		}
		if a["eol"] == "crlf" || a["ident"] == "set" || a["working-tree-encoding"] != "" || configured && r.opts.AllowFilters {
			rest = append(rest, e)
		}
	}
	for name := range refused {
		c.warnings = append(c.warnings, fmt.Sprintf("filter %q was not run: its files stay as they are in git (git bst trust gives consent)", name))
	}
	slices.Sort(c.warnings)
	return changed, rest, nil
}

// write checks files out and notes those that came out different.
func (c *checkout) write(ctx context.Context, entries []entry, changed changes) error {
	if len(entries) == 0 {
		return nil
	}
	out := filepath.Join(c.dir, "out")
	if _, err := c.git(ctx, joinNames(entries), "checkout-index", "-z", "--stdin", "--prefix="+out+"/"); err != nil {
		return err
	}
	r := c.view.repo
	for _, e := range entries {
		d, err := r.opts.Store.PutFile(ctx, filepath.Join(out, e.name))
		if err != nil {
			return fmt.Errorf("save %s: %w", e.name, err)
		}
		if value, _ := r.memo.get(kindBlob, e.oid); value.digest != d {
			changed[e.name] = d
		}
	}
	return nil
}

// fetchConverted makes the converted files of a snapshot again.
func (r *Repo) fetchConverted(ctx context.Context, s Snapshot, want map[digest.Digest]bool) error {
	if s.Staged == s.Canonical || s.OID == "" {
		return nil
	}
	if present, err := r.present(ctx, []string{s.OID}); err != nil || len(present) == 0 {
		return err
	}
	objects := r.objects()
	defer objects.Close()
	v := &view{repo: r, objects: objects, anew: true, out: Snapshot{OID: s.OID}}
	if _, err := v.converted(ctx); err != nil {
		return err
	}
	missing, err := tree.Missing(ctx, r.opts.Store, s.Staged)
	if err != nil {
		return err
	}
	for d := range want {
		if !slices.Contains(missing, d) {
			delete(want, d)
		}
	}
	return nil
}
