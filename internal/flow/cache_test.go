package flow_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

const artifactBytes = 1 << 20

// putArtifact files an artifact with one file of its own under a build key.
func putArtifact(t *testing.T, s *flow.Session, letter string) artifact.Ref {
	t.Helper()
	ctx, env := context.Background(), s.Env()
	blob, err := cas.PutBytes(ctx, env.CAS, []byte(strings.Repeat(letter, artifactBytes)))
	if err != nil {
		t.Fatal(err)
	}
	files, err := tree.Save(ctx, env.CAS, tree.Directory{Files: []tree.File{{Name: letter, Digest: blob}}})
	if err != nil {
		t.Fatal(err)
	}
	meta, err := cas.PutBytes(ctx, env.CAS, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	ref := artifact.BuildRef(digest.Of([]byte(letter)).Hash())
	a := artifact.Artifact{BuildSuccess: true, Files: files, PublicData: meta, LowDiversityMeta: meta, HighDiversityMeta: meta}
	if _, err := env.Artifacts.Put(ctx, []artifact.Ref{ref}, a, ""); err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestCollectGarbageGivesUpTheOldest(t *testing.T) {
	ctx := context.Background()
	settings, err := config.Load(config.Source{Environ: []string{"GIT_BST_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache")}})
	if err != nil {
		t.Fatal(err)
	}
	open := func(later time.Duration) *flow.Session {
		s, err := flow.OpenStores(ctx, flow.Options{Config: settings, Now: func() time.Time { return time.Now().Add(later) }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open(0)
	refs := []artifact.Ref{putArtifact(t, s, "a"), putArtifact(t, s, "b"), putArtifact(t, s, "c")}
	if report, err := s.CollectGarbage(ctx, 1); err != nil || report.References != 0 || report.Removed != 0 {
		t.Fatalf("just used, but collected: %+v, %v", report, err)
	}

	s = open(100 * 24 * time.Hour)
	report, err := s.CollectGarbage(ctx, 5*artifactBytes/2)
	if err != nil || report.References != 2 || report.RemovedBytes < artifactBytes {
		t.Fatalf("%+v, %v", report, err)
	}
	for i, want := range []bool{false, false, true} {
		_, err := s.Env().Artifacts.Get(ctx, refs[i])
		if (err == nil) != want {
			t.Errorf("artifact %d: %v", i, err)
		}
	}
	err = s.CheckCache(ctx, func(p flow.CacheProblem) { t.Errorf("problem: %+v", p) })
	if err != nil {
		t.Error(err)
	}
}

// putRecord files a build attempt whose build tree holds one file of its own.
func putRecord(t *testing.T, s *flow.Session, letter string, age time.Duration, change func(*record.Record)) digest.Digest {
	t.Helper()
	ctx, env := context.Background(), s.Env()
	blob, err := cas.PutBytes(ctx, env.CAS, []byte(strings.Repeat(letter, artifactBytes)))
	if err != nil {
		t.Fatal(err)
	}
	root, err := tree.Save(ctx, env.CAS, tree.Directory{Files: []tree.File{{Name: letter, Digest: blob}}})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-age)
	id, err := record.NewID(began, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := record.Record{ID: id, Project: "p", Element: "e.bst", Result: record.Success, Started: began, BuildTree: root}
	change(&r)
	if err := env.Records.Put(ctx, r); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestCollectGarbageKeepsHeads: within the budget the newest tree of a work tree that is there and
// the last success outlive newer ones that nobody is at work on, however often the branch was
// changed meanwhile; and what does not fit at all does not take the room of what does.
func TestCollectGarbageKeepsHeads(t *testing.T) {
	ctx, day, live := context.Background(), 24*time.Hour, t.TempDir()
	settings, err := config.Load(config.Source{Environ: []string{"GIT_BST_CACHE_DIR=" + filepath.Join(t.TempDir(), "cache")}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := flow.OpenStores(ctx, flow.Options{Config: settings, Now: func() time.Time { return time.Now().Add(100 * day) }})
	if err != nil {
		t.Fatal(err)
	}
	success := putRecord(t, s, "a", 9*day, func(*record.Record) {})
	mine := putRecord(t, s, "b", 8*day, func(r *record.Record) { r.Result, r.Facts.WorkDir = record.Failed, live })
	gone := putRecord(t, s, "c", 7*day, func(r *record.Record) { r.Result, r.Facts.WorkDir = record.Failed, filepath.Join(live, "gone") })
	branch := putRecord(t, s, "d", 6*day, func(r *record.Record) { r.Result, r.Facts.Branch = record.Interrupted, "topic" })
	if _, err := s.CollectGarbage(ctx, 3*artifactBytes); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		root digest.Digest
		want bool
	}{{"the last success", success, true}, {"the work tree's newest", mine, true}, {"of a work tree that is gone", gone, false}, {"a branch's newest", branch, false}} {
		if missing, err := tree.Missing(ctx, s.Env().CAS, test.root); err != nil || (len(missing) == 0) != test.want {
			t.Errorf("%s: kept %v, %v", test.name, len(missing) == 0, err)
		}
	}
	rows, err := s.Records(ctx, flow.RecordsRequest{Everywhere: true})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d records, %v", len(rows), err)
	}
	for i, want := range []bool{false, false, true, true} {
		if rows[i].Here.BuildTree != want {
			t.Errorf("record %d says of its tree: %v", i, rows[i].Here.BuildTree)
		}
	}
}
