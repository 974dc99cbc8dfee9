package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/ui"
)

func artifactCommand() command {
	return command{
		name: "artifact", help: "look at, check out and delete artifacts",
		about: "An artifact is what an element was built to. It is named by an element, which stands for the artifact of its present inputs, or " +
			"by a reference as `git bst artifact list` prints it: PROJECT/NAME/KEY or build/KEY, or the beginning of one.",
		sub: []command{artifactList(), artifactShow(), artifactLog(), artifactCheckout(), artifactDelete()},
	}
}

func artifactList() command {
	return command{
		name: "list", help: "list the artifacts in the cache", args: "[PATTERN...]", max: many,
		about: "Prints a line for each artifact, all or those that match a pattern: its reference, a tab, PROJECT/ELEMENT as far as that is known. " +
			"A pattern is an element's name, PROJECT/ELEMENT or a reference, with * and ? as in a shell.",
		examples: []string{"git bst artifact list", "git bst artifact list app.bst", "git bst artifact list 'myproject/*'"},
		action:   listArtifacts,
	}
}

// refInfo is one line of `artifact list` with --json.
type refInfo struct {
	Schema  string    `json:"schema"`
	Version int       `json:"version"`
	Ref     string    `json:"ref"`
	Project string    `json:"project,omitempty"`
	Element string    `json:"element,omitempty"`
	Used    time.Time `json:"used"`
}

func listArtifacts(a *app, cc *cli.Context) error {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	session, err := flow.OpenStores(cc.Context, a.flowOptions(settings, nil))
	if err != nil {
		return err
	}
	defer session.Close()
	rows, err := session.Artifacts(cc.Context, cc.Args().Slice())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if a.json {
			if err := writeJSONLine(a.stdout, refInfo{"git-bst.ref", 1, row.Ref.String(), row.Project, row.Element, row.Used.UTC()}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%s\t%s\n", row.Ref, ui.Safe(row.Project+"/"+row.Element))
	}
	if len(rows) == 0 && cc.NArg() > 0 {
		a.talk("git-bst: no artifact matches; to see all: git bst artifact list")
	}
	return nil
}

func artifactShow() command {
	return command{
		name: "show", help: "show what an artifact is and how it was made", args: "[ELEMENT|REF]", max: 1,
		about: "Prints an artifact's keys, the digest of its files, its build dependencies and, where the record of its build is here, how it was made.\n\n" +
			"With --provenance it prints that in the form of in-toto and SLSA, unsigned: the digest of the files, source, recipe, what it was built on, " +
			"trust and the chain of builds it came of. It has no environment but the recipe's, and no host or user name or path.",
		examples: []string{"git bst artifact show app.bst", "git bst artifact show --provenance app.bst > app.intoto.json"},
		flags: append(placeFlags(),
			&cli.BoolFlag{Name: "provenance", Usage: "print an in-toto statement with SLSA provenance instead, as JSON"},
		),
		action: showArtifact,
	}
}

// artifactInfo is `artifact show` with --json.
type artifactInfo struct {
	Schema    string         `json:"schema"`
	Version   int            `json:"version"`
	Ref       string         `json:"ref"`
	StrictKey string         `json:"strict_key,omitempty"`
	WeakKey   string         `json:"weak_key,omitempty"`
	Files     string         `json:"files,omitempty"`
	BuildTree string         `json:"build_tree,omitempty"`
	Logs      []string       `json:"logs,omitempty"`
	Deps      []string       `json:"build_dependencies,omitempty"`
	Record    *record.Record `json:"-"`
}

func showArtifact(a *app, cc *cli.Context) error {
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	if cc.Bool("provenance") {
		statement, err := session.Provenance(cc.Context, cc.Args().First())
		if err != nil {
			return err
		}
		return writeJSON(a.stdout, statement)
	}
	found, err := session.Artifact(cc.Context, cc.Args().First())
	if err != nil {
		return err
	}
	made := found.Entry.Artifact
	info := artifactInfo{
		Schema: "git-bst.artifact", Version: 1, Ref: found.Entry.Ref.String(), StrictKey: made.StrictKey, WeakKey: made.WeakKey,
		Files: made.Files.String(), BuildTree: made.BuildTree.String(), Record: found.Record,
	}
	for _, log := range made.Logs {
		info.Logs = append(info.Logs, log.Name)
	}
	for _, dep := range made.BuildDeps {
		info.Deps = append(info.Deps, dep.Project+":"+dep.Element+" "+brief(dep.Key))
	}
	if a.json {
		return writeJSONLine(a.stdout, artifactJSON{info, underscored(info.Record)})
	}
	a.printArtifact(info)
	return nil
}

// artifactJSON is an artifactInfo whose record has names like those of all our output.
type artifactJSON struct {
	artifactInfo
	Record any `json:"record,omitempty"`
}

// underscored turns a record into JSON with "_" in the names, where its file has "-".
func underscored(rec *record.Record) any {
	if rec == nil {
		return nil
	}
	var value any
	data, err := json.Marshal(rec)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil
	}
	return renamed(value)
}

func renamed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for name, v := range value {
			out[strings.ReplaceAll(name, "-", "_")] = renamed(v)
		}
		return out
	case []any:
		for i := range value {
			value[i] = renamed(value[i])
		}
	}
	return value
}

func (a *app) printArtifact(info artifactInfo) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.stdout, "%-12s %s\n", name, ui.Safe(value))
		}
	}
	line("artifact", info.Ref)
	line("strict key", info.StrictKey)
	line("weak key", info.WeakKey)
	line("files", info.Files)
	line("build tree", info.BuildTree)
	for _, dep := range info.Deps {
		line("built with", dep)
	}
	rec := info.Record
	if rec == nil {
		return
	}
	line("made", rec.Started.Local().Format(time.DateTime)+", "+trustText(*rec))
	line("because", rec.Reason.Text)
	line("took", ui.FormatDuration(rec.Duration))
	if rec.Facts.Commit != "" {
		state := ""
		if rec.Facts.Dirty {
			state = " with changes"
		}
		line("from commit", rec.Facts.Commit+state)
	}
	for _, phase := range rec.Phases {
		line("phase", fmt.Sprintf("%s: %s %s", phase.Name, phase.How, ui.FormatDuration(phase.Duration)))
	}
	line("record", rec.ID)
}

func artifactLog() command {
	return command{
		name: "log", help: "print the logs of a build", args: "[ELEMENT|REF]", max: 1,
		about: "Prints the logs of the build that made the artifact, phase by phase. For an element without an artifact, the logs of its newest " +
			"build, a failed one too.",
		examples: []string{"git bst artifact log app.bst"},
		flags:    placeFlags(),
		action: func(a *app, cc *cli.Context) error {
			session, err := a.open(cc)
			if err != nil {
				return err
			}
			defer session.Close()
			return session.Logs(cc.Context, cc.Args().First(), a.printLog)
		},
	}
}

// logInfo is one log of `artifact log` with --json.
type logInfo struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Name    string `json:"name"`
	Text    string `json:"text"`
}

func (a *app) printLog(name string, text io.Reader) error {
	if a.json {
		data, err := io.ReadAll(text)
		if err != nil {
			return err
		}
		return writeJSONLine(a.stdout, logInfo{"git-bst.log", 1, name, string(data)})
	}
	fmt.Fprintf(a.stdout, "=== %s\n", ui.Safe(name))
	if !a.results.terminal() {
		_, err := io.Copy(a.stdout, text)
		return err
	}
	// A log is the build's own words: on a terminal they must not act on it.
	lines := bufio.NewReader(text)
	for {
		line, err := lines.ReadString('\n')
		if _, err := io.WriteString(a.stdout, ui.Safe(line)); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func artifactCheckout() command {
	return command{
		name: "checkout", help: "write an artifact's files into a folder", args: "[ELEMENT|REF] DIR", min: 1, max: 2,
		about: "Writes the files of an artifact into DIR, which must be empty or not there: an element's with all that it needs at run time, " +
			"unless --deps none is given. With --build-tree, the build tree of the element's newest build that still has one, a failed one too, or " +
			"that of --record, with its files' times. Nothing is overwritten. " + recordNames,
		examples: []string{"git bst artifact checkout app.bst ../out", "git bst artifact checkout --deps none app.bst ../out",
			"git bst artifact checkout --build-tree app.bst ../tree", "git bst artifact checkout --record @ ../tree"},
		flags: append(placeFlags(),
			&cli.StringFlag{Name: "deps", Aliases: []string{"d"}, Value: "run", Usage: "`WHICH` dependencies come along: none or run"},
			&cli.BoolFlag{Name: "build-tree", Aliases: []string{"buildtree"}, Usage: "write the build tree instead, also of a failed build"},
			recordFlag("write the build tree of the build attempt `RECORD`"),
			withGitFlag(),
		),
		action: checkoutArtifact,
	}
}

func recordFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "record", Usage: usage} }

func withGitFlag() cli.Flag {
	return &cli.BoolFlag{Name: "with-git", Usage: "write what is named .git too, which git would obey there"}
}

func checkoutArtifact(a *app, cc *cli.Context) error {
	deps, err := flow.ParseDeps(cc.String("deps"))
	if err != nil || deps == flow.DepsAll || deps == flow.DepsBuild {
		return usagef("git bst artifact checkout: --deps %q: expected none or run", cc.String("deps"))
	}
	name, dest := cc.Args().First(), a.path(cc.Args().Get(cc.NArg()-1))
	if cc.NArg() == 1 {
		if strings.HasSuffix(name, ".bst") && !strings.Contains(name, "/") {
			return usageError{err: errors.New("git bst artifact checkout: too few arguments: DIR is missing"), hints: []string{"if it is DIR: ./" + name}}.asError()
		}
		name = ""
	}
	session, err := a.open(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	if cc.Bool("build-tree") || cc.String("record") != "" {
		var rec record.Record
		rec, err = session.CheckoutBuildTree(cc.Context, name, cc.String("record"), dest, cc.Bool("with-git"))
		name = rec.Element
	} else {
		var found flow.Found
		found, err = session.Checkout(cc.Context, flow.CheckoutRequest{Name: name, Dest: dest, Deps: deps, Git: cc.Bool("with-git")})
		name = found.Name
	}
	if err != nil {
		return err
	}
	return a.printCheckout(cc.Context, session, name, dest)
}

// checkoutInfo is the checkout of an artifact or a tree with --json.
type checkoutInfo struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Name    string `json:"name"`
	Dir     string `json:"dir"`
}

func (a *app) printCheckout(ctx context.Context, session *flow.Session, name, dest string) error {
	a.warnSeen(ctx, session, dest)
	if a.json {
		return writeJSONLine(a.stdout, checkoutInfo{"git-bst.checkout", 1, name, dest})
	}
	a.talk("git-bst: %s is in %s", ui.Safe(name), ui.Safe(dest))
	return nil
}

// warnSeen tells the user when what was written is part of what will be built from now on.
func (a *app) warnSeen(ctx context.Context, session *flow.Session, dest string) {
	if ignore, seen := session.SeenByGit(ctx, dest); seen {
		a.talk("git-bst: warning: git does not ignore %s, so what is built in place here contains it from now on", ui.Safe(dest))
		a.talk("git-bst: hint: write it to a folder outside of the work tree, or have git ignore it: %s", ui.Safe(ignore))
	}
}

// deletedInfo is one reference that `artifact delete` removed, with --json.
type deletedInfo struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Ref     string `json:"ref"`
}

func artifactDelete() command {
	return command{
		name: "delete", help: "forget artifacts", args: "ELEMENT|REF...", min: 1, max: many,
		about:    "Removes references from the cache. The files go with the next collection (git bst cache gc), unless something else needs them. The next build may take the files from the record of the build, or resume from its phases: give --clean to build without.",
		examples: []string{"git bst artifact delete app.bst"},
		flags:    placeFlags(),
		action: func(a *app, cc *cli.Context) error {
			session, err := a.open(cc)
			if err != nil {
				return err
			}
			defer session.Close()
			for _, name := range cc.Args().Slice() {
				refs, err := session.DeleteArtifact(cc.Context, name)
				if err != nil {
					return err
				}
				for _, ref := range refs {
					if !a.json {
						a.talk("git-bst: deleted %s", ref)
						continue
					}
					if err := writeJSONLine(a.stdout, deletedInfo{"git-bst.deleted", 1, ref.String()}); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}
