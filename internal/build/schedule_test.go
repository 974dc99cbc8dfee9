package build_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/git-bst/git-bst/internal/build"
)

// graph: d needs b and c, b and c need a; e stands alone.
var graph = map[string][]string{"a": nil, "b": {"a"}, "c": {"a"}, "d": {"b", "c"}, "e": nil}

var graphOrder = []string{"a", "b", "c", "d", "e"}

func deps(n string) []string { return graph[n] }

func TestScheduleKeepsTheOrderAndTheLimit(t *testing.T) {
	for limit := 1; limit <= 3; limit++ {
		var mu sync.Mutex
		done := map[string]bool{}
		var running, most atomic.Int32
		skipped, err := build.Schedule(context.Background(), graphOrder, deps, build.ScheduleOptions{Limit: limit},
			func(_ context.Context, n string) error {
				if now := running.Add(1); now > most.Load() {
					most.Store(now)
				}
				defer running.Add(-1)
				mu.Lock()
				defer mu.Unlock()
				for _, dep := range deps(n) {
					if !done[dep] {
						return fmt.Errorf("%s began before %s had ended", n, dep)
					}
				}
				done[n] = true
				return nil
			})
		if err != nil || skipped != nil || len(done) != len(graph) {
			t.Errorf("limit %d: %v, skipped %v, done %v", limit, err, skipped, done)
		}
		if int(most.Load()) > limit {
			t.Errorf("limit %d: %d at once", limit, most.Load())
		}
	}
}

func TestScheduleAfterAFailure(t *testing.T) {
	bad := errors.New("bad")
	fail := func(_ context.Context, n string) error {
		if n == "b" {
			return bad
		}
		return nil
	}
	skipped, err := build.Schedule(context.Background(), graphOrder, deps, build.ScheduleOptions{Limit: 1, KeepGoing: true}, fail)
	if !errors.Is(err, bad) || !reflect.DeepEqual(skipped, []string{"d"}) {
		t.Errorf("going on: %v, skipped %v", err, skipped)
	}
	only := func(n string) []string { return map[string][]string{"c": {"b"}, "e": {"c"}}[n] }
	skipped, err = build.Schedule(context.Background(), []string{"b", "c", "e"}, only, build.ScheduleOptions{Limit: 2}, fail)
	if !errors.Is(err, bad) || !reflect.DeepEqual(skipped, []string{"c", "e"}) {
		t.Errorf("stopping: %v, skipped %v", err, skipped)
	}
}

func TestScheduleInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	skipped, err := build.Schedule(ctx, []string{"a", "b"}, func(n string) []string { return nil }, build.ScheduleOptions{Limit: 1},
		func(context.Context, string) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || len(skipped) != 1 {
		t.Errorf("%v, skipped %v", err, skipped)
	}
}
