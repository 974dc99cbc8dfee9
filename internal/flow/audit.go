package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// AuditRequest is a sample of what was continued, to be verified.
type AuditRequest struct {
	Elements []string // none: all of the project
	Sample   int      // how many at most
	Seed     uint64   // which: equal seeds draw equal samples of equal caches
}

// Audit verifies a sample of the artifacts that were made on an old build tree and not verified, whatever
// the project is now; the newer one was made, the likelier it is drawn. drawn is called with each before it
// is built. What can't be built again is passed over: its inputs were collected, or the host has changed.
// It returns how many were verified; the error is as for Verify.
func (s *Session) Audit(ctx context.Context, request AuditRequest, drawn func(record.Record), report func(Verification)) (int, error) {
	if err := s.config.CheckTrust(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	g, err := s.loadToPlan(ctx, request.Elements)
	if err != nil {
		return 0, err
	}
	if err := s.chooseSandbox(ctx); err != nil {
		return 0, err
	}
	unverified, err := s.unverified(ctx, g, request.Elements)
	if err != nil {
		return 0, err
	}
	var all []error
	done := 0
	for _, one := range draw(unverified, request.Seed) {
		if done >= request.Sample {
			break
		}
		job, err := s.jobOf(ctx, g, one)
		if errors.Is(err, ErrNotCached) || errors.Is(err, ErrRefused) {
			continue
		}
		if err == nil {
			done++
			drawn(one.record)
			err = s.auditOne(ctx, job, one, report)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("verify %s: %w", record.Short(one.record.ID), err)
		if !errors.Is(err, ErrNotVerified) {
			return done, errors.Join(append(all, err)...)
		}
		all = append(all, err)
	}
	return done, errors.Join(all...)
}

// madeArtifact is an artifact with the record of how it was made and all its names.
type madeArtifact struct {
	entry  artifact.Entry
	record record.Record
	refs   []artifact.Ref
}

// unverified lists the artifacts that were continued and not verified, the newest first.
func (s *Session) unverified(ctx context.Context, g *graph, elements []string) ([]madeArtifact, error) {
	listed, err := s.env.Artifacts.List(ctx)
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]*madeArtifact{}
	for _, one := range listed {
		entry, err := s.env.Artifacts.Peek(one.Ref)
		if err != nil || entry.Record == "" {
			continue
		}
		if seen, ok := found[entry.Digest]; ok {
			seen.refs = append(seen.refs, one.Ref)
			continue
		}
		rec, err := s.env.Records.Get(ctx, entry.Record)
		ours := err == nil && rec.Project == g.project.Name && (len(elements) == 0 || slices.Contains(elements, rec.Element))
		if ours && rec.Result == record.Success && rec.Trust.How == record.Continued && !rec.Trust.Verified {
			found[entry.Digest] = &madeArtifact{entry: entry, record: rec, refs: []artifact.Ref{one.Ref}}
		}
	}
	var list []madeArtifact
	for _, one := range found {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b madeArtifact) int { return cmp.Compare(b.record.ID, a.record.ID) })
	return list, nil
}

// draw brings artifacts, the newest first, into the order in which they are drawn: the nth is n times less
// likely to be the first than the newest.
func draw(list []madeArtifact, seed uint64) []madeArtifact {
	source := rand.New(rand.NewPCG(seed, 0))
	weight := map[string]float64{}
	for i, one := range list {
		weight[one.record.ID] = math.Pow(source.Float64(), float64(i+1))
	}
	drawn := slices.Clone(list)
	slices.SortStableFunc(drawn, func(a, b madeArtifact) int { return cmp.Compare(weight[b.record.ID], weight[a.record.ID]) })
	return drawn
}

// auditOne verifies one artifact under its lock.
func (s *Session) auditOne(ctx context.Context, job build.Job, one madeArtifact, report func(Verification)) error {
	unlock, err := s.env.Lock(ctx, job)
	if err != nil {
		return err
	}
	defer unlock()
	stored, err := s.artifactAt(ctx, one.entry.Ref)
	if err != nil || stored == nil || stored.Digest != one.entry.Digest {
		return err // it was removed meanwhile
	}
	found, err := s.verify(ctx, job, *stored, leaveOut)
	if found.Result != "" {
		report(found)
	}
	return err
}

// jobOf is the job that a record is of, made of what is on record. ErrNotCached where a part of it was
// collected; ErrRefused where it was built in another sandbox or on another host.
func (s *Session) jobOf(ctx context.Context, g *graph, one madeArtifact) (build.Job, error) {
	rec := one.record
	image, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return build.Job{}, fmt.Errorf("%w: %s", ErrNotCached, collected(rec, "list of inputs"))
	}
	parts, err := keys.PartsOf(image)
	if err != nil {
		return build.Job{}, fmt.Errorf("read the inputs of %s: %w", record.Short(rec.ID), err)
	}
	if err := s.sameSandbox(rec, parts); err != nil {
		return build.Job{}, err
	}
	job := build.Job{
		Element: rec.Element, Project: rec.Project, Parts: parts, Source: rec.Parts.Source, Refs: one.refs, Strict: rec.StrictKey, Facts: rec.Facts,
		Trust: record.Trust{How: record.Clean, Where: record.Sysroot},
	}
	if job.Chain, err = parts.Chain(); err != nil {
		return job, fmt.Errorf("name the build of %s: %w", rec.Element, err)
	}
	whole, err := tree.NewPresence(s.cas).Whole(ctx, job.Source)
	if err != nil {
		return job, err
	}
	if !whole {
		return job, fmt.Errorf("%w: %s", ErrNotCached, collected(rec, "source"))
	}
	job.Recipe.Env = environmentOf(rec, parts, s.presentEnvironment(g, rec))
	if parts.Root.Kind == keys.RootHost {
		host, err := s.host(ctx, g)
		if err != nil {
			return job, err
		}
		if host.fingerprint != parts.Root.Fingerprint {
			return job, fmt.Errorf("%w: %s was built on this machine's system as it was before", ErrRefused, record.Short(rec.ID))
		}
		job.Host = build.HostRoot{Extra: s.config.Build.HostPaths, Lines: host.lines}
	}
	if job.Stack, err = s.stackOf(ctx, rec, parts); err != nil {
		return job, err
	}
	for _, placed := range job.Stack {
		trust, err := s.trustOf(ctx, placed)
		if err != nil {
			return job, err
		}
		job.Trust = record.Least(job.Trust, trust)
	}
	return job, nil
}

// presentEnvironment is that of a record's element as it is now, for what no key has.
func (s *Session) presentEnvironment(g *graph, rec record.Record) map[string]string {
	for element, n := range g.nodes {
		if element.Name == rec.Element && element.Project.Name == rec.Project {
			return n.recipe.Env
		}
	}
	return nil
}

// trustOf is the best trust that is on record for a dependency's files.
func (s *Session) trustOf(ctx context.Context, placed build.Placed) (record.Trust, error) {
	least := record.Trust{How: record.Continued, Where: record.None}
	records, err := s.env.Records.List(ctx, record.Filter{Project: placed.Project, Element: placed.Name, Result: record.Success}, nil)
	if err != nil {
		return least, err
	}
	for _, rec := range records {
		if rec.Files == placed.Files && (rec.Trust.How != record.Continued || rec.Trust.Verified || least.Where == record.None) {
			least = rec.Trust
		}
	}
	return least, nil
}
