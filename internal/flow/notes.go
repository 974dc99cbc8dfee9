package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/gitint"
)

// NotesRef is where notes are: git log --notes=bst shows them.
const NotesRef = "refs/notes/bst"

// noteTries is how often notes are written again when somebody else has written some meanwhile.
const noteTries = 5

// Note writes what is known of commits into git's notes: a line for each element and build key that
// was built or failed. Lines that are there stay; a failure that was built since goes. It returns how
// many commits have another note than before. Nothing is sent anywhere.
func (s *Session) Note(ctx context.Context, request LogRequest) (changed int, err error) {
	err = s.eachGroup(ctx, request, func(repo *gitint.Repo, rows iter.Seq2[LogRow, error]) error {
		lines := map[string][]string{}
		for row, err := range rows {
			if err != nil {
				return err
			}
			if row.State == LogBuilt || row.State == LogFailed {
				lines[row.Commit] = append(lines[row.Commit], fmt.Sprintf("%s %s %s", row.Element, row.State, row.Key))
			}
		}
		n, err := s.writeNotes(ctx, repo, lines)
		changed += n
		return err
	})
	if err != nil {
		return changed, fmt.Errorf("note builds: %w", err)
	}
	return changed, nil
}

// MergeNoteLines returns the lines of a note with further ones, sorted and once each, as git merges
// notes by cat_sort_uniq. Of an element with one key that was built no failure is left: so clones that
// have the same lines come to the same note. Lines that are not of this form stay.
func MergeNoteLines(lines ...string) []string {
	built := map[string]bool{}
	for _, line := range lines {
		if element, state, key, ok := parseNoteLine(line); ok && state == LogBuilt {
			built[element+" "+key] = true
		}
	}
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		element, state, key, ok := parseNoteLine(line)
		return line == "" || ok && state == LogFailed && built[element+" "+key]
	})
	slices.Sort(lines)
	return slices.Compact(lines)
}

func parseNoteLine(line string) (element string, state LogState, key string, ok bool) {
	rest, key, ok := cutLast(line)
	if !ok || len(key) != len(UnknownKey) {
		return "", "", "", false
	}
	element, word, ok := cutLast(rest)
	state = LogState(word)
	return element, state, key, ok && (state == LogBuilt || state == LogFailed)
}

func cutLast(text string) (before, last string, ok bool) {
	at := strings.LastIndexByte(text, ' ')
	if at < 0 {
		return "", "", false
	}
	return text[:at], text[at+1:], true
}

// writeNotes adds lines to commits' notes, all at once.
func (s *Session) writeNotes(ctx context.Context, repo *gitint.Repo, lines map[string][]string) (changed int, err error) {
	for range noteTries {
		var tip string
		var before map[string]string
		if tip, before, err = readNotes(ctx, repo, lines); err != nil {
			return 0, err
		}
		var stream bytes.Buffer
		changed = 0
		for _, commit := range slices.Sorted(maps.Keys(lines)) {
			after := strings.Join(MergeNoteLines(append(strings.Split(before[commit], "\n"), lines[commit]...)...), "\n") + "\n"
			if after != before[commit] {
				changed++
				fmt.Fprintf(&stream, "N inline %s\ndata %d\n%s\n", commit, len(after), after)
			}
		}
		if changed == 0 {
			return 0, nil
		}
		if err = s.importNotes(ctx, repo, tip, stream.Bytes()); err == nil {
			return changed, nil
		}
	}
	return 0, err
}

// importNotes makes a commit of notes on tip, which must still be the newest.
func (s *Session) importNotes(ctx context.Context, repo *gitint.Repo, tip string, notes []byte) error {
	const message = "notes of git bst\n"
	var input bytes.Buffer
	fmt.Fprintf(&input, "commit %s\ncommitter %s\ndata %d\n%s", NotesRef, s.committer(ctx, repo), len(message), message)
	if tip != "" {
		fmt.Fprintf(&input, "from %s\n", tip)
	}
	input.Write(notes)
	return repo.Do(ctx, gitint.Command{Args: []string{"fast-import", "--quiet"}, Stdin: &input})
}

// committer is who the user is to git, or we where git does not know.
func (s *Session) committer(ctx context.Context, repo *gitint.Repo) string {
	var out bytes.Buffer
	if repo.Do(ctx, gitint.Command{Args: []string{"var", "GIT_COMMITTER_IDENT"}, Stdout: &out}) == nil {
		return strings.TrimSpace(out.String())
	}
	return fmt.Sprintf("git-bst <> %d +0000", s.options.Now().Unix())
}

// readNotes returns the newest commit of the notes, "" before the first, and the notes of commits.
func readNotes(ctx context.Context, repo *gitint.Repo, lines map[string][]string) (tip string, notes map[string]string, err error) {
	notes = map[string]string{}
	var out bytes.Buffer
	err = repo.Do(ctx, gitint.Command{Args: []string{"rev-parse", "--verify", "--quiet", NotesRef + "^{commit}"}, Stdout: &out})
	var exit *gitint.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return "", notes, nil
	}
	tip = strings.TrimSpace(out.String())
	if err != nil || tip == "" {
		return "", nil, err
	}
	out.Reset()
	if err := repo.Do(ctx, gitint.Command{Args: []string{"notes", "--ref=" + NotesRef, "list"}, Stdout: &out}); err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(out.String()) {
		blob, commit, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, ok := lines[commit]; !ok {
			continue
		}
		var text bytes.Buffer
		if err := repo.Do(ctx, gitint.Command{Args: []string{"cat-file", "blob", blob}, Stdout: &text}); err != nil {
			return "", nil, err
		}
		notes[commit] = text.String()
	}
	return tip, notes, nil
}
