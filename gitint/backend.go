package gitint

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// facts are what decides how a repository's objects are read.
type facts struct {
	format     string   // sha1 or sha256
	extensions []string // extensions.* that are set, in lower case
	promisor   bool     // a partial clone
	alternates bool     // objects are borrowed from elsewhere
	replaced   bool     // there are replace refs
	grafts     bool     // there is a grafts file
	shallow    bool     // history is cut off
	midx       bool     // packs may have no index of their own
	idxBytes   int64    // all pack indexes together
}

// backend is a way to read objects.
type backend string

// The backends.
const (
	backendGoGit backend = "go-git" // in this process
	backendGit   backend = "git"    // git cat-file
)

// maxIdxBytes is from where go-git's decoding of whole pack indexes costs more than the start of
// git: 34 MB took 290-1150 ms, git 3-12 ms; so 1 MB is about 10 ms.
const maxIdxBytes = 1 << 20

// backend returns go-git only where it reads all that git reads and starts as quickly. go-git
// refuses every extension, finds no relative alternates, ignores replace refs and grafts.
func (f facts) backend() backend {
	plain := f.format == "sha1" && len(f.extensions) == 0 && !f.promisor && !f.alternates &&
		!f.replaced && !f.grafts && !f.shallow && !f.midx && f.idxBytes <= maxIdxBytes
	if plain {
		return backendGoGit
	}
	return backendGit
}

// facts looks at the repository's files.
func (r *Repo) facts() facts {
	exists := func(parts ...string) bool {
		_, err := os.Stat(filepath.Join(parts...))
		return err == nil
	}
	common, objects := r.place.commonDir, r.place.objects
	f := facts{
		format: r.place.format, extensions: r.config.extensions(), promisor: r.config.promisor(),
		alternates: exists(objects, "info", "alternates") || exists(objects, "info", "http-alternates"),
		replaced:   exists(common, "refs", "replace"),
		grafts:     exists(common, "info", "grafts"),
		shallow:    exists(common, "shallow"),
		midx:       exists(objects, "pack", "multi-pack-index"),
	}
	if packed, err := os.ReadFile(filepath.Join(common, "packed-refs")); err == nil {
		f.replaced = f.replaced || strings.Contains(string(packed), " refs/replace/")
	}
	indexes, _ := filepath.Glob(filepath.Join(objects, "pack", "*.idx"))
	for _, index := range indexes {
		if info, err := os.Stat(index); err == nil {
			f.idxBytes += info.Size()
		}
	}
	return f
}

// objects returns a reader of the repository's objects.
func (r *Repo) objects() reader {
	choice := r.force
	if choice == "" {
		choice = r.facts().backend()
	}
	if choice == backendGoGit && filepath.Join(r.place.commonDir, "objects") == r.place.objects {
		return newGoGit(r)
	}
	return newBatch(r)
}

// layered reads loose objects of a folder first.
type layered struct {
	dir  string
	next reader
}

// each implements reader.
func (l layered) each(ctx context.Context, oids []string, visit visitor) error {
	var rest []int
	for i, oid := range oids {
		object, err := openLoose(l.dir, oid)
		if err != nil {
			rest = append(rest, i)
			continue
		}
		err = visit(i, object.kind, object.size, object)
		object.Close()
		if err != nil {
			return err
		}
	}
	return eachOf(ctx, l.next, oids, rest, visit)
}

// Close implements reader.
func (l layered) Close() error { return l.next.Close() }

// eachOf reads those of oids that which lists.
func eachOf(ctx context.Context, objects reader, oids []string, which []int, visit visitor) error {
	if len(which) == 0 {
		return nil
	}
	names := make([]string, len(which))
	for i, w := range which {
		names[i] = oids[w]
	}
	return objects.each(ctx, names, func(i int, kind string, size int64, body io.Reader) error {
		return visit(which[i], kind, size, body)
	})
}
