package record_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/record"
)

func TestFind(t *testing.T) {
	ctx, store := t.Context(), record.Open(t.TempDir())
	const a, b, c = "20260131T235958.000000-abcd0001", "20260131T235959.000000-abcd0002", "20260201T000000.000000-12340003"
	for _, id := range []string{a, b, c} {
		putAll(t, store, newRecord(t, 0, func(r *record.Record) {
			r.ID = id
			if id == c {
				r.Element = "other.bst"
			}
		}))
	}
	for _, test := range []struct {
		name   string
		filter record.Filter
		want   string
		err    error
	}{
		{a, record.Filter{}, a, nil},
		{"202601", record.Filter{}, "", record.ErrAmbiguous},
		{"20260131T235958", record.Filter{}, a, nil},
		{"abcd", record.Filter{}, "", record.ErrAmbiguous},
		{"abcd0002", record.Filter{}, b, nil},
		{"1234", record.Filter{}, c, nil},
		{"123", record.Filter{}, "", cas.ErrNotFound},
		{"", record.Filter{}, "", cas.ErrNotFound},
		{"@", record.Filter{}, c, nil},
		{"@", record.Filter{Project: "p", Element: "hello.bst"}, b, nil},
		{"@", record.Filter{Element: "absent.bst"}, "", cas.ErrNotFound},
		{"../x", record.Filter{}, "", cas.ErrNotFound},
	} {
		got, err := store.Find(ctx, test.name, test.filter)
		if got.ID != test.want || !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("Find(%q) = %q, %v, want %q, %v", test.name, got.ID, err, test.want, test.err)
		}
	}
	if _, err := store.Find(ctx, "abcd", record.Filter{}); err == nil || !strings.Contains(err.Error(), a+", "+b) {
		t.Errorf("the candidates are not named: %v", err)
	}
	if record.Short(a) != "abcd0001" || record.Short("odd") != "odd" {
		t.Errorf("Short: %q, %q", record.Short(a), record.Short("odd"))
	}
}
