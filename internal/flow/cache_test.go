package flow_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/flow"
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
