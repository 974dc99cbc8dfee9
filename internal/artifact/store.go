package artifact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/ledger"
	"github.com/git-bst/git-bst/internal/tree"
)

// A Store holds artifacts by reference, in a folder that any number of processes share. The last
// Put of a reference wins. Nothing here holds a build key's lock: who must not be overtaken (a
// withdrawal, rule 34) takes that before.
type Store struct {
	files ledger.Folder
	blobs cas.Store
	trees *Trees
}

// Entry is an artifact as a Store holds it.
type Entry struct {
	Ref      Ref
	Artifact Artifact
	// Digest is that of the artifact's message (of Encode), the name for tombstones and records.
	Digest digest.Digest
	// Record is the id of the record that tells how it was made; "" if none was given.
	Record string
}

// Open returns the store of artifacts in the folder dir ($cache/artifacts), whose blobs are in
// blobs. Nothing is read or made yet. Hold a lease on blobs for as long as what Get found must
// stay there.
func Open(dir string, blobs cas.Store) *Store {
	return &Store{files: ledger.Open(dir), blobs: blobs, trees: NewTrees(blobs)}
}

// Put files the artifact under every reference and returns its digest. record is the id of the
// record that tells how it was made, or "". All that the artifact needs must be in the blob
// store: else an *IncompleteError, and nothing is written. The blobs are synced first. After an error
// or a crash some of the references may be written, each whole, in the order given.
// Errors: ErrInvalid, cas.ErrReadOnly, cas.ErrNoSpace.
func (s *Store) Put(ctx context.Context, refs []Ref, a Artifact, record string) (digest.Digest, error) {
	paths := make([]string, 0, len(refs))
	for _, ref := range refs {
		path, err := ref.path()
		if err != nil {
			return digest.Digest{}, fmt.Errorf("store artifact: %w", err)
		}
		paths = append(paths, path)
	}
	data, err := a.Encode()
	if err != nil {
		return digest.Digest{}, fmt.Errorf("store artifact: %w", err)
	}
	if err := s.check(ctx, a); err != nil {
		return digest.Digest{}, fmt.Errorf("store artifact %s: %w", refs, err)
	}
	if err := s.sync(ctx); err != nil {
		return digest.Digest{}, fmt.Errorf("store artifact %s: %w", refs, err)
	}
	file := seal(appendString(data[:len(data):len(data)], fieldRecord, record))
	for i, path := range paths {
		if err := s.files.Write(path, file); err != nil {
			return digest.Digest{}, fmt.Errorf("store artifact %s: %w", refs[i], err)
		}
	}
	return digest.Of(data), nil
}

// Get returns the artifact of a reference. It counts only if complete: without all of its files,
// metadata and logs in the blob store it is cas.ErrNotFound (an *IncompleteError, which says what
// is missing). A build tree or sources that are gone do not make it incomplete. A damaged file is
// cas.ErrCorrupt. After success its time of last use is now.
func (s *Store) Get(ctx context.Context, ref Ref) (Entry, error) {
	entry, path, err := s.read(ref)
	if err != nil {
		return Entry{}, err
	}
	err = s.check(ctx, entry.Artifact)
	if errors.Is(err, ErrInvalid) || errors.Is(err, tree.ErrInvalid) {
		err = fmt.Errorf("%w: %w", cas.ErrCorrupt, err)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("get artifact %s: %w", ref, err)
	}
	s.files.Touch(path)
	return entry, nil
}

// Peek is Get without the question whether the artifact is complete, and leaves the time of last
// use as it is. What it returns may name blobs that are gone.
func (s *Store) Peek(ref Ref) (Entry, error) {
	entry, _, err := s.read(ref)
	return entry, err
}

// Delete removes a reference; the blobs stay for the collector. That there is none is no error.
func (s *Store) Delete(ref Ref) error {
	path, err := ref.path()
	if err == nil {
		err = s.files.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("delete artifact %s: %w", ref, err)
	}
	return nil
}

// Listed is one line of List.
type Listed struct {
	// Ref's Element is the normal name with ".bst": a file does not tell the element's folder.
	Ref Ref
	// Used is when it was last put or got.
	Used time.Time
}

// List returns all references, sorted by name, without a look into them.
func (s *Store) List(ctx context.Context) ([]Listed, error) {
	var all []Listed
	err := s.each(ctx, func(path string) error {
		if ref, ok := parsePath(path); ok {
			all = append(all, Listed{Ref: ref, Used: s.files.Used(path)})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	return all, nil
}

// Check looks at every file of the store and at what it needs, and reports each that is damaged
// (cas.ErrCorrupt), newer (cas.ErrNewerFormat), incomplete (*IncompleteError) or foreign
// (ErrInvalid), with its path. It changes nothing; report is called by this goroutine.
func (s *Store) Check(ctx context.Context, report func(path string, err error)) error {
	err := s.each(ctx, func(path string) error {
		ref, ok := parsePath(path)
		if !ok {
			report(s.files.Path(path), fmt.Errorf("%w: no reference has such a name", ErrInvalid))
			return nil
		}
		entry, _, err := s.read(ref)
		if err == nil {
			err = s.check(ctx, entry.Artifact)
		}
		if err != nil && ctx.Err() == nil {
			report(s.files.Path(path), err)
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("check artifacts: %w", err)
	}
	return nil
}

// Sweep removes what killed processes left before the time old.
func (s *Store) Sweep(ctx context.Context, old time.Time) error { return s.files.Sweep(ctx, old) }

func (s *Store) each(ctx context.Context, yield func(path string) error) error {
	if err := s.files.Each(ctx, "builds", yield); err != nil {
		return err
	}
	return s.files.Each(ctx, "refs", yield)
}

func (s *Store) read(ref Ref) (Entry, string, error) {
	path, err := ref.path()
	if err != nil {
		return Entry{}, "", fmt.Errorf("get artifact: %w", err)
	}
	data, err := s.files.Read(path)
	if err != nil {
		return Entry{}, "", fmt.Errorf("get artifact %s: %w", ref, err)
	}
	if data, err = unseal(data); err != nil {
		return Entry{}, "", fmt.Errorf("get artifact %s: %w", ref, err)
	}
	a, record, err := decodeFile(data)
	if errors.Is(err, ErrInvalid) {
		err = fmt.Errorf("%w: %w", cas.ErrCorrupt, err)
	}
	if err != nil {
		return Entry{}, "", fmt.Errorf("get artifact %s: %w", ref, err)
	}
	return Entry{Ref: ref, Artifact: a, Digest: digest.Of(withoutRecord(data)), Record: record}, path, nil
}

// withoutRecord returns the message of a file that decodeFile has accepted.
func withoutRecord(data []byte) []byte {
	for at := 0; at < len(data); {
		f, n := consumeField(data[at:])
		if n < 0 {
			panic("internal error: artifact file: expected what decodeFile accepts: " + protowire.ParseError(n).Error())
		}
		if f.number == fieldRecord {
			return append(data[:at:at], data[at+n:]...)
		}
		at += n
	}
	return data
}

// sync makes the blobs durable where the blob store has such a thing.
func (s *Store) sync(ctx context.Context) error {
	if durable, ok := s.blobs.(interface{ Sync(context.Context) error }); ok {
		return durable.Sync(ctx)
	}
	return nil
}

// IncompleteError says that something is named here but not in the blob store. It is a
// cas.ErrNotFound.
type IncompleteError struct {
	// What are the parts that miss something: "files", "public data", "log".
	What []string
	// Missing are the digests, not all of them when there are many.
	Missing []digest.Digest
}

// Error implements error.
func (e *IncompleteError) Error() string {
	text := fmt.Sprintf("incomplete: %d blobs are gone", len(e.Missing))
	if len(e.Missing) == 1 {
		text = "incomplete: blob " + e.Missing[0].Hash() + " is gone"
	}
	for i, what := range e.What {
		sep := ", "
		if i == 0 {
			sep = " from its "
		}
		text += sep + what
	}
	return text
}

// Is implements the interface of errors.Is.
func (e *IncompleteError) Is(target error) bool { return target == cas.ErrNotFound }

// check returns nil if all that a needs is in the blob store, else an *IncompleteError.
func (s *Store) check(ctx context.Context, a Artifact) error {
	var e IncompleteError
	for _, part := range s.parts(a) {
		if part.digest.IsZero() {
			return fmt.Errorf("%w: it has no %s", ErrInvalid, part.name)
		}
		missing, err := part.missing(ctx, part.digest)
		if err != nil {
			return fmt.Errorf("look for its %s: %w", part.name, err)
		}
		if len(missing) > 0 {
			e.What = append(e.What, part.name)
			e.Missing = append(e.Missing, missing...)
		}
	}
	if len(e.What) > 0 {
		return &e
	}
	return nil
}

// part is something that an artifact cannot do without.
type part struct {
	name    string
	digest  digest.Digest
	missing func(context.Context, digest.Digest) ([]digest.Digest, error)
}

func (s *Store) parts(a Artifact) []part {
	parts := []part{
		{"public data", a.PublicData, s.missingBlob},
		{"environment", a.LowDiversityMeta, s.missingBlob},
		{"variables", a.HighDiversityMeta, s.missingBlob},
	}
	for _, log := range a.Logs {
		parts = append(parts, part{"log", log.Digest, s.missingBlob})
	}
	if !a.Files.IsZero() {
		parts = append(parts, part{"files", a.Files, s.trees.Missing})
	}
	return parts
}

func (s *Store) missingBlob(ctx context.Context, d digest.Digest) ([]digest.Digest, error) {
	return s.blobs.Missing(ctx, []digest.Digest{d})
}
