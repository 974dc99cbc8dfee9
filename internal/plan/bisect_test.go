package plan_test

import (
	"testing"

	"github.com/git-bst/git-bst/internal/plan"
)

// TestPickSuspect: what is known comes before what is built, that before what is to be built; a cheap build
// is taken where its split is nearly the best, and only there.
func TestPickSuspect(t *testing.T) {
	const none, test, rest, build = plan.PriceNothing, plan.PriceTest, plan.PriceRest, plan.PriceBuild
	for name, c := range map[string]struct {
		suspects []plan.Suspect
		away     int
		want     int
	}{
		"one":                     {[]plan.Suspect{{Split: 0, Price: build}}, 0, 0},
		"best split":              {[]plan.Suspect{{Split: 3, Price: build}, {Split: 5, Price: build}, {Split: 4, Price: build}}, 0, 1},
		"known":                   {[]plan.Suspect{{Split: 50, Price: test}, {Split: 1, Price: none}, {Split: 2, Price: none}}, 0, 2},
		"built":                   {[]plan.Suspect{{Split: 50, Price: rest}, {Split: 1, Price: test}, {Split: 50, Price: build}}, 0, 1},
		"little to do":            {[]plan.Suspect{{Split: 50, Price: build}, {Split: 45, Price: rest}, {Split: 46, Price: rest}}, 0, 2},
		"little, but a bad split": {[]plan.Suspect{{Split: 50, Price: build}, {Split: 44, Price: rest}}, 0, 0},
		"only little to do":       {[]plan.Suspect{{Split: 5, Price: rest}, {Split: 9, Price: rest}}, 0, 1},
		"away from one skipped":   {[]plan.Suspect{{Split: 4, Price: build}, {Split: 3, Price: build}, {Split: 2, Price: build}, {Split: 1, Price: build}}, 1, 2},
		"away from two":           {[]plan.Suspect{{Split: 4, Price: build}, {Split: 3, Price: build}, {Split: 2, Price: build}, {Split: 1, Price: build}}, 2, 1},
		"known all the same":      {[]plan.Suspect{{Split: 4, Price: build}, {Split: 3, Price: none}}, 2, 1},
	} {
		if got := plan.PickSuspect(c.suspects, c.away); got != c.want {
			t.Errorf("%s: picked %d, want %d", name, got, c.want)
		}
	}
	for away := range 1000 {
		plan.PickSuspect([]plan.Suspect{{Split: 1, Price: build}}, away) // never out of range
	}
}
