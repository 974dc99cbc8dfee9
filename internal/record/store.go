package record

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/ledger"
)

// ErrInvalid is returned for a record that lacks what every record has, and for what is no id.
var ErrInvalid = errors.New("not a valid record")

var keyPattern = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

const format = "git-bst record"

// A Store holds records in a folder that any number of processes share:
//
//	log/YYYYMM/ID.json          one record, sealed (see ledger.Seal); the month is the id's
//	keys/KK/BUILDKEY/ID         empty: this record is of that build key
//	elements/HH/HASH/ID         empty: of that element; the SHA-256 of "project\nelement"
//	tombstones/KK/BUILDKEY/HASH one withdrawal, sealed; the hash is the artifact's
//
// A record is written before its entries in keys and elements, the index, and deleted after them. A
// crash in between loses nothing but the short way to the record: Reindex makes it again.
type Store struct{ files ledger.Folder }

// Open returns the store in the folder dir ($cache/records). Nothing is read or made yet.
func Open(dir string) *Store { return &Store{files: ledger.Open(dir)} }

// Put writes a record. The blobs that it names must have been synced before. After success it is
// on disk. ErrInvalid, cas.ErrReadOnly, cas.ErrNoSpace.
func (s *Store) Put(_ context.Context, r Record) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	r.canonical()
	data, err := ledger.Seal(format, Version, r)
	if err == nil {
		err = s.files.Write(logPath(r.ID), data)
	}
	for _, entry := range r.entries() {
		if err == nil {
			err = s.files.Write(entry, nil)
		}
	}
	if err != nil {
		return fmt.Errorf("write record %s: %w", r.ID, err)
	}
	return nil
}

func (r Record) validate() error {
	switch {
	case !ValidID(r.ID):
		return fmt.Errorf("%w: id %q", ErrInvalid, r.ID)
	case r.BuildKey != "" && !keyPattern.MatchString(r.BuildKey):
		return fmt.Errorf("%w: build key %q", ErrInvalid, r.BuildKey)
	case r.Project == "" || r.Element == "" || r.Result == "":
		return fmt.Errorf("%w: %s lacks its project, element or result", ErrInvalid, r.ID)
	}
	return nil
}

// canonical brings times to UTC, so that equal records have equal bytes wherever they were made.
func (r *Record) canonical() {
	r.Started = r.Started.UTC()
	r.Phases = slices.Clone(r.Phases)
	for i := range r.Phases {
		r.Phases[i].Started = r.Phases[i].Started.UTC()
	}
}

// Get returns the record with this id: cas.ErrNotFound, cas.ErrCorrupt, cas.ErrNewerFormat, or
// ErrInvalid for what is no id.
func (s *Store) Get(_ context.Context, id string) (Record, error) {
	if !ValidID(id) {
		return Record{}, fmt.Errorf("read record: %w: id %q", ErrInvalid, id)
	}
	data, err := s.files.Read(logPath(id))
	var r Record
	if err == nil {
		err = ledger.Unseal(format, Version, data, &r)
	}
	if err == nil && (r.ID != id || r.validate() != nil) {
		err = fmt.Errorf("%w: it holds record %q", cas.ErrCorrupt, r.ID)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read record %s: %w", id, err)
	}
	return r, nil
}

// Filter says which records List returns; the zero Filter is all. Empty fields do not count.
type Filter struct {
	Project, Element, BuildKey string
	Result                     Result
	Verdict                    string
	// Unsuccessful leaves out what succeeded.
	Unsuccessful bool
	// Since leaves out what started before.
	Since time.Time
	// Limit is the greatest number of records; 0 is all.
	Limit int
	// Among is how many of the newest records are looked at at most, of the build key or element if
	// that is in the filter; 0 is all.
	Among int
}

func (f Filter) admits(r Record) bool {
	return (f.Project == "" || f.Project == r.Project) && (f.Element == "" || f.Element == r.Element) &&
		(f.BuildKey == "" || f.BuildKey == r.BuildKey) && (f.Result == "" || f.Result == r.Result) &&
		(f.Verdict == "" || f.Verdict == r.Verdict) && (!f.Unsuccessful || r.Result != Success) &&
		!r.Started.Before(f.Since)
}

// List returns the records that the filter admits, the newest first. A file that is damaged or of
// a newer format is left out and told to report, if that is not nil.
func (s *Store) List(ctx context.Context, f Filter, report func(path string, err error)) ([]Record, error) {
	var found []Record
	looked := 0
	err := s.eachID(ctx, f, func(id string) (more bool) {
		r, err := s.Get(ctx, id)
		looked++
		switch {
		case errors.Is(err, cas.ErrNotFound): // deleted meanwhile
		case err != nil:
			if report != nil {
				report(s.files.Path(logPath(id)), err)
			}
		case f.admits(r):
			found = append(found, r)
		}
		return (f.Limit == 0 || len(found) < f.Limit) && (f.Among == 0 || looked < f.Among)
	})
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	return found, nil
}

// ByBuildKey returns the records of a build key, the newest first. Damaged ones are left out.
func (s *Store) ByBuildKey(ctx context.Context, buildKey string) ([]Record, error) {
	if !keyPattern.MatchString(buildKey) {
		return nil, nil
	}
	return s.List(ctx, Filter{BuildKey: buildKey}, nil)
}

// Latest returns the newest record that the filter admits, or cas.ErrNotFound.
func (s *Store) Latest(ctx context.Context, f Filter) (Record, error) {
	f.Limit = 1
	found, err := s.List(ctx, f, nil)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("find record of %s: %w", f.Element, cas.ErrNotFound)
	}
	if err != nil {
		return Record{}, err
	}
	return found[0], nil
}

// Delete removes a record. That there is none is no error.
func (s *Store) Delete(ctx context.Context, id string) error {
	r, err := s.Get(ctx, id)
	if errors.Is(err, ErrInvalid) {
		return fmt.Errorf("delete record: %w", err)
	}
	for _, entry := range r.entries() {
		if err := s.files.Remove(entry); err != nil {
			return fmt.Errorf("delete record %s: %w", id, err)
		}
	}
	if err := s.files.Remove(logPath(id)); err != nil {
		return fmt.Errorf("delete record %s: %w", id, err)
	}
	return nil
}

// eachID calls yield for the ids that the filter may admit, by the shortest way that the index
// has, the newest first, while it says so.
func (s *Store) eachID(ctx context.Context, f Filter, yield func(id string) (more bool)) error {
	folders, err := s.folders(f)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		names, err := s.files.Names(folder)
		if err != nil {
			return err
		}
		for _, name := range slices.Backward(names) {
			if err := ctx.Err(); err != nil {
				return err
			}
			id := strings.TrimSuffix(name, ".json")
			if ValidID(id) && !yield(id) {
				return nil
			}
		}
	}
	return nil
}

// Check looks at every file and reports what is damaged (cas.ErrCorrupt), newer
// (cas.ErrNewerFormat), foreign (ErrInvalid) or not rightly in the index (ErrNotIndexed, which
// Reindex mends). It changes nothing; report is called by this goroutine.
func (s *Store) Check(ctx context.Context, report func(path string, err error)) error {
	for folder, check := range map[string]func(name string) error{
		"log":        func(name string) error { return s.checkRecord(ctx, name) },
		"keys":       s.checkEntry,
		"elements":   s.checkEntry,
		"tombstones": s.checkTombstone,
	} {
		err := s.files.Each(ctx, folder, func(name string) error {
			if err := check(name); err != nil {
				report(s.files.Path(name), err)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("check records: %w", err)
		}
	}
	return nil
}

// ErrNotIndexed is reported by Check; see there.
var ErrNotIndexed = errors.New("the index and the records disagree")

func (s *Store) checkRecord(ctx context.Context, name string) error {
	id := strings.TrimSuffix(path.Base(name), ".json")
	if !ValidID(id) || logPath(id) != name {
		return fmt.Errorf("%w: no record has such a name", ErrInvalid)
	}
	r, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	for _, entry := range r.entries() {
		if s.files.Used(entry).IsZero() {
			return fmt.Errorf("%w: %s is not there", ErrNotIndexed, entry)
		}
	}
	return nil
}

// Sweep removes what killed processes left before the time old.
func (s *Store) Sweep(ctx context.Context, old time.Time) error { return s.files.Sweep(ctx, old) }
