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
	"github.com/git-bst/git-bst/internal/trace"
)

// languageLine is the same of languages whose compilers know what they read: of the languages below.
var languageLine = regexp.MustCompile(`(?m)^.*\b(?:import|include\w*|mod|use|using|open|require|extern|package|module|embed)\b.*$|^[ \t]*(?:\w+ )?"[^"]*"[ \t]*$`)

// Of anything else, a script or what it works on, pathLine is a line that has a path or a name with an
// ending in it, and patternLine one of these that may be about files of other names; anyLine may be about
// any file: it has a pattern, a variable or a folder without a name.
var (
	pathLine    = regexp.MustCompile(`/|\.[A-Za-z]`)
	patternLine = regexp.MustCompile(`\?|\w\[|\]\w|\{[^}]*,`)
	anyLine     = regexp.MustCompile("[*$`]|" + `(?:^|[^\w.])\.\.?(?:[^\w.]|$)`)
)

// Names are the words in names of files, as lines of text may have them.
type Names struct {
	// Opened are the names, without folder and ending, of sources that the base's builds opened.
	Opened map[string]bool
	// Words are all words in the paths of sources and of what builds used, but for endings.
	Words map[string]bool
	// Odd: there is a name without a word.
	Odd bool
}

// NamesOf collects the names in a source and in a trace.
func NamesOf(sources map[string]bool, traced trace.Trace) Names {
	n := Names{Opened: map[string]bool{}, Words: map[string]bool{}}
	for name := range sources {
		n.add(name)
	}
	for _, phase := range traced.Phases {
		for _, used := range phase.Paths {
			n.add(used.Name)
			if used.Uses&trace.Opened != 0 && sources[used.Name] {
				stem, _, _ := strings.Cut(path.Base(used.Name), ".")
				n.Opened[stem] = true
			}
		}
	}
	return n
}

func (n *Names) add(name string) {
	base := path.Base(name)
	if ext := path.Ext(base); ext != base {
		base = strings.TrimSuffix(base, ext)
	}
	words := wordsOf(base)
	n.Odd = n.Odd || len(words) == 0 && name != "."
	for _, word := range append(words, wordsOf(path.Dir(name))...) {
		n.Words[word] = true
	}
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// in reports whether a line may be about other files.
func (n Names) in(line string) bool {
	words := wordsOf(line)
	has := func(of map[string]bool) bool {
		return slices.ContainsFunc(words, func(word string) bool { return of[word] })
	}
	return has(n.Opened) || anyLine.MatchString(line) || pathLine.MatchString(line) && (n.Odd || patternLine.MatchString(line) || has(n.Words))
}

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
// that is not, nothing is known. names gives those of the source and of what the base's builds used.
func MarkIncludes(ctx context.Context, store cas.Store, changes []plan.Change, names func() Names) error {
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
			changes[i].Includes = !known || namesFiles(texts[0], texts[1], names())
			continue
		}
		changes[i].Includes = !known || !equal(includeLine) || !equal(switchLine)
		changes[i].Unguarded = !known || guarded(texts[0]) && !guarded(texts[1])
	}
	return nil
}

// namesFiles reports whether a line that only one of two texts has may be about other files.
func namesFiles(was, is []byte, names Names) bool {
	count := map[string]int{}
	for line := range bytes.Lines(was) {
		count[string(line)]++
	}
	for line := range bytes.Lines(is) {
		count[string(line)]--
	}
	for line, n := range count {
		if n != 0 && names.in(line) {
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
