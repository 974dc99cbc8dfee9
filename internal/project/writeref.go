package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// ErrNotEditable is returned by WriteRef when the place of a ref cannot be changed alone.
var ErrNotEditable = errors.New("the reference cannot be edited in place")

// ErrChanged is returned when the file of a ref is not as it was read: somebody edits it.
var ErrChanged = errors.New("the file was changed meanwhile")

// RefEdit is a change of one ref in the file that defines it, not written yet.
type RefEdit struct {
	Path string // of the file, absolute; where it is a link, of the linked file
	At   Place  // of the old ref, or of the source that has none
	Text string // of the whole file
	was  string // what Text was made from
	ref  string
	mode fs.FileMode
}

// WriteRef sets the ref of the element's source with this index in the file that defines it, and
// nothing else: comments, quotes and order stay. A ref that is not there yet is added to its source.
// The new text is read again before it is written; if anything but the ref would change, nothing is
// written and the error is ErrNotEditable; ErrChanged where the file has something else at that place than
// what the element was loaded from. The element in memory is not changed.
func WriteRef(e *Element, index int, ref string) error {
	edit, err := EditRef(e, index, ref)
	if err != nil {
		return err
	}
	return edit.Write()
}

// EditRef is WriteRef that writes nothing.
func EditRef(e *Element, index int, ref string) (RefEdit, error) {
	if index < 0 || index >= len(e.Sources) {
		return RefEdit{}, fmt.Errorf("write ref of %s: there is no source %d", e.Name, index)
	}
	if e.Project.Junction != nil {
		return RefEdit{}, fmt.Errorf("write ref of %s: %w: it is in the project behind a junction", e.FullName(), ErrNotEditable)
	}
	src := e.Sources[index]
	at, replaces := src.At, false
	if old := src.Config.Get("ref"); old != nil && !old.synthetic() {
		at, replaces = old.At(), true
	}
	if !replaces && e.Project.refsInFile {
		err := fmt.Errorf("write ref of %s: %w: project.refs has none yet", e.Name, ErrNotEditable)
		return RefEdit{}, hint.Addf(err, "add it there: projects: {%s: {%s: [{ref: %s}]}}", e.Project.Name, e.Name, ref)
	}
	edit := RefEdit{At: at, ref: ref}
	data, err := edit.read(e.Project.Dir)
	if err != nil {
		return RefEdit{}, fmt.Errorf("write ref of %s: %w", e.Name, err)
	}
	edit.was = string(data)
	if err = stillThere(data, at, src.Config, ref, replaces); err == nil {
		edit.Text, err = editRef(edit.was, at, ref, replaces)
	}
	if err != nil {
		err = fmt.Errorf("write ref of %s at %s: %w", e.Name, at, err)
		return RefEdit{}, hint.Addf(err, "set it by hand: ref: %s", ref)
	}
	return edit, nil
}

// read finds the file of a place below the project's folder, and reads it.
func (edit *RefEdit) read(dir string) ([]byte, error) {
	var err error
	if edit.Path, err = editable(dir, filepath.Join(dir, filepath.FromSlash(edit.At.File))); err != nil {
		return nil, err
	}
	info, err := os.Stat(edit.Path)
	if err != nil {
		return nil, err
	}
	edit.mode = info.Mode() & fs.ModePerm
	return os.ReadFile(edit.Path)
}

// Ref is what is to be written.
func (edit RefEdit) Ref() string { return edit.ref }

// Write writes the file whole. ErrChanged when it is not any more what was edited: nothing is written.
func (edit RefEdit) Write() error {
	now, err := os.ReadFile(edit.Path)
	if err == nil && string(now) != edit.was {
		err = hint.Add(ErrChanged, "look at it, and give the same command again")
	}
	if err != nil {
		return fmt.Errorf("write the ref in %s: %w", edit.At.File, err)
	}
	return fsx.WriteFile(edit.Path, []byte(edit.Text), edit.mode)
}

// stillThere makes sure that a file has at the place of a ref, or of a source without one, what was read
// there: who edits the file moves its lines, and another source's ref may have come to stand there. A ref
// that is put together from variables can't be edited.
func stillThere(data []byte, at Place, config *Node, ref string, replaces bool) error {
	file, err := ParseYAML(data, at.File)
	if err != nil {
		return err
	}
	target := file.findAt(at, replaces)
	switch {
	case target == nil:
		return ErrChanged
	case replaces && strings.Contains(target.value, "%{"):
		return ErrNotEditable
	case replaces && target.value != config.Get("ref").Value() && target.value != ref: // ref: another element shares the place
		return ErrChanged
	}
	for i, key := range target.keys {
		item, known := target.items[i], config.Get(key)
		if item.kind == Scalar && known != nil && item.value != known.Value() && !strings.Contains(item.value, "%{") {
			return ErrChanged
		}
	}
	return nil
}

// editable is the file that a path of the project names: behind a link the linked file is changed,
// but none outside of the project.
func editable(dir, path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	if !within(dir, real) {
		return "", fmt.Errorf("%w: %s is a link that leads out of the project", ErrNotEditable, path)
	}
	return real, nil
}

// editRef returns text with the ref at a place set. The place is that of the old scalar, or of the
// source's mapping.
func editRef(text string, at Place, ref string, replaces bool) (string, error) {
	want, err := ParseYAML([]byte(text), at.File)
	if err != nil {
		return "", err
	}
	target := want.findAt(at, replaces)
	if target == nil {
		return "", ErrNotEditable
	}
	var tries []string
	if replaces {
		target.value = ref
		tries = replaceScalar(text, at, quote(ref))
	} else {
		tries = addRef(text, target, quote(ref))
		target.Set("ref", NewScalar(ref))
	}
	for _, try := range tries {
		got, err := ParseYAML([]byte(try), at.File)
		if err == nil && reflect.DeepEqual(got.Plain(), want.Plain()) {
			return try, nil
		}
	}
	return "", ErrNotEditable
}

// findAt returns the node at a place: a scalar, or else a mapping.
func (n *Node) findAt(at Place, scalar bool) *Node {
	if n.At() == at && (n.kind == Scalar) == scalar && (scalar || n.kind == Mapping) {
		return n
	}
	for _, item := range n.items {
		if found := item.findAt(at, scalar); found != nil {
			return found
		}
	}
	return nil
}

// offsetOf returns where a place is in text, in bytes. Columns count characters.
func offsetOf(text string, line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(text[offset:], '\n')
		if next < 0 {
			return len(text)
		}
		offset += next + 1
	}
	for i := range text[offset:] {
		if column--; column == 0 {
			return offset + i
		}
	}
	return len(text)
}

// replaceScalar returns texts in which the scalar at a place may be replaced: its end is not known,
// so likely ones are tried.
func replaceScalar(text string, at Place, value string) []string {
	start := offsetOf(text, at.Line, at.Column)
	line := text[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	var ends []int // the nearest first, so that comments stay
	for _, mark := range []string{" #", "\t#", ",", "}", "]"} {
		if i := strings.Index(line, mark); i >= 0 {
			ends = append(ends, len(strings.TrimRight(line[:i], " \t")))
		}
	}
	quoted := ""
	if line != "" && (line[0] == '\'' || line[0] == '"') {
		quoted = line[:1]
		if i := strings.Index(line[1:], quoted); i >= 0 {
			ends = append(ends, i+2)
			value = quoted + strings.Trim(value, `'"`) + quoted
		}
	}
	ends = append(ends, len(strings.TrimRight(line, " \t\r")))
	var tries []string
	for _, end := range ends {
		tries = append(tries, text[:start]+value+text[start+end:])
	}
	return tries
}

// addRef returns texts in which a ref may have been added to a source: as a line after one of its
// scalars, the last first, or inside braces.
func addRef(text string, source *Node, value string) []string {
	newline := "\n"
	if strings.Contains(text, "\r\n") {
		newline = "\r\n"
	}
	indent := strings.Repeat(" ", int(source.column)-1)
	var tries []string
	for i := len(source.items) - 1; i >= 0; i-- {
		item := source.items[i]
		if item.kind != Scalar || item.synthetic() {
			continue
		}
		start := offsetOf(text, int(item.line), int(item.column))
		end := strings.IndexByte(text[start:], '\n')
		if end < 0 {
			tries = append(tries, text+newline+indent+"ref: "+value+newline)
		} else {
			tries = append(tries, text[:start+end+1]+indent+"ref: "+value+newline+text[start+end+1:])
		}
	}
	if brace := offsetOf(text, int(source.line), int(source.column)); strings.HasPrefix(text[brace:], "{") {
		tries = append(tries, text[:brace+1]+"ref: "+value+", "+text[brace+1:])
	}
	return tries
}

// OnlyRef reports whether the file, once it is edited, differs from text in nothing but the ref.
func (edit RefEdit) OnlyRef(text string) bool {
	edited, err := editRef(text, edit.At, edit.ref, true)
	return err == nil && edited == edit.Text
}

// AddPatch is the change that adds a source of kind patch behind the sources of an element, in the file
// of the element. file is the patch's, below the project's folder. ErrNotEditable where the sources are
// not a plain list in that file.
func AddPatch(e *Element, file string) (RefEdit, error) {
	edit := RefEdit{At: e.At}
	data, err := edit.read(e.Project.Dir)
	if err != nil {
		return RefEdit{}, fmt.Errorf("add a patch to %s: %w", e.Name, err)
	}
	edit.was = string(data)
	doc, err := ParseYAML(data, e.At.File)
	if err != nil {
		return RefEdit{}, fmt.Errorf("add a patch to %s: %w", e.Name, err)
	}
	list, want := doc.Get("sources"), doc.Clone()
	if list == nil || list.kind != Sequence || len(list.items) != len(e.Sources) || len(list.items) == 0 {
		return RefEdit{}, fmt.Errorf("add a patch to %s: %w: its sources are not a list in %s", e.Name, ErrNotEditable, e.At.File)
	}
	added := NewMapping()
	added.Set("kind", NewScalar("patch"))
	added.Set("path", NewScalar(file))
	want.Get("sources").items = append(want.Get("sources").items, added)
	for _, try := range addItem(string(data), list.items[len(list.items)-1], "kind: patch", "path: "+quote(file)) {
		got, err := ParseYAML([]byte(try), e.At.File)
		if err == nil && reflect.DeepEqual(got.Plain(), want.Plain()) {
			edit.Text = try
			return edit, nil
		}
	}
	return RefEdit{}, fmt.Errorf("add a patch to %s: %w", e.Name, ErrNotEditable)
}

// addItem returns texts in which an item of two lines may have been added behind the last one of a list:
// after each line from where that begins on.
func addItem(text string, last *Node, first, second string) []string {
	newline := "\n"
	if strings.Contains(text, "\r\n") {
		newline = "\r\n"
	}
	start := offsetOf(text, int(last.line), 1)
	dash := strings.IndexByte(text[start:], '-')
	if dash < 0 || strings.Trim(text[start:start+dash], " ") != "" {
		return nil // in brackets, or the dash is on a line of its own
	}
	indent := strings.Repeat(" ", dash)
	item := indent + "- " + first + newline + indent + "  " + second + newline
	var tries []string
	for start < len(text) {
		end := strings.IndexByte(text[start:], '\n')
		if end < 0 {
			return append(tries, text+newline+item)
		}
		start += end + 1
		tries = append(tries, text[:start]+item+text[start:])
	}
	return tries
}
