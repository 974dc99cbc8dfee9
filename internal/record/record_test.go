package record_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/ledger"
	"github.com/git-bst/git-bst/internal/record"
)

var (
	key1  = strings.Repeat("1a", 32)
	key2  = strings.Repeat("2b", 32)
	start = time.Date(2026, 1, 31, 23, 59, 58, 123456000, time.UTC)
)

// newRecord returns a record of a build that started at start plus the given seconds.
func newRecord(t *testing.T, seconds int, change func(*record.Record)) record.Record {
	t.Helper()
	at := start.Add(time.Duration(seconds) * time.Second)
	id, err := record.NewID(at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{
		ID: id, Project: "p", Element: "hello.bst", BuildKey: key1, Result: record.Success, Started: at,
		Sandbox: "namespaces", Trust: record.Trust{How: record.Clean, Where: record.Sysroot},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func putAll(t *testing.T, store *record.Store, records ...record.Record) {
	t.Helper()
	for _, r := range records {
		if err := store.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPutGet(t *testing.T) {
	dir := t.TempDir()
	store := record.Open(dir)
	want := newRecord(t, 0, func(r *record.Record) {
		r.StrictKey, r.Verdict = key2, "continue"
		r.Reason = record.Reason{Code: "source-changed", Text: "a <b> & c"}
		r.Parts = record.Parts{Recipe: digest.Empty, Phases: map[string]digest.Digest{"build": digest.Of([]byte("b"))}}
		r.Phases = []record.Phase{{Name: "build", Key: key2, How: record.Run, Started: start, Duration: time.Second, ExitCode: 2}}
		r.Result, r.Failure = record.Failed, record.Failure{Phase: "build", Command: "make", ExitCode: 2}
		r.Artifact, r.BuildTree, r.Log = digest.Of([]byte("a")), digest.Of([]byte("t")), digest.Of([]byte("l"))
		r.Base, r.Duration, r.Notes = "20250131T235959.123456-89abcdef", time.Minute, []string{"x"}
		r.Facts = record.Facts{WorkDir: "/w", Commit: "c0ffee", Dirty: true}
	})
	putAll(t, store, want)
	got, err := record.Open(dir).Get(t.Context(), want.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Get = %+v, %v\nwant %+v", got, err, want)
	}
	file := filepath.Join(dir, "log", want.ID[:6], want.ID+".json")
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := want
	elsewhere.Started = want.Started.In(time.FixedZone("far", 3600))
	putAll(t, store, elsewhere)
	if second, _ := os.ReadFile(file); !bytes.Equal(first, second) {
		t.Errorf("a record is written in two ways:\n%s%s", first, second)
	}
	for _, id := range []string{"", "x", "../../../../etc/passwd", want.ID + "x"} {
		if _, err := store.Get(t.Context(), id); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("Get(%q): %v", id, err)
		}
	}
}

func TestPutRefuses(t *testing.T) {
	for name, change := range map[string]func(*record.Record){
		"no id":       func(r *record.Record) { r.ID = "" },
		"a path":      func(r *record.Record) { r.BuildKey = "../x" },
		"no element":  func(r *record.Record) { r.Element = "" },
		"no result":   func(r *record.Record) { r.Result = "" },
		"upper case":  func(r *record.Record) { r.BuildKey = strings.ToUpper(key1) },
		"id of month": func(r *record.Record) { r.ID = r.ID[:6] },
	} {
		if err := record.Open(t.TempDir()).Put(t.Context(), newRecord(t, 0, change)); !errors.Is(err, record.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func ids(records []record.Record) (ids []string) {
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestListNewestFirst(t *testing.T) {
	ctx, store := t.Context(), record.Open(t.TempDir())
	a := newRecord(t, 0, func(r *record.Record) { r.Verdict = "continue" })
	b := newRecord(t, 10, func(r *record.Record) { r.Result = record.Failed; r.BuildKey = key2 }) // the next month
	c := newRecord(t, 20, func(r *record.Record) { r.Element = "other.bst"; r.BuildKey = "" })
	d := newRecord(t, 30, nil)
	putAll(t, store, c, a, d, b)
	for _, test := range []struct {
		name   string
		filter record.Filter
		want   []record.Record
	}{
		{"all", record.Filter{}, []record.Record{d, c, b, a}},
		{"key", record.Filter{BuildKey: key1}, []record.Record{d, a}},
		{"limit", record.Filter{Limit: 2}, []record.Record{d, c}},
		{"limit of key", record.Filter{BuildKey: key1, Limit: 1}, []record.Record{d}},
		{"element", record.Filter{Element: "other.bst"}, []record.Record{c}},
		{"element of project", record.Filter{Project: "p", Element: "hello.bst"}, []record.Record{d, b, a}},
		{"element of another project", record.Filter{Project: "q", Element: "hello.bst"}, nil},
		{"result", record.Filter{Result: record.Failed, Project: "p"}, []record.Record{b}},
		{"not successful", record.Filter{Unsuccessful: true}, []record.Record{b}},
		{"among the newest", record.Filter{Among: 2, Element: "other.bst"}, []record.Record{c}},
		{"among too few", record.Filter{Among: 1, Element: "other.bst"}, nil},
		{"verdict", record.Filter{Verdict: "continue"}, []record.Record{a}},
		{"since", record.Filter{Since: c.Started}, []record.Record{d, c}},
		{"no such key", record.Filter{BuildKey: "nonsense"}, nil},
	} {
		got, err := store.List(ctx, test.filter, nil)
		if err != nil || !reflect.DeepEqual(ids(got), ids(test.want)) {
			t.Errorf("%s: %q, %v", test.name, ids(got), err)
		}
	}
	if err := errors.Join(store.Delete(ctx, d.ID), store.Delete(ctx, d.ID)); err != nil {
		t.Fatal(err)
	}
	if got, err := store.ByBuildKey(ctx, key1); err != nil || !reflect.DeepEqual(ids(got), []string{a.ID}) {
		t.Errorf("after Delete: %q, %v", ids(got), err)
	}
	if _, err := store.Latest(ctx, record.Filter{Element: "absent.bst"}); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("Latest of nothing: %v", err)
	}
	if got, err := store.Latest(ctx, record.Filter{}); err != nil || got.ID != c.ID {
		t.Errorf("Latest = %s, %v", got.ID, err)
	}
}

func TestReplayable(t *testing.T) {
	failed := func(r *record.Record) { r.Result, r.Failure.ExitCode = record.Failed, 1 }
	for _, test := range []struct {
		name   string
		change func(*record.Record)
		want   bool
	}{
		{"success", nil, false},
		{"exit code", failed, true},
		{"no exit code", func(r *record.Record) { failed(r); r.Failure.ExitCode = 0 }, false},
		{"resumed", func(r *record.Record) { failed(r); r.Trust.How = record.Resumed }, true},
		{"continued", func(r *record.Record) { failed(r); r.Trust.How = record.Continued }, false},
		{"unknown key", func(r *record.Record) { failed(r); r.BuildKey = "" }, false},
		{"signal", func(r *record.Record) { failed(r); r.Result, r.Failure.Signal = record.Signal, 9 }, false},
		{"timeout", func(r *record.Record) { failed(r); r.Result = record.Timeout }, false},
		{"interrupted", func(r *record.Record) { failed(r); r.Result = record.Interrupted }, false},
		{"machine", func(r *record.Record) { failed(r); r.Result = record.Machine }, false},
	} {
		if got := newRecord(t, 0, test.change).Replayable(); got != test.want {
			t.Errorf("%s: Replayable = %v", test.name, got)
		}
	}
}

func TestPromotable(t *testing.T) {
	for name, change := range map[string]func(*record.Record){
		"failed":     func(r *record.Record) { r.Result = record.Failed },
		"host":       func(r *record.Record) { r.Trust.Where = record.Host },
		"no sandbox": func(r *record.Record) { r.Sandbox = "none" },
		"unknown":    func(r *record.Record) { r.Sandbox = "" },
	} {
		if newRecord(t, 0, change).Promotable() {
			t.Errorf("%s: promotable", name)
		}
	}
	if !newRecord(t, 0, func(r *record.Record) { r.Trust.How = record.Continued }).Promotable() {
		t.Error("rule 33: promotion in our own store is for every how")
	}
}

func TestTrust(t *testing.T) {
	clean := record.Trust{How: record.Clean, Where: record.Sysroot}
	continued := record.Trust{How: record.Continued, Where: record.Sysroot}
	verified := record.Trust{How: record.Continued, Where: record.Sysroot, Verified: true}
	host := record.Trust{How: record.Resumed, Where: record.Host, Remote: "b"}
	for _, test := range []struct {
		name       string
		a, b, want record.Trust
		public     bool
	}{
		{"clean, clean", clean, clean, clean, true},
		{"clean, continued", clean, continued, continued, false},
		{"clean, verified", clean, verified, verified, true},
		{"continued, verified", continued, verified, continued, false},
		{"clean, host", clean, host, host, false},
		{"remotes", host, record.Trust{How: record.Clean, Where: record.None, Remote: "a,b"}, record.Trust{How: record.Resumed, Where: record.None, Remote: "a,b"}, false},
		{"unknown is least", clean, record.Trust{}, record.Trust{How: "", Where: ""}, false},
	} {
		if got := record.Least(test.a, test.b); got != test.want || got.Public() != test.public {
			t.Errorf("%s: %+v, public %v", test.name, got, got.Public())
		}
		if got := record.Least(test.b, test.a); got != test.want {
			t.Errorf("%s the other way round: %+v", test.name, got)
		}
	}
}

func TestTombstones(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	store, bad := record.Open(dir), digest.Of([]byte("artifact"))
	if _, found, err := store.Withdrawn(ctx, key1, bad); found || err != nil {
		t.Fatalf("Withdrawn before: %v, %v", found, err)
	}
	tomb := record.Tombstone{BuildKey: key1, Artifact: bad, Record: "r", Reason: record.Reason{Code: "verify-differs", Text: "x"}, Time: start}
	if err := store.Withdraw(ctx, tomb); err != nil {
		t.Fatal(err)
	}
	again := tomb
	again.Reason.Text = "later"
	if err := store.Withdraw(ctx, again); err != nil {
		t.Fatal(err)
	}
	if got, found, err := store.Withdrawn(ctx, key1, bad); !found || err != nil || got != tomb {
		t.Errorf("Withdrawn = %+v, %v, %v", got, found, err)
	}
	for key, d := range map[string]digest.Digest{key1: digest.Empty, key2: bad} {
		if _, found, err := store.Withdrawn(ctx, key, d); found || err != nil {
			t.Errorf("another is withdrawn too: %v, %v", found, err)
		}
	}
	file := filepath.Join(dir, "tombstones", key1[:2], key1, bad.Hash())
	if err := os.WriteFile(file, []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, found, err := store.Withdrawn(ctx, key1, bad); !found || err != nil {
		t.Errorf("a damaged tombstone does not count: %v, %v", found, err)
	}
	if _, _, err := store.Withdrawn(ctx, "../x", bad); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("Withdrawn of no key: %v", err)
	}
}

func TestDamageIsReportedNotFatal(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	store := record.Open(dir)
	good, bad, newer, lost := newRecord(t, 1, nil), newRecord(t, 2, nil), newRecord(t, 3, nil), newRecord(t, 4, nil)
	putAll(t, store, good, bad, newer, lost)
	path := func(r record.Record) string { return filepath.Join(dir, "log", r.ID[:6], r.ID+".json") }
	later, err := ledger.Seal("git-bst record", record.Version+1, newer)
	if err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "keys", key1[:2], key1)
	err = errors.Join(os.Truncate(path(bad), 100), os.WriteFile(path(newer), later, 0o666),
		os.Remove(filepath.Join(index, lost.ID)), os.WriteFile(filepath.Join(dir, "log", "README"), nil, 0o666),
		os.WriteFile(filepath.Join(index, newRecord(t, 9, nil).ID), nil, 0o666))
	if err != nil {
		t.Fatal(err)
	}
	reported := map[string]error{}
	report := func(path string, err error) { reported[path] = err }
	got, err := store.List(ctx, record.Filter{}, report)
	if err != nil || !reflect.DeepEqual(ids(got), []string{lost.ID, good.ID}) {
		t.Errorf("List = %q, %v", ids(got), err)
	}
	if len(reported) != 2 || !errors.Is(reported[path(bad)], cas.ErrCorrupt) || !errors.Is(reported[path(newer)], cas.ErrNewerFormat) {
		t.Errorf("List reports %v", reported)
	}
	if _, err := store.Roots(ctx, record.DefaultPolicy()); !errors.Is(err, cas.ErrNewerFormat) {
		t.Errorf("Roots passes over a newer record, whose blobs would be collected: %v", err)
	}
	clear(reported)
	if err := store.Check(ctx, report); err != nil || len(reported) != 5 || !errors.Is(reported[path(lost)], record.ErrNotIndexed) {
		t.Errorf("Check reports %v, %v", reported, err)
	}
	if err := store.Reindex(ctx); err != nil {
		t.Fatal(err)
	}
	clear(reported)
	if err := store.Check(ctx, report); err != nil || len(reported) != 3 {
		t.Errorf("Check after Reindex reports %v, %v", reported, err)
	}
	if got, err := store.ByBuildKey(ctx, key1); err != nil || !reflect.DeepEqual(ids(got), []string{lost.ID, good.ID}) {
		t.Errorf("ByBuildKey after Reindex = %q, %v", ids(got), err)
	}
}

func TestRootsByPolicy(t *testing.T) {
	store := record.Open(t.TempDir())
	of := func(text string) digest.Digest { return digest.Of([]byte(text)) }
	tree, log := map[int]digest.Digest{}, map[int]digest.Digest{}
	for i := range 5 {
		tree[i], log[i] = of(string(rune('a'+i))), of(string(rune('A'+i)))
		putAll(t, store, newRecord(t, i, func(r *record.Record) {
			r.BuildTree, r.Log = tree[i], log[i]
			if i == 0 {
				r.ID, r.Result = "20260101T000000.000000-00000000", record.Failed
			}
		}))
	}
	roots, err := store.Roots(t.Context(), record.Policy{Trees: 1, Logs: 2})
	want := artifact.Roots{Trees: []digest.Digest{tree[4], tree[0]}, Blobs: []digest.Digest{log[4], log[3], log[0]}}
	if err != nil || !reflect.DeepEqual(roots, want) {
		t.Errorf("Roots = %v, %v\nwant %v", roots, err, want)
	}
	if none, err := store.Roots(t.Context(), record.Policy{}); err != nil || len(none.Trees)+len(none.Blobs) > 0 {
		t.Errorf("Roots of nothing = %v, %v", none, err)
	}
	pinned := record.Policy{Pinned: map[string]bool{"20260101T000000.000000-00000000": true}}
	if roots, err := store.Roots(t.Context(), pinned); err != nil || !reflect.DeepEqual(roots.Trees, []digest.Digest{tree[0]}) {
		t.Errorf("Roots with a pin = %v, %v", roots, err)
	}
}

// TestCrashAnywhere: whichever step of a Put is the last, the store is whole, nothing is listed
// that was not put, and the same Put made again succeeds.
func TestCrashAnywhere(t *testing.T) {
	ctx, crash := t.Context(), errors.New("crash")
	for last := 0; ; last++ {
		store, r, steps := record.Open(t.TempDir()), newRecord(t, 0, nil), 0
		store.SetFault(func(string, string) error {
			if steps++; steps > last {
				return crash
			}
			return nil
		})
		err := store.Put(ctx, r)
		store.SetFault(nil)
		if err == nil {
			if last < 4 {
				t.Errorf("a Put has only %d steps", last)
			}
			return
		}
		if !errors.Is(err, crash) {
			t.Fatalf("after %d steps: %v", last, err)
		}
		found, listErr := store.List(ctx, record.Filter{}, func(path string, err error) { t.Errorf("after %d steps: %s: %v", last, path, err) })
		if listErr != nil || len(found) > 1 || (len(found) == 1 && !reflect.DeepEqual(found[0], r)) {
			t.Errorf("after %d steps: %+v, %v", last, found, listErr)
		}
		putAll(t, store, r)
		if found, err := store.ByBuildKey(ctx, key1); err != nil || len(found) != 1 {
			t.Errorf("after %d steps and again: %v, %v", last, found, err)
		}
	}
}

// TestRootsHaveEveryDigest: a digest that is added to Record, and not to Roots, would be collected.
func TestRootsHaveEveryDigest(t *testing.T) {
	store, want := record.Open(t.TempDir()), map[digest.Digest]string{}
	r := newRecord(t, 0, func(r *record.Record) {
		r.Phases = make([]record.Phase, 1)
		r.Parts.Phases = map[string]digest.Digest{"build": digest.Of([]byte("a phase's key"))}
		want[r.Parts.Phases["build"]] = "Parts.Phases"
		fill(reflect.ValueOf(r).Elem(), "", want)
	})
	delete(want, r.Artifact) // a name, not a blob
	putAll(t, store, r)
	roots, err := store.Roots(t.Context(), record.DefaultPolicy())
	if err != nil || len(want) < 15 {
		t.Fatalf("Roots: %v; %d digests in a record", err, len(want))
	}
	for _, d := range append(roots.Trees, roots.Blobs...) {
		delete(want, d)
	}
	if len(want) > 0 {
		t.Errorf("Roots lacks %v", want)
	}
}

// fill sets every digest below v to one of its own and notes its name.
func fill(v reflect.Value, name string, named map[digest.Digest]string) {
	if v.Type() == reflect.TypeFor[digest.Digest]() {
		d := digest.Of([]byte(name))
		v.Set(reflect.ValueOf(d))
		named[d] = name
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), name+"."+v.Type().Field(i).Name, named)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), name, named)
		}
	}
}
