package gitint

import (
	"os"
	"path/filepath"
	"time"
)

// times are the modification times of those files of the user that git renews although it only
// reads: an object (or its pack) that it would have written, and the shared part of a split
// index. The work tree's snapshot puts them back, so that it leaves no trace.
type times map[string]int64 // path to nanoseconds

// maxTimes is how many files are looked at: 2 µs each. Git packs loose objects from 6700 on, so
// more are rare; their times are then left as git sets them, which harms nobody.
const maxTimes = 20_000

// readTimes notes the times of all such files.
func (r *Repo) readTimes() times {
	t := times{}
	patterns := []string{
		filepath.Join(escapeGlob(r.place.objects), "pack", "pack-*"),
		filepath.Join(escapeGlob(r.place.gitDir), "sharedindex.*"),
	}
	for _, pattern := range patterns {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			t.note(path)
		}
	}
	folders, _ := os.ReadDir(r.place.objects)
	for _, folder := range folders {
		if len(folder.Name()) != 2 || len(t) > maxTimes {
			continue
		}
		files, _ := os.ReadDir(filepath.Join(r.place.objects, folder.Name()))
		for _, file := range files {
			t.note(filepath.Join(r.place.objects, folder.Name(), file.Name()))
		}
	}
	return t
}

func (t times) note(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		t[path] = info.ModTime().UnixNano()
	}
}

// restore puts the times back that have changed.
func (t times) restore() {
	for path, nanoseconds := range t {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && info.ModTime().UnixNano() != nanoseconds {
			_ = os.Chtimes(path, time.Time{}, time.Unix(0, nanoseconds)) // another user's file stays as it is
		}
	}
}

// escapeGlob makes path a pattern for itself.
func escapeGlob(path string) string {
	var out []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}
