package build

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ScheduleOptions say how many nodes are done at a time and what a failure stops.
type ScheduleOptions struct {
	Limit     int
	KeepGoing bool
}

// Schedule calls do for every node, dependencies first, with at most limit calls at a time. order
// lists every node after those that deps names for it. When a call fails, calls that have begun go
// on; with KeepGoing all that does not depend on the failed node is done too. skipped are the nodes
// that were not done. do is called from several goroutines. The errors are joined in order.
func Schedule[N comparable](ctx context.Context, order []N, deps func(N) []N, options ScheduleOptions, do func(context.Context, N) error) (skipped []N, err error) {
	s := scheduler[N]{
		options: options, do: do, states: make(map[N]*nodeState, len(order)),
		slots: make(chan struct{}, max(1, options.Limit)), stopped: make(chan struct{}),
	}
	for _, node := range order {
		s.states[node] = &nodeState{ended: make(chan struct{})}
	}
	var group errgroup.Group
	for _, node := range order {
		group.Go(func() error {
			s.run(ctx, node, deps(node))
			return nil
		})
	}
	_ = group.Wait()
	var errs []error
	for _, node := range order {
		state := s.states[node]
		if state.err != nil {
			errs = append(errs, state.err)
		} else if !state.began {
			skipped = append(skipped, node)
		}
	}
	if len(errs) == 0 && ctx.Err() != nil {
		errs = append(errs, ctx.Err())
	}
	return skipped, errors.Join(errs...)
}

type scheduler[N comparable] struct {
	options ScheduleOptions
	do      func(context.Context, N) error
	states  map[N]*nodeState
	slots   chan struct{} // holds one for each call that runs
	stopped chan struct{} // closed when nothing more is to begin
	once    sync.Once
}

// nodeState is written by its node's goroutine only, before ended is closed.
type nodeState struct {
	ended chan struct{}
	began bool
	err   error
}

func (s *nodeState) succeeded() bool { return s.began && s.err == nil }

func (s *scheduler[N]) run(ctx context.Context, node N, deps []N) {
	state := s.states[node]
	defer close(state.ended)
	for _, dep := range deps {
		other, ok := s.states[dep]
		if !ok {
			continue
		}
		if <-other.ended; !other.succeeded() {
			return
		}
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-s.slots }()
	select {
	case <-s.stopped:
		return
	case <-ctx.Done():
		return
	default:
	}
	state.began = true
	if state.err = s.do(ctx, node); state.err != nil && !s.options.KeepGoing {
		s.once.Do(func() { close(s.stopped) })
	}
}
