package action_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/ledger"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

var key = strings.Repeat("3c", 32)

func blob(t *testing.T, store cas.Store, text string) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// treeOf stores a tree of one file.
func treeOf(t *testing.T, store cas.Store, text string) digest.Digest {
	t.Helper()
	root, err := tree.Save(t.Context(), store, tree.Directory{Files: []tree.File{{Name: "f", Digest: blob(t, store, text)}}})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func outputs(t *testing.T, store cas.Store, text string) action.Outputs {
	t.Helper()
	return action.Outputs{
		BuildTree: treeOf(t, store, text+"build"), BuildTimes: blob(t, store, text+"times"),
		InstallTree: treeOf(t, store, text+"install"), InstallTimes: blob(t, store, text+"itimes"),
		Tmp: treeOf(t, store, text+"tmp"), Shm: treeOf(t, store, text+"shm"),
		Trace: blob(t, store, text+"trace"), Log: blob(t, store, text+"log"),
		Duration: time.Second, MaxRSS: 1 << 20, Record: "r", How: record.Clean,
	}
}

func TestCache(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	cache, want := action.OpenCache(dir, blobs), outputs(t, blobs, "one ")
	if _, err := cache.Get(ctx, action.Phase, key); !errors.Is(err, cas.ErrNotFound) || cache.Has(ctx, action.Phase, key) {
		t.Errorf("Get of nothing: %v", err)
	}
	if got, err := cache.Put(ctx, action.Phase, key, want); err != nil || got != want {
		t.Errorf("Put = %+v, %v", got, err)
	}
	if got, err := cache.Put(ctx, action.Phase, key, outputs(t, blobs, "two ")); err != nil || got != want {
		t.Errorf("a second Put = %+v, %v: the first writer wins", got, err)
	}
	other := action.OpenCache(dir, blobs)
	if got, err := other.Get(ctx, action.Phase, key); err != nil || got != want || !other.Has(ctx, action.Phase, key) {
		t.Errorf("Get = %+v, %v", got, err)
	}
	if _, err := cache.Get(ctx, action.Integration, key); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Get as another type: %v", err)
	}
	if roots, err := cache.Roots(ctx, nil); err != nil || !reflect.DeepEqual(roots, want.Roots()) {
		t.Errorf("Roots = %v, %v", roots, err)
	}
	if err := errors.Join(cache.Delete(key), cache.Delete(key)); err != nil || cache.Has(ctx, action.Phase, key) {
		t.Errorf("Delete: %v", err)
	}
}

func TestIntegration(t *testing.T) {
	blobs := cas.NewMemory()
	cache := action.OpenCache(t.TempDir(), blobs)
	want := action.Outputs{Root: treeOf(t, blobs, "sysroot"), Log: blob(t, blobs, "log"), How: record.Clean}
	if _, err := cache.Put(t.Context(), action.Integration, key, want); err != nil {
		t.Fatal(err)
	}
	if got, err := cache.Get(t.Context(), action.Integration, key); err != nil || got != want {
		t.Errorf("Get = %+v, %v", got, err)
	}
}

func TestPutRefuses(t *testing.T) {
	blobs := cas.NewMemory()
	cache, good := action.OpenCache(t.TempDir(), blobs), outputs(t, blobs, "")
	for _, test := range []struct {
		name   string
		kind   action.Type
		key    string
		change func(*action.Outputs)
		want   error
	}{
		{"a continued tree", action.Phase, key, func(o *action.Outputs) { o.How = record.Continued }, action.ErrInvalid},
		{"an unknown tree", action.Phase, key, func(o *action.Outputs) { o.How = "" }, action.ErrInvalid},
		{"no key", action.Phase, "", func(*action.Outputs) {}, action.ErrInvalid},
		{"a path", action.Phase, "../" + key[3:], func(*action.Outputs) {}, action.ErrInvalid},
		{"no tree", action.Phase, key, func(o *action.Outputs) { o.BuildTree, o.InstallTree = digest.Digest{}, digest.Digest{} }, action.ErrInvalid},
		{"no root", action.Integration, key, func(*action.Outputs) {}, action.ErrInvalid},
		{"no type", "", key, func(*action.Outputs) {}, action.ErrInvalid},
		{"a missing tree", action.Phase, key, func(o *action.Outputs) { o.Tmp = digest.Of([]byte("gone")) }, cas.ErrNotFound},
		{"a missing blob", action.Phase, key, func(o *action.Outputs) { o.Log = digest.Of([]byte("gone")) }, cas.ErrNotFound},
	} {
		out := good
		test.change(&out)
		if _, err := cache.Put(t.Context(), test.kind, test.key, out); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if err := cache.Check(t.Context(), func(path string, err error) { t.Errorf("%s: %v", path, err) }); err != nil {
		t.Error(err)
	}
}

// withoutBlob is a store that has lost one blob.
type withoutBlob struct {
	cas.Store
	gone digest.Digest
}

func (s withoutBlob) Missing(ctx context.Context, asked []digest.Digest) ([]digest.Digest, error) {
	for _, d := range asked {
		if d == s.gone {
			return []digest.Digest{d}, nil
		}
	}
	return s.Store.Missing(ctx, asked)
}

func TestIncompleteIsReplaced(t *testing.T) {
	ctx, blobs := t.Context(), cas.NewMemory()
	for _, lost := range []string{"one build", "one times", "one tmp", "one trace", "one log"} {
		dir := t.TempDir()
		if _, err := action.OpenCache(dir, blobs).Put(ctx, action.Phase, key, outputs(t, blobs, "one ")); err != nil {
			t.Fatal(err)
		}
		cache := action.OpenCache(dir, withoutBlob{blobs, digest.Of([]byte(lost))})
		if _, err := cache.Get(ctx, action.Phase, key); !errors.Is(err, cas.ErrNotFound) || cache.Has(ctx, action.Phase, key) {
			t.Errorf("Get without %q: %v", lost, err)
		}
		reports := 0
		if err := cache.Check(ctx, func(string, error) { reports++ }); err != nil || reports != 1 {
			t.Errorf("Check without %q: %d reports, %v", lost, reports, err)
		}
		two := outputs(t, blobs, "two ")
		if got, err := cache.Put(ctx, action.Phase, key, two); err != nil || got != two {
			t.Errorf("Put without %q: %+v, %v", lost, got, err)
		}
	}
}

func TestDamageIsReplaced(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	cache, want := action.OpenCache(dir, blobs), outputs(t, blobs, "")
	file := filepath.Join(dir, key[:2], key)
	if _, err := cache.Put(ctx, action.Phase, key, want); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "cut": whole[:len(whole)-9], "other digest": []byte(strings.Replace(string(whole), want.Log.Hash()[:4], "0000", 1)),
	} {
		if err := os.WriteFile(file, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := cache.Get(ctx, action.Phase, key); !errors.Is(err, cas.ErrCorrupt) {
			t.Errorf("%s: Get: %v", name, err)
		}
		if roots, err := cache.Roots(ctx, nil); err != nil || len(roots.Trees) > 0 {
			t.Errorf("%s: Roots: %v, %v", name, roots, err)
		}
		if _, err := cache.Put(ctx, action.Phase, key, want); err != nil || !cache.Has(ctx, action.Phase, key) {
			t.Errorf("%s: Put does not replace it: %v", name, err)
		}
	}
	if err := os.Rename(file, filepath.Join(dir, key[:2], strings.Replace(key, "3c3c", "3c00", 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Get(ctx, action.Phase, strings.Replace(key, "3c3c", "3c00", 1)); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("a file under another key: %v", err)
	}
}

func TestNewerStays(t *testing.T) {
	ctx, blobs, dir := t.Context(), cas.NewMemory(), t.TempDir()
	cache, out := action.OpenCache(dir, blobs), outputs(t, blobs, "")
	newer, err := ledger.Seal("git-bst action", action.CacheVersion+1, out)
	if err == nil {
		err = ledger.Open(dir).Write(key[:2]+"/"+key, newer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Put(ctx, action.Phase, key, out); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Get(ctx, action.Phase, key); !errors.Is(err, cas.ErrNewerFormat) {
		t.Errorf("a newer entry was replaced: %v", err)
	}
	if _, err := cache.Roots(ctx, nil); !errors.Is(err, cas.ErrNewerFormat) {
		t.Errorf("Roots passes over a newer entry, whose blobs would be collected: %v", err)
	}
}

// TestOneWinner: of many writers of a key all are told the same outputs.
func TestOneWinner(t *testing.T) {
	blobs, dir := cas.NewMemory(), t.TempDir()
	const writers = 6
	var mine, got [writers]action.Outputs
	for i := range writers {
		mine[i] = outputs(t, blobs, string(rune('a'+i)))
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			var err error
			if got[i], err = action.OpenCache(dir, blobs).Put(t.Context(), action.Phase, key, mine[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range writers {
		if got[i] != got[0] {
			t.Errorf("writers %d and 0 were told different outputs", i)
		}
	}
}

func TestFaults(t *testing.T) {
	ctx, blobs, crash := t.Context(), cas.NewMemory(), errors.New("crash")
	out := outputs(t, blobs, "")
	for _, step := range []string{"mkdir", "write"} {
		cache := action.OpenCache(t.TempDir(), blobs)
		cache.SetFault(func(at, _ string) error {
			if at == step {
				return crash
			}
			return nil
		})
		if _, err := cache.Put(ctx, action.Phase, key, out); !errors.Is(err, crash) || cache.Has(ctx, action.Phase, key) {
			t.Errorf("%s: %v", step, err)
		}
		cache.SetFault(nil)
		if _, err := cache.Put(ctx, action.Phase, key, out); err != nil {
			t.Errorf("%s, then again: %v", step, err)
		}
	}
	for _, method := range []bsttest.Method{bsttest.MissingMethod, bsttest.OpenMethod} {
		cache := action.OpenCache(t.TempDir(), bsttest.NewFaulty(blobs).Fail(method, 1))
		if _, err := cache.Put(ctx, action.Phase, key, out); !errors.Is(err, bsttest.ErrInjected) {
			t.Errorf("Put when %s fails: %v", method, err)
		}
	}
}

func TestClosureOfOutputs(t *testing.T) {
	blobs := cas.NewMemory()
	out, seen := outputs(t, blobs, ""), map[digest.Digest]bool{}
	err := artifact.Closure(t.Context(), blobs, out.Roots(), func(d digest.Digest) bool { seen[d] = true; return true })
	// Four trees of one file each, and four blobs.
	if err != nil || len(seen) != 12 || !seen[digest.Of([]byte("shm"))] {
		t.Errorf("Closure has %d blobs, %v", len(seen), err)
	}
}

// syncing is a store whose Sync is what a test says.
type syncing struct {
	cas.Store
	sync func() error
}

func (s syncing) Sync(context.Context) error { return s.sync() }

// TestBlobsFirst: blobs are on disk before an entry names them.
func TestBlobsFirst(t *testing.T) {
	blobs, lost := cas.NewMemory(), errors.New("lost")
	cache := action.OpenCache(t.TempDir(), syncing{blobs, func() error { return lost }})
	if _, err := cache.Put(t.Context(), action.Phase, key, outputs(t, blobs, "")); !errors.Is(err, lost) || cache.Has(t.Context(), action.Phase, key) {
		t.Errorf("Put when Sync fails: %v", err)
	}
}
