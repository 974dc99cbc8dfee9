package build_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/record"
)

// What failed on a withdrawn build's tree has no artifact to withdraw, and must not be continued.
func TestWithdrawnBase(t *testing.T) {
	ctx := context.Background()
	env := build.Env{Records: record.Open(t.TempDir())}
	id := func(n int) string { return fmt.Sprintf("20260102T03040%d.000000-0000000%d", n, n) }
	key := digest.Of([]byte("key")).Hash()
	put := func(n, base int, result record.Result, made string) record.Record {
		t.Helper()
		r := record.Record{ID: id(n), Project: "p", Element: "e.bst", BuildKey: key, Result: result, Started: time.Unix(int64(n), 0)}
		if base > 0 {
			r.Base = id(base)
		}
		if made != "" {
			r.Artifact = digest.Of([]byte(made))
		}
		if err := env.Records.Put(ctx, r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	stale := put(1, 0, record.Success, "stale")
	failed := put(2, 1, record.Failed, "")
	stopped := put(3, 2, record.Interrupted, "")
	right := put(4, 0, record.Success, "right")
	alone := put(5, 0, record.Failed, "")
	onRight := put(6, 4, record.Failed, "")
	orphan := put(7, 9, record.Failed, "")
	if err := env.Records.Withdraw(ctx, record.Tombstone{BuildKey: key, Artifact: stale.Artifact}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rec  record.Record
		want bool
	}{
		"withdrawn": {stale, true}, "failed on it": {failed, true}, "interrupted on what failed on it": {stopped, true},
		"right": {right, false}, "failed on nothing": {alone, false}, "failed on what is right": {onRight, false}, "failed on what is gone": {orphan, true},
	} {
		if got, err := env.IsWithdrawn(ctx, c.rec); err != nil || got != c.want {
			t.Errorf("%s: IsWithdrawn = %t, %v, want %t", name, got, err, c.want)
		}
	}
}
