package hooks

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/git-bst/git-bst/internal/fsx"
)

// Tell leaves a line for the user, in place of one that was not taken yet.
func (q Queue) Tell(line string) error {
	line, _, _ = strings.Cut(line, "\n")
	return fsx.WriteFile(q.path("notice"), []byte(line+"\n"), 0o600)
}

// Untell takes the line back: what it told of is no longer so.
func (q Queue) Untell() error {
	if err := os.Remove(q.path("notice")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Told takes the line; "" where there is none. Of several that ask at once, one gets it.
func (q Queue) Told() string {
	if os.Rename(q.path("notice"), q.path("notice.told")) != nil {
		return ""
	}
	data, err := fsx.ReadOwn(q.path("notice.told"))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
