package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
)

// ErrAmbiguous is returned for the beginning of several ids.
var ErrAmbiguous = errors.New("ambiguous")

// Newest is the name by which Find finds the newest record.
const Newest = "@"

// minShort is the number of digits from which on the beginning of an id's random part is taken for
// a name: fewer are ambiguous after some hundred builds.
const minShort = 4

// idRandom is where the random part of an id begins.
const idRandom = len(idTime) + 1

// Short returns the random part of an id, by which people name it: eight hex digits.
func Short(id string) string {
	if !ValidID(id) {
		return id
	}
	return id[idRandom:]
}

// Find returns the record that a name stands for: its id, the beginning of its id or, from four
// digits on, of the id's random part; or Newest, the newest that the filter admits. For all but
// Newest the filter does not count. cas.ErrNotFound when there is none; ErrAmbiguous names them when
// there are several; cas.ErrCorrupt and cas.ErrNewerFormat as from Get.
func (s *Store) Find(ctx context.Context, name string, f Filter) (Record, error) {
	if name == Newest {
		return s.Latest(ctx, f)
	}
	if ValidID(name) {
		return s.Get(ctx, name)
	}
	var found []string
	err := s.eachID(ctx, Filter{}, func(id string) bool {
		if begins(id, name) {
			found = append(found, id)
		}
		return len(found) <= maxCandidates
	})
	switch {
	case err != nil:
		return Record{}, fmt.Errorf("find record %s: %w", name, err)
	case len(found) == 0:
		return Record{}, fmt.Errorf("find record %s: %w", name, cas.ErrNotFound)
	case len(found) > 1:
		slices.Sort(found)
		list := strings.Join(found[:min(len(found), maxCandidates)], ", ")
		if len(found) > maxCandidates {
			list += ", …"
		}
		return Record{}, fmt.Errorf("find record %s: %w: it may be %s", name, ErrAmbiguous, list)
	}
	return s.Get(ctx, found[0])
}

// maxCandidates bounds how many ids an ErrAmbiguous names.
const maxCandidates = 5

func begins(id, name string) bool {
	if name == "" {
		return false
	}
	return strings.HasPrefix(id, name) || len(name) >= minShort && strings.HasPrefix(id[idRandom:], name)
}
