package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/keys"
)

// The types of what Provenance returns. buildType's document describes the fields that are ours.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://slsa.dev/provenance/v1"
	builderID     = "https://github.com/git-bst/git-bst"
	buildType     = builderID + "/blob/main/docs/format.md#provenance"
)

// Statement is an in-toto statement that says how an artifact was made. Its JSON is the same each time: it
// has what is on record and nothing else.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Provenance `json:"predicate"`
}

// Resource is something with a name and digests, by algorithm.
type Resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest"`
	Annotations map[string]any    `json:"annotations,omitempty"`
}

// Provenance is a predicate of SLSA provenance.
type Provenance struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what went in.
type BuildDefinition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   externalParameters `json:"externalParameters"`
	InternalParameters   internalParameters `json:"internalParameters"`
	ResolvedDependencies []Resource         `json:"resolvedDependencies"`
}

type externalParameters struct {
	Project   string `json:"project"`
	Element   string `json:"element"`
	StrictKey string `json:"strictKey,omitempty"`
}

type internalParameters struct {
	BuildKey string            `json:"buildKey"`
	Root     string            `json:"root"`
	Sandbox  string            `json:"sandbox"`
	Layout   provenanceLayout  `json:"layout"`
	Phases   []provenancePhase `json:"phases"`
	Collect  string            `json:"collect,omitempty"`
}

type provenanceLayout struct {
	BuildRoot   string `json:"buildRoot,omitempty"`
	InstallRoot string `json:"installRoot,omitempty"`
	WorkDir     string `json:"workDir,omitempty"`
	OS          string `json:"os,omitempty"`
	Arch        string `json:"arch,omitempty"`
	UID         int    `json:"uid"`
	GID         int    `json:"gid"`
}

type provenancePhase struct {
	Name        string            `json:"name"`
	Key         string            `json:"key,omitempty"`
	How         record.PhaseHow   `json:"how,omitempty"`
	Commands    []string          `json:"commands"`
	Environment map[string]string `json:"environment"`
}

// RunDetails are about the run that made it.
type RunDetails struct {
	Builder    provenanceBuilder  `json:"builder"`
	Metadata   provenanceMetadata `json:"metadata"`
	Byproducts []Resource         `json:"byproducts,omitempty"`
	// Trust and Chain are ours: how far the result can be relied on, and what it was made from, the newest first.
	Trust provenanceTrust  `json:"gitbst_trust"`
	Chain []provenanceLink `json:"gitbst_chain"`
}

type provenanceBuilder struct {
	ID string `json:"id"`
}

type provenanceMetadata struct {
	InvocationID string `json:"invocationId"`
	StartedOn    string `json:"startedOn"`
	FinishedOn   string `json:"finishedOn"`
}

type provenanceTrust struct {
	How      record.How   `json:"how"`
	Where    record.Where `json:"where"`
	Verified bool         `json:"verified"`
	Remote   string       `json:"remote,omitempty"`
}

type provenanceLink struct {
	Record  string        `json:"record"`
	Verdict string        `json:"verdict,omitempty"`
	Reason  string        `json:"reason,omitempty"` // its code
	Result  record.Result `json:"result,omitempty"`
	How     record.How    `json:"how,omitempty"`
	Source  string        `json:"source,omitempty"` // SHA-256 of the tree
	Gone    bool          `json:"gone,omitempty"`
}

// Provenance says how an artifact was made: what went in, by content, how far it can be trusted and which
// builds it came of. It has no environment but the recipe's, and no host's or user's names or paths.
func (s *Session) Provenance(ctx context.Context, name string) (Statement, error) {
	found, err := s.Artifact(ctx, name)
	if err != nil {
		return Statement{}, err
	}
	rec := found.Record
	if rec == nil {
		err := fmt.Errorf("%w: the record of how %s was made", ErrNotCached, found.Name)
		return Statement{}, hint.Addf(err, "to make it anew, and put that on record: git bst build --clean %s", found.Name)
	}
	image, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return Statement{}, fmt.Errorf("%w: %s", ErrNotCached, collected(*rec, "list of inputs"))
	}
	parts, err := keys.PartsOf(image)
	if err != nil {
		return Statement{}, fmt.Errorf("tell how %s was made: %w", found.Name, err)
	}
	files := found.Entry.Artifact.Files
	statement := Statement{Type: statementType, PredicateType: predicateType,
		Subject: []Resource{{Name: rec.Project + "/" + rec.Element, Digest: sha(files.Hash())}}}
	statement.Predicate = Provenance{
		BuildDefinition: BuildDefinition{
			BuildType:          buildType,
			ExternalParameters: externalParameters{Project: rec.Project, Element: rec.Element, StrictKey: rec.StrictKey},
			InternalParameters: parameters(*rec, parts), ResolvedDependencies: s.dependencies(ctx, *rec, parts),
		},
		RunDetails: s.runDetails(ctx, *rec),
	}
	return statement, s.strip(&statement)
}

func sha(hash string) map[string]string { return map[string]string{"sha256": hash} }

func parameters(rec record.Record, parts keys.Parts) internalParameters {
	layout := parts.Layout
	p := internalParameters{BuildKey: rec.BuildKey, Root: parts.Root.Kind, Sandbox: rec.Sandbox, Collect: parts.Collect, Phases: []provenancePhase{},
		Layout: provenanceLayout{layout.BuildRoot, layout.InstallRoot, layout.WorkDir, layout.OS, layout.Arch, layout.UID, layout.GID}}
	for _, phase := range parts.Phases {
		one := provenancePhase{Name: phase.Name, Commands: phase.Commands, Environment: phase.Environment}
		for _, ran := range rec.Phases {
			if ran.Name == phase.Name {
				one.Key, one.How = ran.Key, ran.How
			}
		}
		p.Phases = append(p.Phases, one)
	}
	return p
}

// dependencies are the source, with its commit where it is one's, and what it was built on.
func (s *Session) dependencies(ctx context.Context, rec record.Record, parts keys.Parts) []Resource {
	list := []Resource{}
	if source, err := digest.Parse(parts.Source); err == nil {
		one := Resource{Name: "source", Digest: sha(source.Hash())}
		if commit := rec.Facts.Commit; commit != "" {
			if rec.Facts.Dirty {
				one.Annotations = map[string]any{"gitbst_changedSince": commit}
			} else {
				one.Digest["gitCommit"] = commit
				if tree := s.treeOf(ctx, commit); tree != "" {
					one.Digest["gitTree"] = tree
				}
			}
		}
		list = append(list, one)
	}
	for _, dep := range parts.Sysroot {
		if files, err := digest.Parse(dep.Files); err == nil {
			list = append(list, Resource{Name: dep.Name, Digest: sha(files.Hash()), Annotations: map[string]any{"gitbst_location": dep.Location}})
		}
	}
	if fingerprint, err := digest.Parse(parts.Root.Fingerprint); err == nil {
		list = append(list, Resource{Name: "host", Digest: sha(fingerprint.Hash())})
	}
	return list
}

// treeOf is git's id of a commit's tree; "" where the commit is not in the repository where the user
// stands.
func (s *Session) treeOf(ctx context.Context, commit string) string {
	if s.repo == nil {
		return ""
	}
	repo, err := s.hereRepo(ctx)
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	args := []string{"rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{tree}"}
	if repo.Do(ctx, gitint.Command{Args: args, Stdout: &out}) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}

func (s *Session) runDetails(ctx context.Context, rec record.Record) RunDetails {
	details := RunDetails{
		Builder: provenanceBuilder{builderID},
		Metadata: provenanceMetadata{rec.ID, rec.Started.UTC().Format(time.RFC3339Nano),
			rec.Started.Add(rec.Duration).UTC().Format(time.RFC3339Nano)},
		Trust: provenanceTrust{rec.Trust.How, rec.Trust.Where, rec.Trust.Verified, rec.Trust.Remote},
		Chain: []provenanceLink{},
	}
	for _, one := range []struct {
		name string
		d    digest.Digest
	}{{"log", rec.Log}, {"build tree", rec.BuildTree}, {"trace", rec.Trace}} {
		if !one.d.IsZero() {
			details.Byproducts = append(details.Byproducts, Resource{Name: one.name, Digest: sha(one.d.Hash())})
		}
	}
	for link := rec; len(details.Chain) < maxBases; {
		details.Chain = append(details.Chain, provenanceLink{Record: link.ID, Verdict: link.Verdict, Reason: link.Reason.Code, Result: link.Result,
			How: link.Trust.How, Source: link.Parts.Source.Hash()})
		if link.Base == "" {
			break
		}
		base, err := s.env.Records.Get(ctx, link.Base)
		if err != nil {
			details.Chain = append(details.Chain, provenanceLink{Record: link.Base, Gone: true})
			break
		}
		link = base
	}
	return details
}

// strip takes out the cache's folder, which without a sandbox is where things are built.
func (s *Session) strip(statement *Statement) error {
	data, err := json.Marshal(statement)
	if err != nil {
		return fmt.Errorf("write provenance: %w", err)
	}
	dir, err := json.Marshal(s.config.Cache.Dir)
	if err != nil {
		return fmt.Errorf("write provenance: %w", err)
	}
	data = bytes.ReplaceAll(data, bytes.Trim(dir, `"`), []byte("$CACHE"))
	*statement = Statement{}
	return json.Unmarshal(data, statement)
}
