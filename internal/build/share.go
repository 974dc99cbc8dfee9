package build

import (
	"context"
	"errors"
	"fmt"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/fsx"
)

// ErrNotPublic is returned for a result that nobody else may see under BuildStream's name (rule 33).
var ErrNotPublic = errors.New("nobody else may see it")

// ErrTheirs is returned where BuildStream has another artifact under that name, which stays.
var ErrTheirs = errors.New("BuildStream has an artifact of its own by that name, which stays")

// Share copies an artifact to BuildStream's cache under its references, which are BuildStream's. Rule 33:
// only what was built on a sysroot, and clean, resumed or verified, and all that it was built on too;
// ErrNotPublic for the rest. ErrTheirs where BuildStream has another one of its own. ErrWithdrawn where it was withdrawn (rule 34). Nobody's lock must be held.
func (e *Env) Share(ctx context.Context, ref artifact.Ref, weak string) error {
	entry, err := e.Artifacts.Get(ctx, ref)
	if err != nil {
		return err
	}
	rec, err := e.Records.Get(ctx, entry.Record)
	if err != nil {
		return fmt.Errorf("%w: it is not known how it was made: %w", ErrNotPublic, err)
	}
	if !rec.Trust.Public() {
		return fmt.Errorf("%w: it is %s, on %s", ErrNotPublic, rec.Trust.How, rec.Trust.Where)
	}
	unlock, err := fsx.Lock(ctx, e.dir("locks", "build-"+rec.BuildKey))
	if err != nil {
		return err
	}
	defer unlock()
	if now, err := e.Artifacts.Peek(ref); err != nil || now.Digest != entry.Digest {
		return errors.Join(ErrWithdrawn, err)
	}
	if _, withdrawn, err := e.Records.Withdrawn(ctx, rec.BuildKey, entry.Digest); err != nil || withdrawn {
		return errors.Join(ErrWithdrawn, err)
	}
	if e.Peer.Has(ref) && !e.Peer.Holds(ref, entry.Digest) {
		return ErrTheirs
	}
	refs := []artifact.Ref{ref}
	if weak != "" && weak != ref.Key {
		refs = append(refs, artifact.Ref{Project: ref.Project, Element: ref.Element, Key: weak})
	}
	return e.Peer.Put(ctx, e.CAS, refs, entry.Artifact)
}
