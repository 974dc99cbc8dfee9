package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestNoConflictMarkers: what git leaves of a merge in a file is not committed, in documents neither.
func TestNoConflictMarkers(t *testing.T) {
	for _, dir := range []string{"cmd", "docs", "gitint", "hooks", "internal", "keys", "scripts", "testscripts"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, mark := range []string{"\n<<<<<<< ", "\n>>>>>>> "} {
				if bytes.Contains(text, []byte(mark)) {
					t.Errorf("%s has git's conflict markers: %q", path, mark)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
