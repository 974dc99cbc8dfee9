package flow

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/keys"
)

// job computes all keys of n and what is needed to build it.
func (s *Session) job(ctx context.Context, g *graph, n *node) (build.Job, error) {
	job := build.Job{
		Element: n.element.Name, Name: n.element.FullName(), Project: n.element.Project.Name, Recipe: n.recipe, Strict: n.strict(), Weak: n.names.Weak,
		Trust:         record.Trust{How: record.Clean, Where: record.Sysroot},
		FatalWarnings: n.element.Project.FatalWarnings, Meta: metadata(n),
	}
	var err error
	switch {
	case n.stagesWork():
		job.Source, job.Warnings = n.work.root, n.work.snap.Warnings
	case len(n.element.Sources) > 0:
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
	job.Facts = record.Facts{Branch: s.repo.Branch()} // recipes come from there too
	if n.work != nil {
		job.Facts = record.Facts{WorkDir: n.work.Dir(), Workspace: n.work.ID, Branch: n.work.repo.Branch(), Commit: n.work.snap.Commit, Dirty: n.work.snap.Dirty}
		job.Warm = s.warm(job)
	}
	for _, id := range n.sources {
		if id.InPlace && s.snap != nil {
			job.Facts = record.Facts{WorkDir: s.repo.TopLevel(), Branch: s.repo.Branch(), Commit: s.snap.Commit, Dirty: s.snap.Dirty}
			job.Warm = s.warm(job)
		}
	}
}

// warm names the build folder that stays between the builds of an element's work tree; "" where
// builds are not continued, so that nothing would be gained, and where it is to stay as it is.
func (s *Session) warm(job *build.Job) string {
	if s.config.Build.Continue != "auto" || s.apart {
		return ""
	}
	return build.WarmID(job.Project, job.Element, job.Facts.WorkDir)
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
		if made, err := built.Artifact.Digest(); err == nil {
			job.Stands = append(job.Stands, build.Stand{Element: element.FullName(), BuildKey: built.BuildKey, Artifact: made})
		}
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
		staged := stagedPart(placed, r.RunsCommands)
		p.Sysroot = append(p.Sysroot, staged)
		if r.Compose != nil || r.Filter != nil {
			p.Reads = append(p.Reads, keys.Read{Name: staged.Name, Value: rulesText(placed.SplitRules)})
		}
	}
	for _, token := range n.element.Project.FatalWarnings {
		if token == artifact.WarningOverlaps || token == artifact.WarningUnstaged { // what staging may end with
			p.Reads = append(p.Reads, keys.Read{Name: "fatal warning", Value: token})
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

// stagedPart is a staged dependency as a part of what commands depend on; integrated is whether any run.
func stagedPart(placed build.Placed, integrated bool) keys.Staged {
	staged := keys.Staged{Name: placed.Project + ":" + placed.Name, Files: placed.Files.String(), Location: placed.Location, Whitelist: placed.Whitelist}
	if placed.Integrate && integrated {
		staged.Integration = placed.Integration
		staged.IntegrationEnvironment = placed.Environment
	}
	return staged
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
		host, err := s.host(ctx, g)
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
		stack.Name = n.element.FullName()
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
	if n.recipe.Filter != nil && n.recipe.Filter.PassIntegration {
		if bst, ok := public["bst"].(map[string]any); ok { // Plain's own copy
			bst["integration-commands"] = integration(n)
		}
	}
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
