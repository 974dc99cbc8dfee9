package flow

import (
	"context"
	"path"
	"slices"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// Redone says how much of an element's work a build did, and what that saved.
type Redone struct {
	Record string // of the build
	// Compiled of Units object files in the build tree were made by this build. Units is 0 where
	// that can't be counted: for what compiles nothing, or leaves no object files.
	Compiled, Units int
	Phases          int           // of the element; how many ran is the outcome's
	Clean           time.Duration // how long the last clean build of the element took; 0 without one
	Saved           time.Duration // that, less what this build took; 0 when nothing was saved
}

// searched bounds how many of an element's attempts are looked at for its last clean build.
const searched = 500

// objects are the names that compilers give to what they make of one source file.
var objects = []string{".o", ".obj", ".os", ".class"}

// redone describes a build that was carried out. What is no longer in the cache is not counted: this
// is for people, and no reason to fail.
func (s *Session) redone(ctx context.Context, outcome Outcome, built build.Built) *Redone {
	rec, err := s.env.Records.Get(ctx, built.Record)
	if err != nil {
		return nil
	}
	done := &Redone{Record: rec.ID, Phases: len(rec.Phases)}
	done.Compiled, done.Units = s.compiled(ctx, rec, outcome.Ran > 0, built)
	if outcome.Step.Verdict == plan.Clean {
		return done
	}
	last, err := s.env.Records.Latest(ctx, record.Filter{
		Project: rec.Project, Element: rec.Element, Result: record.Success, Verdict: string(plan.Clean), Among: searched,
	})
	if err == nil {
		done.Clean, done.Saved = last.Duration, max(0, last.Duration-outcome.Took)
	}
	return done
}

// compiled counts the object files in a build's tree, and those that it made: their times are not
// those of the base, since what a build does not write keeps its time to the nanosecond.
func (s *Session) compiled(ctx context.Context, rec record.Record, ran bool, built build.Built) (made, all int) {
	now, before := built.Times, built.BaseTimes
	if before == nil {
		var ok bool
		if now, ok = s.times(ctx, rec.Times); !ok {
			return 0, 0
		}
		if rec.Base != "" {
			base, err := s.env.Records.Get(ctx, rec.Base)
			if err != nil {
				return 0, 0
			}
			if before, ok = s.times(ctx, base.Times); !ok {
				return 0, 0
			}
		}
	}
	for _, file := range now {
		for len(before) > 0 && before[0].Path < file.Path {
			before = before[1:]
		}
		if !slices.Contains(objects, path.Ext(file.Path)) {
			continue
		}
		all++
		if ran && (len(before) == 0 || before[0] != file) {
			made++
		}
	}
	return made, all
}

func (s *Session) times(ctx context.Context, d digest.Digest) (tree.Times, bool) {
	data, err := cas.Get(ctx, s.cas, d)
	if d.IsZero() || err != nil {
		return nil, false
	}
	times, err := tree.DecodeTimes(data)
	return times, err == nil
}
