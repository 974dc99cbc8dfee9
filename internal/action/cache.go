package action

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/ledger"
	"github.com/git-bst/git-bst/internal/record"
)

// CacheVersion is the version of the form that a Cache writes, and the newest that it reads.
const CacheVersion = 1

// ErrInvalid is returned for what must not be put into a Cache: no key, nothing in it, or a result
// that rule 24 forbids.
var ErrInvalid = errors.New("not a valid action result")

const cacheFormat = "git-bst action"

var keyPattern = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// Type says what kind of action a key is of. It keeps kinds apart that share the Cache.
type Type string

// The types of actions.
const (
	// Phase is one phase of an element; its key is a phase key (rule 1).
	Phase Type = "phase"
	// Integration runs integration commands in a sysroot; a sysroot goes in, another comes out.
	Integration Type = "integration"
)

// Outputs are what an action left. Trees and blobs that do not apply are zero.
type Outputs struct {
	// Root is the whole root after an Integration.
	Root digest.Digest `json:"root,omitzero"`
	// BuildTree and InstallTree are the trees after a Phase; the Times blobs their files' times.
	BuildTree    digest.Digest `json:"build-tree,omitzero"`
	BuildTimes   digest.Digest `json:"build-times,omitzero"`
	InstallTree  digest.Digest `json:"install-tree,omitzero"`
	InstallTimes digest.Digest `json:"install-times,omitzero"`
	// Special is a blob with what the trees do not hold of files and folders: paths begin with
	// "build/", "install/", "tmp/" or "shm/" (tree.EncodeSpecial).
	Special digest.Digest `json:"special,omitzero"`
	// Tmp and Shm are what was left in /tmp and /dev/shm.
	Tmp digest.Digest `json:"tmp,omitzero"`
	Shm digest.Digest `json:"shm,omitzero"`
	// Trace and Log are blobs.
	Trace digest.Digest `json:"trace,omitzero"`
	Log   digest.Digest `json:"log,omitzero"`

	Duration time.Duration `json:"ns,omitempty"`      // nanoseconds
	MaxRSS   int64         `json:"max-rss,omitempty"` // bytes
	// Record is the id of the record of the build that ran it.
	Record string `json:"record,omitempty"`
	// How says what the tree stood on: Clean or Resumed, nothing else may be cached (rule 24).
	How record.How `json:"how"`
}

// stored is one file of a Cache.
type stored struct {
	Type    Type    `json:"type"`
	Key     string  `json:"key"`
	Outputs Outputs `json:"outputs"`
}

// A Cache holds the outputs of actions that succeeded, by key, in a folder that any number of
// processes share. The first writer of a key wins, so that all who resume meet in the same trees.
// An entry counts only while all that it names is in the blob store.
type Cache struct {
	files ledger.Folder
	blobs cas.Store
	trees *artifact.Trees
}

// OpenCache returns the cache in the folder dir ($cache/actions), whose blobs are in blobs.
// Nothing is read or made yet. Hold a lease on blobs for as long as what Get found must stay.
func OpenCache(dir string, blobs cas.Store) *Cache {
	return &Cache{files: ledger.Open(dir), blobs: blobs, trees: artifact.NewTrees(blobs)}
}

// Get returns the outputs of an action. cas.ErrNotFound when there are none, or not all of their
// blobs are there; cas.ErrCorrupt and cas.ErrNewerFormat for a file that cannot be used. After
// success its time of last use is now.
func (c *Cache) Get(ctx context.Context, kind Type, key string) (Outputs, error) {
	out, err := c.peek(kind, key)
	if err == nil {
		err = c.complete(ctx, out)
	}
	if err != nil {
		return Outputs{}, fmt.Errorf("get %s %s: %w", kind, key, err)
	}
	c.files.Touch(cachePath(key))
	return out, nil
}

// Put stores the outputs of an action that succeeded and returns those that the key now has: out,
// or what another had put before, if that can still be used. The blobs are synced first; all must
// be there. ErrInvalid, cas.ErrNotFound for a missing blob, cas.ErrReadOnly, cas.ErrNoSpace.
func (c *Cache) Put(ctx context.Context, kind Type, key string, out Outputs) (Outputs, error) {
	kept, err := c.put(ctx, kind, key, out)
	if err != nil {
		return Outputs{}, fmt.Errorf("cache %s %s: %w", kind, key, err)
	}
	return kept, nil
}

func (c *Cache) put(ctx context.Context, kind Type, key string, out Outputs) (Outputs, error) {
	if err := validate(kind, key, out); err != nil {
		return Outputs{}, err
	}
	if err := c.complete(ctx, out); err != nil {
		return Outputs{}, err
	}
	data, err := ledger.Seal(cacheFormat, CacheVersion, stored{Type: kind, Key: key, Outputs: out})
	if err != nil {
		return Outputs{}, err
	}
	if durable, ok := c.blobs.(interface{ Sync(context.Context) error }); ok {
		if err := durable.Sync(ctx); err != nil {
			return Outputs{}, err
		}
	}
	unlock, err := c.files.Lock(ctx, key[:2])
	if err != nil {
		return Outputs{}, err
	}
	defer unlock()
	first, err := c.peek(kind, key)
	if errors.Is(err, cas.ErrNewerFormat) {
		// A later program's entry is better than ours, though we cannot use it.
		return out, nil
	}
	if err == nil && c.complete(ctx, first) == nil {
		return first, nil
	}
	return out, c.files.Write(cachePath(key), data)
}

func validate(kind Type, key string, out Outputs) error {
	switch {
	case !keyPattern.MatchString(key):
		return fmt.Errorf("%w: key %q", ErrInvalid, key)
	case kind != Phase && kind != Integration:
		return fmt.Errorf("%w: type %q", ErrInvalid, kind)
	case out.How != record.Clean && out.How != record.Resumed:
		return fmt.Errorf("%w: its tree is %q, not clean or resumed", ErrInvalid, out.How)
	case kind == Integration && out.Root.IsZero():
		return fmt.Errorf("%w: an integration without a root", ErrInvalid)
	case kind == Phase && out.BuildTree.IsZero() && out.InstallTree.IsZero():
		return fmt.Errorf("%w: a phase without a tree", ErrInvalid)
	}
	return nil
}

// Delete removes an entry. That there is none is no error.
func (c *Cache) Delete(key string) error {
	if !keyPattern.MatchString(key) {
		return fmt.Errorf("delete action: %w: key %q", ErrInvalid, key)
	}
	if err := c.files.Remove(cachePath(key)); err != nil {
		return fmt.Errorf("delete action %s: %w", key, err)
	}
	return nil
}

// Has reports whether Get would find the outputs, which it does not touch. It is what planning
// asks of each phase of a chain (rule 1: Resume is the longest prefix that is there).
func (c *Cache) Has(ctx context.Context, kind Type, key string) bool {
	out, err := c.peek(kind, key)
	return err == nil && c.complete(ctx, out) == nil
}

func (c *Cache) peek(kind Type, key string) (Outputs, error) {
	if !keyPattern.MatchString(key) {
		return Outputs{}, fmt.Errorf("%w: key %q", cas.ErrNotFound, key)
	}
	found, err := c.read(key)
	if err != nil {
		return Outputs{}, err
	}
	if found.Type != kind {
		return Outputs{}, fmt.Errorf("%w: key is of a %s", cas.ErrNotFound, found.Type)
	}
	return found.Outputs, nil
}

func (c *Cache) read(key string) (stored, error) {
	data, err := c.files.Read(cachePath(key))
	if err != nil {
		return stored{}, err
	}
	var found stored
	if err := ledger.Unseal(cacheFormat, CacheVersion, data, &found); err != nil {
		return stored{}, err
	}
	if found.Key != key || validate(found.Type, key, found.Outputs) != nil {
		return stored{}, fmt.Errorf("%w: it is of key %q", cas.ErrCorrupt, found.Key)
	}
	return found, nil
}

// Roots returns all that the outputs refer to.
func (o Outputs) Roots() artifact.Roots {
	var r artifact.Roots
	r.AddTrees(o.Root, o.BuildTree, o.InstallTree, o.Tmp, o.Shm)
	r.AddBlobs(o.BuildTimes, o.InstallTimes, o.Special, o.Trace, o.Log)
	return r
}

// complete returns cas.ErrNotFound unless all that o refers to is in the blob store.
func (c *Cache) complete(ctx context.Context, o Outputs) error {
	roots := o.Roots()
	missing, err := c.blobs.Missing(ctx, roots.Blobs)
	if err != nil {
		return err
	}
	for _, root := range roots.Trees {
		if len(missing) > 0 {
			break
		}
		if missing, err = c.trees.Missing(ctx, root); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: incomplete: %d blobs are gone, %s first", cas.ErrNotFound, len(missing), missing[0])
	}
	return nil
}

// CacheEntry is one entry of Each.
type CacheEntry struct {
	Type Type
	Key  string
	// Used is when it was last put or got.
	Used    time.Time
	Outputs Outputs
}

// Each calls yield for every entry, complete or not, sorted by key. What cannot be read is told to
// report, if that is not nil.
func (c *Cache) Each(ctx context.Context, yield func(CacheEntry) error, report func(path string, err error)) error {
	return c.files.Each(ctx, ".", func(name string) error {
		key := path.Base(name)
		err := fmt.Errorf("%w: no action has such a name", ErrInvalid)
		var found stored
		if keyPattern.MatchString(key) && cachePath(key) == name {
			found, err = c.read(key)
		}
		if errors.Is(err, cas.ErrNotFound) {
			return nil
		}
		if err != nil {
			if report != nil {
				report(c.files.Path(name), err)
			}
			return nil
		}
		return yield(CacheEntry{Type: found.Type, Key: key, Used: c.files.Used(name), Outputs: found.Outputs})
	})
}

// Roots returns what the entries refer to that keep says yes to (nil: all), for the collector.
// Damaged and foreign files are passed over; one that cannot be read or is of a newer format is
// an error, since nobody can tell what it refers to.
func (c *Cache) Roots(ctx context.Context, keep func(CacheEntry) bool) (artifact.Roots, error) {
	var roots artifact.Roots
	var bad error
	err := c.Each(ctx, func(e CacheEntry) error {
		if keep == nil || keep(e) {
			roots.Add(e.Outputs.Roots())
		}
		return nil
	}, func(_ string, err error) {
		if !errors.Is(err, cas.ErrCorrupt) && !errors.Is(err, ErrInvalid) {
			bad = err
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return artifact.Roots{}, fmt.Errorf("find what actions refer to: %w", err)
	}
	return roots, nil
}

// Check looks at every file and reports what is damaged (cas.ErrCorrupt), newer
// (cas.ErrNewerFormat), foreign (ErrInvalid) or incomplete (cas.ErrNotFound). It changes nothing;
// report is called by this goroutine.
func (c *Cache) Check(ctx context.Context, report func(path string, err error)) error {
	err := c.Each(ctx, func(e CacheEntry) error {
		if err := c.complete(ctx, e.Outputs); err != nil && ctx.Err() == nil {
			report(c.files.Path(cachePath(e.Key)), err)
		}
		return ctx.Err()
	}, report)
	if err != nil {
		return fmt.Errorf("check actions: %w", err)
	}
	return nil
}

// Sweep removes what killed processes left before the time old.
func (c *Cache) Sweep(ctx context.Context, old time.Time) error { return c.files.Sweep(ctx, old) }

func cachePath(key string) string { return key[:2] + "/" + key }
