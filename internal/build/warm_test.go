package build

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
)

// warmOf makes a warm tree of a state in a cache.
func warmOf(t *testing.T, e *Env, id string, state any) string {
	t.Helper()
	dir := e.dir("warm", id)
	if err := os.MkdirAll(filepath.Join(dir, "build"), 0o755); err != nil {
		t.Fatal(err)
	}
	if state == nil {
		return dir
	}
	data, err := json.Marshal(state)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, warmState), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestMakeRoom: a build that is not continued gives up the warm tree first where the disk has no
// room for both, and what a killed build left of it; but not what another process has.
func TestMakeRoom(t *testing.T) {
	for name, test := range map[string]struct {
		state  any
		locked bool
		stays  bool
	}{
		"small":              {state: warmStateFile{Version: warmVersion, Bytes: 1}, stays: true},
		"as big as the disk": {state: warmStateFile{Version: warmVersion, Bytes: 1 << 60}},
		"of a killed build":  {},
		"in use":             {state: warmStateFile{Version: warmVersion, Bytes: 1 << 60}, locked: true, stays: true},
		"of a later program": {state: warmStateFile{Version: warmVersion + 1}},
	} {
		t.Run(name, func(t *testing.T) {
			e := &Env{Cache: t.TempDir(), Now: time.Now}
			dir := warmOf(t, e, "id", test.state)
			if err := os.MkdirAll(e.dir("locks"), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.locked {
				unlock, err := fsx.TryLock(e.dir("locks", "warm-id"))
				if err != nil {
					t.Fatal(err)
				}
				defer unlock()
			}
			if err := e.makeRoom(Job{Warm: "id"}); err != nil {
				t.Fatal(err)
			}
			if there(dir) != test.stays {
				t.Errorf("it is there: %v, want %v", there(dir), test.stays)
			}
		})
	}
}

// TestSweepWarm: what goes first, and what stays.
func TestSweepWarm(t *testing.T) {
	now := time.Now()
	e := &Env{Cache: t.TempDir(), Now: func() time.Time { return now }}
	home := t.TempDir()
	ages := map[string]time.Duration{"new": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "year": 365 * 24 * time.Hour,
		"homeless": time.Minute, "a.aside-1": 6 * 24 * time.Hour, "a.aside-2": 8 * 24 * time.Hour}
	for name, age := range ages {
		state := warmStateFile{Version: warmVersion, Bytes: 100, WorkDir: home}
		if name == "homeless" {
			state.WorkDir = filepath.Join(home, "gone")
		}
		dir := warmOf(t, e, name, state)
		for _, path := range []string{filepath.Join(dir, warmState), dir} {
			if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
	}
	warmOf(t, e, "killed", nil)
	check := func(room int64, want ...string) {
		t.Helper()
		left, err := e.SweepWarm(t.Context(), room, 10*time.Minute)
		if err != nil || left != int64(100*len(want)) {
			t.Fatalf("SweepWarm = %d, %v, want %d", left, err, 100*len(want))
		}
		for _, name := range want {
			if !there(e.dir("warm", name)) {
				t.Errorf("%s is gone", name)
			}
		}
	}
	check(1000, "new", "hour", "day", "a.aside-1")
	check(300, "new", "hour", "a.aside-1")
	check(0, "new", "a.aside-1")
}
