package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
)

// includeLine is a line of a compiled file that says which other files are read with it, or under
// which condition.
var includeLine = regexp.MustCompile(`(?m)^[ \t]*(?:#[ \t]*(?:include|import|embed|if|el|endif)|import\b|\.inc).*$`)

// MarkIncludes sets Includes where a compiled file's lines about other files differ (rule 23). Both
// versions are in the store; of one that is not, nothing is known.
func MarkIncludes(ctx context.Context, store cas.Store, changes []plan.Change) error {
	for i, change := range changes {
		if !plan.IsCompiled(change.Path) {
			continue
		}
		var lines [2][][]byte
		known := true
		for side, name := range []string{change.Was, change.Is} {
			d, err := digest.Parse(name)
			if err != nil {
				known = false
				continue
			}
			text, err := cas.Get(ctx, store, d)
			if err != nil && !errors.Is(err, cas.ErrNotFound) {
				return fmt.Errorf("look at the includes of %s: %w", change.Path, err)
			}
			known = known && err == nil
			lines[side] = includeLine.FindAll(text, -1)
		}
		changes[i].Includes = !known || !slices.EqualFunc(lines[0], lines[1], bytes.Equal)
	}
	return nil
}
