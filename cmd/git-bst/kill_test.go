package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/tree"
)

// Variables that make the test below longer: how many kills in each stage, and the seed.
const (
	killCount = "GIT_BST_TEST_KILLS"
	killSeed  = "GIT_BST_TEST_SEED"
)

// killStages are the stages in which a build is killed.
var killStages = []build.Stage{
	build.StageStaging, build.StagePhase, build.StageCapture, build.StageCache, build.StageRecord, build.StageArtifact,
}

// warmStages are those of a build that is continued in the folder that the last one left: nothing of
// it goes into the phase cache.
var warmStages = []build.Stage{
	build.StageStaging, build.StageWarm, build.StagePhase, build.StageCapture, build.StageRecord, build.StageArtifact, build.StageEnd,
}

// TestKilledBuild kills builds in every stage, at seeded moments. After each, the cache must be
// whole, no process of the build may be left, and the next build must make what a clean one makes.
// All happens in one cache, so that damage adds up. scripts/accept-kill runs it for longer.
func TestKilledBuild(t *testing.T) {
	k := newKillBench(t)
	k.stages = killStages
	k.plain("init", "--kind", "manual", "--name", "killed")
	k.change(0)
	lengths := k.measure()
	k.checkResult(0)
	k.killAll(lengths)
}

// TestKilledWarm is TestKilledBuild for builds that are continued in the folder that the last one
// left, with a clean one in between.
func TestKilledWarm(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("install make")
		}
		t.Skip("install make")
	}
	k := newKillBenchFor(t, "auto")
	k.stages = warmStages
	k.plain("init", "--kind", "manual", "--name", "killed")
	k.change(0)
	k.plain("build")
	k.checkResult(0)
	k.change(1)
	lengths := k.measure()
	k.checkResult(1)
	k.killAll(lengths)
	if aside, _ := filepath.Glob(filepath.Join(k.cache, "git-bst", "warm", "*.aside-*")); len(aside) > 0 {
		t.Errorf("what a killed build left was taken for somebody's changes: %q", aside)
	}
	continued := strings.Count(k.plain("--json", "records", "killed.bst"), `"continue"`)
	if continued < len(warmStages) {
		t.Errorf("only %d builds were continued", continued)
	}
}

// killAll kills builds in all stages.
func (k *killBench) killAll(lengths map[build.Stage]time.Duration) {
	k.Helper()
	want, seed := number(k.T, killCount, 2), number(k.T, killSeed, 1)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	killed := map[build.Stage]int{}
	round := 1
	for _, stage := range k.stages {
		for tries := 0; killed[stage] < want; tries++ {
			if tries > 20*want {
				k.Fatalf("killed only %d of %d times in stage %s", killed[stage], want, stage)
			}
			round++
			k.change(round)
			delay := time.Duration(random.Int64N(max(1, int64(lengths[stage]))))
			if tries%4 == 0 {
				delay = 0 // at the very beginning
			}
			args := []string{"build"}
			if k.policy == "auto" && tries%5 == 4 {
				args = append(args, "--clean")
			}
			in, dead := k.killedBuild(stage, 1+tries%k.repeats(stage), delay, args)
			if dead {
				killed[in]++
			}
			k.checkCache(round)
			k.plain("build")
			k.checkResult(round)
			if round%collectEach == 0 {
				k.collect()
			}
		}
	}
	k.checkCache(round)
	k.plain("cache", "gc", "--budget", "1")
	k.checkCache(round)
	if left, _ := os.ReadDir(filepath.Join(k.cache, "git-bst", "work")); len(left) > 0 {
		k.Errorf("%d work folders are left after a collection", len(left))
	}
	k.Logf("%d builds, seed %d, killed in: %v", round, seed, killed)
}

// collectEach is after how many rounds the cache is emptied: fsck reads all of it in every round.
const collectEach = 20

// repeats is how often a build enters a stage: once a phase, or once.
func (k *killBench) repeats(stage build.Stage) int {
	switch {
	case stage == build.StagePhase, stage == build.StageWarm:
		return 2
	case stage == build.StageCapture, stage == build.StageCache:
		if k.policy != "auto" {
			return 2
		}
	}
	return 1
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// killBench is a project, a home and a cache in which builds are killed.
type killBench struct {
	*testing.T
	self, dir, cache, repo, status string
	environ                        []string
	token                          string // in the environment of every command of a build
	policy                         string // about continued builds
	stages                         []build.Stage
}

func newKillBench(t *testing.T) *killBench {
	t.Helper()
	return newKillBenchFor(t, "never")
}

// newKillBenchFor is newKillBench with another policy about continued builds.
func newKillBenchFor(t *testing.T, policy string) *killBench {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := &killBench{T: t, self: self, dir: dir, cache: filepath.Join(dir, "cache"), repo: filepath.Join(dir, "repo"), status: filepath.Join(dir, "stage"), policy: policy}
	k.token = fmt.Sprintf("killed-%d-%d", os.Getpid(), time.Now().UnixNano())
	k.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + k.cache, "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C.UTF-8", "TERM=dumb", "GIT_BST_BUILD_CONTINUE=" + policy,
	}
	if out, err := exec.Command("git", "init", "--quiet", k.repo).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	if err := rememberHost(k.cache); err != nil {
		t.Fatal(err)
	}
	return k
}

// change gives the project the sources and the element of a round.
func (k *killBench) change(round int) {
	k.Helper()
	command := "for f in src/*; do f=${f#src/}; f=${f%.c}; cat src/$f.c src/$f.c > obj/$f; done"
	if k.policy == "auto" {
		command = "make"
	}
	var makefile strings.Builder
	makefile.WriteString("all:")
	for i := range killFiles {
		fmt.Fprintf(&makefile, " obj/%d", i)
	}
	makefile.WriteString("\nobj/%: src/%.c\n\tcat $< $< > $@\n") // units, whose readers are counted one by one
	element := fmt.Sprintf(`kind: manual
sources:
- kind: local
  path: .
environment:
  KILL_TOKEN: %s
config:
  build-commands:
  - |
    mkdir -p obj
    %s
  install-commands:
  - |
    mkdir -p %%{install-root}/usr/share
    cp -r obj %%{install-root}/usr/share/obj
    chmod 755 %%{install-root}/usr/share/obj/0
    ln -s obj/0 %%{install-root}/usr/share/link
  strip-commands: []
`, k.token, command)
	files := map[string][]byte{"elements/killed.bst": []byte(element), "Makefile": []byte(makefile.String())}
	for i := range killFiles {
		files[fmt.Sprintf("src/%d.c", i)] = killFile(round, i)
	}
	k.write(k.repo, files)
}

// killFiles is how many sources there are. The last is big.
const killFiles = 40

// killFile is the content of a source. Half of them change in every round.
func killFile(round, i int) []byte {
	size := 100 + 200*i
	if i == killFiles-1 {
		size = 1 << 20
	}
	if i%2 == 0 {
		round = 0
	}
	random := rand.NewChaCha8([32]byte{byte(i), byte(round), byte(round >> 8)})
	data := make([]byte, size)
	_, _ = random.Read(data)
	return data
}

func (k *killBench) write(dir string, files map[string][]byte) {
	k.Helper()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			k.Fatal(err)
		}
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			k.Fatal(err)
		}
	}
}

// expected is the digest of the files of a round's artifact, made without a build.
func (k *killBench) expected(round int) string {
	k.Helper()
	dir := filepath.Join(k.dir, "expected")
	if err := os.RemoveAll(dir); err != nil {
		k.Fatal(err)
	}
	files := map[string][]byte{}
	for i := range killFiles {
		data := killFile(round, i)
		files[fmt.Sprintf("usr/share/obj/%d", i)] = append(data[:len(data):len(data)], data...)
	}
	k.write(dir, files)
	if err := os.Chmod(filepath.Join(dir, "usr/share/obj/0"), 0o755); err != nil {
		k.Fatal(err)
	}
	if err := os.Symlink("obj/0", filepath.Join(dir, "usr/share/link")); err != nil {
		k.Fatal(err)
	}
	store, err := cas.OpenLocal(filepath.Join(k.dir, "expected-cas"), cas.Options{})
	if err != nil {
		k.Fatal(err)
	}
	defer store.Close()
	imported, err := tree.Import(k.Context(), store, dir, tree.ImportOptions{HashOnly: true})
	if err != nil {
		k.Fatal(err)
	}
	return imported.Root.String()
}

// try runs git-bst in this process and returns its exit code and what it printed.
func (k *killBench) try(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(k.Context(), machine{
		args: append([]string{"git-bst"}, args...), environ: k.environ, dir: k.repo, stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now,
	})
	return code, out.String(), errs.String()
}

// plain runs git-bst, which must succeed.
func (k *killBench) plain(args ...string) string {
	k.Helper()
	code, stdout, stderr := k.try(args...)
	if code != 0 {
		k.Fatalf("git-bst %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func (k *killBench) checkCache(round int) {
	k.Helper()
	if code, stdout, stderr := k.try("cache", "fsck"); code != 0 {
		k.Fatalf("round %d: cache fsck: exit code %d\n%s%s", round, code, stdout, stderr)
	}
}

func (k *killBench) checkResult(round int) {
	k.Helper()
	got := strings.TrimSpace(k.plain("show", "--deps", "none", "--format", "%{artifact-cas-digest}"))
	if want := k.expected(round); got != want {
		k.Fatalf("round %d: the files are %s, want %s", round, got, want)
	}
}

// measure builds in a child that is not killed and returns how long each stage took.
func (k *killBench) measure() map[build.Stage]time.Duration {
	k.Helper()
	type entered struct {
		stage build.Stage
		at    time.Time
	}
	var stages []entered
	var out bytes.Buffer
	code := run(k.Context(), machine{
		args: []string{"git-bst", "build"}, environ: k.environ, dir: k.repo, stdin: strings.NewReader(""), stdout: &out, stderr: &out, now: time.Now,
		stage: func(stage build.Stage) { stages = append(stages, entered{stage, time.Now()}) },
	})
	stages = append(stages, entered{"", time.Now()})
	if code != 0 {
		k.Fatalf("the first build: exit code %d\n%s", code, out.String())
	}
	lengths := map[build.Stage]time.Duration{}
	for i := range len(stages) - 1 {
		took := stages[i+1].at.Sub(stages[i].at)
		lengths[stages[i].stage] = max(lengths[stages[i].stage], took)
	}
	for _, stage := range k.stages {
		if lengths[stage] == 0 {
			k.Fatalf("the build did not enter stage %s: %v", stage, stages)
		}
	}
	return lengths
}

// killedBuild builds in a child that dies some time after it entered a stage for the nth time. It
// returns the stage in which it died, and false if it ended before.
func (k *killBench) killedBuild(stage build.Stage, nth int, delay time.Duration, args []string) (in build.Stage, dead bool) {
	k.Helper()
	child := exec.Command(k.self, args...)
	child.Dir = k.repo
	child.Env = append(k.environ, fmt.Sprintf("%s=%s %d %s %s", killPlan, stage, nth, delay, k.status))
	out, err := child.CombinedOutput()
	k.gone()
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || err == nil {
		return "", false
	}
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		k.Fatalf("the child to be killed in stage %s: %v\n%s", stage, err, out)
	}
	data, err := os.ReadFile(k.status)
	if err != nil {
		k.Fatal(err)
	}
	return build.Stage(strings.TrimSpace(string(data))), true
}

// gone waits until no process of the build is there any more. A killed parent cannot wait for
// them itself: the kernel ends them.
func (k *killBench) gone() {
	k.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := k.processes()
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("processes of the build are left: %q", left)
		}
	}
}

// processes lists the processes whose environment has the token.
func (k *killBench) processes() []string {
	k.Helper()
	var found []string
	entries, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		k.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(entry)
		if err != nil { // gone meanwhile, or another user's
			if pathErr, ok := err.(*fs.PathError); !ok || pathErr.Err != syscall.ESRCH && !os.IsNotExist(err) && !os.IsPermission(err) {
				k.Fatal(err)
			}
			continue
		}
		if bytes.Contains(data, []byte("KILL_TOKEN="+k.token)) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(entry), "cmdline"))
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}
