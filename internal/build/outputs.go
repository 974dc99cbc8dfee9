package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// outputs are files of a build tree that are no source.
type outputs struct {
	remade []string // with other content than in the base's
	fresh  []string // that the base's has not
}

// outputs compares what a continued build left with what its base had.
func (c *chain) outputs(ctx context.Context, sources *sourceSet) (outputs, error) {
	var made outputs
	if c.last.BuildTree.IsZero() {
		return made, doubt(plan.CodeDistrustTrace, "what the continued build left could not be captured")
	}
	changes, err := tree.Compare(ctx, c.env.CAS, c.job.Base.Record.BuildTree, c.last.BuildTree)
	if err != nil {
		return made, fmt.Errorf("compare with the last build's tree: %w", err)
	}
	for _, change := range changes {
		switch {
		case sources.has(change.Path) || change.New.Kind != tree.KindFile:
		case change.Op == tree.Added:
			made.fresh = append(made.fresh, change.Path)
		case change.Old.Digest != change.New.Digest:
			made.remade = append(made.remade, change.Path)
		}
	}
	return made, sources.err
}

// maxChain bounds how many builds of a chain are asked for what compilers said.
const maxChain = 16

// shown returns by source file how many more lines about places in it there are in this build's log
// than in that of any build of the chain.
func (c *chain) shown(ctx context.Context, sources *sourceSet) (func(path string) int, error) {
	now, err := c.places(ctx, *c.rec, sources)
	if errors.Is(err, ErrLongLog) {
		return nil, doubt(plan.CodeDistrustReaders, "the continued build says too much")
	}
	if err != nil || len(now) == 0 {
		return func(string) int { return 0 }, err
	}
	before := map[string]int{}
	rec := c.job.Base.Record
	for range maxChain {
		said, err := c.places(ctx, rec, sources)
		if err != nil && !errors.Is(err, ErrLongLog) { // fewer lines are known, and more are doubted
			return nil, err
		}
		for name, lines := range said {
			before[name] = max(before[name], lines)
		}
		if rec.Base == "" {
			break
		}
		if rec, err = c.env.Records.Get(ctx, rec.Base); err != nil {
			break // it was collected
		}
	}
	return func(path string) int { return max(0, now[path]-before[path]) }, nil
}

// places counts the lines about places in source files in the log of a record's build phase.
func (c *chain) places(ctx context.Context, rec record.Record, sources *sourceSet) (map[string]int, error) {
	for _, phase := range rec.Phases {
		if phase.Name != plan.BuildPhase || phase.Log.IsZero() {
			continue
		}
		path, err := c.env.CAS.File(ctx, phase.Log, false)
		if err != nil {
			return nil, nil // collected
		}
		text, err := ReadLog(path)
		if err != nil {
			return nil, err
		}
		return plan.Diagnose(text, c.job.Parts.Layout.BuildRoot, sources.list).Places, sources.err
	}
	return nil, nil
}
