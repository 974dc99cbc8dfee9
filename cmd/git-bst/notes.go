package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
)

// The settings of git's configuration that switch notes on: ours, and how git merges them.
const (
	notesSetting  = "bst.notes.update"
	notesStrategy = "notes.bst.mergeStrategy"
)

func notesCommand() command {
	return command{
		name: "notes", help: "note in git what is built of commits", max: 0,
		about: "Writes what was built of commits into notes of git's, under " + flow.NotesRef + ": a line for each element and build key, ELEMENT STATE KEY, with the state " +
			"built or failed. git log --notes=bst shows them. Nothing reads them but people: no decision of git bst's depends on them.\n\n" +
			"It is off until git bst notes on; then every build of a commit, by hand or by hooks, is noted. Nothing is ever sent. To share notes, push and fetch the ref; " +
			"notes of two clones are merged line by line:\n\n" +
			"  git push origin " + flow.NotesRef + "\n" +
			"  git fetch origin " + flow.NotesRef + ":refs/notes/origin/bst\n" +
			"  git notes --ref=bst merge origin/bst\n",
		examples: []string{"git bst notes on", "git bst notes update -n 100", "git log --notes=bst"},
		action:   showNotes,
		sub: []command{
			{name: "on", help: "note builds from now on", action: switchNotes("yes")},
			{name: "off", help: "note nothing any more; what is noted stays", action: switchNotes("")},
			{name: "update", help: "note what is known of commits now", args: "[REVISION...] [-- PATH...]", max: many, action: updateNotes,
				about: "The commits are those that git bst log shows with the same arguments.",
				flags: append(placeFlags(), logFlags()...)},
		},
	}
}

func showNotes(a *app, cc *cli.Context) error {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	state := "off; to switch them on: git bst notes on"
	if settings.Notes.Update {
		state = "on; to see them: git log --notes=bst"
	}
	if a.json {
		return writeJSON(a.stdout, notesInfo{Schema: "git-bst.notes", Version: 1, Ref: flow.NotesRef, On: settings.Notes.Update})
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s\n", flow.NotesRef, state)
	return err
}

// notesInfo is the state of notes with --json.
type notesInfo struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Ref     string `json:"ref"`
	On      bool   `json:"on"`
	Changed *int   `json:"changed,omitempty"` // commits whose note was written
}

// switchNotes sets or, for "", takes back what switches notes on in this clone.
func switchNotes(to string) action {
	return func(a *app, cc *cli.Context) error {
		if _, err := a.gitPlace(cc.Context); err != nil {
			return err
		}
		for key, value := range map[string]string{notesSetting: to, notesStrategy: "cat_sort_uniq"} {
			args := []string{"config", "--local", "--replace-all", key, value}
			if to == "" {
				if _, err := a.git(cc.Context, "config", "--local", "--get", key); err != nil {
					continue // it is not set
				}
				args = []string{"config", "--local", "--unset-all", key}
			}
			if _, err := a.git(cc.Context, args...); err != nil {
				return fmt.Errorf("switch notes: %w", err)
			}
		}
		return showNotes(a, cc)
	}
}

func updateNotes(a *app, cc *cli.Context) error {
	request, err := logRequest(a, cc)
	if err != nil {
		return err
	}
	settings, err := a.settings(cc)
	if err != nil {
		return err
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	changed, err := session.Note(cc.Context, request)
	if err != nil {
		return err
	}
	if a.json {
		return writeJSON(a.stdout, notesInfo{Schema: "git-bst.notes", Version: 1, Ref: flow.NotesRef, On: settings.Notes.Update, Changed: &changed})
	}
	a.talk("git-bst: %s: notes of %s written", flow.NotesRef, plural(changed, "commit"))
	return nil
}

// noteBuilt notes what is known of one commit, HEAD for "", where notes are on. That it can't is said,
// and no failure of what was built.
func (a *app) noteBuilt(ctx context.Context, session *flow.Session, elements []string, commit string) {
	if !session.Config().Notes.Update {
		return
	}
	request := flow.LogRequest{Elements: elements, Deps: flow.DepsNone, Limit: 1}
	if commit != "" {
		request.Revisions = []string{commit}
	}
	if _, err := session.Note(context.WithoutCancel(ctx), request); err != nil && !errors.Is(err, flow.ErrNoHistory) {
		a.talk("git-bst: %v", err)
	}
}

// logFlags choose what log shows.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "n", Usage: "show `N` commits at most; 0 is all of them", Value: 0},
		&cli.BoolFlag{Name: "all", Usage: "commits of all branches, tags and stash entries"},
		&cli.StringSliceFlag{Name: "element", Aliases: []string{"e"}, Usage: "show `ELEMENT` instead of the default; may be given several times"},
		&cli.StringFlag{Name: "deps", Usage: "also what the elements need, as far as it is built from these commits: `DEPS` is none, run, build or all", Value: "none"},
	}
}

// logRequest reads them.
func logRequest(a *app, cc *cli.Context) (request flow.LogRequest, err error) {
	if cc.Int("n") < 0 {
		return request, usagef("git bst %s: -n %d: a number of commits is expected", cc.Command.Name, cc.Int("n"))
	}
	request = flow.LogRequest{Elements: cc.StringSlice("element"), Limit: cc.Int("n"), All: cc.Bool("all"), Revisions: a.arguments(cc)}
	if at := slices.Index(request.Revisions, "--"); at >= 0 {
		request.Revisions, request.Paths = request.Revisions[:at], request.Revisions[at+1:]
	}
	if request.Deps, err = flow.ParseDeps(cc.String("deps")); err != nil {
		return request, usagef("git bst %s: %v", cc.Command.Name, err)
	}
	return request, nil
}
