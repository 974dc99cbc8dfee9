package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// ErrNoRecord: no build attempt is on record under this name.
var ErrNoRecord = fmt.Errorf("%w: no such build on record", ErrNotCached)

// OpenAnywhere opens the project where the user stands, or the cache alone where there is no project.
func OpenAnywhere(ctx context.Context, options Options) (*Session, error) {
	s, err := Open(ctx, options)
	if errors.Is(err, ErrNoProject) || errors.Is(err, gitint.ErrNoRepository) || errors.Is(err, gitint.ErrBare) {
		return OpenTrees(ctx, options)
	}
	return s, err
}

// RecordsRequest says which build attempts to list.
type RecordsRequest struct {
	Element    string // "": of all elements
	Everywhere bool   // of all projects, without looking at the one where the user stands
	Failed     bool   // only what did not succeed
	Limit      int    // 0: all
}

// Remains is what is still in the cache of what a record names.
type Remains struct {
	BuildTree bool `json:"build_tree"` // whole
	Log       bool `json:"log"`
	Artifact  bool `json:"artifact"` // the files, whole
}

// RecordRow is one build attempt.
type RecordRow struct {
	Record record.Record
	Here   Remains
}

// Records lists build attempts, the newest first. Elements that the project has no more are found
// under the name that they had.
func (s *Session) Records(ctx context.Context, request RecordsRequest) ([]RecordRow, error) {
	filter, loadErr := s.recordFilter(ctx, request)
	if loadErr != nil && filter.Element == "" {
		return nil, loadErr
	}
	filter.Unsuccessful, filter.Limit = request.Failed, request.Limit
	records, err := s.env.Records.List(ctx, filter, nil)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 && loadErr != nil {
		return nil, s.hintRecorded(ctx, filter, loadErr)
	}
	present := tree.NewPresence(s.cas)
	rows := make([]RecordRow, 0, len(records))
	for _, rec := range records {
		row := RecordRow{Record: rec}
		if row.Here, err = s.remains(ctx, present, rec); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// recordFilter finds out which records are meant. An error with an element in the filter says why
// the project does not tell: the records may be there all the same.
func (s *Session) recordFilter(ctx context.Context, request RecordsRequest) (record.Filter, error) {
	if request.Everywhere || s.dir == "" {
		return record.Filter{Element: request.Element}, nil
	}
	conf, err := project.Load(ctx, project.Request{Dir: s.dir, Options: s.config.Project.Options, ConfigOnly: true})
	if err != nil || request.Element == "" {
		if err != nil {
			return record.Filter{}, err
		}
		return record.Filter{Project: conf.Name}, nil
	}
	g, err := s.load(ctx, []string{request.Element})
	if err != nil {
		return record.Filter{Project: conf.Name, Element: request.Element}, err
	}
	element := g.project.Targets[0]
	return record.Filter{Project: element.Project.Name, Element: element.Name}, nil
}

// hintRecorded adds the name of a recorded element that may be meant.
func (s *Session) hintRecorded(ctx context.Context, filter record.Filter, err error) error {
	wanted := filter.Element
	filter.Element = ""
	records, listErr := s.env.Records.List(ctx, filter, nil)
	if listErr != nil {
		return err
	}
	var names []string
	for _, rec := range records {
		names = append(names, rec.Element)
	}
	slices.Sort(names)
	if near := hint.Nearest(wanted, slices.Compact(names)); near != "" {
		return hint.Add(err, "did you mean: git bst records "+near)
	}
	return err
}

func (s *Session) remains(ctx context.Context, present *tree.Presence, rec record.Record) (here Remains, err error) {
	if here.BuildTree, err = present.Whole(ctx, rec.BuildTree); err != nil {
		return here, err
	}
	if rec.Result == record.Success {
		if here.Artifact, err = present.Whole(ctx, rec.Files); err != nil {
			return here, err
		}
	}
	here.Log, err = s.logsHere(ctx, rec)
	return here, err
}

// logsHere reports whether what a build printed is here: at least one log, and all that there were.
func (s *Session) logsHere(ctx context.Context, rec record.Record) (bool, error) {
	var logs []digest.Digest
	for _, phase := range rec.Phases {
		if !phase.Log.IsZero() {
			logs = append(logs, phase.Log)
		}
	}
	if len(logs) == 0 && !rec.Log.IsZero() { // of a promoted build
		logs = append(logs, rec.Log)
	}
	missing, err := s.cas.Missing(ctx, logs)
	return len(logs) > 0 && len(missing) == 0, err
}

// Record finds a build attempt by its id, an unambiguous beginning of it, or record.Newest, the
// newest one of the project where the user stands. ErrNoRecord without one.
func (s *Session) Record(ctx context.Context, name string) (record.Record, error) {
	var filter record.Filter
	if name == record.Newest {
		var err error
		if filter, err = s.recordFilter(ctx, RecordsRequest{}); err != nil {
			return record.Record{}, err
		}
	}
	rec, err := s.env.Records.Find(ctx, name, filter)
	switch {
	case errors.Is(err, cas.ErrNotFound):
		return rec, hint.Add(fmt.Errorf("%w: %s", ErrNoRecord, name), "to see all: git bst records -n 0")
	case errors.Is(err, record.ErrAmbiguous):
		return rec, hint.Add(err, "to tell them apart: git bst records show ID")
	}
	return rec, err
}

// RecordDetail is all that is known of one build attempt.
type RecordDetail struct {
	RecordRow
	Inputs *keys.Inputs // nil where the pre-image is gone
	Chain  []BaseLink   // the base that it continued from, that one's base, and so on
}

// BaseLink is one base of a chain.
type BaseLink struct {
	ID      string        `json:"id"`
	Verdict string        `json:"verdict,omitempty"`
	Result  record.Result `json:"result,omitempty"`
	Gone    bool          `json:"gone,omitempty"` // it is no longer on record
}

// maxBases bounds a chain of bases that is shown.
const maxBases = 100

// RecordDetail returns all that is known of one build attempt; the name is as for Record.
func (s *Session) RecordDetail(ctx context.Context, name string) (RecordDetail, error) {
	rec, err := s.Record(ctx, name)
	if err != nil {
		return RecordDetail{}, err
	}
	detail := RecordDetail{RecordRow: RecordRow{Record: rec}}
	if detail.Here, err = s.remains(ctx, tree.NewPresence(s.cas), rec); err != nil {
		return detail, err
	}
	if image, err := cas.Get(ctx, s.cas, rec.Parts.PreImage); err == nil {
		if inputs, err := keys.InputsOf(image); err == nil {
			detail.Inputs = &inputs
		}
	}
	for id := rec.Base; id != "" && len(detail.Chain) < maxBases; {
		base, err := s.env.Records.Get(ctx, id)
		if err != nil {
			detail.Chain = append(detail.Chain, BaseLink{ID: id, Gone: true})
			break
		}
		detail.Chain = append(detail.Chain, BaseLink{ID: id, Verdict: base.Verdict, Result: base.Result})
		id = base.Base
	}
	return detail, nil
}
