package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/plan"
)

// languageLine is the same of languages whose compilers know what they read: of the languages below.
var languageLine = regexp.MustCompile(`(?m)^.*\b(?:import|include\w*|mod|use|using|open|require|extern|package|module|embed)\b.*$|^[ \t]*(?:\w+ )?"[^"]*"[ \t]*$`)

// namesLine is a line of anything else, a script or what it works on, that may be about other files: it
// has a path, a name with an ending, a pattern or a variable in it.
var namesLine = regexp.MustCompile(`[*$/]|\.[A-Za-z]`)

// languages are the endings of sources that only compilers of such languages read.
var languages = map[string]bool{
	".rs": true, ".go": true, ".java": true, ".kt": true, ".scala": true, ".swift": true, ".hs": true, ".ml": true, ".mli": true,
	".f": true, ".f90": true, ".zig": true, ".d": true, ".cs": true, ".vala": true,
}

// switchLine defines a name that conditions may ask for: without a value, or with 0 or 1.
var switchLine = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(?:undef[ \t]+\w+|define[ \t]+\w+(?:[ \t]+[01])?[ \t]*(?:/[/*].*)?)$`)

// includeLine is a line of a compiled file that says which other files are read with it, or under
// which condition.
var includeLine = regexp.MustCompile(`(?m)^[ \t]*(?:#[ \t]*(?:include|import|embed|if|el|endif)|import\b|\.inc).*$`)

// MarkIncludes sets Includes where a file's lines about other files differ, and Unguarded where a
// header lost what keeps it from being read twice (rule 23). Both versions are in the store; of one
// that is not, nothing is known. isStem says whether a source that the base's builds read has this name,
// but for its folder and ending.
func MarkIncludes(ctx context.Context, store cas.Store, changes []plan.Change, isStem func(word string) bool) error {
	for i, change := range changes {
		var texts [2][]byte
		known := true
		for side, name := range []string{change.Was, change.Is} {
			d, err := digest.Parse(name)
			if err != nil {
				known = false
				continue
			}
			if texts[side], err = cas.Get(ctx, store, d); err != nil && !errors.Is(err, cas.ErrNotFound) {
				return fmt.Errorf("look at the includes of %s: %w", change.Path, err)
			}
			known = known && err == nil
		}
		equal := func(line *regexp.Regexp) bool {
			return slices.EqualFunc(line.FindAll(texts[0], -1), line.FindAll(texts[1], -1), bytes.Equal)
		}
		switch {
		case languages[path.Ext(change.Path)]:
			changes[i].Includes = !known || !equal(languageLine)
			continue
		case !plan.IsCompiled(change.Path):
			changes[i].Includes = !known || namesFiles(texts[0], texts[1], isStem)
			continue
		}
		changes[i].Includes = !known || !equal(includeLine) || !equal(switchLine)
		changes[i].Unguarded = !known || guarded(texts[0]) && !guarded(texts[1])
	}
	return nil
}

// namesFiles reports whether a line that only one of two texts has may be about other files.
func namesFiles(was, is []byte, isStem func(word string) bool) bool {
	count := map[string]int{}
	for line := range bytes.Lines(was) {
		count[string(line)]++
	}
	for line := range bytes.Lines(is) {
		count[string(line)]--
	}
	for line, n := range count {
		if n == 0 {
			continue
		}
		words := strings.FieldsFunc(line, func(r rune) bool { return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if namesLine.MatchString(line) || slices.ContainsFunc(words, isStem) {
			return true
		}
	}
	return false
}

// outside are comments and empty lines, before and after a header's guard.
var outside = regexp.MustCompile(`(?s)^(?:\s|//[^\n]*\n|/\*.*?\*/)*`)

// guardLine begins a header that is read once for a unit.
var guardLine = regexp.MustCompile(`^#[ \t]*(?:ifndef[ \t]|if[ \t]+!)`)

var (
	onceLine  = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*pragma[ \t]+once\b`)
	nestLine  = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*(if|endif|el)`)
	endOfLine = regexp.MustCompile(`^[^\n]*\n?`)
)

// guarded reports whether compilers read a header once for a unit, however often it is included: a
// condition is about all of it, or it says so.
func guarded(text []byte) bool {
	if onceLine.Match(text) {
		return true
	}
	text = text[len(outside.Find(text)):]
	if !guardLine.Match(text) {
		return false
	}
	depth := 0
	for _, at := range nestLine.FindAllSubmatchIndex(text, -1) {
		switch word := string(text[at[2]:at[3]]); {
		case word == "if":
			depth++
		case word == "endif":
			depth--
		case depth == 1:
			return false // an else to the guard
		}
		if depth == 0 {
			rest := text[at[3]:]
			rest = rest[len(endOfLine.Find(rest)):]
			return len(outside.Find(rest)) == len(rest)
		}
	}
	return false
}
