package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/ui"
	"github.com/git-bst/git-bst/keys"
)

// recordNames says what stands for RECORD, in every help that takes one.
const recordNames = "RECORD is the id of a build attempt as `git bst records` prints it, the longer one, an unambiguous beginning, " +
	"or @ for the project's newest."

func recordsCommand() command {
	return command{
		name: "records", help: "list build attempts", args: "[ELEMENT]", max: 1,
		about: "Prints a line for each attempt to build ELEMENT, or anything of this project, the newest first: its id, when it began, the element, " +
			"the verdict, the result, how long it took, the trust, what is still in the cache (t build tree, l log, a artifact), where the source came " +
			"from (a branch or commit; * with changes) and the reason. Failed and interrupted attempts are on record too. Records outlive branches, " +
			"work trees and elements.\n\n" + recordNames,
		examples: []string{"git bst records", "git bst records --failed app.bst", "git bst records -n 0 --all", "git bst records show @"},
		flags: []cli.Flag{
			optionFlag(),
			&cli.IntFlag{Name: "n", Value: 20, Usage: "print at most `N` attempts; 0 is all of them"},
			&cli.BoolFlag{Name: "failed", Usage: "print only what did not succeed"},
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "print the attempts of all projects in the cache"},
		},
		action: listRecords,
		sub: []command{{
			name: "show", help: "show all that is known of a build attempt", args: "RECORD", min: 1, max: 1,
			about: "Prints what went in, what each phase did, how the attempt ended, what is still in the cache and which earlier builds it stands " +
				"on. " + recordNames,
			examples: []string{"git bst records show @"},
			flags:    []cli.Flag{optionFlag()},
			action:   showRecord,
		}},
	}
}

// recordInfo is one record with --json; the record's names have "_" where its file has "-".
type recordInfo struct {
	Schema  string          `json:"schema"`
	Version int             `json:"version"`
	Record  any             `json:"record"`
	Here    flow.Remains    `json:"here"`
	Inputs  *keys.Inputs    `json:"inputs,omitempty"`
	Chain   []flow.BaseLink `json:"base_chain,omitempty"`
}

func listRecords(a *app, cc *cli.Context) error {
	if cc.Int("n") < 0 {
		return usagef("git bst records: -n %d: expected 0 or more", cc.Int("n"))
	}
	session, err := a.openAnywhere(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	rows, err := session.Records(cc.Context, flow.RecordsRequest{
		Element: cc.Args().First(), Everywhere: cc.Bool("all"), Failed: cc.Bool("failed"), Limit: cc.Int("n"),
	})
	if err != nil {
		return err
	}
	if a.json {
		for _, row := range rows {
			if err := writeJSONLine(a.stdout, recordInfo{Schema: "git-bst.record", Version: 1, Record: underscored(&row.Record), Here: row.Here}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		a.talk("git-bst: no such build is on record")
		return nil
	}
	return printRecords(a.stdout, rows, cc.Bool("all"))
}

// openAnywhere opens a session for a command that needs no project but may use one.
func (a *app) openAnywhere(cc *cli.Context) (*flow.Session, error) {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return nil, err
	}
	return flow.OpenAnywhere(cc.Context, a.flowOptions(settings, nil))
}

func printRecords(to io.Writer, rows []flow.RecordRow, everywhere bool) error {
	table := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		rec := row.Record
		element := rec.Element
		if everywhere {
			element = rec.Project + "/" + element
		}
		columns := []string{
			record.Short(rec.ID), rec.Started.Local().Format(time.DateTime), element, cmp.Or(rec.Verdict, "-"), resultText(rec),
			ui.FormatDuration(rec.Duration), cmp.Or(string(rec.Trust.How), "-"), remainsText(row.Here), factsText(rec.Facts), rec.Reason.Text,
		}
		for i := range columns {
			columns[i] = strings.ReplaceAll(ui.Safe(columns[i]), "\t", " ")
		}
		fmt.Fprintln(table, strings.Join(columns, "\t"))
	}
	return table.Flush()
}

// resultText is a result in a word or two.
func resultText(rec record.Record) string {
	switch {
	case rec.Result == record.Failed:
		return fmt.Sprintf("failed %d", rec.Failure.ExitCode)
	case rec.Result == record.Signal && rec.Failure.Signal != 0:
		return fmt.Sprintf("signal %d", rec.Failure.Signal)
	}
	return string(rec.Result)
}

func remainsText(here flow.Remains) string {
	text := ""
	for _, part := range []struct {
		here bool
		mark string
	}{{here.BuildTree, "t"}, {here.Log, "l"}, {here.Artifact, "a"}} {
		if part.here {
			text += part.mark
		} else {
			text += "-"
		}
	}
	return text
}

// factsText says where a source came from: "main*", a commit, "-".
func factsText(facts record.Facts) string {
	text := facts.Branch
	if text == "" && facts.Commit != "" {
		text = brief(facts.Commit)
	}
	if facts.Dirty {
		text += "*"
	}
	return cmp.Or(text, "-")
}

func showRecord(a *app, cc *cli.Context) error {
	session, err := a.openAnywhere(cc)
	if err != nil {
		return err
	}
	defer session.Close()
	detail, err := session.RecordDetail(cc.Context, cc.Args().First())
	if err != nil {
		return err
	}
	if a.json {
		return writeJSONLine(a.stdout, recordInfo{
			Schema: "git-bst.record", Version: 1, Record: underscored(&detail.Record), Here: detail.Here, Inputs: detail.Inputs, Chain: detail.Chain,
		})
	}
	a.printRecord(detail)
	return nil
}

// lines prints a name and a value each.
type lines struct{ to io.Writer }

func (l lines) put(name, value string) {
	if value != "" {
		fmt.Fprintf(l.to, "%-11s %s\n", name, ui.Safe(value))
	}
}

func (a *app) printRecord(detail flow.RecordDetail) {
	rec, out := detail.Record, lines{a.stdout}
	out.put("record", rec.ID)
	out.put("element", rec.Element+" (project "+rec.Project+")")
	out.put("began", rec.Started.Local().Format(time.DateTime))
	out.put("took", ui.FormatDuration(rec.Duration))
	out.put("verdict", rec.Verdict)
	out.put("because", strings.TrimSpace(rec.Reason.Text+" ["+rec.Reason.Code+"]"))
	out.put("result", resultLine(rec))
	out.put("trust", trustText(rec))
	out.put("build key", rec.BuildKey)
	out.put("strict key", rec.StrictKey)
	out.printSource(rec)
	out.printInputs(detail.Inputs)
	for _, phase := range rec.Phases {
		out.put("phase", phaseText(phase))
	}
	out.put("here", remainsLine(detail.Here))
	out.printTrees(rec)
	for _, note := range rec.Notes {
		out.put("note", note)
	}
	for _, base := range detail.Chain {
		text := base.ID + "  " + base.Verdict + ", " + string(base.Result)
		if base.Gone {
			text = base.ID + "  no longer on record"
		}
		out.put("base", text)
	}
}

// resultLine says how a build ended, in full.
func resultLine(rec record.Record) string {
	text := resultText(rec)
	if rec.Failure.Phase != "" {
		text += ", in the " + rec.Failure.Phase + " phase"
	}
	if rec.Failure.Command != "" {
		text += ": " + strings.TrimSpace(rec.Failure.Command)
	}
	if rec.Failure.Text != "" {
		text += ": " + rec.Failure.Text
	}
	return text
}

func trustText(rec record.Record) string {
	return madeText(rec.Trust) + inBrackets(rec.Sandbox, "sandbox ")
}

func madeText(trust record.Trust) string {
	text := cmp.Or(string(trust.How), "unknown")
	if trust.Verified {
		text += ", verified"
	}
	if trust.Where != "" {
		text += ", on " + string(trust.Where)
	}
	if trust.Remote != "" {
		text += ", from " + trust.Remote
	}
	return text
}

func inBrackets(text, before string) string {
	if text == "" {
		return ""
	}
	return " (" + before + text + ")"
}

func (l lines) printSource(rec record.Record) {
	facts := rec.Facts
	l.put("work tree", facts.WorkDir)
	l.put("branch", facts.Branch)
	commit := facts.Commit
	if facts.Dirty {
		commit = strings.TrimSpace(commit + " with changes")
	}
	l.put("commit", commit)
}

func (l lines) printInputs(in *keys.Inputs) {
	if in == nil {
		l.put("inputs", "no longer in the cache")
		return
	}
	l.put("source", in.Source)
	l.put("root", in.Root)
	for _, dep := range in.Sysroot {
		l.put("built with", dep.Name+" "+dep.Files+" at "+dep.Location)
	}
	for _, phase := range in.Phases {
		l.put("commands", fmt.Sprintf("%s: %d", phase.Name, phase.Commands))
	}
}

func phaseText(phase record.Phase) string {
	text := fmt.Sprintf("%s: %s", phase.Name, phase.How)
	if phase.How != record.Empty {
		text += " " + ui.FormatDuration(phase.Duration)
	}
	switch {
	case phase.Signal != 0:
		text += fmt.Sprintf(", signal %d", phase.Signal)
	case phase.ExitCode != 0:
		text += fmt.Sprintf(", exit code %d", phase.ExitCode)
	}
	return text
}

func remainsLine(here flow.Remains) string {
	var parts []string
	for _, part := range []struct {
		here bool
		name string
	}{{here.BuildTree, "build tree"}, {here.Log, "log"}, {here.Artifact, "artifact"}} {
		if part.here {
			parts = append(parts, part.name)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing but the record")
}

func (l lines) printTrees(rec record.Record) {
	if !rec.BuildTree.IsZero() {
		l.put("build tree", rec.BuildTree.String())
	}
	if !rec.Files.IsZero() {
		l.put("files", rec.Files.String())
	}
	l.put("log file", rec.Failure.LogPath)
}
