package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/ui"
)

func cacheCommand() command {
	return command{
		name: "cache", help: "look after the cache",
		about: "The cache holds what was built. All of it may be deleted at any time: that costs only time.",
		sub: []command{
			{
				name: "status", help: "print what the cache holds, and its budget",
				examples: []string{"git bst cache status"},
				action:   cacheStatus,
			},
			{
				name: "gc", help: "bring the cache within its budget",
				about: "Removes build folders that are kept between builds to be quicker, then artifacts and cached phases, those used longest ago first, until the cache is within its budget (setting cache.budget). What a running build uses stays, and what was used in the last 10 minutes. --budget 0 keeps nothing else.",
				flags: []cli.Flag{
					&cli.StringFlag{Name: "budget", Usage: "bring it to `SIZE`, such as 20G or 5%, or 0, this once"},
				},
				examples: []string{"git bst cache gc", "git bst cache gc --budget 5G"},
				action:   cacheGC,
			},
			{
				name: "fsck", help: "read the whole cache and report what is wrong",
				about:    "Corrupt blobs are moved aside, so that they are made again; damaged entries are removed. Nothing is printed when nothing is wrong. Exit code 1 if anything was found.",
				examples: []string{"git bst cache fsck"},
				action:   cacheFsck,
			},
		},
	}
}

// openCache opens the cache without a project.
func (a *app) openCache(cc *cli.Context) (*flow.Session, error) {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return nil, err
	}
	return flow.OpenStores(cc.Context, a.flowOptions(settings, nil))
}

type cacheInfo struct {
	Schema      string `json:"schema"`
	Format      int    `json:"version"`
	Dir         string `json:"dir"`
	ReadOnly    bool   `json:"read_only,omitempty"`
	Blobs       int    `json:"blobs"`
	Bytes       int64  `json:"bytes"`
	BudgetBytes int64  `json:"budget_bytes"`
	FreeBytes   int64  `json:"free_bytes"`
	Artifacts   int    `json:"artifacts"`
	Phases      int    `json:"phases"`
	TreeBytes   int64  `json:"tree_bytes"`
	Warm        int    `json:"warm"`
	WarmAside   int    `json:"warm_aside"`
	WarmBytes   int64  `json:"warm_bytes"`
}

func cacheStatus(a *app, cc *cli.Context) error {
	session, err := a.openCache(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	s, err := session.CacheStatus(cc.Context)
	if err != nil {
		return err
	}
	if a.json {
		return writeJSON(a.stdout, cacheInfo{
			"git-bst.cache", 1, s.Dir, s.ReadOnly, s.Blobs, s.Bytes, s.BudgetBytes, s.Disk.FreeBytes, s.Artifacts, s.Phases, s.TreeBytes,
			s.Warm.Trees, s.Warm.Aside, s.Warm.Bytes,
		})
	}
	for _, line := range []struct{ name, value string }{
		{"folder", ui.Safe(s.Dir)},
		{"size", fmt.Sprintf("%s in %d blobs", config.FormatSize(s.Bytes), s.Blobs)},
		{"budget", config.FormatSize(s.BudgetBytes) + " (cache.budget)"},
		{"free", fmt.Sprintf("%s of %s", config.FormatSize(s.Disk.FreeBytes), config.FormatSize(s.Disk.TotalBytes))},
		{"artifacts", fmt.Sprint(s.Artifacts)},
		{"phases", fmt.Sprintf("%d; they and the records keep %s of build trees and sources beside the artifacts", s.Phases, config.FormatSize(s.TreeBytes))},
		{"warm", warmLine(s.Warm)},
	} {
		fmt.Fprintf(a.stdout, "%-10s %s\n", line.name, line.value)
	}
	if s.Bytes+s.Warm.Bytes > s.BudgetBytes {
		a.talk("git-bst: hint: it is larger than its budget: git bst cache gc")
	}
	return nil
}

// warmLine tells of the build folders that stay between builds.
func warmLine(w build.WarmUsage) string {
	text := fmt.Sprintf("%d build folders of work trees, %s", w.Trees, config.FormatSize(w.Bytes))
	if w.Aside > 0 {
		text += fmt.Sprintf("; %d of others that something else than a build had changed, kept for a week", w.Aside)
	}
	return text
}

type gcInfo struct {
	Schema       string `json:"schema"`
	Format       int    `json:"version"`
	References   int    `json:"references_removed"`
	Removed      int    `json:"blobs_removed"`
	RemovedBytes int64  `json:"bytes_removed"`
	Bytes        int64  `json:"bytes"`
	WarmBytes    int64  `json:"warm_bytes"`
}

func cacheGC(a *app, cc *cli.Context) error {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	session, err := flow.OpenStores(cc.Context, a.flowOptions(settings, nil))
	if err != nil {
		return err
	}
	defer session.Close()
	status, err := session.CacheStatus(cc.Context)
	if err != nil {
		return err
	}
	report, err := session.CollectGarbage(cc.Context, status.BudgetBytes)
	if err != nil {
		return err
	}
	if a.json {
		return writeJSON(a.stdout, gcInfo{"git-bst.gc", 1, report.References, report.Removed, report.RemovedBytes, report.After.Bytes, report.WarmBytes})
	}
	a.talk("git-bst: removed %s in %d blobs, %d artifacts and phases; %s are left", config.FormatSize(report.RemovedBytes),
		report.Removed, report.References, config.FormatSize(report.After.Bytes+report.WarmBytes))
	if report.After.Bytes+report.WarmBytes > status.BudgetBytes {
		a.talk("git-bst: hint: still larger than the budget of %s: the rest is in use or was used in the last 10 minutes", config.FormatSize(status.BudgetBytes))
	}
	return nil
}

type problemInfo struct {
	Schema   string `json:"schema"`
	Format   int    `json:"version"`
	Path     string `json:"path"`
	What     string `json:"what"`
	Repaired bool   `json:"repaired"`
}

func cacheFsck(a *app, cc *cli.Context) error {
	session, err := a.openCache(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	found, repaired, printed := 0, 0, error(nil)
	err = session.CheckCache(cc.Context, func(p flow.CacheProblem) {
		found++
		if p.Repaired {
			repaired++
		}
		if a.json {
			printed = errors.Join(printed, writeJSONLine(a.stdout, problemInfo{"git-bst.problem", 1, p.Path, p.What, p.Repaired}))
			return
		}
		state := ""
		if p.Repaired {
			state = " (repaired)"
		}
		fmt.Fprintf(a.stdout, "%s: %s%s\n", ui.Safe(p.Path), ui.Safe(p.What), state)
	})
	switch err = errors.Join(err, printed); {
	case err != nil:
		return err
	case found > 0:
		err := fmt.Errorf("check the cache: found %d problems, repaired %d", found, repaired)
		if found == repaired {
			return hint.Add(err, "nothing more is to be done: what is missing now is built or fetched again when it is needed")
		}
		return hint.Add(err, "what is incomplete is built again when it is needed: git bst build",
			"to forget it: git bst artifact delete REF, as git bst artifact list names it")
	}
	a.talk("git-bst: nothing is wrong")
	return nil
}
