package record

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/ledger"
)

const tombstoneFormat = "git-bst tombstone"

// Tombstone withdraws one artifact of one build key: it is not to be used, promoted or pushed.
type Tombstone struct {
	BuildKey string        `json:"build-key"`
	Artifact digest.Digest `json:"artifact"` // of the artifact's message
	// Record is the record of the build that was withdrawn; "" if not known.
	Record string    `json:"record,omitempty"`
	Reason Reason    `json:"reason"`
	Time   time.Time `json:"time"`
}

// Withdraw writes a tombstone; one that is there already stays. Hold the lock of the build key,
// so that no put or push of the artifact is between its check and its end (rule 34).
func (s *Store) Withdraw(ctx context.Context, t Tombstone) error {
	name, err := tombstonePath(t.BuildKey, t.Artifact)
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	if _, found, err := s.Withdrawn(ctx, t.BuildKey, t.Artifact); err == nil && found {
		return nil
	}
	t.Time = t.Time.UTC()
	data, err := ledger.Seal(tombstoneFormat, Version, t)
	if err == nil {
		err = s.files.Write(name, data)
	}
	if err != nil {
		return fmt.Errorf("withdraw artifact %s of %s: %w", t.Artifact.Hash(), t.BuildKey, err)
	}
	return nil
}

// Withdrawn reports whether the artifact of the build key was withdrawn, and why. A tombstone that
// is damaged or of a newer format counts, without a reason; one that cannot be read is an error.
func (s *Store) Withdrawn(_ context.Context, buildKey string, artifact digest.Digest) (Tombstone, bool, error) {
	name, err := tombstonePath(buildKey, artifact)
	if err != nil {
		return Tombstone{}, false, fmt.Errorf("look for a withdrawal: %w", err)
	}
	data, err := s.files.Read(name)
	if errors.Is(err, cas.ErrNotFound) {
		return Tombstone{}, false, nil
	}
	t := Tombstone{}
	if err == nil {
		err = ledger.Unseal(tombstoneFormat, Version, data, &t)
	}
	if errors.Is(err, cas.ErrCorrupt) || errors.Is(err, cas.ErrNewerFormat) {
		return Tombstone{BuildKey: buildKey, Artifact: artifact}, true, nil
	}
	if err != nil {
		return Tombstone{}, false, fmt.Errorf("look for a withdrawal: %w", err)
	}
	return t, true, nil
}

// Tombstones calls yield for every withdrawal that can be read.
func (s *Store) Tombstones(ctx context.Context, yield func(Tombstone) error) error {
	return s.files.Each(ctx, "tombstones", func(name string) error {
		t, err := s.readTombstone(name)
		if err != nil {
			return nil
		}
		return yield(t)
	})
}

func (s *Store) readTombstone(name string) (t Tombstone, err error) {
	data, err := s.files.Read(name)
	if err == nil {
		err = ledger.Unseal(tombstoneFormat, Version, data, &t)
	}
	return t, err
}

func (s *Store) checkTombstone(name string) error {
	t, err := s.readTombstone(name)
	if err != nil {
		return err
	}
	if want, err := tombstonePath(t.BuildKey, t.Artifact); err != nil || want != name {
		return fmt.Errorf("%w: tombstone %s is of another artifact", cas.ErrCorrupt, path.Base(name))
	}
	return nil
}

func tombstonePath(buildKey string, artifact digest.Digest) (string, error) {
	if !keyPattern.MatchString(buildKey) || artifact.IsZero() {
		return "", fmt.Errorf("%w: build key %q, artifact %q", ErrInvalid, buildKey, artifact)
	}
	return path.Join("tombstones", shard(buildKey), artifact.Hash()), nil
}
