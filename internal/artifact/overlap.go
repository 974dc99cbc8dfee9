package artifact

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The names of BuildStream's warnings about staging, as `fatal-warnings` lists them.
const (
	WarningOverlaps = "overlaps"
	WarningUnstaged = "unstaged-files"
)

// Layer is one artifact that was staged, as far as overlaps go. Paths are relative to the location.
type Layer struct {
	// Element is the full name of the element.
	Element string
	// Has reports whether the artifact has a file or link at path.
	Has func(path string) bool
	// Overlaps are the paths of files that were there before and were replaced.
	Overlaps []string
	// Unstaged are files that were left out because a folder with content is in their place.
	Unstaged []string
	// Whitelist are the globs of files that this element may put over others'.
	Whitelist []string
}

// Session is a row of layers staged one over the other at one location.
type Session struct {
	// Location is absolute: "/" for most.
	Location string
	Layers   []Layer
}

// Warning is a thing to tell the user about staging, in BuildStream's words.
type Warning struct {
	// Token is WarningOverlaps or WarningUnstaged.
	Token string
	// Fatal says that the element cannot be built.
	Fatal bool
	// Text is one line; Detail are the lines below it.
	Text   string
	Detail []string
}

// Warnings decides what overlaps are worth a warning. Sessions are in staging order; fatal lists
// the warnings that the project calls fatal. A file that a later element may replace by its own
// whitelist is none; nor does the whitelist count against files of an earlier session. An invalid
// glob is ErrInvalid.
func Warnings(sessions []Session, fatal []string) ([]Warning, error) {
	var warnings []Warning
	for i, session := range sessions {
		overlaps, err := session.overlaps()
		if err != nil {
			return nil, err
		}
		inside, outside := session.describe(overlaps, sessions[:i])
		if len(inside) > 0 {
			warnings = append(warnings, Warning{Token: WarningOverlaps, Text: "Non-whitelisted overlaps detected", Detail: inside})
		}
		if unstaged := session.unstaged(); len(unstaged) > 0 {
			warnings = append(warnings, Warning{Token: WarningUnstaged, Text: "Not staging files which would have replaced non-empty directories", Detail: unstaged})
		}
		if len(outside) > 0 {
			warnings = append(warnings, Warning{Token: WarningOverlaps, Text: "Overlaps detected", Detail: outside})
		}
	}
	for i := range warnings {
		warnings[i].Fatal = slices.Contains(fatal, warnings[i].Token)
	}
	return warnings, nil
}

// overlap is one path that several elements have.
type overlap struct {
	path string
	// bottom is the layer whose file was replaced first, -1 if it is of an earlier session.
	bottom int
	// over are the layers that replaced it, in order; refused those that may not.
	over, refused []int
}

func (s Session) overlaps() ([]overlap, error) {
	byPath := map[string]*overlap{}
	for i, layer := range s.Layers {
		var allowed *regexp.Regexp
		if len(layer.Overlaps) > 0 {
			var err error
			if allowed, err = compileGlobs(layer.Whitelist); err != nil {
				return nil, fmt.Errorf("overlap-whitelist of %s: %w", layer.Element, err)
			}
		}
		for _, file := range layer.Overlaps {
			o := byPath[file]
			if o == nil {
				bottom := slices.IndexFunc(s.Layers[:i], func(l Layer) bool { return l.Has(file) })
				o = &overlap{path: file, bottom: bottom}
				byPath[file] = o
			}
			o.over = append(o.over, i)
			if !allowed.MatchString("/" + file) {
				o.refused = append(o.refused, i)
			}
		}
	}
	all := make([]overlap, 0, len(byPath))
	for _, o := range byPath {
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b overlap) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// describe returns a line for every overlap that deserves one: within the session, and with
// earlier ones. A file of an earlier session that two elements replaced is one within.
func (s Session) describe(overlaps []overlap, earlier []Session) (inside, outside []string) {
	for _, o := range overlaps {
		file := path.Join(s.Location, o.path)
		row := o.over
		if o.bottom >= 0 {
			row = append([]int{o.bottom}, o.over...)
		}
		if len(row) == 1 {
			outside = append(outside, fmt.Sprintf("%s: %s overlaps files previously staged by %s", file, s.Layers[row[0]].Element, owner(file, earlier)))
			continue
		}
		refused := slices.DeleteFunc(slices.Clone(o.refused), func(i int) bool { return i == row[0] })
		if len(refused) > 0 {
			inside = append(inside, fmt.Sprintf("%s: %s not permitted to overlap other elements, order %s", file, s.names(refused, ", "), s.names(row, " above ")))
		}
	}
	return inside, outside
}

// names returns the elements of some layers; the topmost first when they are said to be above.
func (s Session) names(layers []int, between string) string {
	names := make([]string, 0, len(layers))
	for _, i := range layers {
		names = append(names, s.Layers[i].Element)
	}
	if between == " above " {
		slices.Reverse(names)
	}
	return strings.Join(names, between)
}

func (s Session) unstaged() []string {
	var lines []string
	for _, layer := range s.Layers {
		for _, file := range layer.Unstaged {
			lines = append(lines, fmt.Sprintf("%s: from %s", path.Join(s.Location, file), layer.Element))
		}
	}
	return lines
}

// owner returns the element that put file, absolute, there in the latest of the sessions.
func owner(file string, sessions []Session) string {
	for _, session := range slices.Backward(sessions) {
		relative, ok := strings.CutPrefix(file, strings.TrimSuffix(session.Location, "/")+"/")
		if !ok {
			continue
		}
		for _, layer := range session.Layers {
			if layer.Has(relative) {
				return layer.Element
			}
		}
	}
	return "another element"
}
