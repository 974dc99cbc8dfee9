package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/keys"
)

// node is one element with what is known of it.
type node struct {
	element *project.Element
	recipe  recipe.Recipe
	sources []source.Identity // own, or that of the workspace which it is built from
	own     []source.Identity // of the sources that the element names
	names   keys.Names
	work    *workTree // the open workspace that it is built from; nil without
	// softReset is the id of a request to build it clean; "" without.
	softReset string
	// inTree: its sources are files of the repository where the user stands.
	inTree   bool
	onHost   bool // its files depend on the host's system: no strict key is used (rule 10)
	built    *build.Built
	state    string // for show
	buildKey string
}

// graph is a loaded project with its elements named.
type graph struct {
	project *project.Project
	nodes   map[*project.Element]*node
	sources source.Env
	mu      sync.Mutex // guards node.built while elements are built in parallel
}

// load reads the project and names its elements. Nothing runs.
func (s *Session) load(ctx context.Context, targets []string) (*graph, error) {
	typed := len(targets)
	targets, err := s.targets(targets)
	if err != nil {
		return nil, err
	}
	loaded, err := s.read(ctx, targets)
	if typed == 0 && s.options.Standing != nil && project.ReasonOf(err) == project.MissingFile {
		err = hint.Addf(err, "you are in its workspace, and the project is now without it: %s", s.dir)
	}
	if err != nil {
		return nil, err
	}
	g := &graph{project: loaded, nodes: make(map[*project.Element]*node, len(loaded.Order)), sources: s.sourceEnv()}
	for _, element := range loaded.Order {
		if err := s.addNode(ctx, g, element); err != nil {
			return nil, err
		}
	}
	if err := s.findWorks(ctx, g); err != nil {
		return nil, err
	}
	if err := s.nameAll(g); err != nil {
		return nil, err
	}
	return g, nil
}

// read reads the project's files, unless that has been done.
func (s *Session) read(ctx context.Context, targets []string) (*project.Project, error) {
	if s.loaded != nil {
		return s.loaded, nil
	}
	return project.Load(ctx, project.Request{
		Dir: s.dir, Options: s.config.Project.Options, MaxJobs: s.config.Build.MaxJobs, Targets: targets, Variables: s.realPaths(),
		Junction: s.junctionSources,
	})
}

// realPaths moves the build and install roots to where they are on the host when there is no sandbox
// that could put them elsewhere. Nothing is asked for otherwise.
func (s *Session) realPaths() map[string]string {
	if s.config.Build.Sandbox != sandbox.None.String() {
		return nil
	}
	dir := filepath.Join(s.config.Cache.Dir, "none", "%{project-name}", "%{element-name}")
	return map[string]string{"build-root": filepath.Join(dir, "build"), "install-root": filepath.Join(dir, "install")}
}

// gather takes what planning needs from outside the project, each slow thing beside the others: the
// work tree where a source is in place, and the host's fingerprint where something is built on it.
func (s *Session) gather(ctx context.Context, g *graph) error {
	inPlace, commands := false, false
	for _, n := range g.nodes {
		commands = commands || n.recipe.RunsCommands
		for _, id := range n.sources {
			inPlace = inPlace || id.InPlace
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	if inPlace {
		group.Go(func() error {
			_, err := s.snapshot(ctx)
			return err
		})
	}
	if commands && s.config.Build.Root == keys.RootHost {
		if err := s.checkHostPaths(); err != nil {
			return err
		}
		group.Go(func() error {
			_, err := s.host(ctx, g)
			return err
		})
	}
	return group.Wait()
}

// checkHostPaths names the setting whose path is not there.
func (s *Session) checkHostPaths() error {
	for _, path := range s.config.Build.HostPaths {
		if _, err := os.Stat(path); err != nil {
			return hint.Add(fmt.Errorf("setting build.host-paths: %w", err), "to see where it is set: git bst config --show-origin build.host-paths")
		}
	}
	return nil
}

// loadToPlan is load with all that planning needs, of what can be built.
func (s *Session) loadToPlan(ctx context.Context, targets []string) (*graph, error) {
	g, err := s.load(ctx, targets)
	if err != nil {
		return nil, err
	}
	if err := g.withoutJunctions(); err != nil {
		return nil, err
	}
	return g, s.gather(ctx, g)
}

// targets turns what the user typed into element names: none is the configured element or the
// project's default.
func (s *Session) targets(typed []string) ([]string, error) {
	if len(typed) == 0 && s.options.Standing != nil {
		return s.standingElements(), nil
	}
	if len(typed) == 0 && s.config.Project.Element != "" {
		return []string{s.config.Project.Element}, nil
	}
	for _, name := range typed {
		if strings.HasPrefix(name, "-") {
			return nil, hint.Addf(fmt.Errorf("%q is not an element", name), "flags go before the elements")
		}
	}
	return typed, nil
}

// retryDelay is the wait before a server is asked again: what a restart of a proxy takes.
const retryDelay = time.Second

func (s *Session) sourceEnv() source.Env {
	env := source.Env{
		Store: s.cas, MirrorDir: filepath.Join(s.config.Cache.Dir, "sources"), Git: gitint.Git{Bin: s.options.Git, Env: s.options.Environ}, Environ: s.options.Environ,
		InPlace: s.inPlace, Jobs: s.config.Fetch.Jobs, Now: s.options.Now, HTTP: s.options.HTTP, RetryDelay: retryDelay,
		Limits: source.Limits{DownloadBytes: s.config.Fetch.MaxSize},
	}
	if s.apart && s.options.Standing == nil {
		env.Local = s.localOf
	}
	return env
}

func (s *Session) addNode(ctx context.Context, g *graph, element *project.Element) error {
	made, err := recipe.Of(element)
	if err != nil {
		return err
	}
	identities, err := source.Identify(ctx, g.sources, element)
	if err != nil {
		return err
	}
	n := &node{element: element, recipe: made, sources: identities, own: identities, inTree: s.ofRepository(element)}
	n.onHost = made.RunsCommands && s.config.Build.Root == keys.RootHost || s.config.Build.Sandbox == sandbox.None.String()
	for _, dep := range element.Deps {
		if dep.Build {
			n.onHost = n.onHost || g.nodes[dep.Element].onHost
		}
	}
	g.nodes[element] = n
	return nil
}

func (s *Session) nameAll(g *graph) error {
	names, err := keys.Resolve(g.project.Order, func(e *project.Element) ([]source.Identity, error) { return g.nodes[e].sources, nil })
	if err != nil {
		return err
	}
	for element, n := range g.nodes {
		n.names = names[element]
	}
	return nil
}

// strict is the name under which n's artifact is looked up and stored as BuildStream's; "" where it
// has none or must not have one (rules 7, 8, 10).
func (n *node) strict() string {
	if n.onHost {
		return ""
	}
	return n.names.Strict
}

func (n *node) ref(key string) artifact.Ref {
	return artifact.Ref{Project: n.element.Project.Name, Element: n.element.Name, Key: key}
}

// cached returns n's artifact by its strict key; nil when it is not here.
func (s *Session) cached(ctx context.Context, n *node) (*artifact.Entry, error) {
	if n.strict() == "" {
		return nil, nil
	}
	entry, err := s.artifactAt(ctx, n.ref(n.strict()))
	if err != nil || entry == nil || s.config.Promote.Trust == "any" {
		return entry, err
	}
	if rec, err := s.env.Records.Get(ctx, entry.Record); err != nil || !s.trusts(rec.Trust) {
		return nil, nil // not under that name
	}
	return entry, nil
}

// trusts reports whether a result may have BuildStream's own name here, by the user's word.
func (s *Session) trusts(trust record.Trust) bool {
	switch s.config.Promote.Trust {
	case "verified":
		return trust.Solid()
	case "clean":
		return trust.How == record.Clean
	}
	return true
}

func (s *Session) artifactAt(ctx context.Context, ref artifact.Ref) (*artifact.Entry, error) {
	entry, err := s.env.Artifacts.Get(ctx, ref)
	switch {
	case err == nil && entry.Artifact.BuildSuccess:
		return &entry, nil
	case err == nil, errors.Is(err, cas.ErrNotFound), errors.Is(err, cas.ErrCorrupt):
		return nil, nil // a damaged artifact is none: it is built again
	case errors.Is(err, cas.ErrNewerFormat):
		return nil, hint.Add(err, "use the newer git-bst, or another cache folder: GIT_BST_CACHE_DIR=DIR git bst ...",
			"or forget that artifact (it costs only time): git bst artifact delete "+ref.String())
	default:
		return nil, err
	}
}

// needed returns the elements that have to be there for the targets: each target with what it
// needs at run time and, where its artifact is not here, with all that building it takes.
func (s *Session) needed(ctx context.Context, g *graph, asked Asked) ([]*node, error) {
	want := map[*project.Element]bool{}
	var err error
	var visit func(e *project.Element)
	visit = func(e *project.Element) {
		if err != nil || want[e] {
			return
		}
		want[e] = true
		n := g.nodes[e]
		entry, cacheErr := s.cached(ctx, n)
		if cacheErr != nil {
			err = cacheErr
			return
		}
		here := entry != nil && !(asked.anew() && g.isTarget(e)) && n.softReset == ""
		for _, dep := range e.Deps {
			if dep.Runtime || dep.Build && !here {
				visit(dep.Element)
			}
		}
	}
	for _, target := range g.project.Targets {
		visit(target)
	}
	var order []*node
	for _, e := range g.project.Order {
		if want[e] {
			order = append(order, g.nodes[e])
		}
	}
	return order, err
}

func (g *graph) isTarget(e *project.Element) bool {
	for _, target := range g.project.Targets {
		if target == e {
			return true
		}
	}
	return false
}
