package cas_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/bsttest"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// killAt names the store and the step, in the child's environment.
const killStore, killAt = "GIT_BST_TEST_KILL_STORE", "GIT_BST_TEST_KILL_AT"

var killBlobs = [][]byte{[]byte("small"), bsttest.Blob(1<<20, 7), bsttest.Blob(5000, 8)}

// TestKilledWriter is the child of the test below; on its own it has nothing to do.
func TestKilledWriter(t *testing.T) {
	dir := os.Getenv(killStore)
	if dir == "" {
		return
	}
	left, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, cas.Options{})
	l.InjectSteps(func(string) error {
		if left--; left < 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	})
	if _, err := l.Lease(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, data := range killBlobs {
		d, err := l.Put(t.Context(), bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.File(t.Context(), d, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.GC(t.Context(), cas.GCOptions{Grace: -1}); err != nil {
		t.Fatal(err)
	}
}

func TestKilledAtEveryStepTheStoreIsWhole(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cas") // the same for all: the damage would add up
	for step := 0; ; step++ {
		cmd := exec.Command(self, "-test.run=^TestKilledWriter$")
		cmd.Env = []string{killStore + "=" + dir, killAt + "=" + strconv.Itoa(step)}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.Exited() && err != nil {
			t.Fatalf("step %d: %v\n%s", step, err, out)
		}
		checkAfterKill(t, dir, step)
		if err == nil {
			if step < 10 {
				t.Errorf("only %d steps: the test tests nothing", step)
			}
			return
		}
	}
}

func checkAfterKill(t *testing.T, dir string, step int) {
	t.Helper()
	l := open(t, dir, cas.Options{})
	defer l.Close()
	err := l.Fsck(t.Context(), func(p cas.Problem) { t.Errorf("step %d: %s: %s", step, p.Path, p.What) })
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range killBlobs {
		missing, err := l.Missing(t.Context(), []digest.Digest{digest.Of(data)})
		if err != nil {
			t.Fatal(err)
		}
		if len(missing) > 0 {
			continue
		}
		if got, err := cas.Get(t.Context(), l, digest.Of(data)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("step %d: a blob that is there: %v", step, err)
		}
	}
	// Start the next round empty, by way of a collection beside the dead lease.
	if _, err := l.GC(t.Context(), cas.GCOptions{Grace: -1, Now: later}); err != nil {
		t.Fatal(err)
	}
	if u, err := l.Usage(t.Context()); err != nil || u.Blobs != 0 || u.Leases != 0 {
		t.Errorf("step %d: after a collection: %+v, %v", step, u, err)
	}
}

// later is after any use.
func later() time.Time { return time.Now().Add(time.Hour) }
