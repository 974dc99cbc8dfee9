package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/sandbox"
	"github.com/git-bst/git-bst/internal/tree"
)

// A warm tree is the build folder of an element that stays between builds, with its /tmp and
// /dev/shm: warm/ID/{build,tmp,shm}. It is a copy of what a record names, and never needed: what
// can't be believed of it is made anew from the store (rules 27, 30).
//
// Its file state.json says what is in the folders. It is removed before anything there is changed,
// and written when all is captured: so without it the folders are of a build that was killed, and
// are given up. Only its user's lock allows to touch it.

// warmFolders are the folders of a warm tree. The install root always starts empty (rule 22).
var warmFolders = []string{"build", "tmp", "shm"}

const (
	warmVersion = 1
	warmState   = "state.json"
	warmIndex   = "index"
	asideMark   = ".aside-"
)

// WarmID returns the id of the warm tree of an element that is built from the work tree at the
// absolute path workDir.
func WarmID(project, element, workDir string) string {
	return digest.Of([]byte(project + "\n" + element + "\n" + workDir)).Hash()[:32]
}

// warmTree is a warm tree that this process has locked.
type warmTree struct {
	dir     string
	release func()
	inside  bool // a build is at work in it
}

// warmStateFile is what state.json holds.
type warmStateFile struct {
	Version int    `json:"version"`
	Boot    string `json:"boot"`              // the machine's since which the index holds
	Record  string `json:"record,omitempty"`  // the build that left it
	Element string `json:"element"`           // for people
	WorkDir string `json:"workdir,omitempty"` // that it belongs to, absolute
	Bytes   int64  `json:"bytes"`             // of the files in it
	Newest  int64  `json:"newest,omitempty"`  // time of a file in the build folder, nanoseconds since 1970; 0 when not known
	// Index is the digest of the index: that of the build folder with this content.
	Index digest.Digest `json:"index,omitzero"`
	// Folders by name.
	Folders map[string]warmContent `json:"folders"`
}

// warmContent is what a folder holds, by digest.
type warmContent struct {
	Tree    digest.Digest `json:"tree"`
	Times   digest.Digest `json:"times,omitzero"` // of the build folder only
	Special digest.Digest `json:"special,omitzero"`
	Skipped []string      `json:"skipped,omitempty"` // what no tree can hold
}

// lockWarm takes the warm tree of this id; nil when another process has it, or none is wanted.
func (e *Env) lockWarm(id string) *warmTree {
	if id == "" || e.Sandbox == sandbox.None || e.CAS.ReadOnly() {
		return nil
	}
	release, err := fsx.TryLock(e.dir("locks", "warm-"+id))
	if err != nil {
		return nil
	}
	return &warmTree{dir: e.dir("warm", id), release: release}
}

// enterWarm makes the warm tree what a record left there, and lets the chain go on in it. It
// returns false where that can't be: then the record's state is made anew from the store.
func (c *chain) enterWarm(ctx context.Context, rec record.Record) bool {
	w := c.env.lockWarm(c.job.Warm)
	if w == nil {
		return false
	}
	c.warm = w
	said := c.env.Warm(c.job.Warm)
	as := said.Holds(rec) && !said.Newest.IsZero() // it is what the record left, as it is
	var want map[string]tree.State
	var err error
	if as {
		err = c.env.ahead(ctx, said.Newest)
	} else {
		want, err = c.wanted(ctx, rec)
	}
	if err != nil {
		return false // as much is told by making it anew
	}
	found, ok := c.believe(ctx, w)
	if !ok {
		return false
	}
	c.env.reach(StageWarm)
	// From here on it is in nobody's state, until all is captured.
	if err := os.Remove(filepath.Join(w.dir, warmState)); err != nil {
		return false
	}
	if !as {
		err = c.bring(ctx, w, found, want)
	}
	if err != nil {
		if ctx.Err() == nil {
			c.remark(fmt.Sprintf("the build folder that was kept can't be used, so it is made anew: %v", err))
		}
		_ = fsx.RemoveAll(w.dir) // ours, and derived: and the room may be what is missing
		return false
	}
	c.index["build"], c.newestTime = found["build"].Index, said.Newest
	if !as {
		c.newestTime = want["build"].Times.Newest()
	} else if c.baseTimes = found["build"].Times; len(found["build"].Skipped) == 0 && !linked(found["build"]) {
		c.touched = map[string]bool{}
	}
	w.inside = true
	return true
}

// wanted is what a record's folders hold. The clock must be ahead of them (rule 21): ErrClock.
func (c *chain) wanted(ctx context.Context, rec record.Record) (map[string]tree.State, error) {
	special, err := c.env.loadSpecial(ctx, rec.Special)
	if err != nil {
		return nil, err
	}
	times, err := c.env.loadTimes(ctx, rec.Times)
	if err != nil {
		return nil, err
	}
	return map[string]tree.State{
		"build": {Root: rec.BuildTree, Times: times, Special: below(special, "build")},
		"tmp":   {Root: orEmpty(rec.Tmp), Special: below(special, "tmp")},
		"shm":   {Root: orEmpty(rec.Shm), Special: below(special, "shm")},
	}, c.env.ahead(ctx, times.Newest())
}

// believe looks whether the warm tree is what its state says. What somebody changed is put aside.
func (c *chain) believe(ctx context.Context, w *warmTree) (map[string]tree.Imported, bool) {
	if _, err := os.Lstat(filepath.Join(w.dir, "build")); err != nil {
		return nil, false
	}
	state, err := readWarmState(w.dir)
	if err != nil { // a build in it was killed
		_ = fsx.RemoveAll(w.dir)
		return nil, false
	}
	found := map[string]tree.Imported{}
	index := w.index(state)
	if index != nil && len(state.Folders["build"].Skipped) == 0 {
		seen, ok := tree.Holds(ctx, filepath.Join(w.dir, "build"), index)
		if ok && seen.Root == state.Folders["build"].Tree {
			found["build"] = seen
		}
	}
	for _, folder := range warmFolders {
		if _, ok := found[folder]; ok {
			continue
		}
		options := tree.ImportOptions{HashOnly: true}
		if folder == "build" {
			options.Index = index
		}
		seen, err := tree.Import(ctx, nil, filepath.Join(w.dir, folder), options)
		var content warmContent
		if err == nil {
			content, err = contentOf(seen, folder)
		}
		if ctx.Err() != nil {
			return nil, false
		}
		if want := state.Folders[folder]; err != nil || !content.equal(want) {
			c.putAside(w)
			return nil, false
		}
		found[folder] = seen
	}
	return found, true
}

// index returns the index of the build folder; nil where none can be believed.
func (w *warmTree) index(state warmStateFile) *tree.StatIndex {
	if state.Boot != bootID() { // the machine may have lost what it had not written
		return nil
	}
	data, err := os.ReadFile(filepath.Join(w.dir, warmIndex))
	if err != nil || digest.Of(data) != state.Index {
		return nil
	}
	index, err := tree.DecodeIndex(data)
	if err != nil {
		return nil
	}
	return index
}

// putAside keeps a warm tree that somebody changed: what is in it may be wanted (rule 27).
func (c *chain) putAside(w *warmTree) {
	aside := w.dir + asideMark + c.env.Now().UTC().Format("20060102-150405.000")
	if err := os.Rename(w.dir, aside); err != nil {
		return
	}
	now := c.env.Now()
	_ = os.Chtimes(aside, now, now)
	c.remark("the build folder was changed by something else than a build, so it is made anew; as it was, it is kept for a week in " + aside)
}

// bring makes the folders of a warm tree what is wanted.
func (c *chain) bring(ctx context.Context, w *warmTree, found map[string]tree.Imported, want map[string]tree.State) error {
	for _, folder := range warmFolders {
		is, to := found[folder], want[folder]
		from := tree.State{Root: is.Root, Times: is.Times, Special: is.Special()}
		equal := from.Root == to.Root && slices.Equal(from.Special, to.Special)
		dir := filepath.Join(w.dir, folder)
		switch {
		case equal && (folder != "build" || slices.Equal(from.Times, to.Times)):
			continue
		case len(is.Skipped) > 0:
			return fmt.Errorf("it has files that no tree can hold: %s", list(is.Skipped))
		case folder == "build":
			if _, err := tree.Update(ctx, c.env.CAS, dir, from, to, time.Unix(SourceTime, 0)); err != nil {
				return err
			}
		default:
			if err := c.remake(ctx, dir, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// remake makes a small folder anew.
func (c *chain) remake(ctx context.Context, dir string, to tree.State) error {
	if err := fsx.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if to.Root != digest.Empty {
		if err := tree.Export(ctx, c.env.CAS, to.Root, dir, tree.ExportOptions{Default: time.Unix(SourceTime, 0)}); err != nil {
			return err
		}
	}
	return errors.Join(tree.RestoreSpecial(dir, to.Special), os.Chmod(dir, folderMode(filepath.Base(dir))))
}

// leaveWarm keeps what the chain left for the next build, where all of it was captured, and gives
// the warm tree free. What goes wrong costs the next build time, and no more.
func (c *chain) leaveWarm() {
	if c.warm == nil && c.captured != nil {
		c.warm = c.env.lockWarm(c.job.Warm)
	}
	if c.warm == nil {
		return
	}
	defer c.warm.release()
	if c.captured == nil {
		return
	}
	if err := c.keepWarm(c.warm); err != nil {
		_ = os.Remove(filepath.Join(c.warm.dir, warmState))
		c.remark(fmt.Sprintf("the build folder can't be kept, so the next build takes longer: %v", err))
	}
}

// keepWarm moves the work folder's folders to the warm tree, if they are not there already, and
// writes what they hold.
func (c *chain) keepWarm(w *warmTree) error {
	c.env.reach(StageWarm)
	state := warmStateFile{Version: warmVersion, Boot: bootID(), Record: c.rec.ID, Element: c.job.Element, WorkDir: c.job.Facts.WorkDir, Folders: map[string]warmContent{}}
	for _, folder := range warmFolders {
		captured, ok := c.captured[folder]
		if !ok {
			return fmt.Errorf("the %s folder was not captured", folder)
		}
		state.Folders[folder] = c.contents[folder]
		state.Bytes += captured.Bytes
	}
	if newest := c.captured["build"].Times.Newest(); !newest.IsZero() {
		state.Newest = newest.UnixNano()
	}
	if !w.inside {
		if err := c.moveWarm(w); err != nil {
			return err
		}
	}
	data, err := tree.EncodeIndex(c.captured["build"].Index)
	if err != nil {
		return err
	}
	state.Index = digest.Of(data)
	if err := replace(filepath.Join(w.dir, warmIndex), data); err != nil {
		return err
	}
	if data, err = json.Marshal(state); err != nil {
		return err
	}
	return replace(filepath.Join(w.dir, warmState), append(data, '\n'))
}

// moveWarm puts the work folder's folders in the place of the warm tree's; these go with the work
// folder.
func (c *chain) moveWarm(w *warmTree) error {
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(w.dir, warmState)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, folder := range warmFolders {
		kept := filepath.Join(w.dir, folder)
		if err := os.Rename(kept, filepath.Join(c.dir, "old-"+folder)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(filepath.Join(c.dir, folder), kept); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file that appears whole, but may be lost or empty after the machine crashed:
// both files of a warm tree are then not believed.
func replace(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), fsx.TempName("."+filepath.Base(path)))
	err := os.WriteFile(temp, data, 0o644)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

func readWarmState(dir string) (warmStateFile, error) {
	var state warmStateFile
	data, err := os.ReadFile(filepath.Join(dir, warmState))
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	if err == nil && state.Version != warmVersion {
		err = fmt.Errorf("read %s: version %d", dir, state.Version)
	}
	return state, err
}

// Warm is what is said of a warm tree. Whether it is so is seen when a build enters it.
type Warm struct {
	Record string    // the build that left it; "" for no tree
	Newest time.Time // of the files in the build folder; zero when that is not known
	state  warmStateFile
}

// Warm returns what is said of the warm tree of this id; the zero Warm where there is none.
func (e *Env) Warm(id string) Warm {
	if id == "" {
		return Warm{}
	}
	state, err := readWarmState(e.dir("warm", id))
	if err != nil { // it may be spoilt, and then nothing is gained
		return Warm{}
	}
	w := Warm{Record: state.Record, state: state}
	if state.Newest != 0 {
		w.Newest = time.Unix(0, state.Newest)
	}
	return w
}

// Holds reports whether a record's folders are those of the warm tree as that build left them. Then
// nothing of them has to be in the store for the build to be continued.
func (w Warm) Holds(rec record.Record) bool {
	build, tmp, shm := w.state.Folders["build"], w.state.Folders["tmp"], w.state.Folders["shm"]
	return w.Record != "" && w.Record == rec.ID && build.Tree == rec.BuildTree && build.Times == rec.Times &&
		tmp.Tree == orEmpty(rec.Tmp) && shm.Tree == orEmpty(rec.Shm)
}

// WarmIndex returns an index of a record's build tree, where the warm tree of this id holds that; nil where
// there is none.
func (e *Env) WarmIndex(id string, rec record.Record) *tree.StatIndex {
	w := e.Warm(id)
	if !w.Holds(rec) {
		return nil
	}
	index := (&warmTree{dir: e.dir("warm", id)}).index(w.state)
	if index == nil || len(index.Folders) == 0 || index.Folders[0].Digest != rec.BuildTree {
		return nil
	}
	return index
}

// contentOf describes a captured folder.
func contentOf(captured tree.Imported, folder string) (warmContent, error) {
	var times digest.Digest
	if folder == "build" { // no record has the times of the others
		encoded, err := tree.EncodeTimes(captured.Times)
		if err != nil {
			return warmContent{}, err
		}
		times = digest.Of(encoded)
	}
	return contentWith(captured, captured.Special(), times)
}

// contentWith is contentOf where what a tree can't hold and the times are known already.
func contentWith(captured tree.Imported, special []tree.Special, times digest.Digest) (warmContent, error) {
	encoded, err := tree.EncodeSpecial(special)
	return warmContent{Tree: captured.Root, Times: times, Special: digest.Of(encoded), Skipped: captured.Skipped}, err
}

func (c warmContent) equal(other warmContent) bool {
	return c.Tree == other.Tree && c.Times == other.Times && c.Special == other.Special && slices.Equal(c.Skipped, other.Skipped)
}

// bootID names the time since the machine was started; "" where the system does not tell, and then
// every start is the same one.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func orEmpty(d digest.Digest) digest.Digest {
	if d.IsZero() {
		return digest.Empty
	}
	return d
}

// loadSpecial reads what saveSpecial stored.
func (e *Env) loadSpecial(ctx context.Context, d digest.Digest) ([]tree.Special, error) {
	if d.IsZero() {
		return nil, nil
	}
	data, err := cas.Get(ctx, e.CAS, d)
	if err != nil {
		return nil, err
	}
	return tree.DecodeSpecial(data)
}

// below returns the part of a list that is about one folder, with its paths.
func below(all []tree.Special, folder string) []tree.Special {
	var special []tree.Special
	for _, one := range all {
		if path, ok := strings.CutPrefix(one.Path, folder+"/"); ok {
			one.Path, one.Link = path, strings.TrimPrefix(one.Link, folder+"/")
			special = append(special, one)
		}
	}
	return special
}
