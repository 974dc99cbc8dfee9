package action

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/ledger"
)

const verdictFormat = "git-bst verdict"

// VerdictVersion is the version of the form that Verdicts writes, and the newest that it reads.
const VerdictVersion = 1

// Verdict is how a test command ended that ended by itself.
type Verdict struct {
	ExitCode int           `json:"exit"`
	Duration time.Duration `json:"ns"` // nanoseconds
}

// storedVerdict is one file of Verdicts.
type storedVerdict struct {
	Key     string  `json:"key"`
	Verdict Verdict `json:"verdict"`
}

// Verdicts remembers how test commands ended, by the key of all that they depend on (keys.Test), in a
// folder that any number of processes share. It names no blobs.
type Verdicts struct{ files ledger.Folder }

// OpenVerdicts returns the verdicts in the folder dir ($cache/verdicts). Nothing is read or made yet.
func OpenVerdicts(dir string) *Verdicts { return &Verdicts{files: ledger.Open(dir)} }

// Get returns the verdict of a key. cas.ErrNotFound where none is known; cas.ErrCorrupt and
// cas.ErrNewerFormat for a file that can't be used. After success its time of last use is now.
func (v *Verdicts) Get(key string) (Verdict, error) {
	found, err := v.read(key)
	if err != nil {
		return Verdict{}, fmt.Errorf("get verdict %s: %w", key, err)
	}
	v.files.Touch(cachePath(key))
	return found, nil
}

func (v *Verdicts) read(key string) (Verdict, error) {
	if !keyPattern.MatchString(key) {
		return Verdict{}, fmt.Errorf("%w: key %q", cas.ErrNotFound, key)
	}
	data, err := v.files.Read(cachePath(key))
	if err != nil {
		return Verdict{}, err
	}
	var found storedVerdict
	if err := ledger.Unseal(verdictFormat, VerdictVersion, data, &found); err != nil {
		return Verdict{}, err
	}
	if found.Key != key {
		return Verdict{}, fmt.Errorf("%w: it is of key %q", cas.ErrCorrupt, found.Key)
	}
	return found.Verdict, nil
}

// Put remembers a verdict, in place of an earlier one. ErrInvalid for what is no key, cas.ErrReadOnly,
// cas.ErrNoSpace.
func (v *Verdicts) Put(key string, verdict Verdict) error {
	if !keyPattern.MatchString(key) {
		return fmt.Errorf("put verdict: %w: key %q", ErrInvalid, key)
	}
	data, err := ledger.Seal(verdictFormat, VerdictVersion, storedVerdict{Key: key, Verdict: verdict})
	if err == nil {
		err = v.files.Write(cachePath(key), data)
	}
	if err != nil {
		return fmt.Errorf("put verdict %s: %w", key, err)
	}
	return nil
}

// verdictAge is how long a verdict is kept that nobody asks for: a file of some hundred bytes, worth a
// test's run, and few bisections last longer.
const verdictAge = 180 * 24 * time.Hour

// Sweep removes what was not used for long, and what processes left that were killed before the time old.
func (v *Verdicts) Sweep(ctx context.Context, old time.Time) error {
	err := v.files.Each(ctx, ".", func(name string) error {
		if used := v.files.Used(name); !used.IsZero() && used.Before(old.Add(-verdictAge)) {
			return v.files.Remove(name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sweep verdicts: %w", err)
	}
	return v.files.Sweep(ctx, old)
}

// Check looks at every file and reports what is damaged (cas.ErrCorrupt), newer (cas.ErrNewerFormat) or
// foreign (ErrInvalid). It changes nothing.
func (v *Verdicts) Check(ctx context.Context, report func(path string, err error)) error {
	err := v.files.Each(ctx, ".", func(name string) error {
		key := path.Base(name)
		if !keyPattern.MatchString(key) || cachePath(key) != name {
			report(v.files.Path(name), fmt.Errorf("%w: no verdict has such a name", ErrInvalid))
		} else if _, err := v.read(key); err != nil && !errors.Is(err, cas.ErrNotFound) {
			report(v.files.Path(name), err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("check verdicts: %w", err)
	}
	return nil
}
