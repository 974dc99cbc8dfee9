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

	head, tail   []byte // canonical JSON of the element, around its dependencies
	dependencies []dependencyKey
}

type dependencyKey struct {
	prefix []byte // ["project","name"
	key    string
}

// PreImage returns the canonical JSON whose SHA-256 is Strict; nil if that is unknown.
func (n Names) PreImage() []byte {
	if n.Strict == "" {
		return nil
	}
	return n.preImage(n.dependencies, n.Weak)
}

// preImage writes the dictionary of an element. Its keys are in order: what is before "dependencies"
// is head, what is after it is tail, and "weak-cache-key" is last.
func (n Names) preImage(deps []dependencyKey, weak string) []byte {
	out := make([]byte, 0, len(n.head)+len(n.tail)+160*len(deps)+100)
	out = append(append(out, n.head...), `"dependencies":[`...)
	for i, d := range deps {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, d.prefix...)
		if d.key != "" {
			out = append(append(append(out, `,"`...), d.key...), '"')
		}
		out = append(out, ']')
	}
	out = append(append(out, "],"...), n.tail...)
	if weak != "" {
		out = append(append(append(out, `,"weak-cache-key":"`...), weak...), '"')
	}
	return append(out, '}')
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Resolve names all elements in order, in which each comes after what it depends on. ids returns the
// identities of an element's sources.
func Resolve(order []*project.Element, ids func(*project.Element) ([]source.Identity, error)) (map[*project.Element]Names, error) {
	names := make(map[*project.Element]Names, len(order))
	prefixes := make(map[*project.Element][]byte, len(order))
	for _, e := range order {
		prefix, err := Canonical([]string{e.Project.Name, e.Name})
		if err != nil {
			return nil, err
		}
		prefixes[e] = prefix[:len(prefix)-1]
	}
	for _, e := range order {
		list, err := ids(e)
		if err != nil {
			return nil, err
		}
		n, err := name(e, list, names, prefixes)
		if err != nil {
			return nil, fmt.Errorf("name %s: %w", e.Name, err)
		}
		names[e] = n
	}
	return names, nil
}

func name(e *project.Element, ids []source.Identity, names map[*project.Element]Names, prefixes map[*project.Element][]byte) (n Names, err error) {
	for _, id := range ids {
		if !id.Resolved {
			return Names{}, nil
		}
	}
	r, err := recipe.Of(e)
	if err != nil {
		return Names{}, err
	}
	if n.head, n.tail, err = dictionary(e, r, ids); err != nil {
		return Names{}, err
	}
	strict := map[*project.Element]bool{}
	for _, dep := range e.Deps {
		strict[dep.Element] = strict[dep.Element] || dep.Strict
	}
	scope := e.BuildScope()
	weak := make([]dependencyKey, len(scope))
	n.dependencies = make([]dependencyKey, len(scope))
	weakKnown, strictKnown := true, true
	for i, dep := range scope {
		of := names[dep]
		weak[i].prefix, n.dependencies[i].prefix = prefixes[dep], prefixes[dep]
		n.dependencies[i].key = of.Strict
		strictKnown = strictKnown && of.Strict != ""
		if r.StrictRebuild || strict[dep] {
			weak[i].key = of.Weak
			weakKnown = weakKnown && of.Weak != ""
		}
	}
	if weakKnown {
		n.Weak = hexSum(n.preImage(weak, ""))
		if strictKnown {
			n.Strict = hexSum(n.preImage(n.dependencies, n.Weak))
		}
	}
	return n, nil
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
