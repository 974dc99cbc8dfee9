package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/tree"
)

var (
	strictKey = strings.Repeat("ab", 32)
	weakKey   = strings.Repeat("cd", 32)
	buildKey  = strings.Repeat("ef", 32)
)

func put(t *testing.T, store cas.Store, text string) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// plant stores a tree of files, by path; a path that ends in "/" is an empty folder.
func plant(t *testing.T, store cas.Store, files map[string]string) digest.Digest {
	t.Helper()
	root, err := tree.Save(t.Context(), store, tree.Directory{})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range files {
		entry := tree.Entry{Kind: tree.KindFile, Digest: put(t, store, text)}
		if strings.HasSuffix(path, "/") {
			entry = tree.Entry{Kind: tree.KindDir, Digest: digest.Empty}
		}
		root, err = tree.Insert(t.Context(), store, root, strings.TrimSuffix(path, "/"), entry)
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// sample stores all that an artifact needs and returns it.
func sample(t *testing.T, store cas.Store) artifact.Artifact {
	t.Helper()
	meta, err := artifact.PutMetadata(t.Context(), store, artifact.Metadata{
		Public:      map[string]any{"bst": map[string]any{"split-rules": map[string][]string{"all": {"/**"}}}},
		Environment: map[string]string{"PATH": "/usr/bin"},
		Sandbox:     map[string]any{"build-os": "linux", "build-arch": "x86-64"},
		Variables:   map[string]string{"prefix": "/usr"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Artifact{
		Version: artifact.Version, BuildSuccess: true, BuildError: artifact.Succeeded,
		StrongKey: strictKey, StrictKey: strictKey, WeakKey: weakKey,
		Files:      plant(t, store, map[string]string{"usr/bin/hello": "hello\n", "usr/share/": ""}),
		BuildDeps:  []artifact.Dep{{Project: "p", Element: "base.bst", Key: weakKey}},
		PublicData: meta.Public, LowDiversityMeta: meta.LowDiversity, HighDiversityMeta: meta.HighDiversity,
		Logs:      []artifact.Log{{Name: "build.log", Digest: put(t, store, "made\n")}},
		BuildTree: plant(t, store, map[string]string{"hello.o": "o\n"}),
	}
}

func TestPutGet(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	store, want := artifact.Open(dir, blobs), sample(t, blobs)
	refs := []artifact.Ref{
		artifact.BuildRef(buildKey),
		{Project: "p", Element: "base/hello world.bst", Key: strictKey},
		{Project: "p", Element: "base/hello world.bst", Key: weakKey},
	}
	d, err := store.Put(ctx, refs, want, "record-1")
	if err != nil {
		t.Fatal(err)
	}
	if named, err := want.Digest(); err != nil || named != d {
		t.Errorf("Put = %s, not the digest of the message", d)
	}
	for _, ref := range refs {
		got, err := artifact.Open(dir, blobs).Get(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, artifact.Entry{Ref: ref, Artifact: want, Digest: d, Record: "record-1"}) {
			t.Errorf("Get(%s) = %+v", ref, got)
		}
	}
	listed, err := store.List(ctx)
	if err != nil || len(listed) != 3 || listed[1].Ref != (artifact.Ref{Project: "p", Element: "base-hello_world.bst", Key: strictKey}) {
		t.Errorf("List = %+v, %v", listed, err)
	}
	if err := store.Delete(refs[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(ctx, refs[1]); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Get after Delete: %v", err)
	}
	if err := store.Delete(refs[1]); err != nil {
		t.Errorf("a second Delete: %v", err)
	}
}

// missing is a store that does not have one blob.
type missing struct {
	cas.Store
	gone digest.Digest
}

func (m missing) Missing(ctx context.Context, asked []digest.Digest) ([]digest.Digest, error) {
	for _, d := range asked {
		if d == m.gone {
			return []digest.Digest{d}, nil
		}
	}
	return m.Store.Missing(ctx, asked)
}

func TestIncompleteDoesNotCount(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	a := sample(t, blobs)
	ref := artifact.BuildRef(buildKey)
	if _, err := artifact.Open(dir, blobs).Put(ctx, []artifact.Ref{ref}, a, ""); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		gone digest.Digest
		what string
	}{
		{digest.Of([]byte("hello\n")), "files"}, {a.PublicData, "public data"}, {a.LowDiversityMeta, "environment"},
		{a.HighDiversityMeta, "variables"}, {a.Logs[0].Digest, "log"}, {a.BuildTree, ""},
	} {
		store := artifact.Open(dir, missing{blobs, test.gone})
		_, err := store.Get(ctx, ref)
		var incomplete *artifact.IncompleteError
		if test.what == "" {
			if err != nil {
				t.Errorf("a missing build tree makes an artifact incomplete: %v", err)
			}
			continue
		}
		if !errors.As(err, &incomplete) || !errors.Is(err, cas.ErrNotFound) || incomplete.What[0] != test.what {
			t.Errorf("without %s: %v", test.what, err)
		}
		if _, err := store.Put(ctx, []artifact.Ref{artifact.BuildRef(weakKey)}, a, ""); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("Put without %s: %v", test.what, err)
		}
		if _, err := store.Peek(ref); err != nil {
			t.Errorf("Peek without %s: %v", test.what, err)
		}
	}
	if _, err := artifact.Open(dir, blobs).Peek(artifact.BuildRef(weakKey)); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("a Put that failed left a file: %v", err)
	}
}

func TestHostileReferences(t *testing.T) {
	blobs := cas.NewMemory()
	store, a := artifact.Open(t.TempDir(), blobs), sample(t, blobs)
	for _, ref := range []artifact.Ref{
		{}, {Key: "../../etc/passwd"}, {Project: "..", Element: "a.bst", Key: strictKey}, {Project: "a/b", Element: "a.bst", Key: strictKey},
		{Project: "p", Element: "..", Key: strictKey}, {Project: "p", Element: "", Key: strictKey}, {Project: "p", Element: ".bst", Key: strictKey},
		{Project: "p", Element: "a.bst", Key: strings.ToUpper(strictKey)}, {Project: "", Element: "a.bst", Key: strictKey},
	} {
		if _, err := store.Put(t.Context(), []artifact.Ref{ref}, a, ""); !errors.Is(err, artifact.ErrInvalid) {
			t.Errorf("Put(%+v): %v", ref, err)
		}
	}
}

func TestNormalName(t *testing.T) {
	for element, want := range map[string]string{
		"hello.bst": "hello", "a/b/c.bst": "a-b-c", "gcc-4.8.bst": "gcc-4.8", "ä ö.bst": "___", ".bst": ".bst", "x": "x",
		"libc++.bst": "libc__", "a_b.bst": "a_b",
	} {
		if got := artifact.NormalName(element); got != want {
			t.Errorf("NormalName(%q) = %q, want %q", element, got, want)
		}
	}
}

func TestCheckReportsDamage(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	store, a := artifact.Open(dir, blobs), sample(t, blobs)
	good := artifact.Ref{Project: "p", Element: "good.bst", Key: strictKey}
	if _, err := store.Put(ctx, []artifact.Ref{good}, a, ""); err != nil {
		t.Fatal(err)
	}
	truncated := filepath.Join(dir, "refs/p/good", weakKey)
	data, err := os.ReadFile(filepath.Join(dir, "refs/p/good", strictKey))
	if err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "builds/ef", buildKey)
	message, err := artifact.Unseal(data)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{
		truncated: data[:len(data)/2], filepath.Join(dir, "refs/p/README"): []byte("hi"),
		newer: artifact.Seal(append([]byte{0x08, 0x07}, message[2:]...)), filepath.Join(dir, "refs/p/good/.x.tmp"): nil,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]error{}
	if err := store.Check(ctx, func(path string, err error) { got[path] = err }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		truncated: cas.ErrCorrupt, newer: cas.ErrNewerFormat, filepath.Join(dir, "refs/p/README"): artifact.ErrInvalid,
	} {
		if !errors.Is(got[path], want) {
			t.Errorf("%s: %v, want %v", path, got[path], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("Check reports %v", got)
	}
	if _, err := store.Roots(ctx, nil); !errors.Is(err, cas.ErrNewerFormat) {
		t.Errorf("Roots passes over a newer file, whose blobs would be collected: %v", err)
	}
	if err := os.Remove(newer); err != nil {
		t.Fatal(err)
	}
	if roots, err := store.Roots(ctx, nil); err != nil || !reflect.DeepEqual(roots, a.Roots()) {
		t.Errorf("Roots = %v, %v", roots, err)
	}
}

// TestCrashAnywhere: whichever step of a Put is the last, every reference is whole or not there,
// and the same Put made again succeeds.
func TestCrashAnywhere(t *testing.T) {
	ctx, blobs, crash := t.Context(), cas.NewMemory(), errors.New("crash")
	a := sample(t, blobs)
	refs := []artifact.Ref{artifact.BuildRef(buildKey), {Project: "p", Element: "x.bst", Key: strictKey}}
	for last := range 4 {
		store, steps := artifact.Open(t.TempDir(), blobs), 0
		store.SetFault(func(string, string) error {
			if steps++; steps > last {
				return crash
			}
			return nil
		})
		if _, err := store.Put(ctx, refs, a, "r"); !errors.Is(err, crash) {
			t.Fatalf("after %d steps: %v", last, err)
		}
		store.SetFault(nil)
		if err := store.Check(ctx, func(path string, err error) { t.Errorf("after %d steps: %s: %v", last, path, err) }); err != nil {
			t.Error(err)
		}
		listed, err := store.List(ctx)
		if err != nil || len(listed) != last/2 {
			t.Errorf("after %d steps: %v, %v", last, listed, err)
		}
		if _, err := store.Put(ctx, refs, a, "r"); err != nil {
			t.Errorf("after %d steps and again: %v", last, err)
		}
	}
}

// TestFaultyBlobs: an error of the blob store is told, and no reference is written.
func TestFaultyBlobs(t *testing.T) {
	ctx, blobs := t.Context(), cas.NewMemory()
	a, ref := sample(t, blobs), artifact.BuildRef(buildKey)
	for _, method := range []bsttest.Method{bsttest.MissingMethod, bsttest.OpenMethod} {
		faulty := bsttest.NewFaulty(blobs).Fail(method, 1)
		store := artifact.Open(t.TempDir(), faulty)
		if _, err := store.Put(ctx, []artifact.Ref{ref}, a, ""); !errors.Is(err, bsttest.ErrInjected) {
			t.Errorf("Put when %s fails: %v", method, err)
		}
		if _, err := store.Peek(ref); !errors.Is(err, cas.ErrNotFound) {
			t.Errorf("Put when %s fails leaves a file: %v", method, err)
		}
	}
	bsttest.EachPut(t, func(*testing.T) cas.Store { return cas.NewMemory() }, func(s cas.Store) error {
		_, err := artifact.PutMetadata(ctx, s, artifact.Metadata{})
		return err
	})
}

// syncing is a store whose Sync is what a test says.
type syncing struct {
	cas.Store
	sync func() error
}

func (s syncing) Sync(context.Context) error { return s.sync() }

// TestBlobsFirst: blobs are on disk before a reference names them.
func TestBlobsFirst(t *testing.T) {
	ctx, blobs, ref := t.Context(), cas.NewMemory(), artifact.BuildRef(buildKey)
	a, dir, lost := sample(t, blobs), t.TempDir(), errors.New("lost")
	synced := false
	store := artifact.Open(dir, syncing{blobs, func() error { synced = true; return lost }})
	if _, err := store.Put(ctx, []artifact.Ref{ref}, a, ""); !errors.Is(err, lost) || !synced {
		t.Errorf("Put when Sync fails: %v", err)
	}
	if _, err := store.Peek(ref); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Put when Sync fails leaves a file: %v", err)
	}
}

func TestGetIsUse(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	store, ref, old := artifact.Open(dir, blobs), artifact.BuildRef(buildKey), time.Unix(1_000_000_000, 0)
	if _, err := store.Put(ctx, []artifact.Ref{ref}, sample(t, blobs), ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, "builds", buildKey[:2], buildKey), old, old); err != nil {
		t.Fatal(err)
	}
	used := func() time.Time {
		listed, err := store.List(ctx)
		if err != nil || len(listed) != 1 {
			t.Fatal(listed, err)
		}
		return listed[0].Used
	}
	if _, err := store.Peek(ref); err != nil || !used().Equal(old) {
		t.Errorf("Peek is a use: %v, %v", used(), err)
	}
	if _, err := store.Get(ctx, ref); err != nil || !used().After(old) {
		t.Errorf("Get is no use: %v, %v", used(), err)
	}
}

func TestDigestsOnce(t *testing.T) {
	blobs := cas.NewMemory()
	a := sample(t, blobs)
	a.Sources, a.BuildRoot = a.Files, plant(t, blobs, map[string]string{"other": "hello\n", "twice": "hello\n"})
	seen := map[digest.Digest]int{}
	if err := artifact.Digests(t.Context(), blobs, a, func(d digest.Digest) bool { seen[d]++; return true }); err != nil {
		t.Fatal(err)
	}
	for d, times := range seen {
		if times != 1 {
			t.Errorf("%s is yielded %d times", d, times)
		}
	}
	for _, d := range []digest.Digest{a.Files, a.PublicData, a.BuildTree, digest.Of([]byte("hello\n")), digest.Of([]byte("o\n")), digest.Of([]byte("made\n"))} {
		if seen[d] == 0 {
			t.Errorf("%s is not yielded", d)
		}
	}
	count := 0
	if err := artifact.Digests(t.Context(), blobs, a, func(digest.Digest) bool { count++; return count < 6 }); err != nil || count != 6 {
		t.Errorf("yield was called %d times after it said stop, %v", count-6, err)
	}
}

// TestCollector: what the store names survives a collection, all of it; without being named it goes.
func TestCollector(t *testing.T) {
	ctx, dir, ref := t.Context(), t.TempDir(), artifact.BuildRef(buildKey)
	now := func() time.Time { return time.Now().Add(48 * time.Hour) }
	blobs, err := cas.OpenLocal(filepath.Join(dir, "cas"), cas.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	store, a := artifact.Open(filepath.Join(dir, "artifacts"), blobs), sample(t, blobs)
	if _, err := store.Put(ctx, []artifact.Ref{ref}, a, ""); err != nil {
		t.Fatal(err)
	}
	put(t, blobs, "nobody's")
	keep := func(yield func(digest.Digest) bool) {
		if err := store.Keep(ctx, nil, yield); err != nil {
			t.Error(err)
		}
	}
	if _, err := blobs.GC(ctx, cas.GCOptions{BudgetBytes: 1, LowWater: 1, Grace: -1, Keep: keep}); err != nil {
		t.Fatal(err)
	}
	gone, err := blobs.Missing(ctx, []digest.Digest{digest.Of([]byte("nobody's"))})
	if err != nil || len(gone) != 1 {
		t.Errorf("nothing was collected: %v", err)
	}
	err = artifact.Digests(ctx, blobs, a, func(d digest.Digest) bool {
		if gone, err := blobs.Missing(ctx, []digest.Digest{d}); err != nil || len(gone) > 0 {
			t.Errorf("%s was collected, %v", d, err)
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := blobs.GC(ctx, cas.GCOptions{BudgetBytes: 1, LowWater: 1, Grace: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := artifact.Open(filepath.Join(dir, "artifacts"), blobs).Get(ctx, ref); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Get of what was collected: %v", err)
	}
}

// TestOneFlippedBit: whatever bit of a stored artifact flips, and wherever its file is cut, it is
// known to be damaged: a message without a sum would still be one, of other files or none.
func TestOneFlippedBit(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	blobs := cas.NewMemory()
	store := artifact.Open(dir, blobs)
	ref := artifact.BuildRef(strings.Repeat("ab", 32))
	meta, err := artifact.PutMetadata(ctx, blobs, artifact.Metadata{})
	if err != nil {
		t.Fatal(err)
	}
	whole := artifact.Artifact{BuildSuccess: true, BuildError: artifact.Succeeded, PublicData: meta.Public,
		LowDiversityMeta: meta.LowDiversity, HighDiversityMeta: meta.HighDiversity, Files: digest.Empty}
	if _, err := store.Put(ctx, []artifact.Ref{ref}, whole, "r"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "builds", ref.Key[:2], ref.Key)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(ctx, ref); !errors.Is(err, cas.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		damaged(fmt.Sprintf("bit %d", bit), bad)
	}
	for n := range len(good) {
		damaged(fmt.Sprintf("cut to %d bytes", n), good[:n])
	}
}
