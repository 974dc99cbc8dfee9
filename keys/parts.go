package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"sort"
)

// PartsFormat is the version of the pre-images below. It enters every build key, so a change of
// what a build depends on can never meet results that were made under other rules.
const PartsFormat = 1

// Parts is all that a build's result depends on, by content (rules 1 to 11). Two builds with
// equal parts have equal results, whatever work tree, commit or machine they came from.
type Parts struct {
	Source     string      // digest of the tree that is staged at BuildRoot; "" without sources
	Sysroot    []Staged    // what is staged, in staging order; empty on a bare root
	Reads      []Read      // what else the kind reads: separate digests and public data (rule 4)
	Root       Root        // the system that the build sees
	Layout     Layout      // where things lie inside
	Phases     []Phase     // in order; phases without commands are left out by the caller
	Collect    string      // what becomes the artifact: a path inside, or a selection in words
	Kind       string      // the element's kind where the kind itself does work (compose, filter, import)
	KindConfig interface{} // canonical JSON value of that work's settings
}

// The kinds of a root.
const (
	RootSysroot = "sysroot" // staged from dependencies
	RootHost    = "host"    // the host's system, read-only
)

// Staged is one dependency in a sysroot (rule 4).
type Staged struct {
	Name        string   // project:element
	Files       string   // digest of the artifact's files
	Location    string   // absolute path inside at which it is staged
	Integration []string // its integration commands, when they are run
	// IntegrationEnvironment is what they run with: the dependency's own environment.
	IntegrationEnvironment map[string]string
	Whitelist              []string // overlaps that it allows
}

// Read is something besides a sysroot that a kind reads, such as a dependency's public data.
type Read struct{ Name, Value string }

// Root names the system that the build sees.
type Root struct {
	Kind        string // RootSysroot or RootHost
	Fingerprint string // of the host, for RootHost (rule 10)
	Sandbox     string // "" for every sandbox with a fixed build path; else its name (tainted)
}

// Layout is where a build's folders lie and as whom it runs.
type Layout struct {
	BuildRoot, InstallRoot, WorkDir string // absolute, inside
	RootWritable                    bool
	UID, GID                        int
	OS, Arch                        string
	SourceTime                      int64 // seconds since 1970: the time of every staged source
}

func (r Root) value() map[string]interface{} {
	return map[string]interface{}{"kind": r.Kind, "fingerprint": r.Fingerprint, "sandbox": r.Sandbox}
}

func (l Layout) value() map[string]interface{} {
	return map[string]interface{}{
		"build-root": l.BuildRoot, "install-root": l.InstallRoot, "work-dir": l.WorkDir,
		"root-writable": l.RootWritable, "uid": l.UID, "gid": l.GID,
		"os": l.OS, "arch": l.Arch, "source-time": l.SourceTime,
	}
}

// Phase is the recipe of one phase.
type Phase struct {
	Name        string
	Commands    []string
	Environment map[string]string // less nocache (rule 11)
}

// PhaseKey is one link of the chain.
type PhaseKey struct{ Name, Key string }

// Chain is every key of one build, computed before anything runs (rule 1).
type Chain struct {
	Base     string     // source, sysroot, root and layout
	Phases   []PhaseKey // each the hash of the one before and of its own recipe
	Build    string     // the build key: the last link with what is collected
	PreImage []byte     // canonical JSON of all inputs, for explain
}

// Chain computes the chain of keys of p. This is the one place where anything enters a build key:
// an input that is not written here is not part of a build's identity.
func (p Parts) Chain() (Chain, error) {
	base := map[string]interface{}{
		"format":  PartsFormat,
		"source":  p.Source,
		"sysroot": stagedValue(p.Sysroot),
		"reads":   readsValue(p.Reads),
		"root":    p.Root.value(),
		"layout":  p.Layout.value(),
	}
	var chain Chain
	var err error
	if chain.Base, err = hashOf(base); err != nil {
		return Chain{}, err
	}
	previous := chain.Base
	phases := []interface{}{}
	for _, phase := range p.Phases {
		recipe := map[string]interface{}{
			"name": phase.Name, "commands": stringList(phase.Commands), "environment": stringMap(phase.Environment),
		}
		phases = append(phases, recipe)
		key, err := hashOf(map[string]interface{}{"previous": previous, "recipe": recipe})
		if err != nil {
			return Chain{}, err
		}
		chain.Phases = append(chain.Phases, PhaseKey{Name: phase.Name, Key: key})
		previous = key
	}
	result := map[string]interface{}{"collect": p.Collect, "kind": p.Kind, "kind-config": p.KindConfig}
	if chain.Build, err = hashOf(map[string]interface{}{"previous": previous, "result": result}); err != nil {
		return Chain{}, err
	}
	chain.PreImage, err = Canonical(map[string]interface{}{"base": base, "phases": phases, "result": result})
	return chain, err
}

// ArtifactKey names an artifact that has no strict key (rules 7 and 10): the build that made its
// files, and the metadata stored beside them. A change of split rules or other public data gives
// another artifact of the same build, so the files are used again.
func ArtifactKey(build string, public interface{}) (string, error) {
	return hashOf(map[string]interface{}{"format": PartsFormat, "build": build, "public": public})
}

func hashOf(value interface{}) (string, error) {
	data, err := Canonical(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func stagedValue(list []Staged) []interface{} {
	values := make([]interface{}, 0, len(list))
	for _, s := range list {
		values = append(values, map[string]interface{}{
			"name": s.Name, "files": s.Files, "location": s.Location,
			"integration": stringList(s.Integration), "whitelist": stringList(s.Whitelist),
			"integration-environment": stringMap(s.IntegrationEnvironment),
		})
	}
	return values
}

func readsValue(list []Read) []interface{} {
	sorted := append([]Read(nil), list...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	values := make([]interface{}, 0, len(sorted))
	for _, r := range sorted {
		values = append(values, []interface{}{r.Name, r.Value})
	}
	return values
}

func stringList(list []string) []interface{} {
	values := make([]interface{}, len(list))
	for i, s := range list {
		values[i] = s
	}
	return values
}

func stringMap(m map[string]string) map[string]interface{} {
	values := make(map[string]interface{}, len(m))
	for k, v := range m {
		values[k] = v
	}
	return values
}

// Differs names, in words, the inputs in which two builds differ, given their pre-images. The
// names are stable: "source", "dependency P:E", "dependencies' order", "root", "layout",
// "PHASE commands", "environment NAME", "what is collected".
func Differs(old, new []byte) []string {
	var a, b preImage
	if json.Unmarshal(old, &a) != nil || json.Unmarshal(new, &b) != nil {
		return []string{"the form of the record"}
	}
	var list []string
	add := func(differ bool, what string) {
		if differ && !slices.Contains(list, what) {
			list = append(list, what)
		}
	}
	add(a.Base.Source != b.Base.Source, "source")
	list = append(list, stagedDiffers(a.Base.Sysroot, b.Base.Sysroot)...)
	add(!equal(a.Base.Reads, b.Base.Reads), "split rules of dependencies, or fatal warnings")
	add(a.Base.Root.Kind != b.Base.Root.Kind, "root (was "+a.Base.Root.Kind+", is "+b.Base.Root.Kind+")")
	add(a.Base.Root.Kind == b.Base.Root.Kind && a.Base.Root.Fingerprint != b.Base.Root.Fingerprint, "the host's system (its packages, /usr/local, /opt or build.host-paths)")
	add(a.Base.Root.Sandbox != b.Base.Root.Sandbox, "the kind of sandbox")
	add(!equal(a.Base.Layout, b.Base.Layout), "layout")
	for _, name := range phaseNames(a.Phases, b.Phases) {
		x, y := a.phase(name), b.phase(name)
		add(!slices.Equal(x.Commands, y.Commands), name+" commands")
		for _, variable := range changedNames(x.Environment, y.Environment) {
			add(x.Environment != nil && y.Environment != nil, "environment "+variable)
		}
	}
	add(!equal(a.Result, b.Result), "what is collected")
	add(a.Base.Format != b.Base.Format, "format of keys")
	return list
}

type preImage struct {
	Base struct {
		Format  int
		Source  string
		Sysroot []preStaged
		Reads   interface{}
		Layout  interface{}
		Root    Root
	}
	Phases []prePhase
	Result interface{}
}

type preStaged struct {
	Name, Files, Location  string
	Integration, Whitelist []string
	Environment            map[string]string `json:"integration-environment"`
}

type prePhase struct {
	Name        string
	Commands    []string
	Environment map[string]string
}

func (p preImage) phase(name string) prePhase {
	for _, phase := range p.Phases {
		if phase.Name == name {
			return phase
		}
	}
	return prePhase{}
}

func phaseNames(a, b []prePhase) []string {
	var names []string
	for _, phase := range append(append([]prePhase(nil), a...), b...) {
		if !slices.Contains(names, phase.Name) {
			names = append(names, phase.Name)
		}
	}
	return names
}

func changedNames(a, b map[string]string) []string {
	var names []string
	for name, value := range a {
		if other, ok := b[name]; !ok || other != value {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// stagedDiffers names the dependencies that came, went or changed.
func stagedDiffers(a, b []preStaged) []string {
	index := func(list []preStaged) map[string]preStaged {
		m := map[string]preStaged{}
		for _, s := range list {
			m[s.Name+" at "+s.Location] = s
		}
		return m
	}
	old, new := index(a), index(b)
	var list []string
	for key, s := range old {
		if other, ok := new[key]; !ok || !equal(s, other) {
			list = append(list, "dependency "+s.Name)
		}
	}
	for key, s := range new {
		if _, ok := old[key]; !ok {
			list = append(list, "dependency "+s.Name)
		}
	}
	if list == nil && !equal(a, b) {
		list = append(list, "dependencies' order")
	}
	sort.Strings(list)
	return slices.Compact(list)
}

func equal(a, b interface{}) bool { return reflect.DeepEqual(a, b) }
