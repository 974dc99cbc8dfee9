package flow

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// Asked is what the user asked for beyond the elements.
type Asked struct {
	Clean bool // build the targets without any earlier result
	Retry bool // build again what failed with the same inputs
}

// resolve gathers all that the decision for n depends on, and the job that would carry it out.
// Its dependencies must have been resolved before. Nothing runs; sources are staged by digest only
// when they are here.
func (s *Session) resolve(ctx context.Context, g *graph, n *node, asked Asked) (build.Job, plan.Facts, error) {
	facts := plan.Facts{Element: n.element.Name, Asked: plan.Asked{Clean: asked.Clean && g.isTarget(n.element), Retry: asked.Retry}}
	entry, err := s.cached(ctx, n)
	if err != nil {
		return build.Job{}, facts, err
	}
	if entry != nil && !facts.Asked.Clean {
		facts.Artifact = n.strict()
		g.setBuilt(n, s.built(*entry))
		return build.Job{Element: n.element.Name, Project: n.element.Project.Name, Strict: n.strict()}, facts, nil
	}
	if facts.Blocked = s.blocked(ctx, g, n); facts.Blocked != nil {
		return build.Job{}, facts, nil
	}
	job, err := s.job(ctx, g, n)
	if err != nil {
		return job, facts, err
	}
	return job, facts, s.lookUp(ctx, g, n, job, &facts)
}

// blocked says why n cannot be planned yet; nil when it can.
func (s *Session) blocked(ctx context.Context, g *graph, n *node) *plan.Reason {
	for _, dep := range n.element.BuildScope() {
		if g.isBuilt(g.nodes[dep]) == nil {
			return &plan.Reason{Code: plan.CodeDependencyNotBuilt, Text: "its dependency " + dep.Name + " is not built yet"}
		}
	}
	for _, id := range n.sources {
		if !id.Resolved && !id.InPlace {
			return &plan.Reason{Code: plan.CodeNoReference, Text: "its " + id.Kind + " source has no ref"}
		}
	}
	if !source.Cached(ctx, g.sources, n.element) {
		return &plan.Reason{Code: plan.CodeNotFetched, Text: "its sources are not fetched"}
	}
	return nil
}

// lookUp asks the stores what is known of the job's keys.
func (s *Session) lookUp(ctx context.Context, g *graph, n *node, job build.Job, facts *plan.Facts) error {
	if n.strict() == "" && !facts.Asked.Clean {
		entry, err := s.artifactAt(ctx, job.Refs[0])
		if err != nil {
			return err
		}
		if entry != nil {
			facts.Artifact = job.Refs[0].Key
			g.setBuilt(n, s.built(*entry))
			return nil
		}
	}
	attempts, err := s.env.Records.ByBuildKey(ctx, job.Chain.Build)
	if err != nil {
		return err
	}
	for _, rec := range attempts {
		attempt, err := s.attempt(ctx, rec)
		if err != nil {
			return err
		}
		facts.Attempts = append(facts.Attempts, attempt)
	}
	for _, key := range job.Chain.Phases {
		facts.Phases = append(facts.Phases, plan.Phase{Name: key.Name, Key: key.Key, Cached: s.phaseCached(ctx, key.Key)})
	}
	facts.Previous, err = s.previous(ctx, n, job)
	return err
}

func (s *Session) phaseCached(ctx context.Context, key string) bool {
	return s.env.Phases.Has(ctx, action.Phase, key)
}

// attempt judges an earlier build with equal parts; a success whose files are gone is none.
func (s *Session) attempt(ctx context.Context, rec record.Record) (plan.Attempt, error) {
	attempt := plan.Attempt{Record: rec.ID, Success: rec.Result == record.Success, Replayable: rec.Replayable()}
	if attempt.Success {
		missing, err := tree.Missing(ctx, s.cas, rec.Files)
		attempt.Success = err == nil && len(missing) == 0
		return attempt, nil
	}
	failure := build.Failure{Result: rec.Result, ExitCode: rec.Failure.ExitCode, Signal: unix.SignalName(syscall.Signal(rec.Failure.Signal))}
	attempt.Summary = strings.TrimSpace(rec.Failure.Phase + " " + failure.Summary())
	return attempt, nil
}

// previous compares the job with the newest build of the same element that had other inputs.
func (s *Session) previous(ctx context.Context, n *node, job build.Job) (*plan.Previous, error) {
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: 8}, nil)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		if rec.BuildKey == job.Chain.Build || rec.BuildKey == "" {
			continue
		}
		old, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
		if err != nil {
			return &plan.Previous{Record: rec.ID}, nil // collected: it was built, but with what is not known
		}
		return &plan.Previous{Record: rec.ID, Differs: keys.Differs(old, job.Chain.PreImage)}, nil
	}
	return nil, nil
}

func (s *Session) built(entry artifact.Entry) *build.Built {
	built := &build.Built{Artifact: entry.Artifact, Files: entry.Artifact.Files, Record: entry.Record}
	if rec, err := s.env.Records.Get(context.Background(), entry.Record); err == nil {
		built.BuildKey, built.Trust = rec.BuildKey, rec.Trust
	}
	return built
}

func (g *graph) setBuilt(n *node, built *build.Built) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n.built = built
}

func (g *graph) isBuilt(n *node) *build.Built {
	g.mu.Lock()
	defer g.mu.Unlock()
	return n.built
}

// job computes all keys of n and what is needed to build it.
func (s *Session) job(ctx context.Context, g *graph, n *node) (build.Job, error) {
	job := build.Job{
		Element: n.element.Name, Project: n.element.Project.Name, Recipe: n.recipe, Strict: n.strict(), Weak: n.names.Weak,
		Trust:         record.Trust{How: record.Clean, Where: record.Sysroot},
		FatalWarnings: n.element.Project.FatalWarnings, Meta: metadata(n),
	}
	var err error
	if len(n.element.Sources) > 0 {
		staged, err := source.StageParts(ctx, g.sources, n.element)
		if err != nil {
			return job, err
		}
		// The whole tree is in the parts, a .git that the kind stages too: as long as nobody
		// watches whether the build reads it, it counts as read (rule 9).
		job.Source, job.Warnings = staged.Root, staged.Warnings
	}
	s.describeSource(&job, n)
	s.stack(g, n, &job)
	if err := s.parts(ctx, g, n, &job); err != nil {
		return job, err
	}
	if job.Chain, err = job.Parts.Chain(); err != nil {
		return job, fmt.Errorf("name the build of %s: %w", job.Element, err)
	}
	return job, s.name(n, &job)
}

// name sets the references under which the job's artifact is stored.
func (s *Session) name(n *node, job *build.Job) error {
	if job.Strict != "" {
		job.Refs = []artifact.Ref{n.ref(job.Strict)}
		if job.Weak != "" && job.Weak != job.Strict {
			job.Refs = append(job.Refs, n.ref(job.Weak))
		}
		return nil
	}
	key, err := keys.ArtifactKey(job.Chain.Build, n.element.Public.Plain())
	if err != nil {
		return fmt.Errorf("name the artifact of %s: %w", job.Element, err)
	}
	job.Refs = []artifact.Ref{artifact.BuildRef(key)}
	return nil
}

func (s *Session) describeSource(job *build.Job, n *node) {
	for _, id := range n.sources {
		if id.InPlace && s.snap != nil {
			job.Facts = record.Facts{WorkDir: s.repo.TopLevel(), Commit: s.snap.Commit, Dirty: s.snap.Dirty}
		}
	}
}

// stack lists what is staged to build n: the layout's locations in their order, each with the
// runtime closure of what is placed there, in staging order; elements at "/" are integrated.
func (s *Session) stack(g *graph, n *node, job *build.Job) {
	listed := map[string]bool{}
	for _, placement := range layout(n) {
		seen := map[*project.Element]bool{}
		for _, dep := range placement.Deps {
			for _, element := range dep.RunScope() {
				if seen[element] {
					continue
				}
				seen[element] = true
				job.Stack = append(job.Stack, s.placed(g.nodes[element], placement))
			}
		}
	}
	for _, element := range n.element.BuildScope() {
		built := g.nodes[element].built
		name := element.Project.Name + ":" + element.Name
		if listed[name] || built == nil {
			continue
		}
		listed[name] = true
		job.Deps = append(job.Deps, artifact.Dep{Project: element.Project.Name, Element: element.Name, Key: g.nodes[element].strict()})
		job.Trust = record.Least(job.Trust, built.Trust)
	}
}

// layout is where n's build dependencies are staged; kinds without a layout of their own that read
// them stage all at the top.
func layout(n *node) []recipe.Placement {
	if len(n.recipe.Layout) > 0 || n.recipe.Compose == nil && n.recipe.Filter == nil {
		return n.recipe.Layout
	}
	top := recipe.Placement{Location: "/"}
	for _, dep := range n.element.Deps {
		if dep.Build {
			top.Deps = append(top.Deps, dep.Element)
		}
	}
	return []recipe.Placement{top}
}

func (s *Session) placed(n *node, placement recipe.Placement) build.Placed {
	return build.Placed{
		Name: n.element.Name, Project: n.element.Project.Name, Files: n.built.Files, Location: placement.Location,
		Integrate: placement.Location == "/", Integration: integration(n), Environment: n.element.Environment,
		Whitelist: whitelist(n.element), SplitRules: splitRules(n.recipe),
	}
}

// integration returns the commands that integrate n: its own and, for a filter that passes them
// on, its dependency's before them.
func integration(n *node) []string {
	if n.recipe.Filter == nil || !n.recipe.Filter.PassIntegration {
		return n.recipe.Integration
	}
	for _, dep := range n.element.Deps {
		if !dep.Build {
			continue
		}
		if passed, err := recipe.Of(dep.Element); err == nil {
			return append(integration(&node{element: dep.Element, recipe: passed}), n.recipe.Integration...)
		}
	}
	return n.recipe.Integration
}

// whitelist returns the globs of files that e may put over others'.
func whitelist(e *project.Element) []string {
	bst, err := e.Public.Mapping("bst")
	if err != nil {
		return nil
	}
	globs, err := bst.StrList("overlap-whitelist")
	if err != nil {
		return nil
	}
	return globs
}

func splitRules(r recipe.Recipe) artifact.Rules {
	rules := make(artifact.Rules, len(r.SplitRules))
	for _, split := range r.SplitRules {
		rules[split.Domain] = split.Globs
	}
	return rules
}

// parts fills in what enters the build key.
func (s *Session) parts(ctx context.Context, g *graph, n *node, job *build.Job) error {
	r := n.recipe
	p := keys.Parts{Collect: r.InstallRoot, Root: keys.Root{Kind: keys.RootSysroot}, Kind: kindOf(r)}
	if p.Kind != "" {
		p.KindConfig = r.PluginKey
	}
	if !job.Source.IsZero() {
		p.Source = job.Source.String()
	}
	for _, placed := range job.Stack {
		staged := keys.Staged{Name: placed.Project + ":" + placed.Name, Files: placed.Files.String(), Location: placed.Location, Whitelist: placed.Whitelist}
		if placed.Integrate && (r.RunsCommands) {
			staged.Integration = placed.Integration
			staged.IntegrationEnvironment = placed.Environment
		}
		p.Sysroot = append(p.Sysroot, staged)
		if r.Compose != nil || r.Filter != nil {
			p.Reads = append(p.Reads, keys.Read{Name: staged.Name, Value: rulesText(placed.SplitRules)})
		}
	}
	if r.RunsCommands {
		if err := s.commandParts(ctx, g, n, job, &p); err != nil {
			return err
		}
	}
	job.Parts = p
	return nil
}

// commandParts fills in what matters to elements that run commands only.
func (s *Session) commandParts(ctx context.Context, g *graph, n *node, job *build.Job, p *keys.Parts) error {
	r := n.recipe
	p.Layout = keys.Layout{
		InstallRoot: r.InstallRoot, WorkDir: r.WorkDir, RootWritable: r.RootWritable, OS: r.Sandbox.OS, Arch: r.Sandbox.Arch,
		UID: intOr(r.Sandbox.UID), GID: intOr(r.Sandbox.GID), SourceTime: build.SourceTime,
	}
	if stagesSources(r) {
		p.Layout.BuildRoot = r.BuildRoot
	}
	if p.Layout.WorkDir == "" {
		p.Layout.WorkDir = "/"
	}
	if s.config.Build.Sandbox == "none" {
		p.Root.Sandbox = "none"
	}
	if s.config.Build.Root == keys.RootHost {
		host, err := s.host(ctx)
		if err != nil {
			return err
		}
		p.Root.Kind, p.Root.Fingerprint = keys.RootHost, host.fingerprint
		job.Host = build.HostRoot{Extra: s.config.Build.HostPaths, Lines: host.lines}
	}
	if r.Compose != nil {
		return nil
	}
	environment, err := s.environment(ctx, g, n)
	if err != nil {
		return err
	}
	job.Recipe.Env = environment
	for _, phase := range r.Phases {
		if len(phase.Commands) > 0 {
			p.Phases = append(p.Phases, keys.Phase{Name: phase.Name, Commands: phase.Commands, Environment: without(environment, r.NoCache)})
		}
	}
	return nil
}

// environment is n's environment with the digests that digest-environment asks for.
func (s *Session) environment(ctx context.Context, g *graph, n *node) (map[string]string, error) {
	environment := make(map[string]string, len(n.recipe.Env))
	for name, value := range n.recipe.Env {
		environment[name] = value
	}
	for name, deps := range n.recipe.DigestEnvironment {
		var stack build.Job
		stack.Element = n.element.Name
		seen := map[*project.Element]bool{}
		for _, dep := range deps {
			for _, element := range dep.RunScope() {
				if !seen[element] {
					seen[element] = true
					stack.Stack = append(stack.Stack, s.placed(g.nodes[element], recipe.Placement{Location: "/"}))
				}
			}
		}
		root, err := s.env.Merge(ctx, stack)
		if err != nil {
			return nil, err
		}
		environment[name] = root.String()
	}
	return environment, nil
}

// stagesSources reports whether a kind builds in the build root, where its sources are staged.
func stagesSources(r recipe.Recipe) bool {
	return len(r.Phases) > 0 && r.Phases[0].Name != recipe.PhaseCommands
}

// kindOf names the work that a kind does itself; "" for kinds that only run commands.
func kindOf(r recipe.Recipe) string {
	if r.Import != nil || r.Compose != nil || r.Filter != nil || !r.RunsCommands {
		return r.Kind
	}
	return ""
}

func without(environment map[string]string, names []string) map[string]string {
	result := make(map[string]string, len(environment))
	for name, value := range environment {
		result[name] = value
	}
	for _, name := range names {
		delete(result, name)
	}
	return result
}

func intOr(n *int64) int {
	if n == nil {
		return 0
	}
	return int(*n)
}

// metadata is what stands beside n's files in its artifact.
func metadata(n *node) artifact.Metadata {
	e := n.element
	public, _ := e.Public.Plain().(map[string]any)
	sandbox := map[string]any{"build-os": e.Sandbox.OS, "build-arch": e.Sandbox.Arch}
	if e.Sandbox.UID != nil {
		sandbox["build-uid"] = int(*e.Sandbox.UID)
	}
	if e.Sandbox.GID != nil {
		sandbox["build-gid"] = int(*e.Sandbox.GID)
	}
	return artifact.Metadata{Public: public, Environment: e.Environment, Sandbox: sandbox, Variables: e.Variables}
}

// rulesText writes split rules in a fixed form, for keys.
func rulesText(rules map[string][]string) string {
	var lines []string
	for domain, globs := range rules {
		lines = append(lines, fmt.Sprintf("%q: %q", domain, globs))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// inPlace returns the tree of a local source that holds the project itself (rule 7): the work tree
// below the source's folder, as it would be committed, less project.conf, the elements and our own
// settings, so that editing an element is a change of its recipe only.
func (s *Session) inPlace(ctx context.Context, element *project.Element, src project.Source) (digest.Digest, error) {
	loaded := element.Project
	folder, err := src.Config.Str("path")
	if err != nil {
		return digest.Digest{}, err
	}
	dir := filepath.Join(loaded.Dir, filepath.FromSlash(folder))
	snap, err := s.snapshot(ctx)
	if err != nil {
		return digest.Digest{}, err
	}
	root := snap.Staged
	inside, err := relative(s.repo.TopLevel(), dir)
	if err != nil {
		return digest.Digest{}, err
	}
	if inside != "." {
		if root, err = tree.Subtree(ctx, s.cas, root, inside); err != nil {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", dir, err)
		}
	}
	at, err := relative(dir, loaded.Dir)
	if err != nil {
		return digest.Digest{}, err
	}
	for _, name := range notBuilt(loaded) {
		root, err = tree.Remove(ctx, s.cas, root, path.Join(at, name))
		if err != nil && !errors.Is(err, tree.ErrNotFound) {
			return digest.Digest{}, fmt.Errorf("stage %s: %w", dir, err)
		}
	}
	return root, nil
}

// notBuilt are the paths of a project that are no part of what it builds, below its folder.
func notBuilt(loaded *project.Project) []string {
	names := []string{"project.conf", config.RepositoryFile}
	if loaded.ElementPath != "" && loaded.ElementPath != "." {
		return append(names, loaded.ElementPath)
	}
	for _, element := range loaded.Order {
		names = append(names, element.Name)
	}
	return names
}

// relative returns the slash-separated path of dir below base; both absolute.
func relative(base, dir string) (string, error) {
	rel, err := filepath.Rel(base, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("stage %s: it is not within %s", dir, base)
	}
	return filepath.ToSlash(rel), nil
}
