package keys_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/project"
)

const peerHelp = `set GIT_BST_TEST_BST to the path of the program bst of BuildStream 2.8:
	python3 -m venv /some/where
	/some/where/bin/pip install BuildStream==2.8.1 buildstream-plugins==2.8.0 buildstream-plugins-community dulwich requests
	(and the packages bubblewrap, fuse3, lzip, git, patch)
	GIT_BST_TEST_BST=/some/where/bin/bst go test ./keys -run Peer`

// peer runs BuildStream itself.
type peer struct {
	bst, home string
}

// newPeer returns the peer, or skips the test where there is none. In CI that is a failure.
func newPeer(t testing.TB) peer {
	bst := os.Getenv("GIT_BST_TEST_BST")
	if bst == "" && os.Getenv("CI") != "" {
		t.Fatal("no BuildStream to compare with: " + peerHelp)
	}
	if bst == "" {
		t.Skip("NOT COMPARED with BuildStream: " + peerHelp)
	}
	p := peer{bst: bst, home: t.TempDir()}
	config := fmt.Sprintf("cachedir: %s/cache\nbuild: {max-jobs: %d}\n", p.home, peerJobs)
	if err := os.WriteFile(filepath.Join(p.home, "bst.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// peerJobs is max-jobs on both sides.
const peerJobs = 3

// show runs bst show for the keys of the targets' closure.
func (p peer) show(dir string, options map[string]string, targets ...string) (stdout, stderr string, err error) {
	args := []string{"--no-interactive", "--no-colors", "--config", filepath.Join(p.home, "bst.yaml"), "--directory", dir}
	for name, value := range options {
		args = append(args, "--option", name, value)
	}
	args = append(args, "show", "--deps", "all", "--format", "%{name}::%{full-key}")
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, p.bst, append(args, targets...)...)
	cmd.Env = []string{
		"HOME=" + p.home, "PATH=" + filepath.Dir(p.bst) + ":/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
	}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	return out.String(), talk.String(), err
}

// TestPeerGenerated compares the keys of generated projects. GIT_BST_TEST_PEERS says how many (30),
// GIT_BST_TEST_SEED with which to begin (1), GIT_BST_TEST_KEEP where to keep them.
func TestPeerGenerated(t *testing.T) {
	p := newPeer(t)
	count, first := number("GIT_BST_TEST_PEERS", 30), number("GIT_BST_TEST_SEED", 1)
	for seed := first; seed < first+count; seed++ {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			dir := t.TempDir()
			if keep := os.Getenv("GIT_BST_TEST_KEEP"); keep != "" {
				dir = filepath.Join(keep, strconv.Itoa(seed))
			}
			g := generate(t, uint64(seed), dir)
			out, talk, err := p.show(g.dir, g.options, "all.bst")
			if err != nil {
				t.Fatalf("bst refused generated project %d: %v\n%s", seed, err, talk)
			}
			got, err := strictKeys(t, project.Request{Dir: g.dir, Options: g.options, Targets: []string{"all.bst"}, MaxJobs: peerJobs})
			if err != nil {
				t.Fatalf("we refused generated project %d, options %v: %v", seed, g.options, err)
			}
			compareKeys(t, got, parseKeys(t, out))
		})
	}
}

func number(variable string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return def
}

// TestPeerGolden checks that the golden keys are what BuildStream prints.
func TestPeerGolden(t *testing.T) {
	p := newPeer(t)
	for _, set := range goldenSets {
		dir := filepath.Join("testdata", "golden", set.dir)
		loaded, err := project.Load(context.Background(), project.Request{Dir: dir, Options: set.options})
		if err != nil {
			t.Fatal(err)
		}
		var targets []string
		for _, e := range loaded.Order {
			targets = append(targets, e.FullName())
		}
		sort.Strings(targets)
		out, talk, err := p.show(dir, set.options, targets...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", set.keys, err, talk)
		}
		data, err := os.ReadFile(filepath.Join("testdata", "golden", set.keys+".keys"))
		if err != nil {
			t.Fatal(err)
		}
		compareKeys(t, parseKeys(t, string(data)), parseKeys(t, out))
	}
}
