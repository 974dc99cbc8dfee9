package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/tree"
)

// Identity is what a source contributes to the keys of its element.
type Identity struct {
	Kind      string
	Directory string // where it is staged, as written; "" is the top
	// Key is a value for keys.Canonical: BuildStream's unique key of the source.
	Key any
	// Resolved is false when the source has no ref yet, or is in place: then there is no Key.
	Resolved bool
	// InPlace says that the source is the work tree which holds the project (rule 7): its content is
	// known to git, not to BuildStream.
	InPlace bool
	// Opaque says why the key is not known though there may be a ref; "" for most.
	Opaque string
}

// Identify returns the identities of the element's sources, in order. It reads the files of local
// and patch sources, unless env.Local stands for them; it needs no store, no mirror and no network.
func Identify(ctx context.Context, env Env, el *project.Element) ([]Identity, error) {
	ids := make([]Identity, len(el.Sources))
	for i, src := range el.Sources {
		id, err := identify(ctx, env, el, src)
		if err != nil {
			return nil, fmt.Errorf("identify %s: %w", describe(el, src), err)
		}
		ids[i] = id
	}
	return ids, nil
}

func identify(ctx context.Context, env Env, el *project.Element, src project.Source) (Identity, error) {
	id := Identity{Kind: src.Kind, Directory: src.Directory, Resolved: true}
	if src.Opaque != "" {
		id.Resolved, id.Opaque = false, src.Opaque
		return id, nil
	}
	var err error
	switch src.Kind {
	case "local":
		err = identifyLocal(ctx, env, el, src, &id)
	case "patch":
		id.Key, err = patchKey(el, src)
	case "patch_queue":
		id.Key, err = patchQueueKey(el, src)
	case "tar", "zip":
		err = identifyTar(src, &id)
	case "remote":
		err = identifyRemote(el, src, &id)
	case "git":
		err = identifyGit(src, &id)
	case "git_repo":
		err = identifyGitRepo(src, &id)
	default:
		err = identifyMore(src, &id)
	}
	return id, err
}

// identifyLocal names a folder or file by the hash of the tree that it is staged as.
func identifyLocal(ctx context.Context, env Env, el *project.Element, src project.Source, id *Identity) error {
	name, err := src.Config.Str("path")
	if err != nil {
		return err
	}
	file := filepath.Join(el.Project.Dir, filepath.FromSlash(name))
	if file == filepath.Clean(el.Project.Dir) && !el.Project.Staged {
		id.Resolved, id.InPlace = false, true
		return nil
	}
	if env.Local != nil {
		root, err := env.Local(ctx, el, src)
		id.Key = root.Hash()
		if !errors.Is(err, ErrAsItIs) {
			return err
		}
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	var root digest.Digest
	if info.IsDir() {
		imported, err := tree.Import(ctx, nil, file, tree.ImportOptions{HashOnly: true})
		if err != nil {
			return err
		}
		root = imported.Root
	} else if root, err = fileTree(file); err != nil {
		return err
	}
	id.Key = root.Hash()
	return nil
}

// fileTree returns the digest of the tree that holds just this file. Unlike in a folder, a file is
// executable if we may execute it.
func fileTree(file string) (digest.Digest, error) {
	f, err := os.Open(file)
	if err != nil {
		return digest.Digest{}, err
	}
	defer f.Close()
	hasher := digest.NewHasher()
	if _, err := io.Copy(hasher, f); err != nil {
		return digest.Digest{}, err
	}
	entry := tree.File{Name: filepath.Base(file), Digest: hasher.Sum(), Executable: unix.Access(file, unix.X_OK) == nil}
	data, err := tree.Directory{Files: []tree.File{entry}}.Encode()
	if err != nil {
		return digest.Digest{}, err
	}
	return digest.Of(data), nil
}

func patchKey(el *project.Element, src project.Source) (any, error) {
	name, err := src.Config.Str("path")
	if err != nil {
		return nil, err
	}
	strip, err := src.Config.IntOr("strip-level", 1)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(el.Project.Dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return []any{name, hex.EncodeToString(sum[:]), strip}, nil
}

// texts reads settings that may be absent.
type texts struct {
	config *project.Node
	err    error
}

func (t *texts) get(key string) (value string, there bool) {
	value, err := t.config.StrOr(key, "")
	t.err = errors.Join(t.err, err)
	return value, t.config.Get(key) != nil
}

func (t *texts) flag(key string, def bool) bool {
	value, err := t.config.BoolOr(key, def)
	t.err = errors.Join(t.err, err)
	return value
}

// version returns the setting of a version, or else of the pattern to guess it by.
func (t *texts) version() (key, value string) {
	for _, key := range []string{"version", "version-guess-pattern"} {
		if value, there := t.get(key); there {
			return key, value
		}
	}
	return "", ""
}

// download returns the part of the key that all downloaded files have. The URL is as written, so
// that moving a server does not change keys.
func (t *texts) download(id *Identity) []any {
	address, _ := t.get("url")
	ref, there := t.get("ref")
	id.Resolved = there
	key := []any{address, ref}
	if name, value := t.version(); name != "" {
		key = append(key, value)
	}
	return key
}

func identifyTar(src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	key := t.download(id)
	base, there := t.get("base-dir")
	if !there {
		base = "*"
	}
	id.Key = append(key, base)
	return t.err
}

func identifyRemote(el *project.Element, src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	key := t.download(id)
	name, there := t.get("filename")
	if !there {
		address, _ := t.get("url")
		full, err := el.ExpandURL(address)
		if err != nil {
			return err
		}
		name = full[strings.LastIndexByte(full, '/')+1:]
	}
	id.Key = append(key, name, t.flag("executable", false))
	return t.err
}

func identifyGitRepo(src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	ref, there := t.get("ref")
	id.Resolved = there
	key := map[string]any{"ref": ref, "bugfix": 1}
	if name, value := t.version(); name != "" {
		key[name] = value
	}
	id.Key = key
	return t.err
}

func identifyGit(src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	address, _ := t.get("url")
	ref, there := t.get("ref")
	id.Resolved = there
	parts := strings.Split(ref, "-g") // of what "git describe" prints, the commit
	key := []any{address, parts[len(parts)-1]}
	tags, err := gitTags(src.Config)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		key = append(key, map[string]any{"tags": tags})
	}
	if !t.flag("checkout-submodules", true) {
		key = append(key, map[string]any{"checkout_submodules": false})
	}
	modules, err := gitSubmodules(src.Config)
	if err != nil {
		return err
	}
	key = append(key, modules...)
	if name, value := t.version(); name != "" {
		key = append(key, value)
	}
	id.Key = key
	return t.err
}

// gitTags returns the tags that are recreated around the commit, as the key has them.
func gitTags(config *project.Node) (map[string]any, error) {
	list, err := config.Sequence("tags")
	if err != nil {
		return nil, err
	}
	tags := map[string]any{}
	for _, node := range list.Items() {
		t := &texts{config: node}
		tag, _ := t.get("tag")
		commit, _ := t.get("commit")
		tags[tag] = []any{commit, t.flag("annotated", false)}
		if t.err != nil {
			return nil, t.err
		}
	}
	return tags, nil
}

// gitSubmodules returns what the key has of submodules: other URLs, and which are checked out.
func gitSubmodules(config *project.Node) ([]any, error) {
	modules, err := config.Mapping("submodules")
	if err != nil {
		return nil, err
	}
	urls, checkouts := map[string]any{}, map[string]any{}
	for i, path := range modules.Keys() {
		t := &texts{config: modules.Items()[i]}
		urls[path] = nil
		if address, there := t.get("url"); there {
			urls[path] = address
		}
		if t.config.Get("checkout") != nil {
			checkouts[path] = t.flag("checkout", true)
		}
		if t.err != nil {
			return nil, t.err
		}
	}
	var parts []any
	if len(urls) > 0 {
		parts = append(parts, urls)
	}
	if len(checkouts) > 0 {
		parts = append(parts, map[string]any{"submodule_checkout_overrides": checkouts})
	}
	return parts, nil
}
