package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/keys"
)

// Explained is everything that the decision for one element was made from.
type Explained struct {
	Element  string    `json:"element"`
	Kind     string    `json:"kind"`
	Step     plan.Step `json:"step"`
	Strict   string    `json:"strict_key,omitempty"`
	Weak     string    `json:"weak_key,omitempty"`
	NoStrict string    `json:"no_strict_key,omitempty"` // why it has or uses none
	// Workspace is the folder of the open workspace that it is built from.
	Workspace string          `json:"workspace,omitempty"`
	Build     string          `json:"build_key,omitempty"`
	Artifact  string          `json:"artifact_key,omitempty"`
	Phases    []plan.Phase    `json:"phases,omitempty"`
	Inputs    json.RawMessage `json:"inputs,omitempty"` // the pre-image of the build key
	Records   []Considered    `json:"records,omitempty"`
	// Bases are the earlier builds that this one might continue, the newest first; Changes is what
	// differs from the chosen one's source, and Policies the settings about that which hold.
	Bases    []Standing      `json:"bases,omitempty"`
	Changes  []ExplainedFile `json:"changes,omitempty"`
	Policies []string        `json:"policies,omitempty"`
}

// Considered is an earlier build, and in what its inputs differ from the present ones.
type Considered struct {
	ID      string        `json:"record"`
	Started time.Time     `json:"started"`
	Result  record.Result `json:"result"`
	How     record.How    `json:"how"`
	Differs []string      `json:"differs,omitempty"`
	Equal   bool          `json:"equal"`
}

// considered is the number of earlier builds that explain compares with.
const considered = 5

// Explain plans one element and returns all that the plan was made from. Nothing is built.
func (s *Session) Explain(ctx context.Context, name string) (Explained, error) {
	g, n, err := s.element(ctx, name)
	if err != nil {
		return Explained{}, err
	}
	order, err := s.needed(ctx, g, Asked{})
	if err != nil {
		return Explained{}, err
	}
	for _, other := range order {
		if other != n {
			if _, _, err := s.resolve(ctx, g, other, Asked{}); err != nil {
				return Explained{}, fmt.Errorf("plan %s: %w", other.element.FullName(), err)
			}
		}
	}
	_, facts, err := s.resolve(ctx, g, n, Asked{})
	if err != nil {
		return Explained{}, fmt.Errorf("plan %s: %w", n.element.FullName(), err)
	}
	explained := Explained{
		Element: n.element.FullName(), Kind: n.element.Kind, Step: plan.Make(facts),
		Strict: n.names.Strict, Weak: n.names.Weak, NoStrict: s.whyNoStrict(n), Phases: facts.Phases, Workspace: n.workspaceDir(),
	}
	if facts.Blocked != nil {
		return explained, nil
	}
	if err := s.explainInputs(ctx, g, n, &explained); err != nil {
		return explained, err
	}
	return explained, s.explainBases(ctx, g, n, &explained)
}

func (s *Session) explainInputs(ctx context.Context, g *graph, n *node, explained *Explained) error {
	for _, dep := range n.element.BuildScope() {
		if g.nodes[dep].built == nil {
			return nil // an artifact without its dependencies here: BuildStream's key says it all
		}
	}
	job, err := s.job(ctx, g, n)
	if err != nil {
		return err
	}
	explained.Build, explained.Inputs = job.Chain.Build, job.Chain.PreImage
	if job.Strict == "" {
		explained.Artifact = job.Refs[0].Key
	}
	explained.Phases = nil
	for _, key := range job.Chain.Phases {
		explained.Phases = append(explained.Phases, plan.Phase{Name: key.Name, Key: key.Key, Cached: s.phaseCached(ctx, key.Key)})
	}
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: considered}, nil)
	if err != nil {
		return err
	}
	for _, rec := range records {
		row := Considered{ID: rec.ID, Started: rec.Started, Result: rec.Result, How: rec.Trust.How, Equal: rec.BuildKey == job.Chain.Build}
		if old, err := cas.Get(ctx, s.cas, rec.Parts.PreImage); err == nil && !row.Equal {
			row.Differs = keys.Differs(old, job.Chain.PreImage)
		}
		explained.Records = append(explained.Records, row)
	}
	return nil
}

// whyNoStrict says why n has no strict key, or has one that is not used; "" when it is used.
func (s *Session) whyNoStrict(n *node) string {
	if n.differs() {
		return "its workspace differs from its sources, so BuildStream's key does not say what it is"
	}
	for _, id := range n.sources {
		if id.InPlace {
			return "its source is this work tree, which BuildStream could not name"
		}
		if !id.Resolved {
			return "its " + id.Kind + " source has no ref"
		}
	}
	switch {
	case n.names.Strict == "":
		return "something that it depends on has none"
	case n.onHost:
		return "it is built on this host's system, so BuildStream's key does not say what it is"
	}
	return ""
}
