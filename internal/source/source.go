package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
)

var (
	// ErrNotFetched is returned by Stage for a source that is in no mirror.
	ErrNotFetched = errors.New("not fetched")
	// ErrNoRef is returned where a ref is needed and the source has none.
	ErrNoRef = errors.New("the source has no ref")
	// ErrNoTool is returned when a program of the host is missing.
	ErrNoTool = errors.New("program not found")
	// ErrUnsupported is returned for a kind, or a use of one, that is not implemented.
	ErrUnsupported = errors.New("not supported")
	// ErrAsItIs is Env.Local's answer for a source that nothing stands for.
	ErrAsItIs = errors.New("read as it is")
)

// Env is what sources are fetched with and staged to. It is not changed.
type Env struct {
	Store     *cas.Local
	MirrorDir string // absolute; made when needed
	// Git reaches servers with the user's configuration (credentials, proxies, url.*.insteadOf), as
	// BuildStream does, and does all else with none.
	Git gitint.Git
	// HTTP carries proxies and certificates; nil is a client without proxies.
	HTTP *http.Client
	// Environ is the whole environment of the other programs that are run (patch, lzip), which are
	// searched in its PATH.
	Environ []string
	// InPlace returns the tree of a local source whose folder holds the project's own project.conf
	// (rule 7). When it is nil such a source is an error.
	InPlace func(ctx context.Context, el *project.Element, src project.Source) (digest.Digest, error)
	// Local returns the tree that stands for what a local source's file or folder holds, such as
	// another commit's. nil, and ErrAsItIs from it: they are read as they are.
	Local  func(ctx context.Context, el *project.Element, src project.Source) (digest.Digest, error)
	Limits Limits
	// Jobs is how many elements Fetch works on at the same time; 0 is defaultJobs.
	Jobs int
	// RetryDelay is how long to wait before the second attempt to reach a server; the third waits
	// twice as long.
	RetryDelay time.Duration
	// Progress takes one line of talk. It may be called from several goroutines. May be nil.
	Progress func(line string)
	Now      func() time.Time
}

// defaultJobs is BuildStream's number of fetchers.
const defaultJobs = 10

// Limits bound what a server may make of this machine. Zero values stand for the defaults.
type Limits struct {
	// DownloadBytes is the size of one downloaded file; the default is 8 GiB.
	DownloadBytes int64
	// UnpackedBytes is the size of all files of an archive together. The default, 32 GiB, is twice the
	// largest source release known to us.
	UnpackedBytes int64
	// Members is the number of an archive's entries; the default, a million, is twice the largest
	// release's known to us. The memory for their names is bounded by it too: see nameBudget.
	Members int
}

func (l Limits) orDefault() Limits {
	if l.DownloadBytes == 0 {
		l.DownloadBytes = 8 << 30
	}
	if l.UnpackedBytes == 0 {
		l.UnpackedBytes = 32 << 30
	}
	if l.Members == 0 {
		l.Members = 1 << 20
	}
	return l
}

func (e Env) progress(line string) {
	if e.Progress != nil {
		e.Progress(line)
	}
}

func (e Env) now() time.Time {
	if e.Now == nil {
		return time.Time{} // nothing is stale then
	}
	return e.Now()
}

// tool returns the path of a program of the host, searched in Environ's PATH.
func (e Env) tool(name, purpose string) (string, error) {
	for _, setting := range e.Environ {
		list, ok := strings.CutPrefix(setting, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			file := filepath.Join(dir, name)
			if info, err := os.Stat(file); filepath.IsAbs(file) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file, nil
			}
		}
	}
	err := fmt.Errorf("%w: %s, to %s", ErrNoTool, name, purpose)
	return "", hint.Addf(err, "install it: apt install %s", name)
}

// Fetch brings all sources of the elements into the mirrors, several elements at a time. What is
// there already is not asked for again. It ends with the first error, or when ctx ends.
func Fetch(ctx context.Context, e Env, elements ...*project.Element) error {
	e.removeStale()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.jobs())
	for _, el := range elements {
		group.Go(func() error { return e.fetch(ctx, el) })
	}
	return group.Wait()
}

func (e Env) jobs() int {
	if e.Jobs > 0 {
		return e.Jobs
	}
	return defaultJobs
}

func (e Env) fetch(ctx context.Context, el *project.Element) error {
	for _, src := range el.Sources {
		k, err := e.open(el, src)
		if err == nil {
			err = k.fetch(ctx)
		}
		switch {
		case errors.Is(err, ErrNoRef):
			err = hint.Addf(err, "to find the newest one and write it: git bst source track %s", el.FullName())
		case errors.Is(err, ErrMismatch):
			err = hint.Addf(err, "if the new version is wanted: git bst source track %s", el.FullName())
		}
		if err != nil {
			return fmt.Errorf("fetch %s: %w", describe(el, src), err)
		}
	}
	return nil
}

// Cached reports whether Stage can do without a network: all sources are in the mirrors. A source
// that cannot be read counts as not there.
func Cached(ctx context.Context, e Env, el *project.Element) bool {
	for _, src := range el.Sources {
		k, err := e.open(el, src)
		if err != nil || !k.cached(ctx) {
			return false
		}
	}
	return true
}

// NewRef is the version of a source that Track found. Old is "" when there was none.
type NewRef struct {
	Element  *project.Element
	Index    int // of the source
	Ref, Old string
}

// Track asks where the sources come from for their newest versions. Sources that cannot be tracked
// are left out; unchanged ones are in the result, with Ref equal to Old. Nothing is written to
// elements.
func Track(ctx context.Context, e Env, el *project.Element) ([]NewRef, error) {
	var refs []NewRef
	for _, src := range el.Sources {
		k, err := e.open(el, src)
		var ref string
		if err == nil {
			ref, err = k.track(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("track %s: %w", describe(el, src), err)
		}
		if ref == "" {
			continue
		}
		old, err := src.Config.StrOr("ref", "")
		if err != nil {
			return nil, err
		}
		refs = append(refs, NewRef{Element: el, Index: src.Index, Ref: ref, Old: old})
	}
	return refs, nil
}

// describe names a source to the user, with its place.
func describe(el *project.Element, src project.Source) string {
	return fmt.Sprintf("%s: %s: source %d (%s)", src.At, el.FullName(), src.Index, src.Kind)
}
