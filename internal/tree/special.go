package tree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Special is what a tree does not hold of a file or folder, and a build that goes on in a restored
// folder may miss: permission bits other than Export's, and that two names are one file.
type Special struct {
	Path string `json:"path"`
	Mode uint32 `json:"mode,omitempty"` // permission, set-ID and sticky bits; 0 where only Link is set
	Link string `json:"link,omitempty"` // path, earlier in the list's folder, that is the same file
}

// permissions are the bits of a mode that Special keeps.
const permissions = 0o7777

// Special returns, sorted by path, all that the tree does not hold of the folder, but what Skipped
// names. Two names of a file outside the folder are not seen.
func (i Imported) Special() []Special {
	var list []Special
	for _, f := range i.Index.Folders {
		if mode := f.Mode & permissions; mode != 0o755 && f.Path != "" { // those of the top are its maker's
			list = append(list, Special{Path: f.Path, Mode: mode})
		}
	}
	first := make(map[uint64]string, len(i.Index.Stats)) // by inode
	for _, s := range i.Index.Stats {
		if path, ok := first[s.Inode]; ok {
			list = append(list, Special{Path: s.Path, Link: path})
			continue
		}
		first[s.Inode] = s.Path
		exported := uint32(0o644)
		if s.Mode&unix.S_IXUSR != 0 {
			exported = 0o755
		}
		if mode := s.Mode & permissions; mode != exported {
			list = append(list, Special{Path: s.Path, Mode: mode})
		}
	}
	slices.SortFunc(list, func(a, b Special) int { return strings.Compare(a.Path, b.Path) })
	return list
}

const specialHeader = "git-bst special 1\n"

// EncodeSpecial returns the form that DecodeSpecial reads: the line "git-bst special 1" and then the
// list as one line of JSON.
func EncodeSpecial(list []Special) ([]byte, error) {
	data, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode special files: %w", err)
	}
	return append([]byte(specialHeader), data...), nil
}

// DecodeSpecial reads what EncodeSpecial wrote; all else is ErrInvalid.
func DecodeSpecial(data []byte) ([]Special, error) {
	text, ok := bytes.CutPrefix(data, []byte(specialHeader))
	var list []Special
	if !ok || json.Unmarshal(text, &list) != nil {
		return nil, fmt.Errorf("%w: special files", ErrInvalid)
	}
	for _, s := range list {
		if !filepath.IsLocal(s.Path) || s.Link != "" && !filepath.IsLocal(s.Link) || s.Mode&^permissions != 0 {
			return nil, fmt.Errorf("%w: special file %q", ErrInvalid, s.Path)
		}
	}
	return list, nil
}

// RestoreSpecial makes the files and folders of dir, which Export has written, what the list says.
// Nothing outside dir is touched, whatever links are in it.
func RestoreSpecial(dir string, list []Special) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("restore special files: %w", err)
	}
	defer root.Close()
	for _, s := range list {
		if s.Link == "" {
			continue
		}
		if err := root.Remove(s.Path); err != nil {
			return fmt.Errorf("restore %s: %w", s.Path, err)
		}
		if err := root.Link(s.Link, s.Path); err != nil {
			return fmt.Errorf("restore %s: %w", s.Path, err)
		}
	}
	// The deepest first: a folder may become one in which nothing can be found any more.
	for _, s := range slices.Backward(list) {
		if s.Link != "" {
			continue
		}
		if err := root.Chmod(s.Path, fileMode(s.Mode)); err != nil {
			return fmt.Errorf("restore %s: %w", s.Path, err)
		}
	}
	return nil
}

// fileMode translates the system's bits of a mode into package os's.
func fileMode(mode uint32) os.FileMode {
	translated := os.FileMode(mode & 0o777)
	for bit, as := range map[uint32]os.FileMode{unix.S_ISUID: os.ModeSetuid, unix.S_ISGID: os.ModeSetgid, unix.S_ISVTX: os.ModeSticky} {
		if mode&bit != 0 {
			translated |= as
		}
	}
	return translated
}
