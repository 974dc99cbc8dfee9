package record_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/record"
)

// TestHeads: what a collector keeps, of records in the order of their age, the newest first.
func TestHeads(t *testing.T) {
	day := 24 * time.Hour
	type attempt struct {
		name, element, dir, branch string
		result                     record.Result
		age                        time.Duration
		bare                       bool // it left no tree
	}
	for _, test := range []struct {
		name     string
		attempts []attempt
		want     string // trees kept; with ! those that go last
	}{
		{"the newest of each result", []attempt{{name: "a"}, {name: "b"}, {name: "c"}, {name: "f", result: record.Failed}, {name: "g", result: record.Failed, age: 90 * day}},
			"a! f"},
		{"each work tree's that is there", []attempt{{name: "a", dir: "/w1"}, {name: "b", dir: "/w2"}, {name: "c", dir: "/w1"}, {name: "d", dir: "/gone"}, {name: "e", dir: "/w3"}},
			"a! b! e!"},
		{"each branch's", []attempt{{name: "a", branch: "main"}, {name: "b", branch: "topic"}, {name: "c", branch: "main"}, {name: "d", branch: "old"}}, "a! b d"},
		{"of each element", []attempt{{name: "a", dir: "/w1"}, {name: "b", element: "other.bst", dir: "/w1"}, {name: "c", dir: "/w1"}}, "a! b!"},
		{"failed a short time ago", []attempt{{name: "a"}, {name: "f", result: record.Failed, age: day}, {name: "g", result: record.Failed, age: 13 * day},
			{name: "h", result: record.Interrupted, age: 13 * day}, {name: "i", result: record.Failed, age: 15 * day}}, "a! f g h"},
		{"an attempt without a tree takes no place", []attempt{{name: "x", dir: "/w1", result: record.Machine, bare: true}, {name: "a", dir: "/w1"}}, "a! x"},
		{"the last success, behind many failures", []attempt{{name: "f", result: record.Failed, dir: "/w1", age: 20 * day}, {name: "g", result: record.Failed, age: 20 * day},
			{name: "a", age: 30 * day}, {name: "b", age: 40 * day}}, "f! a!"},
		{"pinned", []attempt{{name: "a"}, {name: "b"}, {name: "pinned"}}, "a! pinned!"},
	} {
		store := record.Open(t.TempDir())
		now := start.Add(100 * day)
		names, pinned := map[string]string{}, map[string]bool{}
		for i, made := range test.attempts {
			r := newRecord(t, 0, func(r *record.Record) {
				r.ID, _ = record.NewID(now.Add(-made.age-time.Duration(i)*time.Minute), strings.NewReader("abcd"))
				r.Started = now.Add(-made.age)
				r.Facts.WorkDir, r.Facts.Branch = made.dir, made.branch
				if made.result != "" {
					r.Result = made.result
				}
				if made.element != "" {
					r.Element = made.element
				}
				if !made.bare {
					r.BuildTree = digest.Of([]byte(made.name))
				}
			})
			names[r.ID], pinned[r.ID] = made.name, made.name == "pinned"
			putAll(t, store, r)
		}
		heads, err := store.Heads(t.Context(), record.Policy{
			Trees: 1, Logs: 100, Pinned: pinned, FailedFor: 14 * day, Now: now, Lives: func(dir string) bool { return dir != "/gone" },
		})
		if err != nil || len(heads) != len(test.attempts) {
			t.Fatalf("%s: %d heads, %v", test.name, len(heads), err)
		}
		var got []string
		for _, head := range heads {
			if !head.Trees {
				continue
			}
			mark := ""
			if head.First {
				mark = "!"
			}
			got = append(got, names[head.ID]+mark)
			if tree := digest.Of([]byte(names[head.ID])); names[head.ID] != "x" && !slices.Contains(head.Roots.Trees, tree) {
				t.Errorf("%s: the tree of %s is not kept", test.name, names[head.ID])
			}
		}
		if show := strings.Join(got, " "); !sameWords(show, test.want) {
			t.Errorf("%s: %s, want %s", test.name, show, test.want)
		}
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
