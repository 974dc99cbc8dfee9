package flow

import (
	"context"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/workspace"
)

// Standing is an earlier build as a base for this one.
type Standing struct {
	ID     string        `json:"record"`
	Result record.Result `json:"result"`
	// Distance is how many files and folders of its source differ; not known where other inputs do.
	Distance int          `json:"distance"`
	Usable   bool         `json:"usable"`
	Why      *plan.Reason `json:"why,omitempty"` // it is not
	Chosen   bool         `json:"chosen,omitempty"`
}

// ExplainedFile is a file that differs from the base's source, and what the trace of the base's chain
// says of it, by phase: "build: opened 2".
type ExplainedFile struct {
	Path  string   `json:"path"`
	Op    plan.Op  `json:"op"`
	Uses  []string `json:"uses,omitempty"`
	Facts []string `json:"facts,omitempty"` // what else the rules ask
}

// explainBases looks at the same as base does, and at all of it.
func (s *Session) explainBases(ctx context.Context, g *graph, n *node, explained *Explained) error {
	for _, dep := range n.element.BuildScope() {
		if g.nodes[dep].built == nil {
			return nil
		}
	}
	if !stagesSources(n.recipe) {
		return nil
	}
	explained.Policies = s.policyLines(n)
	if !s.continues(n) {
		return nil
	}
	job, err := s.job(ctx, g, n)
	if err != nil {
		return err
	}
	records, err := s.env.Records.List(ctx, record.Filter{Project: job.Project, Element: job.Element, Limit: considered}, nil)
	if err != nil || len(records) == 0 {
		return err
	}
	if !s.mayContinue(n, records[0], plan.Asked{}) {
		why := "and its source is no work tree"
		if trust := s.config.Promote.Trust; trust != "any" {
			why = "and promote.trust is " + trust
		}
		explained.Policies = append(explained.Policies, "not continued: it gets BuildStream's own name, "+why)
		return nil
	}
	all := s.standings(ctx, records, job)
	for _, one := range all {
		s.measure(ctx, one, job)
		if err := s.look(ctx, one, s.env.Warm(job.Warm)); err != nil {
			return err
		}
	}
	best, err := s.nearest(ctx, all, job)
	if err != nil {
		return err
	}
	for _, one := range all {
		explained.Bases = append(explained.Bases, Standing{ID: one.rec.ID, Result: one.rec.Result, Distance: one.distance,
			Usable: one.why == nil, Why: one.why, Chosen: one == best})
	}
	if best == nil {
		return nil
	}
	found, err := s.against(ctx, best, job, explained.Phases)
	if err != nil || found == nil {
		return err
	}
	for _, change := range found.Case.Changes {
		explained.Changes = append(explained.Changes, explainFile(found.Case, change))
	}
	return nil
}

// explainFile says what is known of a changed file.
func explainFile(c plan.Case, change plan.Change) ExplainedFile {
	file := ExplainedFile{Path: change.Path, Op: change.Op}
	for _, phase := range c.Base.Trace.Phases {
		if uses := phase.Uses(change.Path); uses != 0 {
			file.Uses = append(file.Uses, phase.Name+": "+uses.Text(phase.Find(change.Path).Opens))
		}
	}
	for _, fact := range []struct {
		holds bool
		text  string
	}{
		{change.Empty, "its old or new content is empty"},
		{change.Copied, "its old content is elsewhere too"},
		{change.Rewritten, "the build tree holds another version"},
		{plan.Matches(c.Policies.ConfigureInputs, change.Path) != "", "named as an input of configure"},
		{slices.Contains(c.Policies.Learned, change.Path), "verify has found it to be missed"},
		{plan.Matches(c.Policies.Allowed, change.Path) != "", "may come and go"},
		{!c.Base.Trace.Gapless(), "the trace has gaps"},
	} {
		if fact.holds {
			file.Facts = append(file.Facts, fact.text)
		}
	}
	return file
}

// policyLines are the settings about continued builds that hold, where they are not the defaults.
func (s *Session) policyLines(n *node) []string {
	var lines []string
	c := s.config.Build
	if c.Continue != "auto" {
		lines = append(lines, "build.continue = "+c.Continue)
	}
	if pattern := plan.Matches(c.NeverContinue, n.element.FullName()); pattern != "" {
		lines = append(lines, "build.never-continue has "+pattern)
	}
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"build.configure-inputs", c.ConfigureInputs}, {"build.come-and-go", c.ComeAndGo}} {
		if len(list.patterns) > 0 {
			lines = append(lines, list.key+" = "+strings.Join(list.patterns, " "))
		}
	}
	if learned, err := workspace.Learned(s.repo.CommonDir(), n.element.Project.Name, n.element.Name); err == nil && len(learned) > 0 {
		lines = append(lines, "learned by verify: "+strings.Join(learned, " "))
	}
	if c.IgnoreListing {
		lines = append(lines, "build.ignore-listing = yes")
	}
	return lines
}
