package project_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPeerRefuses checks that BuildStream refuses the same projects. Cases with a line "ours:" are
// limits of this loader only, and are left out. About 30 of the others are taken, or as many as
// GIT_BST_TEST_PEERS says. How to install it: see TestPeerGenerated in keys.
func TestPeerRefuses(t *testing.T) {
	bst := os.Getenv("GIT_BST_TEST_BST")
	if bst == "" && os.Getenv("CI") != "" {
		t.Fatal("no BuildStream to compare with: set GIT_BST_TEST_BST to the path of its program bst")
	}
	if bst == "" {
		t.Skip("NOT COMPARED with BuildStream: set GIT_BST_TEST_BST to the path of its program bst")
	}
	home := t.TempDir()
	paths, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	count, err := strconv.Atoi(os.Getenv("GIT_BST_TEST_PEERS"))
	if err != nil || count < 1 {
		count = 30
	}
	for i, path := range paths {
		if i%max(1, len(paths)/count) != 0 {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "\nours: ") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			c := readErrorCase(t, path)
			args := []string{"--no-interactive", "--no-colors", "--directory", c.write(t)}
			for name, value := range c.options {
				args = append(args, "--option", name, value)
			}
			cmd := exec.Command(bst, append(args, "show", "--format", "%{name}", c.target)...)
			cmd.Env = []string{"HOME=" + home, "PATH=" + filepath.Dir(bst) + ":/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("BuildStream accepts this:\n%s", out)
			}
			t.Logf("%s\n%s", c.reason, out)
		})
	}
}
