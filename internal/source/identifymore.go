package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/project"
)

// identifyMore names sources of kinds that are not fetched nor staged here yet.
func identifyMore(src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	switch src.Kind {
	case "git_module":
		identifyGitModule(t, id)
	case "cargo", "cargo2":
		return identifyCargo(t, src, id)
	case "go_module":
		return identifyGoModule(src, id)
	case "pypi":
		ref := &texts{config: src.Config.Get("ref")}
		identifySuffix(t, ref, id)
		id.Resolved = src.Config.Get("ref") != nil
		return ref.err
	case "cpan":
		identifySuffix(t, t, id)
	case "docker":
		identifyDocker(t, id)
	case "ostree", "pip":
		address, there := t.get("url")
		if !there && src.Kind == "pip" {
			address = "https://pypi.org/simple/"
		}
		ref, _ := t.optional("ref")
		id.Resolved, id.Key = ref != nil, []any{address, ref}
	case "bzr":
		address, _ := t.get("url")
		track, _ := t.get("track")
		ref, _ := t.optional("ref")
		id.Resolved = ref != nil
		key := []any{address, track, ref}
		if version, there := t.get("version"); there {
			key = append(key, version)
		}
		id.Key = key
	case "gen_cargo_lock":
		ref, there := t.optional("ref")
		id.Resolved, id.Key = there, ref
	default:
		return fmt.Errorf("%w: source kind %q", ErrUnsupported, src.Kind)
	}
	return t.err
}

// optional is get with nil for what is not there.
func (t *texts) optional(key string) (any, bool) {
	value, there := t.get(key)
	if !there {
		return nil, false
	}
	return value, true
}

// patchQueueKey lists the hashes of all files in the folder, by name.
func patchQueueKey(el *project.Element, src project.Source) (any, error) {
	patches, err := patchQueue(el, src)
	if err != nil {
		return nil, err
	}
	sums := []any{}
	for _, file := range patches {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		sums = append(sums, hex.EncodeToString(sum[:]))
	}
	return sums, nil
}

// patchQueue returns the files of a patch_queue source, in the order in which they are applied.
func patchQueue(el *project.Element, src project.Source) ([]string, error) {
	name, err := src.Config.Str("path")
	if err != nil {
		return nil, err
	}
	dir, err := projectPath(el.Project.Dir, name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		file, err := projectPath(el.Project.Dir, filepath.Join(name, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	slices.Sort(files)
	return files, nil
}

func identifyGitModule(t *texts, id *Identity) {
	address, _ := t.get("url")
	ref, there := t.get("ref")
	id.Resolved = there
	key := []any{address, ref}
	if at, _ := t.get("path"); at != "" {
		if strings.HasPrefix(at, "/") {
			at = strings.TrimPrefix(path.Clean(at), "/")
		}
		key = append(key, map[string]any{"path": at})
	}
	if t.flag("use-lfs", false) {
		key = append(key, "use-lfs")
	}
	if name, value := t.version(); name != "" {
		key = append(key, value)
	}
	id.Key = key
}

// crates is the address of the crates where a source names none.
const crates = "https://static.crates.io/crates"

func identifyCargo(t *texts, src project.Source, id *Identity) error {
	settings := map[string]string{"url": crates, "cargo-lock": "Cargo.lock", "vendor-dir": ".vendored-crates"}
	if src.Kind == "cargo" {
		settings["vendor-dir"] = "crates"
	}
	for name := range settings {
		if value, there := t.get(name); there {
			settings[name] = value
		}
	}
	list, err := src.Config.Sequence("ref")
	if err != nil {
		return err
	}
	id.Resolved = src.Kind == "cargo2" || list != nil
	refs := []any{}
	for _, node := range list.Items() {
		crate := &texts{config: node}
		ref := map[string]any{}
		kind, _ := crate.get("kind")
		fields := []string{"name", "version", "sha"}
		if src.Kind == "cargo2" {
			if ref["kind"] = "registry"; kind == "git" {
				ref["kind"], fields = "git", []string{"name", "version", "repo", "commit"}
			}
		}
		for _, field := range fields {
			ref[field], _ = crate.optional(field)
		}
		if query := node.Get("query"); kind == "git" && query.Len() > 0 {
			ref["query"] = query.Plain()
		}
		id.Resolved = id.Resolved && (kind == "git" || ref["sha"] != nil)
		if refs = append(refs, ref); crate.err != nil {
			return crate.err
		}
	}
	key := []any{settings["url"], settings["cargo-lock"], settings["vendor-dir"], refs}
	if src.Kind == "cargo2" {
		key = append(key, src.KeySuffix)
	}
	id.Key = key
	return t.err
}

func identifyGoModule(src project.Source, id *Identity) error {
	t := &texts{config: src.Config}
	module, _ := t.get("module")
	node, err := src.Config.Mapping("ref")
	if err != nil {
		return err
	}
	bugfix, err := strconv.Atoi(src.KeySuffix)
	if err != nil {
		return fmt.Errorf("%w: go_module of an unknown release", ErrUnsupported)
	}
	ref := map[string]any{}
	for _, field := range node.Keys() {
		ref[field] = node.Get(field).Value()
		if field == "explicit" {
			ref[field] = nil // deprecated: that it is there is in the key, not its value
		}
	}
	id.Resolved = node != nil
	id.Key = map[string]any{"ref": ref, "module": module, "bugfix": bugfix}
	return t.err
}

// identifySuffix is for kinds whose ref is a path below a site, and the hash of the file there.
func identifySuffix(t, ref *texts, id *Identity) {
	suffix, there := ref.optional("suffix")
	sum, known := ref.optional("sha256sum")
	id.Resolved = there && known
	key := []any{suffix, sum}
	if name, value := t.version(); name != "" {
		key = append(key, value)
	}
	id.Key = key
}

// dockerHub is where images come from that name no registry.
const dockerHub = "https://registry.hub.docker.com"

func identifyDocker(t *texts, id *Identity) {
	ref, there := t.get("ref")
	id.Resolved = there
	key := []any{}
	if address, there := t.get("url"); there {
		key = append(key, address, dockerDigest(ref))
	} else {
		registry, there := t.get("registry-url")
		if !there {
			registry = dockerHub
		}
		image, _ := t.get("image")
		key = append(key, registry, image, dockerDigest(ref))
	}
	if version, there := t.get("version"); there {
		key = append(key, version)
	}
	id.Key = key
}

func dockerDigest(ref string) string { return "sha256:" + ref }
