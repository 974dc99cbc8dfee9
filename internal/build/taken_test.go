package build

import (
	"errors"
	"fmt"
	"testing"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/plan"
)

// What is the old tree's fault makes the build clean; all else is an error.
func TestNotTakenUp(t *testing.T) {
	other := errors.New("disk on fire")
	for _, test := range []struct {
		err  error
		code plan.Code
	}{
		{fmt.Errorf("restore the times of build: %w", ErrClock), plan.CodeClock},
		{fmt.Errorf("restore build: %w", cas.ErrNotFound), plan.CodeBaseGone},
		{other, ""},
		{cas.ErrCorrupt, ""}, // it was put aside: flow plans once more
	} {
		var doubt *doubtError
		if got := notTakenUp(test.err); errors.As(got, &doubt) != (test.code != "") || doubt != nil && doubt.reason.Code != test.code || doubt == nil && got != test.err {
			t.Errorf("%v became %v", test.err, got)
		}
	}
}
