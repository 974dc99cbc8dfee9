package build_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/artifact"
	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// promoter has a library and an application that was built on it, both as builds in workspaces left them,
// and BuildStream's cache.
type promoter struct {
	t        *testing.T
	env      build.Env
	lib, app build.Job
	libStep  plan.Step
	appStep  plan.Step
}

func newPromoter(t *testing.T, how record.How) *promoter {
	t.Helper()
	dir := t.TempDir()
	store, err := cas.OpenLocal(filepath.Join(dir, "cas"), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cas/objects", "cas/tmp", "artifacts/refs"} {
		if err := os.MkdirAll(filepath.Join(dir, "buildstream", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	peer, ok := artifact.OpenPeer(filepath.Join(dir, "buildstream"))
	if !ok {
		t.Fatal("BuildStream's cache is not one")
	}
	if err := os.Mkdir(filepath.Join(dir, "locks"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &promoter{t: t, env: build.Env{CAS: store, Artifacts: artifact.Open(filepath.Join(dir, "artifacts"), store), Records: record.Open(filepath.Join(dir, "records")),
		Phases: action.OpenCache(filepath.Join(dir, "actions"), store), Peer: &peer, Cache: dir, Now: time.Now}}
	libFiles := p.tree("lib", "stale")
	p.lib, p.libStep = p.built("lib.bst", keys.Parts{Source: "lib"}, nil, libFiles, how, 1)
	appParts := keys.Parts{Source: "app", Sysroot: []keys.Staged{{Name: "p:lib.bst", Files: libFiles.String(), Location: "/"}}}
	made := p.do(p.lib, p.libStep)
	artifactOf, err := made.Artifact.Digest()
	if err != nil {
		t.Fatal(err)
	}
	stands := []build.Stand{{Element: "lib.bst", BuildKey: p.lib.Chain.Build, Artifact: artifactOf}}
	p.app, p.appStep = p.built("app.bst", appParts, stands, p.tree("app", "on what is stale"), record.Clean, 2)
	return p
}

func (p *promoter) tree(name, text string) digest.Digest {
	p.t.Helper()
	d, err := cas.PutBytes(p.t.Context(), p.env.CAS, []byte(text))
	if err == nil {
		d, err = tree.Insert(p.t.Context(), p.env.CAS, digest.Empty, name, tree.Entry{Kind: tree.KindFile, Digest: d})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// built puts a build on record, and returns the job and the step that promote it.
func (p *promoter) built(element string, parts keys.Parts, stands []build.Stand, files digest.Digest, how record.How, n int) (build.Job, plan.Step) {
	p.t.Helper()
	parts.Kind = "manual"
	chain, err := parts.Chain()
	if err != nil {
		p.t.Fatal(err)
	}
	job := build.Job{Element: element, Name: element, Project: "p", Chain: chain, Parts: parts, Stands: stands, Trust: record.Trust{How: record.Clean, Where: record.Sysroot}}
	image, err := cas.PutBytes(p.t.Context(), p.env.CAS, chain.PreImage)
	if err != nil {
		p.t.Fatal(err)
	}
	rec := record.Record{ID: fmt.Sprintf("20260102T03040%d.000000-0000000%d", n, n), Project: "p", Element: element, BuildKey: chain.Build, Result: record.Success,
		Files: files, Artifact: digest.Of(fmt.Append(nil, element, n)), Sandbox: "namespaces", Trust: record.Trust{How: how, Where: record.Sysroot}, Started: time.Unix(int64(n), 0)}
	rec.Parts.PreImage = image
	if err := p.env.Records.Put(p.t.Context(), rec); err != nil {
		p.t.Fatal(err)
	}
	job = named(job, element)
	return job, plan.Step{Element: element, Verdict: plan.Promote, Record: rec.ID}
}

// named gives a job BuildStream's names, made from a text.
func named(job build.Job, text string) build.Job {
	job.Strict, job.Weak = digest.Of([]byte("strict "+text)).Hash(), digest.Of([]byte("weak "+text)).Hash()
	job.Refs = nil
	for _, key := range []string{job.Strict, job.Weak} {
		job.Refs = append(job.Refs, artifact.Ref{Project: "p", Element: job.Element, Key: key})
	}
	return job
}

// do promotes as flow does: under the lock, and only what is not withdrawn.
func (p *promoter) do(job build.Job, step plan.Step) build.Built {
	p.t.Helper()
	made, err := p.promote(job, step)
	if err != nil {
		p.t.Fatal(err)
	}
	return made
}

func (p *promoter) promote(job build.Job, step plan.Step) (build.Built, error) {
	unlock, err := p.env.Lock(p.t.Context(), job)
	if err != nil {
		return build.Built{}, err
	}
	defer unlock()
	return p.env.Do(p.t.Context(), job, step)
}

// left lists the references that there are, here and in BuildStream's cache.
func (p *promoter) left() []string {
	p.t.Helper()
	var names []string
	listed, err := p.env.Artifacts.List(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, one := range listed {
		names = append(names, one.Ref.String())
	}
	theirs, err := filepath.Glob(filepath.Join(p.env.Peer.Dir(), "artifacts", "refs", "*", "*", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	return append(names, theirs...)
}

// Rule 33: what was continued has its strict name here, and none that BuildStream sees.
func TestContinuedIsNotShared(t *testing.T) {
	p := newPromoter(t, record.Continued)
	if err := p.env.Share(t.Context(), p.lib.Refs[0], p.lib.Weak); !errors.Is(err, build.ErrNotPublic) {
		t.Errorf("sharing what was continued: %v", err)
	}
	if left := strings.Join(p.left(), "\n"); !strings.Contains(left, p.lib.Strict) || strings.Contains(left, p.lib.Weak) || strings.Contains(left, "buildstream") {
		t.Errorf("there are:\n%s", left)
	}
	p.app.Trust = record.Trust{How: record.Continued, Where: record.Sysroot}
	p.do(p.app, p.appStep)
	if err := p.env.Share(t.Context(), p.app.Refs[0], p.app.Weak); !errors.Is(err, build.ErrNotPublic) {
		t.Errorf("sharing what was built on it: %v", err)
	}
}

// withdraw withdraws the library's artifact, as verifying it does.
func (p *promoter) withdraw() {
	stored, err := p.env.Artifacts.Peek(p.lib.Refs[0])
	if err != nil {
		p.t.Error(err)
		return
	}
	unlock, err := p.env.Lock(p.t.Context(), p.lib)
	if err != nil {
		p.t.Error(err)
		return
	}
	defer unlock()
	if _, err := p.env.Withdraw(p.t.Context(), p.lib, stored, record.Reason{Code: "test"}); err != nil {
		p.t.Error(err)
	}
}

// Rule 34: what came of something that was withdrawn gets no name any more, neither here nor with others.
func TestWithdrawnIsNotPromoted(t *testing.T) {
	p := newPromoter(t, record.Clean)
	p.do(p.app, p.appStep)
	for _, job := range []build.Job{p.lib, p.app} {
		if err := p.env.Share(t.Context(), job.Refs[0], job.Weak); err != nil {
			t.Fatal(err)
		}
	}
	if left := p.left(); len(left) != 8 {
		t.Fatalf("there are %d references, want 2 of 2 elements in 2 caches:\n%s", len(left), strings.Join(left, "\n"))
	}
	p.withdraw()
	if left := p.left(); len(left) > 0 {
		t.Errorf("there are still:\n%s", strings.Join(left, "\n"))
	}
	for name, again := range map[string]struct {
		job  build.Job
		step plan.Step
	}{"a copy": {named(p.lib, "another"), p.libStep}, "what was built on it": {named(p.app, "another"), p.appStep}} {
		if _, err := p.promote(again.job, again.step); !errors.Is(err, build.ErrWithdrawn) {
			t.Errorf("promote %s: %v", name, err)
		}
	}
	late, lateStep := p.built("app.bst", p.app.Parts, p.app.Stands, p.tree("app", "other"), record.Clean, 3) // that was being built meanwhile
	if _, err := p.promote(late, lateStep); !errors.Is(err, build.ErrWithdrawn) {
		t.Errorf("promote what ended later: %v", err)
	}
	if left := p.left(); len(left) > 0 {
		t.Errorf("promoted again:\n%s", strings.Join(left, "\n"))
	}
}

// Rule 34: what is promoted while its dependency is withdrawn is found too: here after it was asked whether
// it may be stored, and before it is.
func TestPromoteRacesWithWithdrawal(t *testing.T) {
	p := newPromoter(t, record.Clean)
	promoting := p.env
	withdrawn := make(chan bool)
	promoting.Stage = func(stage build.Stage) {
		if stage != build.StageRecord {
			return
		}
		go func() {
			p.withdraw()
			close(withdrawn)
		}()
		for found := false; !found; { // then the application's lock is waited for
			stored, err := p.env.Artifacts.Peek(p.lib.Refs[0])
			found = err != nil
			if err == nil {
				_, found, _ = p.env.Records.Withdrawn(t.Context(), p.lib.Chain.Build, stored.Digest)
			}
		}
		time.Sleep(50 * time.Millisecond) // nobody can see that somebody waits for a lock of the kernel's
	}
	unlock, err := promoting.Lock(t.Context(), p.app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := promoting.Do(t.Context(), p.app, p.appStep); err != nil {
		t.Fatal(err)
	}
	unlock()
	<-withdrawn
	if left := p.left(); len(left) > 0 {
		t.Fatalf("there are still:\n%s", strings.Join(left, "\n"))
	}
}
