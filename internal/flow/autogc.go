package flow

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/fsx"
)

// collectEvery is how often builds look whether the cache is over its budget. Looking means a stat
// of every blob, some tens of milliseconds for a hundred thousand; a budget is a share of the disk,
// so an hour's builds fit into what is beside it.
const collectEvery = time.Hour

// collectIfDue collects garbage after a build that ran something, once an hour. It must be the last
// thing that a session does: it gives up the session's lease. What goes wrong is told and no more,
// as the build itself is done.
func (s *Session) collectIfDue(ctx context.Context, report Report) {
	ran := 0
	for _, outcome := range report.Outcomes {
		ran += outcome.Ran
	}
	if ran == 0 || ctx.Err() != nil || s.cas.ReadOnly() {
		return
	}
	unlock, err := fsx.TryLock(filepath.Join(s.config.Cache.Dir, "collect.lock"))
	if err != nil {
		return // another process looks
	}
	defer unlock()
	stamp := filepath.Join(s.config.Cache.Dir, "collected")
	info, err := os.Stat(stamp)
	if err == nil && s.options.Now().Sub(info.ModTime()) < collectEvery {
		return
	}
	err = fsx.WriteFile(stamp, nil, 0o644)
	if err == nil {
		now := s.options.Now()
		err = os.Chtimes(stamp, now, now)
	}
	if info == nil || err != nil {
		return // the first build of a new cache
	}
	disk, err := fsx.DiskFree(s.config.Cache.Dir)
	if err == nil {
		_, err = s.CollectGarbage(ctx, s.config.Cache.Budget.Of(disk.TotalBytes))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.env.Report(build.Event{Kind: build.EventNote, Element: "cache", Lines: []string{"garbage was not collected: " + err.Error()}})
	}
}
