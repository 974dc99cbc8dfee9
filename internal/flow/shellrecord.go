package flow

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// recordWithTree finds the build attempt whose build tree is meant: the one of this name, else the
// element's newest that still has one. ErrNotCached without.
func (s *Session) recordWithTree(ctx context.Context, filter record.Filter, name string) (record.Record, error) {
	present := tree.NewPresence(s.cas)
	if name != "" {
		rec, err := s.Record(ctx, name)
		if err != nil {
			return rec, err
		}
		if filter.Element != "" && (rec.Element != filter.Element || rec.Project != filter.Project) {
			return rec, hint.Addf(fmt.Errorf("build attempt %s is of %s, not of %s", name, rec.Element, filter.Element), "leave the element out")
		}
		whole, err := present.Whole(ctx, rec.BuildTree)
		if err == nil && !whole {
			err = hint.Add(fmt.Errorf("%w: %s", ErrNotCached, treeGone(rec)), "to see which builds still have theirs: git bst records "+rec.Element)
		}
		return rec, err
	}
	filter.Limit = 0
	records, err := s.env.Records.List(ctx, filter, nil)
	if err != nil {
		return record.Record{}, err
	}
	for _, rec := range records {
		if whole, err := present.Whole(ctx, rec.BuildTree); err != nil || whole {
			return rec, err
		}
	}
	err = fmt.Errorf("%w: %s was never built here", ErrNotCached, filter.Element)
	if len(records) > 0 {
		err = fmt.Errorf("%w: no build of %s has its build tree in the cache", ErrNotCached, filter.Element)
	}
	return record.Record{}, hint.Addf(err, "to build it: git bst build %s", filter.Element)
}

// treeGone says why a record has no build tree.
func treeGone(rec record.Record) string {
	if rec.BuildTree.IsZero() {
		return fmt.Sprintf("%s of %s left no build tree", record.Short(rec.ID), rec.Element)
	}
	return collected(rec, "build tree")
}

// enterRecord prepares a shell in the state in which a build attempt ended: with its build tree, and
// with the sysroot, layout and environment that it had, whatever the project is now. Variables that
// no key has (environment-nocache) are the present ones.
func (s *Session) enterRecord(ctx context.Context, rec record.Record, present map[string]string, shell *build.Shell) error {
	image, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrNotCached, collected(rec, "list of inputs"))
	}
	parts, err := keys.PartsOf(image)
	if err != nil {
		return fmt.Errorf("enter build %s: %w", record.Short(rec.ID), err)
	}
	if err := s.sameSandbox(rec, parts); err != nil {
		return err
	}
	job := build.Job{Element: rec.Element, Name: rec.Element, Project: rec.Project, Parts: parts}
	job.Recipe.Env = environmentOf(rec, parts, present)
	if parts.Root.Kind == keys.RootHost {
		job.Host = build.HostRoot{Extra: s.config.Build.HostPaths}
	}
	if job.Stack, err = s.stackOf(ctx, rec, parts); err != nil {
		return err
	}
	shell.Job, shell.Record = job, &rec
	return nil
}

// sameSandbox refuses to enter what was built without a sandbox in one, or the other way round: the
// paths in its files lead elsewhere.
func (s *Session) sameSandbox(rec record.Record, parts keys.Parts) error {
	none := sandbox.None.String()
	switch {
	case parts.Root.Sandbox == none && s.config.Build.Sandbox != none:
		return hint.Add(fmt.Errorf("%w: %s was built without a sandbox", ErrRefused, record.Short(rec.ID)), "to enter it all the same: git bst shell --sandbox none ...")
	case parts.Root.Sandbox != none && s.config.Build.Sandbox == none:
		return hint.Add(fmt.Errorf("%w: %s was built in a sandbox, at paths that are not there without", ErrRefused, record.Short(rec.ID)), "to enter it: git bst shell --sandbox auto ...")
	}
	return nil
}

// environmentOf is what the phase that ended a build ran with.
func environmentOf(rec record.Record, parts keys.Parts, present map[string]string) map[string]string {
	environment := maps.Clone(present)
	if environment == nil {
		environment = map[string]string{}
	}
	for _, phase := range parts.Phases {
		maps.Copy(environment, phase.Environment)
		if phase.Name == rec.Failure.Phase {
			break
		}
	}
	return environment
}

// stackOf is what a build was staged on. ErrNotCached when a collection took a part of it.
func (s *Session) stackOf(ctx context.Context, rec record.Record, parts keys.Parts) ([]build.Placed, error) {
	present := tree.NewPresence(s.cas)
	var stack []build.Placed
	for _, dep := range parts.Sysroot {
		files, err := digest.Parse(dep.Files)
		if err != nil {
			return nil, fmt.Errorf("enter build %s: %w", record.Short(rec.ID), err)
		}
		whole, err := present.Whole(ctx, files)
		if err != nil {
			return nil, err
		}
		project, name, _ := strings.Cut(dep.Name, ":")
		if !whole {
			err := fmt.Errorf("%w: %s, with which %s was built, was collected", ErrNotCached, name, rec.Element)
			return nil, hint.Addf(err, "to build it again, if it has not changed: git bst build %s", name)
		}
		stack = append(stack, build.Placed{
			Name: name, Project: project, Files: files, Location: dep.Location, Integrate: dep.Location == "/",
			Integration: dep.Integration, Environment: dep.IntegrationEnvironment, Whitelist: dep.Whitelist,
		})
	}
	return stack, nil
}
