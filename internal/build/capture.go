package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/action"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/trace"
	"github.com/git-bst/git-bst/internal/tree"
)

// capture puts the state of the work folder into the store. Files that did not change since the
// last capture are not read again. What goes wrong outside the install folder is a note, and the
// state is then not whole: it must not be resumed from (rule 28).
func (c *chain) capture(ctx context.Context) (outputs action.Outputs, whole bool, err error) {
	targets := []struct{ tree, times *digest.Digest }{
		{&outputs.BuildTree, &outputs.BuildTimes}, {&outputs.InstallTree, &outputs.InstallTimes},
		{&outputs.Tmp, nil}, {&outputs.Shm, nil},
	}
	whole = true
	c.captured, c.contents = map[string]tree.Imported{}, map[string]warmContent{}
	var special []tree.Special
	for i, folder := range c.folders() {
		imported, err := c.importFolder(ctx, folder)
		if errors.Is(err, os.ErrPermission) { // an ordinary user's build that shut its own files
			c.remark(fmt.Sprintf("files of the %s folder that not even their owner could read were opened to be kept", folder))
			whole = false
			if err = readable(c.path(folder)); err == nil {
				imported, err = c.importFolder(ctx, folder)
			}
		}
		if err != nil {
			if folder == "install" {
				return outputs, false, fmt.Errorf("%s: %w", folder, err)
			}
			c.remark(fmt.Sprintf("the %s folder can't be kept: %v", folder, err))
			whole = false
			continue
		}
		c.index[folder], c.captured[folder] = imported.Index, imported
		*targets[i].tree = imported.Root
		var times digest.Digest
		if targets[i].times != nil {
			if times, err = c.env.saveTimes(ctx, imported.Times); err != nil {
				return outputs, false, err
			}
			*targets[i].times = times
		}
		own := imported.Special()
		if c.contents[folder], err = contentWith(imported, own, times); err != nil {
			return outputs, false, err
		}
		for _, one := range own {
			one.Path = folder + "/" + one.Path
			if one.Link != "" {
				one.Link = folder + "/" + one.Link
			}
			special = append(special, one)
		}
		if len(imported.Skipped) > 0 {
			c.remark(fmt.Sprintf("not kept of the %s folder, as no tree can hold it: %s", folder, list(imported.Skipped)))
			whole = false
		}
	}
	outputs.Special, err = c.env.saveSpecial(ctx, special)
	return outputs, whole, err
}

// readable lets the owner read all files and folders below dir, which belong to them.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && entry != nil && entry.IsDir() { // listing failed: WalkDir comes a second time
			return fs.SkipDir
		}
		if err != nil || entry.Type()&^fs.ModeDir != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		need := fs.FileMode(0o400)
		if entry.IsDir() {
			need = 0o700
		}
		if info.Mode()&need == need {
			return nil
		}
		return os.Chmod(path, info.Mode().Perm()|need)
	})
}

// importFolder takes one folder as it is. Of a warm tree only those folders are looked at in which the
// trace saw changes.
func (c *chain) importFolder(ctx context.Context, folder string) (tree.Imported, error) {
	options := tree.ImportOptions{Index: c.index[folder], Held: true}
	if folder == "build" && c.touched != nil {
		options.Quiet = c.quiet
	}
	return tree.Import(ctx, c.env.CAS, c.path(folder), options)
}

// touch notes that something at these paths of the build folder may have changed; all, that what is
// below them may too, though nobody saw it there.
func (c *chain) touch(all bool, paths ...string) {
	if c.touched == nil {
		return
	}
	for _, path := range paths {
		c.touched[path] = c.touched[path] || all
		for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
			if _, known := c.touched[path[:i]]; !known {
				c.touched[path[:i]] = false
			}
		}
	}
}

// touchTraced notes what a trace saw. Where it may not have seen all, something may have changed anywhere:
// events may be missing, and what is written by one name of a file is seen at that name only.
func (c *chain) touchTraced(seen trace.Trace, linked bool) {
	if !seen.Gapless() || linked {
		c.touched = nil
	}
	for _, phase := range seen.Phases {
		for _, used := range phase.Paths {
			if used.Uses&trace.Changed != 0 {
				c.touch(used.Uses&(trace.Created|trace.Deleted|trace.Moved|trace.Linked) != 0, used.Name)
			}
		}
	}
}

// quiet reports whether nothing changed in a folder or below it.
func (c *chain) quiet(path string) bool {
	if _, touched := c.touched[path]; touched {
		return false
	}
	for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
		if c.touched[path[:i]] {
			return false
		}
	}
	return true
}

// linked reports whether files in a folder have several names.
func linked(found tree.Imported) bool {
	for _, one := range found.Special() {
		if one.Link != "" {
			return true
		}
	}
	return false
}
