package action_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/cas"
)

// TestVerdicts: what was put is found; a damaged file is reported and not believed; what nobody asked
// for in a long time goes.
func TestVerdicts(t *testing.T) {
	dir := t.TempDir()
	verdicts, key, other := action.OpenVerdicts(dir), strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	if _, err := verdicts.Get(key); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("before Put: %v", err)
	}
	if err := verdicts.Put("../x", action.Verdict{}); !errors.Is(err, action.ErrInvalid) {
		t.Errorf("Put of what is no key: %v", err)
	}
	want := action.Verdict{ExitCode: 7, Duration: time.Second}
	for _, k := range []string{key, other} {
		if err := verdicts.Put(k, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := verdicts.Get(key); err != nil || got != want {
		t.Errorf("Get: %v, %v", got, err)
	}
	path := filepath.Join(dir, other[:2], other)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), `"exit":7`, `"exit":0`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := verdicts.Get(other); !errors.Is(err, cas.ErrCorrupt) {
		t.Errorf("Get of a changed one: %v", err)
	}
	var bad []string
	report := func(path string, err error) {
		if errors.Is(err, cas.ErrCorrupt) {
			bad = append(bad, path)
		}
	}
	if err := verdicts.Check(context.Background(), report); err != nil || len(bad) != 1 || bad[0] != path {
		t.Errorf("Check: %v, %v", bad, err)
	}
	old := time.Now().Add(-365 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, key[:2], key), old, old); err != nil {
		t.Fatal(err)
	}
	if err := verdicts.Sweep(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := verdicts.Get(key); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("after Sweep: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("Sweep removed what was used: %v", err)
	}
}
