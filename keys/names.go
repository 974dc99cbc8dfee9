package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"

	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/source"
)

// artifactVersion is BuildStream's version of artifacts, a part of every key.
const artifactVersion = 11

// Names are what BuildStream calls an element's artifact.
type Names struct {
	// Strict changes with anything that the element is built from, at any depth. "" while a source
	// at or below the element has no ref.
	Strict string
	// Weak changes with the element itself and the names of what it depends on. "" while one of its
	// own sources has no ref, or the weak key of something it needs in its weak key is unknown.
	Weak string

	element *project.Element
	namer   *namer
}

// PreImage returns the canonical JSON whose SHA-256 is Strict; nil if that is unknown.
func (n Names) PreImage() []byte {
	if n.Strict == "" {
		return nil
	}
	part := n.namer.parts[n.element]
	deps := n.namer.dependencies(nil, n.element.BuildScope(), func(e *project.Element) string { return n.namer.names[e].Strict })
	return writeImage(nil, part, deps, n.Weak)
}

// namer holds what is known of the elements so far.
type namer struct {
	names map[*project.Element]Names
	parts map[*project.Element]elementPart

	deps, image []byte // reused
}

// elementPart is canonical JSON of an element without its dependencies.
type elementPart struct {
	prefix     []byte // ["project","name": how others' lists of dependencies begin it
	head, tail []byte // its dictionary before and after the list of dependencies
}

// writeImage writes the dictionary of an element. Its keys are in order: what is before "dependencies"
// is head, what is after it is tail, and "weak-cache-key" is last.
func writeImage(out []byte, part elementPart, deps []byte, weak string) []byte {
	out = append(append(out, part.head...), `"dependencies":`...)
	out = append(append(append(out, deps...), ','), part.tail...)
	if weak != "" {
		out = append(append(append(out, `,"weak-cache-key":"`...), weak...), '"')
	}
	return append(out, '}')
}

// dependencies writes the list of dependencies, each with the key that keyOf returns, or without.
func (n *namer) dependencies(out []byte, scope []*project.Element, keyOf func(*project.Element) string) []byte {
	out = append(out, '[')
	for i, e := range scope {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, n.parts[e].prefix...)
		if key := keyOf(e); key != "" {
			out = append(append(append(out, `,"`...), key...), '"')
		}
		out = append(out, ']')
	}
	return append(out, ']')
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Resolve names all elements in order, in which each comes after what it depends on. ids returns the
// identities of an element's sources.
func Resolve(order []*project.Element, ids func(*project.Element) ([]source.Identity, error)) (map[*project.Element]Names, error) {
	n := &namer{names: make(map[*project.Element]Names, len(order)), parts: make(map[*project.Element]elementPart, len(order))}
	for _, e := range order {
		list, err := ids(e)
		if err != nil {
			return nil, err
		}
		if err := n.name(e, list); err != nil {
			return nil, fmt.Errorf("name %s: %w", e.Name, err)
		}
	}
	return n.names, nil
}

// name adds an element whose dependencies have been added.
func (n *namer) name(e *project.Element, ids []source.Identity) error {
	prefix, err := Canonical([]string{e.Project.Name, e.Name})
	if err != nil {
		return err
	}
	part := elementPart{prefix: prefix[:len(prefix)-1]}
	names := Names{element: e, namer: n}
	if resolved(ids) && e.Opaque == "" {
		r, err := recipe.Of(e)
		if err != nil {
			return err
		}
		if part.head, part.tail, err = dictionary(e, r, ids); err != nil {
			return err
		}
		names.Weak, names.Strict = n.hash(e, part, r.StrictRebuild)
	}
	n.parts[e], n.names[e] = part, names
	return nil
}

func resolved(ids []source.Identity) bool {
	for _, id := range ids {
		if !id.Resolved {
			return false
		}
	}
	return true
}

// hash returns the keys of an element whose sources are resolved. Weak keys hold the weak keys of
// strict dependencies only, or of all for kinds that must be built again with them.
func (n *namer) hash(e *project.Element, part elementPart, strictRebuild bool) (weak, strict string) {
	strictDeps := map[*project.Element]bool{}
	for _, dep := range e.Deps {
		if dep.Strict {
			strictDeps[dep.Element] = true
		}
	}
	weakKnown, strictKnown := true, true
	scope := e.BuildScope()
	n.deps = n.dependencies(n.deps[:0], scope, func(dep *project.Element) string {
		of := n.names[dep]
		strictKnown = strictKnown && of.Strict != ""
		if !strictRebuild && !strictDeps[dep] {
			return ""
		}
		weakKnown = weakKnown && of.Weak != ""
		return of.Weak
	})
	if !weakKnown {
		return "", ""
	}
	n.image = writeImage(n.image[:0], part, n.deps, "")
	weak = hexSum(n.image)
	if !strictKnown {
		return weak, ""
	}
	n.deps = n.dependencies(n.deps[:0], scope, func(dep *project.Element) string { return n.names[dep].Strict })
	n.image = writeImage(n.image[:0], part, n.deps, weak)
	return weak, hexSum(n.image)
}

// dictionary returns the canonical JSON of what a key holds of the element itself, in two parts:
// before and after its dependencies. This is the one place where anything enters BuildStream's keys.
func dictionary(e *project.Element, r recipe.Recipe, ids []source.Identity) (head, tail []byte, err error) {
	fatal := append([]string{}, e.Project.FatalWarnings...)
	sort.Strings(fatal)
	entries := map[string]any{
		"element-base-key":       map[string]any{"build-root": buildRoot(e)},
		"element-plugin-key":     r.PluginKey,
		"element-plugin-name":    e.Kind,
		"element-plugin-version": r.PluginVersion,
		"public":                 e.Public.Plain(),
		"sources":                sourceKeys(ids),
		"fatal-warnings":         fatal,
	}
	if r.RunsCommands {
		entries["sandbox"] = sandboxKey(e.Sandbox)
		entries["environment"] = cachedEnvironment(e)
	}
	if head, err = Canonical(map[string]any{"core-artifact-version": artifactVersion}); err != nil {
		return nil, nil, err
	}
	if tail, err = Canonical(entries); err != nil {
		return nil, nil, err
	}
	head[len(head)-1] = ','
	return head, tail[1 : len(tail)-1], nil
}

func buildRoot(e *project.Element) any {
	if dir, ok := e.Variables["build-root"]; ok {
		return dir
	}
	return nil
}

func sourceKeys(ids []source.Identity) []any {
	list := make([]any, len(ids))
	for i, id := range ids {
		entry := map[string]any{"key": id.Key, "name": id.Kind}
		if id.Directory != "" {
			entry["directory"] = id.Directory
		}
		list[i] = entry
	}
	return list
}

func cachedEnvironment(e *project.Element) map[string]string {
	env := make(map[string]string, len(e.Environment))
	for name, value := range e.Environment {
		env[name] = value
	}
	for _, name := range e.NoCache {
		delete(env, name)
	}
	return env
}

func sandboxKey(s project.Sandbox) map[string]any {
	key := map[string]any{"build-os": s.OS, "build-arch": s.Arch}
	if s.UID != nil {
		key["build-uid"] = *s.UID
	}
	if s.GID != nil {
		key["build-gid"] = *s.GID
	}
	if s.RemoteAPIsSocket != nil {
		socket := map[string]any{"path": *s.RemoteAPIsSocket}
		if s.ActionCacheEnableUpdate {
			socket["action-cache-enable-update"] = true
		}
		key["remote-apis-socket"] = socket
	}
	return key
}
