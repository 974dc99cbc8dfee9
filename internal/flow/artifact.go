package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// Found is an artifact that was asked for.
type Found struct {
	Name   string // as asked for
	Entry  artifact.Entry
	Record *record.Record // of the build that made it; nil when it is not here
	node   *node
	graph  *graph
}

// Artifact finds the artifact of an element as it is now, or of a reference. ErrNotCached when it
// is not in the cache.
func (s *Session) Artifact(ctx context.Context, name string) (Found, error) {
	ref, ok, err := s.findRef(ctx, name)
	if err != nil {
		return Found{}, err
	}
	if ok {
		entry, err := s.env.Artifacts.Get(ctx, ref)
		if errors.Is(err, cas.ErrNotFound) {
			err := fmt.Errorf("%w: artifact %s: %w", ErrNotCached, name, err)
			return Found{}, hint.Add(err, "to see all that are there: git bst artifact list")
		}
		return s.found(ctx, Found{Name: name, Entry: entry}, err)
	}
	g, n, err := s.element(ctx, name)
	if err != nil {
		return Found{}, err
	}
	entry, step, err := s.entryOf(ctx, g, n)
	if err != nil {
		return Found{}, err
	}
	if entry == nil {
		err := fmt.Errorf("%w: artifact of %s: %s", ErrNotCached, n.element.FullName(), step)
		return Found{}, hint.Addf(err, "to build it: git bst build %s", n.element.FullName())
	}
	return s.found(ctx, Found{Name: n.element.FullName(), Entry: *entry, node: n, graph: g}, nil)
}

func (s *Session) found(ctx context.Context, f Found, err error) (Found, error) {
	if err != nil {
		return Found{}, err
	}
	if rec, err := s.env.Records.Get(ctx, f.Entry.Record); err == nil {
		f.Record = &rec
	}
	return f, nil
}

// element loads the project for one element; "" is the configured one.
func (s *Session) element(ctx context.Context, name string) (*graph, *node, error) {
	var names []string
	if name != "" {
		names = []string{name}
	}
	g, err := s.loadToPlan(ctx, names)
	if err != nil {
		return nil, nil, err
	}
	if len(g.project.Targets) != 1 {
		err := fmt.Errorf("the project has %d default elements, expected one to be named", len(g.project.Targets))
		return nil, nil, hint.Add(err, "name the element, or set it for this repository: git config bst.project.element NAME.bst")
	}
	return g, g.nodes[g.project.Targets[0]], nil
}

// entryOf plans all that n needs and returns n's artifact, nil with the plan's reason when it is
// not here.
func (s *Session) entryOf(ctx context.Context, g *graph, n *node) (*artifact.Entry, string, error) {
	order, err := s.needed(ctx, g, Asked{})
	if err != nil {
		return nil, "", err
	}
	var reason string
	var job build.Job
	for _, other := range order {
		made, facts, err := s.resolve(ctx, g, other, Asked{})
		if err != nil {
			return nil, "", fmt.Errorf("plan %s: %w", other.element.FullName(), err)
		}
		if other == n {
			job, reason = made, "it is not built with its present inputs"
			if facts.Blocked != nil {
				reason = facts.Blocked.Text
			}
		}
	}
	if n.built == nil {
		return nil, reason, nil
	}
	ref := n.ref(job.Strict)
	if job.Strict == "" {
		ref = job.Refs[0]
	}
	entry, err := s.artifactAt(ctx, ref)
	return entry, reason, err
}

// CheckoutRequest says what of an artifact goes where.
type CheckoutRequest struct {
	Name string
	Dest string // absolute; not there, or an empty folder
	Deps Deps   // DepsNone: its own files; DepsRun: with what it needs at run time
	Git  bool   // write what is named .git too
}

// Checkout writes the files of an artifact into a folder. Nothing that is there is overwritten.
func (s *Session) Checkout(ctx context.Context, request CheckoutRequest) (Found, error) {
	found, err := s.Artifact(ctx, request.Name)
	if err != nil {
		return Found{}, err
	}
	root := found.Entry.Artifact.Files
	if request.Deps == DepsRun && found.node != nil {
		if root, err = s.runtimeTree(ctx, found); err != nil {
			return Found{}, err
		}
	}
	return found, s.export(ctx, root, request.Dest, request.Git, tree.ExportOptions{Default: time.Unix(build.SourceTime, 0)})
}

// runtimeTree merges an element with what it needs at run time, as they are staged.
func (s *Session) runtimeTree(ctx context.Context, found Found) (digest.Digest, error) {
	job := build.Job{Name: found.Name}
	for _, e := range found.node.element.RunScope() {
		n := found.graph.nodes[e]
		if n.built == nil {
			err := fmt.Errorf("%w: artifact of %s, which %s needs at run time", ErrNotCached, e.FullName(), found.Name)
			return digest.Digest{}, hint.Addf(err, "to build it: git bst build %s", found.Name)
		}
		job.Stack = append(job.Stack, build.Placed{Name: e.Name, Project: e.Project.Name, Files: n.built.Files, Location: "/", Whitelist: whitelist(n.element)})
	}
	return s.env.Merge(ctx, job)
}

// export writes a tree into a folder that is empty or not there. withGit allows what refuseGit
// refuses.
func (s *Session) export(ctx context.Context, root digest.Digest, dest string, withGit bool, options tree.ExportOptions) error {
	entries, err := os.ReadDir(dest)
	if err == nil && len(entries) > 0 {
		err := fmt.Errorf("%w: check out to %s: the folder is not empty", ErrRefused, dest)
		return hint.Add(err, "name a folder that is empty or not there yet")
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("check out: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return fmt.Errorf("check out: %w", err)
	}
	if root.IsZero() {
		return os.MkdirAll(dest, 0o755)
	}
	if !withGit {
		if err := refuseGit(ctx, s.cas, root); err != nil {
			return fmt.Errorf("check out to %s: %w", dest, err)
		}
	}
	if err := tree.Export(ctx, s.cas, root, dest, options); err != nil {
		if errors.Is(err, cas.ErrCorrupt) || errors.Is(err, cas.ErrNotFound) {
			return hint.Add(err, "to find what else is damaged: git bst cache fsck; then build again: git bst build")
		}
		return err
	}
	return nil
}

// refuseGit refuses a tree in which something is named .git: git would take it for a repository's
// and do what its configuration says, as soon as it is called there (rule 39).
func refuseGit(ctx context.Context, store cas.Store, root digest.Digest) error {
	return tree.Walk(ctx, store, root, func(path string, _ tree.Entry) error {
		if name := path[strings.LastIndexByte(path, '/')+1:]; strings.EqualFold(name, ".git") {
			err := fmt.Errorf("%w: it holds %s, which git would obey there", ErrRefused, path)
			return hint.Add(err, "to write it all the same, give the checkout the flag --with-git")
		}
		return nil
	})
}

// DeleteArtifact removes references; the blobs go with the next collection. It returns those that
// were removed.
func (s *Session) DeleteArtifact(ctx context.Context, name string) ([]artifact.Ref, error) {
	ref, ok, err := s.findRef(ctx, name)
	if err != nil {
		return nil, err
	}
	if ok {
		if _, err := s.env.Artifacts.Peek(ref); errors.Is(err, cas.ErrNotFound) { // what can't be read can be deleted
			err := fmt.Errorf("%w: no such reference: %s", ErrNotCached, name)
			return nil, hint.Add(err, "to see all: git bst artifact list")
		}
		return []artifact.Ref{ref}, s.env.Artifacts.Delete(ref)
	}
	found, err := s.Artifact(ctx, name)
	if err != nil {
		return nil, err
	}
	refs := []artifact.Ref{found.Entry.Ref}
	if weak := found.Entry.Artifact.WeakKey; weak != "" && !found.Entry.Ref.IsBuild() {
		refs = append(refs, artifact.Ref{Project: found.Entry.Ref.Project, Element: found.Entry.Ref.Element, Key: weak})
	}
	for _, ref := range refs {
		if err := s.env.Artifacts.Delete(ref); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// Logs calls yield for each log of an element's newest attempt with its present inputs, failed ones
// too, or of a reference's build, with its name and text.
func (s *Session) Logs(ctx context.Context, name string, yield func(name string, text io.Reader) error) error {
	logs, err := s.logs(ctx, name)
	if err != nil {
		return err
	}
	for _, log := range logs {
		reader, err := s.cas.Open(ctx, log.Digest)
		if errors.Is(err, cas.ErrNotFound) {
			err := fmt.Errorf("%w: the log %s was collected", ErrNotCached, log.Name)
			return hint.Addf(err, "to build it again: git bst build --clean %s", name)
		}
		if err != nil {
			return fmt.Errorf("read the log %s: %w", log.Name, err)
		}
		err = yield(log.Name, reader)
		if err := errors.Join(err, reader.Close()); err != nil {
			return fmt.Errorf("read the log %s: %w", log.Name, err)
		}
	}
	return nil
}

func (s *Session) logs(ctx context.Context, name string) ([]artifact.Log, error) {
	found, err := s.Artifact(ctx, name)
	if err == nil {
		return found.Entry.Artifact.Logs, nil
	}
	if !errors.Is(err, ErrNotCached) {
		return nil, err
	}
	if _, ok, refErr := s.findRef(ctx, name); ok || refErr != nil {
		return nil, err
	}
	rec, recErr := s.Newest(ctx, name)
	if recErr != nil {
		return nil, errors.Join(err, recErr)
	}
	var logs []artifact.Log
	for _, phase := range rec.Phases {
		if !phase.Log.IsZero() {
			logs = append(logs, artifact.Log{Name: phase.Name + ".log", Digest: phase.Log})
		}
	}
	if len(logs) == 0 {
		return nil, err
	}
	return logs, nil
}

// Newest returns the newest record of an element, whatever came of it. ErrNotCached without one.
func (s *Session) Newest(ctx context.Context, name string) (record.Record, error) {
	_, n, err := s.element(ctx, name)
	if err != nil {
		return record.Record{}, err
	}
	rec, err := s.env.Records.Latest(ctx, record.Filter{Project: n.element.Project.Name, Element: n.element.Name})
	if errors.Is(err, cas.ErrNotFound) {
		err := fmt.Errorf("%w: %s was never built here", ErrNotCached, n.element.FullName())
		return record.Record{}, hint.Addf(err, "to build it: git bst build %s", n.element.FullName())
	}
	return rec, err
}

// CheckoutBuildTree writes the build tree of an element's newest build that has one, or of the build
// attempt of this name, into a folder, with the times of its files, so that make and ninja see what
// the build saw. Without an attempt's name the element "" is the configured one.
func (s *Session) CheckoutBuildTree(ctx context.Context, element, attempt, dest string, withGit bool) (record.Record, error) {
	var filter record.Filter
	if attempt == "" || element != "" {
		_, n, err := s.element(ctx, element)
		if err != nil {
			return record.Record{}, err
		}
		filter = record.Filter{Project: n.element.Project.Name, Element: n.element.Name}
	}
	rec, err := s.recordWithTree(ctx, filter, attempt)
	if err != nil {
		return rec, err
	}
	options := tree.ExportOptions{Default: time.Unix(build.SourceTime, 0)}
	if data, err := cas.Get(ctx, s.cas, rec.Times); err == nil {
		if options.Times, err = tree.DecodeTimes(data); err != nil {
			return rec, fmt.Errorf("read the times of the build tree: %w", err)
		}
	}
	return rec, s.export(ctx, rec.BuildTree, dest, withGit, options)
}
