package flow

import (
	"context"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
)

// manySteps is how many builds may follow each other on one tree before the result is verified: what goes
// wrong once in so many steps would else be found by nobody.
const manySteps = 20

// remembered is how many of an element's newest builds are looked at for one that was not believed.
const remembered = 64

// Due returns the elements of a build whose results should be verified: they were continued, and many
// steps are between them and a build that is as a clean one, or what was continued of the element was not
// believed before (rule 23).
func (s *Session) Due(ctx context.Context, report Report) []string {
	var due []string
	for _, outcome := range report.Outcomes {
		if outcome.Redone == nil {
			continue
		}
		rec, err := s.env.Records.Get(ctx, outcome.Redone.Record)
		if err != nil || rec.Trust.Solid() || rec.Verdict != string(plan.Continue) {
			continue
		}
		if s.steps(ctx, rec) >= manySteps || s.doubted(ctx, rec) {
			due = append(due, outcome.Step.Element)
		}
	}
	return due
}

// steps counts the builds from the last one that is as a clean build's.
func (s *Session) steps(ctx context.Context, rec record.Record) int {
	n := 0
	for !rec.Trust.Solid() {
		if rec.Verdict == string(plan.Continue) {
			n++
		}
		base, err := s.env.Records.Get(ctx, rec.Base)
		if err != nil {
			return manySteps // nobody knows how many there were
		}
		rec = base
	}
	return n
}

// doubted reports whether what was continued of an element was not believed before.
func (s *Session) doubted(ctx context.Context, rec record.Record) bool {
	records, err := s.env.Records.List(ctx, record.Filter{Project: rec.Project, Element: rec.Element, Limit: remembered}, nil)
	if err != nil {
		return true
	}
	for _, other := range records {
		if plan.Code(other.Reason.Code).Distrusts() {
			return true
		}
	}
	return false
}
