package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// hostFolders are the folders that belong to the host on a host's root: nothing may be staged there.
var hostFolders = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "dev", "proc", "sys", "tmp", "run", "var", "home", "root"}

// staged is a root that a build can be run on.
type staged struct {
	root    sandbox.Root
	binds   []sandbox.Bind // what is staged beside a host's root
	release func()
}

// sysroot stages the merged and integrated tree of the stack, or takes the host's.
func (e *Env) sysroot(ctx context.Context, job Job, work string) (staged, error) {
	merged, err := e.Merge(ctx, job)
	if err != nil {
		return staged{}, err
	}
	if job.Parts.Root.Kind == keys.RootHost {
		return e.hostRoot(ctx, job, merged)
	}
	root, err := e.integrate(ctx, job, merged, work)
	if err != nil {
		return staged{}, err
	}
	if job.Parts.Layout.RootWritable {
		return e.writableRoot(ctx, root, work)
	}
	return e.sharedRoot(ctx, root)
}

// toUseSysroot is what helps where the host's root does not do.
const toUseSysroot = "to build on the project's own dependencies instead of this machine's /usr: git bst build --root sysroot"

// hostRoot binds what the stack stages outside the host's own folders.
func (e *Env) hostRoot(ctx context.Context, job Job, merged digest.Digest) (staged, error) {
	top, err := tree.Load(ctx, e.CAS, merged)
	if err != nil {
		return staged{}, err
	}
	for _, file := range top.Files {
		return staged{}, hint.Add(fmt.Errorf("stage /%s: files can't be staged at the top of the host's root", file.Name), toUseSysroot)
	}
	for _, dir := range top.Dirs {
		for _, taken := range hostFolders {
			if dir.Name == taken {
				err := fmt.Errorf("stage /%s: that folder is the host's: an element with dependencies there needs a sysroot", dir.Name)
				return staged{}, hint.Add(err, toUseSysroot)
			}
		}
	}
	for _, placed := range job.Stack {
		if placed.Integrate && len(placed.Integration) > 0 {
			return staged{}, hint.Add(fmt.Errorf("integrate %s: integration commands need a sysroot", placed.Name), toUseSysroot)
		}
	}
	result := staged{root: sandbox.HostRoot{Extra: job.Host.Extra}, release: func() {}}
	if len(top.Dirs) == 0 {
		return result, nil
	}
	shared, err := e.sharedDir(ctx, merged)
	if err != nil {
		return staged{}, err
	}
	result.release = shared.release
	for _, dir := range top.Dirs {
		result.binds = append(result.binds, sandbox.Bind{Source: filepath.Join(shared.path, dir.Name), Target: "/" + dir.Name})
	}
	return result, nil
}

// integrate runs the stack's integration commands on a private copy of the merged tree and returns
// the tree that they leave. It is a cached action: equal trees and commands run once.
func (e *Env) integrate(ctx context.Context, job Job, merged digest.Digest, work string) (digest.Digest, error) {
	key, err := integrationKey(job, merged)
	if err != nil || key == "" {
		return merged, err
	}
	if cached, err := e.Phases.Get(ctx, action.Integration, key); err == nil {
		return cached.Root, nil
	} else if !errors.Is(err, cas.ErrNotFound) {
		return digest.Digest{}, err
	}
	dir := filepath.Join(work, "integrate")
	if err := tree.Export(ctx, e.CAS, merged, dir, tree.ExportOptions{Default: time.Unix(SourceTime, 0)}); err != nil {
		return digest.Digest{}, fmt.Errorf("stage the sysroot: %w", err)
	}
	started := e.Now()
	for _, placed := range job.Stack {
		if err := e.integrateOne(ctx, job, placed, dir); err != nil {
			return digest.Digest{}, err
		}
	}
	imported, err := tree.Import(detached(ctx), e.CAS, dir, tree.ImportOptions{Exclude: mountPoint})
	if err != nil {
		return digest.Digest{}, fmt.Errorf("capture the integrated sysroot: %w", err)
	}
	root, err := e.withMountPoints(ctx, imported.Root)
	if err != nil {
		return digest.Digest{}, fmt.Errorf("capture the integrated sysroot: %w", err)
	}
	outputs := action.Outputs{Root: root, How: record.Clean, Duration: e.Now().Sub(started)}
	kept, err := e.Phases.Put(ctx, action.Integration, key, outputs)
	return kept.Root, err
}

// withMountPoints adds the empty folders that BuildStream's sandbox makes where commands run on a
// writable root, so that a compose element collects the same.
func (e *Env) withMountPoints(ctx context.Context, root digest.Digest) (digest.Digest, error) {
	for _, name := range []string{"dev", "proc", "tmp"} {
		_, err := tree.Lookup(ctx, e.CAS, root, name)
		if !errors.Is(err, tree.ErrNotFound) {
			if err != nil {
				return digest.Digest{}, err
			}
			continue
		}
		empty, err := tree.Save(ctx, e.CAS, tree.Directory{})
		if err == nil {
			root, err = tree.Insert(ctx, e.CAS, root, name, tree.Entry{Kind: tree.KindDir, Digest: empty})
		}
		if err != nil {
			return digest.Digest{}, err
		}
	}
	return root, nil
}

// mountPoint leaves out what lies below the sandbox's own mounts.
func mountPoint(rel string, _ bool) bool {
	for _, mount := range []string{"dev/", "proc/", "sys/", "tmp/"} {
		if strings.HasPrefix(rel, mount) {
			return true
		}
	}
	return false
}

func (e *Env) integrateOne(ctx context.Context, job Job, placed Placed, dir string) error {
	if !placed.Integrate || len(placed.Integration) == 0 {
		return nil
	}
	log, err := e.openLog(job, "integrate-"+placed.Name)
	if err != nil {
		return err
	}
	defer log.close()
	spec := sandbox.Spec{
		Root: sandbox.DirRoot{Path: dir}, RootWritable: true, Dir: "/", Hostname: hostname,
		UID: job.Parts.Layout.UID, GID: job.Parts.Layout.GID, Timeout: e.Timeout, Kind: e.Sandbox,
	}
	result, running, err := e.runCommands(ctx, spec, placed.Integration, placed.Environment, log)
	if err != nil {
		return err
	}
	if failure := e.failure(job, "integrate "+placed.Name, running, result, log); failure != nil {
		return failure
	}
	return nil
}

// integrationKey names an integration by all that it depends on (rule 4); "" when nothing is to run.
func integrationKey(job Job, merged digest.Digest) (string, error) {
	var steps []interface{}
	for _, placed := range job.Stack {
		if !placed.Integrate || len(placed.Integration) == 0 {
			continue
		}
		steps = append(steps, []interface{}{placed.Integration, placed.Environment})
	}
	if steps == nil {
		return "", nil
	}
	layout := job.Parts.Layout
	data, err := keys.Canonical(map[string]interface{}{
		"format": keys.PartsFormat, "root": merged.String(), "steps": plain(steps),
		"uid": layout.UID, "gid": layout.GID, "sandbox": job.Parts.Root.Sandbox,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// plain turns string lists and maps inside steps into canonical JSON values.
func plain(steps []interface{}) []interface{} {
	values := make([]interface{}, len(steps))
	for i, step := range steps {
		pair := step.([]interface{})
		commands, environment := []interface{}{}, map[string]interface{}{}
		for _, command := range pair[0].([]string) {
			commands = append(commands, command)
		}
		for name, value := range pair[1].(map[string]string) {
			environment[name] = value
		}
		values[i] = []interface{}{commands, environment}
	}
	return values
}

// writableRoot gives a private copy of a root, for kinds that write to it.
func (e *Env) writableRoot(ctx context.Context, root digest.Digest, work string) (staged, error) {
	dir := filepath.Join(work, "root")
	if err := tree.Export(ctx, e.CAS, root, dir, tree.ExportOptions{Default: time.Unix(SourceTime, 0)}); err != nil {
		return staged{}, fmt.Errorf("stage the sysroot: %w", err)
	}
	return staged{root: sandbox.DirRoot{Path: dir}, release: func() {}}, nil
}

// sharedRoot gives a root that all builds with this sysroot share, read-only.
func (e *Env) sharedRoot(ctx context.Context, root digest.Digest) (staged, error) {
	shared, err := e.sharedDir(ctx, root)
	if err != nil {
		return staged{}, err
	}
	return staged{root: sandbox.DirRoot{Path: shared.path}, release: shared.release}, nil
}

type sharedDir struct {
	path    string
	release func()
}

// sharedDir stages a tree once below roots/ and holds it with a shared lock. Its files are hard
// links into the store, so it is only ever mounted read-only (rule 29).
func (e *Env) sharedDir(ctx context.Context, root digest.Digest) (sharedDir, error) {
	dir, lock := e.dir("roots", root.Hash()), e.dir("locks", "root-"+root.Hash())
	for attempt := 0; ; attempt++ {
		release, err := fsx.RLock(ctx, lock)
		if err != nil {
			return sharedDir{}, err
		}
		if e.sound(ctx, root, dir) {
			now := e.Now()
			_ = os.Chtimes(dir, now, now) // used now: gc removes the roots unused for longest
			return sharedDir{path: dir, release: release}, nil
		}
		release()
		if attempt == 2 {
			err := fmt.Errorf("stage the sysroot: its files at %s change by themselves", dir)
			return sharedDir{}, hint.Add(err, "to check the cache: git bst cache fsck")
		}
		// Copies are verified; links are not, so that a damaged blob shows when it is looked at above.
		if err := e.stageShared(ctx, root, staging{dir, lock, attempt == 0}); err != nil {
			return sharedDir{}, err
		}
	}
}

// sound reports whether a staged root is there and still what it was staged from. Files that look
// as they did when they were read last, by size, times and inode, are not read again: the others
// are, and the whole must give the root's digest. Its files are the blobs' own, so what damages one
// damages the other; and a folder may lose files to a cleaner of old ones.
func (e *Env) sound(ctx context.Context, root digest.Digest, dir string) bool {
	if _, err := os.Lstat(dir); err != nil {
		return false
	}
	var index *tree.StatIndex
	if data, err := os.ReadFile(dir + indexSuffix); err == nil {
		if index, err = tree.DecodeIndex(data); err != nil {
			index = nil
		}
	}
	found, err := tree.Import(ctx, nil, dir, tree.ImportOptions{HashOnly: true, Index: index})
	if err != nil || found.Root != root || len(found.Skipped) > 0 {
		return false
	}
	if found.Hashed > 0 { // blobs that are linked elsewhere meanwhile have other times
		if data, err := tree.EncodeIndex(found.Index); err == nil {
			_ = fsx.WriteFile(dir+indexSuffix, data, 0o644)
		}
	}
	return true
}

// indexSuffix is that of the stat index beside a staged root.
const indexSuffix = ".index"

// staging says where a root is staged and how.
type staging struct {
	dir, lock string
	link      bool // by hard links into the store
}

func (e *Env) stageShared(ctx context.Context, root digest.Digest, to staging) error {
	dir := to.dir
	release, err := fsx.Lock(ctx, to.lock)
	if err != nil {
		return err
	}
	defer release()
	if e.sound(ctx, root, dir) {
		return nil
	}
	if err := errors.Join(fsx.RemoveAll(dir), fsx.RemoveAll(dir+indexSuffix)); err != nil {
		return err
	}
	if err := os.MkdirAll(e.dir("roots"), 0o755); err != nil {
		return err
	}
	temp := e.dir("roots", fsx.TempName("stage-"))
	options := tree.ExportOptions{Default: time.Unix(SourceTime, 0), Link: to.link}
	if err := tree.Export(ctx, e.CAS, root, temp, options); err != nil {
		_ = fsx.RemoveAll(temp)
		err = fmt.Errorf("stage the sysroot: %w", err)
		if errors.Is(err, cas.ErrCorrupt) || errors.Is(err, cas.ErrNotFound) {
			err = hint.Add(err, "what is damaged is made anew when it is asked for again: repeat the command")
		}
		return err
	}
	now := e.Now()
	if err := os.Chtimes(temp, now, now); err != nil { // used now: gc removes the roots unused for longest
		return err
	}
	return os.Rename(temp, dir)
}
