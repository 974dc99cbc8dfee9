package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// owners knows which files belong to packages, where the host's database says so cheaply
// (dpkg's does). It is read only when an area of /usr is not as it was. It may be used by
// several goroutines.
type owners struct {
	root  string
	once  sync.Once
	paths map[string]struct{} // empty: not known
}

// owns reports whether a package owns a path of the host, and whether that is known at all.
func (o *owners) owns(path string) (owned, known bool) {
	o.once.Do(o.read)
	if len(o.paths) == 0 {
		return false, false
	}
	_, owned = o.paths[path]
	if short, ok := strings.CutPrefix(path, "/usr/"); ok && !owned {
		_, owned = o.paths["/"+short] // as it was called before /lib and /bin became links
	}
	return owned, true
}

// read reads dpkg's lists of files: a path on each line.
func (o *owners) read() {
	o.paths = map[string]struct{}{}
	lists, err := filepath.Glob(filepath.Join(o.root, "var/lib/dpkg/info/*.list"))
	if err != nil {
		return
	}
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			if len(line) > 1 {
				o.paths[string(line)] = struct{}{}
			}
		}
	}
}
