package plan

import "slices"

// Price says how dear it is to learn whether a commit is good; the order is that of the price.
type Price int

// The prices.
const (
	PriceNothing Price = iota // its verdict is known
	PriceTest                 // what is tested is here, or is made without running anything
	PriceRest                 // some phases run, or the nearest build tree is continued
	PriceBuild                // all of it is built, or that is not known yet
)

// PriceOf is the price of a commit whose element has this verdict and whose test's is not known.
func PriceOf(verdict Verdict) Price {
	switch verdict {
	case Skip, Promote, Same:
		return PriceTest
	case Resume, Continue:
		return PriceRest
	}
	return PriceBuild
}

// Suspect is a commit that may be the first bad one.
type Suspect struct {
	// Split is how many of the suspects are settled whatever its test says; the best is half of all.
	Split int
	Price Price
}

// worthBuilding is the part of the best split below which a cheap build is not worth its price: with nine
// tenths of half the suspects settled a step tells 0.99 bits instead of one, and steps are builds.
const worthBuilding = 0.9

// PickSuspect chooses which of the suspects, of which there is one at least, is tested next: of those whose
// verdict is known, of those that are built, or of those with about the best split the cheapest, the one
// with the best split. What is known costs nothing, whatever it splits; and of those that are built each
// test settles half, so that they cost a few tests more than the best splits and no build.
//
// away is how many of the commits between had to be skipped: what is next to such a one can't be tested
// either, as a rule, so each leads to another part of the suspects.
func PickSuspect(suspects []Suspect, away int) int {
	for _, price := range []Price{PriceNothing, PriceTest} {
		if found := bestOf(suspects, price, 0); found >= 0 {
			return found
		}
	}
	order := make([]int, len(suspects))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return suspects[b].Split - suspects[a].Split })
	if away > 0 {
		return order[int(scatter(away)*float64(len(order)))]
	}
	best := order[0]
	if found := bestOf(suspects, PriceRest, int(worthBuilding*float64(suspects[best].Split))); found >= 0 {
		return found
	}
	return best
}

// bestOf is the suspect of a price with the best split, the first of these; -1 where none has this
// split at least.
func bestOf(suspects []Suspect, price Price, least int) int {
	found := -1
	for i, c := range suspects {
		if c.Price == price && c.Split >= least && (found < 0 || c.Split > suspects[found].Split) {
			found = i
		}
	}
	return found
}

// scatter maps 1, 2, 3 ... to 1/2, 1/4, 3/4, 1/8 ...: each far from those before.
func scatter(n int) float64 {
	at, step := 0.0, 0.5
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			at += step
		}
		step /= 2
	}
	return at
}
