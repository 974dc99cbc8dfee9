package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/ledger"
)

// childFolder names the variable that makes the test binary a writer that never ends.
const childFolder = "GIT_BST_TEST_LEDGER_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		write(dir)
	}
	os.Exit(m.Run())
}

// write puts sealed files under ten names, again and again, and says so on stdout.
func write(dir string) {
	folder := ledger.Open(dir)
	for n := 0; ; n++ {
		data, err := ledger.Seal("thing", 1, body{A: strings.Repeat("x", 20_000), N: n})
		if err == nil {
			err = folder.Write(fmt.Sprintf("k/%d", n%10), data)
		}
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// TestKilledWriter: a writer that is killed at any moment leaves whole files only, and what it had
// said to be written.
func TestKilledWriter(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for round := range 12 {
		ctx, kill := context.WithCancel(t.Context())
		child := exec.CommandContext(ctx, self) // cancelled: SIGKILL
		child.Env = []string{childFolder + "=" + dir}
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		var said int
		for range 5 + 3*round {
			if !lines.Scan() {
				t.Fatal("the writer ended")
			}
			if _, err := fmt.Sscan(lines.Text(), &said); err != nil {
				t.Fatal(lines.Text())
			}
		}
		kill()
		_ = child.Wait() // killed
		checkAll(t, ledger.Open(dir), said)
	}
	if err := ledger.Open(dir).Sweep(t.Context(), time.Unix(1<<40, 0)); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "k/.*")); len(left) > 0 {
		t.Errorf("Sweep leaves %q", left)
	}
}

// checkAll reads all files; the one that was said to hold the number must hold it or a later one.
func checkAll(t *testing.T, folder ledger.Folder, said int) {
	t.Helper()
	err := folder.Each(t.Context(), "k", func(name string) error {
		var got body
		data, err := folder.Read(name)
		if err == nil {
			err = ledger.Unseal("thing", 1, data, &got)
		}
		if name == fmt.Sprintf("k/%d", said%10) && got.N < said {
			t.Errorf("%s holds %d, it was said to hold %d", name, got.N, said)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
