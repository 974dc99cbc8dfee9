package flow

import (
	"context"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/source"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// Asked is what the user asked for beyond the elements.
type Asked struct {
	Clean bool // build the targets without any earlier result
	Retry bool // build again what failed with the same inputs
	// Reconfigure: continue the targets' last builds, and run configure again on their trees.
	Reconfigure bool
	// From names a record of a target's: continue that.
	From string
	from record.Record // what From names, once it is known
}

// anew reports whether an artifact of a target that is here does not do.
func (a Asked) anew() bool { return a.Clean || a.Reconfigure || a.From != "" }

// of is what is asked for one element.
func (a Asked) of(g *graph, n *node) plan.Asked {
	asked := plan.Asked{Retry: a.Retry, SoftReset: n.softReset != ""}
	if g.isTarget(n.element) {
		asked.Clean, asked.Reconfigure = a.Clean, a.Reconfigure && stagesSources(n.recipe)
		if a.from.Element == n.element.Name && a.from.Project == n.element.Project.Name {
			asked.From = a.from.ID
		}
	}
	return asked
}

// resolve gathers all that the decision for n depends on, and the job that would carry it out.
// Its dependencies must have been resolved before. Nothing runs; sources are staged by digest only
// when they are here.
func (s *Session) resolve(ctx context.Context, g *graph, n *node, asked Asked) (build.Job, plan.Facts, error) {
	facts := plan.Facts{Element: n.element.FullName(), Asked: asked.of(g, n)}
	entry, err := s.cached(ctx, n)
	if err != nil {
		return build.Job{}, facts, err
	}
	if entry != nil && !facts.Asked.Anew() {
		facts.Artifact = n.strict()
		g.setBuilt(n, s.built(*entry))
		return build.Job{Element: n.element.Name, Name: n.element.FullName(), Project: n.element.Project.Name, Strict: n.strict()}, facts, nil
	}
	if facts.Blocked = s.blocked(ctx, g, n); facts.Blocked != nil {
		return build.Job{}, facts, nil
	}
	job, err := s.job(ctx, g, n)
	if err != nil {
		return job, facts, err
	}
	err = s.lookUp(ctx, g, n, &job, &facts)
	return job, facts, err
}

// blocked says why n cannot be planned yet; nil when it can.
func (s *Session) blocked(ctx context.Context, g *graph, n *node) *plan.Reason {
	if n.recipe.Refused != "" {
		return &plan.Reason{Code: plan.CodeUnknownKind, Text: n.recipe.Refused}
	}
	for _, dep := range n.element.BuildScope() {
		if g.isBuilt(g.nodes[dep]) == nil {
			return &plan.Reason{Code: plan.CodeDependencyNotBuilt, Text: "its dependency " + dep.FullName() + " is not built yet"}
		}
	}
	if n.stagesWork() {
		return nil // its work tree is here: nobody asks for its own sources
	}
	for _, id := range n.sources {
		if id.Opaque != "" {
			return &plan.Reason{Code: plan.CodeUnknownKind, Text: id.Opaque}
		}
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
func (s *Session) lookUp(ctx context.Context, g *graph, n *node, job *build.Job, facts *plan.Facts) error {
	if n.strict() == "" && !facts.Asked.Anew() {
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
		attempt.Success = attempt.Success && (n.strict() == "" || s.trusts(rec.Trust))
		facts.Attempts = append(facts.Attempts, attempt)
	}
	for _, key := range job.Chain.Phases {
		facts.Phases = append(facts.Phases, plan.Phase{Name: key.Name, Key: key.Key, Cached: s.phaseCached(ctx, key.Key)})
	}
	if facts.Previous, err = s.previous(ctx, *job); err != nil {
		return err
	}
	if job.Base, err = s.base(ctx, n, *job, facts); err != nil || job.Base == nil {
		return err
	}
	facts.Base = &job.Base.Case
	return nil
}

func (s *Session) phaseCached(ctx context.Context, key string) bool {
	return s.env.Phases.Has(ctx, action.Phase, key)
}

// attempt judges an earlier build with equal parts; a success whose files are gone is none.
func (s *Session) attempt(ctx context.Context, rec record.Record) (plan.Attempt, error) {
	attempt := plan.Attempt{Record: rec.ID, Success: rec.Result == record.Success, Replayable: rec.Replayable()}
	if attempt.Success {
		withdrawn, err := s.env.IsWithdrawn(ctx, rec)
		if err != nil {
			return attempt, err
		}
		if withdrawn {
			attempt.Success = false
			return attempt, nil
		}
		missing, err := tree.Missing(ctx, s.cas, rec.Files)
		attempt.Success = err == nil && len(missing) == 0
		return attempt, nil
	}
	failure := build.Failure{Result: rec.Result, ExitCode: rec.Failure.ExitCode, Signal: unix.SignalName(syscall.Signal(rec.Failure.Signal))}
	attempt.Continued = rec.Result == record.Failed && s.unjudged(ctx, rec)
	attempt.Summary = strings.TrimSpace(rec.Failure.Phase + " " + failure.Summary())
	return attempt, nil
}

// compared is the number of an element's newest builds among which the nearest one is looked for.
const compared = 8

// previous compares the job with the nearest of the same element's newest builds with other inputs:
// the one that shares most phases with it, and of these the newest.
func (s *Session) previous(ctx context.Context, job build.Job) (*plan.Previous, error) {
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: compared}, nil)
	if err != nil {
		return nil, err
	}
	var nearest *record.Record
	most := -1
	for i, rec := range records {
		if rec.BuildKey == job.Chain.Build || rec.BuildKey == "" {
			continue
		}
		if shared := sharedPhases(rec, job.Chain); shared > most {
			nearest, most = &records[i], shared
		}
	}
	if nearest == nil {
		return nil, nil
	}
	old, err := cas.Get(ctx, s.cas, nearest.Parts.PreImage)
	if err != nil {
		return &plan.Previous{Record: nearest.ID}, nil // collected: it was built, but with what is not known
	}
	return &plan.Previous{Record: nearest.ID, Differs: keys.Differs(old, job.Chain.PreImage)}, nil
}

// sharedPhases counts the phases at the beginning of both chains that are the same.
func sharedPhases(rec record.Record, chain keys.Chain) int {
	n := 0
	for n < len(rec.Phases) && n < len(chain.Phases) && rec.Phases[n].Key == chain.Phases[n].Key {
		n++
	}
	return n
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
