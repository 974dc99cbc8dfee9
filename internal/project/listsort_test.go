package project

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The golden orders were made by CPython's sorted() with comparisons that are not transitive; see
// sortCase for how the same input is made here.
func TestListSortIsPythons(t *testing.T) {
	f, err := os.Open("testdata/listsort.golden")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases := 0
	for lines := bufio.NewScanner(f); lines.Scan(); cases++ {
		var c sortCase
		var digest string
		var comparisons int
		if _, err := fmt.Sscan(lines.Text(), &c.n, &c.seed, &c.noise, &c.runs, &c.spread, &digest, &comparisons); err != nil {
			t.Fatal(err)
		}
		got, count := c.sort()
		if got != digest || count != comparisons {
			t.Errorf("case %q: order %.8s with %d comparisons, want %.8s with %d", lines.Text(), got, count, digest, comparisons)
		}
	}
	if cases < 100 {
		t.Errorf("%d golden cases, want at least 100", cases)
	}
}

// sortCase is n items with pseudo-random values below spread, laid out in runs, of which every third
// is descending. Of all comparisons one in noise is turned round.
type sortCase struct{ n, seed, noise, runs, spread int }

func (c sortCase) values() []int {
	state := uint32(c.seed)*747796405 + 2891336453
	values := make([]int, c.n)
	for i := range values {
		state = state*1664525 + 1013904223
		values[i] = int(state>>8) % max(1, c.spread)
	}
	if c.runs > 0 {
		size := (c.n + c.runs - 1) / c.runs
		for k := 0; k*size < c.n; k++ {
			part := values[k*size : min(c.n, (k+1)*size)]
			slices.Sort(part)
			if k%3 == 1 {
				slices.Reverse(part)
			}
		}
	}
	return values
}

func (c sortCase) turned(a, b int) bool {
	x := uint32(a)*2654435761 + uint32(b)*40503 + uint32(c.seed)*97 + 1
	x ^= x >> 15
	x *= 2246822519
	x ^= x >> 13
	return c.noise > 0 && x%uint32(c.noise) == 0
}

func (c sortCase) sort() (digest string, comparisons int) {
	values := c.values()
	items := make([]int, c.n)
	for i := range items {
		items[i] = i
	}
	listSort(items, func(a, b int) bool {
		comparisons++
		return (values[a] < values[b]) != c.turned(a, b)
	})
	texts := make([]string, c.n)
	for i, item := range items {
		texts[i] = strconv.Itoa(item)
	}
	sum := sha256.Sum256([]byte(strings.Join(texts, ",")))
	return hex.EncodeToString(sum[:]), comparisons
}
