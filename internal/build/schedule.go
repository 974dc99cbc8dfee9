package build

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Schedule calls do for every node, dependencies first, with at most limit calls at a time. order
// lists every node after those that deps names for it. When a call fails, calls that have begun go
// on; with keepGoing all that does not depend on the failed node is done too. Skipped gets the
// nodes that were not done. do is called from several goroutines. The errors are joined in order.
func Schedule[N comparable](ctx context.Context, order []N, deps func(N) []N, options ScheduleOptions, do func(context.Context, N) error) (skipped []N, err error) {
	states := make(map[N]*nodeState, len(order))
	for _, node := range order {
		states[node] = &nodeState{done: make(chan struct{})}
	}
	slots := make(chan struct{}, max(1, options.Limit))
	stop := make(chan struct{})
	stopped := make(chan struct{}, 1)
	stopped <- struct{}{}
	var group errgroup.Group
	for _, node := range order {
		group.Go(func() error {
			state := states[node]
			defer close(state.done)
			for _, dep := range deps(node) {
				other, ok := states[dep]
				if !ok {
					continue
				}
				<-other.done
				if !other.ok {
					return nil
				}
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			defer func() { <-slots }()
			select {
			case <-stop:
				return nil
			default:
			}
			if ctx.Err() != nil {
				return nil
			}
			state.began = true
			state.err = do(ctx, node)
			state.ok = state.err == nil
			if !state.ok && !options.KeepGoing {
				select {
				case <-stopped:
					close(stop)
				default:
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	var errs []error
	for _, node := range order {
		state := states[node]
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

// ScheduleOptions say how many nodes are done at a time and what a failure stops.
type ScheduleOptions struct {
	Limit     int
	KeepGoing bool
}

type nodeState struct {
	done      chan struct{}
	began, ok bool
	err       error
}
