package hint_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/git-bst/git-bst/internal/hint"
)

func TestLines(t *testing.T) {
	inner := hint.Add(io.ErrUnexpectedEOF, "fetch it again")
	err := hint.Addf(fmt.Errorf("read x: %w", inner), "see %s", "the log")
	if got, want := hint.Lines(err), []string{"see the log", "fetch it again"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Lines = %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "read x: unexpected EOF" {
		t.Errorf("the error itself changed: %v", err)
	}
	joined := errors.Join(errors.New("plain"), inner, inner)
	if got, want := hint.Lines(joined), []string{"fetch it again"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Lines of a join = %q, want %q", got, want)
	}
	if hint.Add(nil, "x") != nil || hint.Lines(nil) != nil {
		t.Error("nil must stay nil")
	}
}
