package build

import (
	"context"
	"fmt"
	"slices"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/keys"
)

// Withdraw withdraws an artifact and all that came of it (rule 34): copies under other names, what was
// continued or resumed from it, and what was built on its files. Each gets a tombstone and loses its
// references and cached phases. What others store meanwhile of it is found too: whoever stores asks for
// tombstones under the lock of his key, and the search is made again until nothing new is found. It
// returns what was withdrawn, the newest last, without the artifact itself where no record tells of it.
// Hold the job's lock.
func (e *Env) Withdraw(ctx context.Context, job Job, stored artifact.Entry, why record.Reason) ([]record.Record, error) {
	stone := record.Tombstone{BuildKey: job.Chain.Build, Artifact: stored.Digest, Record: stored.Record, Reason: why, Time: e.Now()}
	if err := e.bury(ctx, stone, job.Chain.Build); err != nil {
		return nil, err
	}
	var buried []record.Record
	for more := true; more; {
		found, err := e.follow(ctx, job, stored)
		if err != nil {
			return buried, fmt.Errorf("withdraw the artifact of %s: %w", job.Name, err)
		}
		more = false
		for _, rec := range found.records {
			if slices.ContainsFunc(buried, func(other record.Record) bool { return other.ID == rec.ID }) {
				continue
			}
			stone := record.Tombstone{BuildKey: rec.BuildKey, Artifact: rec.Artifact, Record: rec.ID, Reason: why, Time: e.Now()}
			if err := e.bury(ctx, stone, job.Chain.Build); err != nil {
				return buried, err
			}
			buried, more = append(buried, rec), true
		}
		for key := range found.phases {
			if err := e.Phases.Delete(key); err != nil {
				return buried, err
			}
		}
	}
	return buried, nil
}

// IsWithdrawn reports whether what a record is of was withdrawn, or what it was continued from: then it
// is neither to be used nor to be continued.
func (e *Env) IsWithdrawn(ctx context.Context, rec record.Record) (bool, error) {
	for {
		if !rec.Artifact.IsZero() && rec.BuildKey != "" {
			_, withdrawn, err := e.Records.Withdrawn(ctx, rec.BuildKey, rec.Artifact)
			return withdrawn, err // of a success, all that came of it has a withdrawal of its own
		}
		if rec.Base == "" {
			return false, nil
		}
		base, err := e.Records.Get(ctx, rec.Base)
		if err != nil {
			return true, nil // what it stood on is gone, so nobody can tell
		}
		rec = base
	}
}

// bury withdraws one artifact, under the lock of its build key unless that is held already: here, and
// where others see it.
func (e *Env) bury(ctx context.Context, stone record.Tombstone, held string) error {
	if stone.BuildKey != held {
		unlock, err := fsx.Lock(ctx, e.dir("locks", "build-"+stone.BuildKey))
		if err != nil {
			return err
		}
		defer unlock()
	}
	if err := e.Records.Withdraw(ctx, stone); err != nil {
		return err
	}
	var refs []artifact.Ref
	if rec, err := e.Records.Get(ctx, stone.Record); err == nil && rec.StrictKey != "" {
		refs = append(refs, artifact.Ref{Project: rec.Project, Element: rec.Element, Key: rec.StrictKey})
	}
	listed, err := e.Artifacts.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range listed {
		entry, err := e.Artifacts.Peek(one.Ref)
		if err != nil || entry.Digest != stone.Artifact {
			continue
		}
		if err := e.Artifacts.Delete(one.Ref); err != nil {
			return err
		}
		refs = append(refs, one.Ref)
	}
	for _, ref := range refs {
		if e.Peer == nil || ref.IsBuild() {
			continue
		}
		if err := e.Peer.Withdraw(ref, stone.Artifact); err != nil {
			return err
		}
	}
	return nil
}

// tainted is what came of a withdrawn artifact.
type tainted struct {
	records []record.Record // successes
	ids     map[string]bool // of all records, failures too
	files   map[string]bool // what dependents were built on: PROJECT:ELEMENT and the files' digest
	phases  map[string]bool // keys of cached phases
}

// follow finds all that came of an artifact.
func (e *Env) follow(ctx context.Context, job Job, stored artifact.Entry) (tainted, error) {
	t := tainted{ids: map[string]bool{}, files: map[string]bool{}, phases: map[string]bool{}}
	records, err := e.Records.List(ctx, record.Filter{}, nil)
	if err != nil {
		return t, err
	}
	confirmed := map[string]bool{} // a clean build gave the same, so it does not matter what it was continued from
	for _, rec := range records {
		if rec.Trust.Verified && rec.Result == record.Success {
			confirmed[rec.BuildKey+" "+rec.Artifact.Hash()] = true
		}
	}
	cached := map[string][]string{} // the keys of what a record's build put into the phase cache
	err = e.Phases.Each(ctx, func(entry action.CacheEntry) error {
		cached[entry.Outputs.Record] = append(cached[entry.Outputs.Record], entry.Key)
		return nil
	}, nil)
	if err != nil {
		return t, err
	}
	t.files[job.Project+":"+job.Element+" "+stored.Artifact.Files.String()] = true
	for more := true; more; {
		more = false
		for i := len(records) - 1; i >= 0; i-- { // the oldest first, as that is the order in which they came of each other
			rec := records[i]
			itself := rec.BuildKey == job.Chain.Build && rec.Result == record.Success && rec.Files == stored.Artifact.Files
			continued := !confirmed[rec.BuildKey+" "+rec.Artifact.Hash()] && t.stoodOn(rec)
			if t.ids[rec.ID] || !itself && !continued && !e.builtOn(ctx, t, rec) {
				continue
			}
			more = true
			t.ids[rec.ID] = true
			for _, key := range cached[rec.ID] {
				t.phases[key] = true
			}
			if rec.Result == record.Success && !rec.Artifact.IsZero() {
				t.records = append(t.records, rec)
				t.files[rec.Project+":"+rec.Element+" "+rec.Files.String()] = true
			}
		}
	}
	return t, nil
}

// stoodOn reports whether a build was continued or resumed from what is tainted, or is a copy of it.
func (t tainted) stoodOn(rec record.Record) bool {
	return t.ids[rec.Base] || slices.ContainsFunc(rec.Phases, func(phase record.Phase) bool { return phase.How == record.Cached && t.phases[phase.Key] })
}

// builtOn reports whether tainted files were in a build's sysroot.
func (e *Env) builtOn(ctx context.Context, t tainted, rec record.Record) bool {
	image, err := cas.Get(ctx, e.CAS, rec.Parts.PreImage)
	if err != nil {
		return false // what it was built on is not known any more, nor found by anybody
	}
	inputs, err := keys.InputsOf(image)
	if err != nil {
		return false
	}
	for _, dep := range inputs.Sysroot {
		if t.files[dep.Name+" "+dep.Files] {
			return true
		}
	}
	return false
}
