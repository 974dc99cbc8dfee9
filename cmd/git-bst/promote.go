package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/ui"
)

func promoteCommand() command {
	return command{
		name: "promote", help: "make what was built of a commit the elements' own artifacts", args: "[REVISION] [ELEMENT...]", max: many,
		about: "For each element that is built from a workspace, writes a commit of its work tree as the source's ref into the element's file, where nothing " +
			"but the ref's own text changes, and gives the result of a build with exactly these inputs the element's name, BuildStream's own key. " +
			"Nothing is built. The commit is HEAD unless a revision is named; an argument that ends in .bst is an element. Without elements it is about " +
			"those of the workspace in which you are, the configured one or the project's default. An element without a workspace keeps its ref.\n\n" +
			"It is refused (exit code 4) where the work tree has changes, or is behind the present ref, and no revision is named, where the commit can't be fetched from the " +
			"source's URL, so that nobody else could build it, and where the file has other edits that are not committed. Where nothing in the cache was built of " +
			"these inputs there is nothing to promote (exit code 3).\n\n" +
			"With --as-patch the difference between what the sources stage and the commit becomes a file in the project's folder patches, and a source of kind " +
			"patch behind the others: for tarballs, for several sources, and for commits that are not to be published.\n\n" +
			"In the cache of git bst every result has its name at once (promote.trust). BuildStream's own cache, where there is one on this machine " +
			"(promote.buildstream), gets a copy of what was built on a sysroot, and built clean, resumed or verified, and so was all that it was built on.",
		examples: []string{"git bst promote", "git bst promote HEAD~2 lib.bst", "git bst promote --dry-run lib.bst app.bst", "git bst promote --local"},
		flags: append(placeFlags(),
			&cli.BoolFlag{Name: "local", Usage: "promote a commit that nobody else can fetch"},
			&cli.BoolFlag{Name: "as-patch", Usage: "add what the commit has more than the sources as a patch to the project, in place of a ref"},
			&cli.BoolFlag{Name: "deps", Usage: "promote what depends on the elements too, where it was built of the same"},
			&cli.BoolFlag{Name: "verify", Usage: "build clean beside it what was continued, and promote it if that gives the same"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print what would be done, and change nothing"},
		),
		action: runPromote,
	}
}

func runPromote(a *app, cc *cli.Context) error {
	request := flow.PromoteRequest{Elements: cc.Args().Slice(), Local: cc.Bool("local"), Deps: cc.Bool("deps"), Verify: cc.Bool("verify"), DryRun: cc.Bool("dry-run"), AsPatch: cc.Bool("as-patch"), WritePatch: writePatch}
	if first := cc.Args().First(); first != "" && !strings.HasSuffix(first, ".bst") {
		request.Revision, request.Elements = first, request.Elements[1:]
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	var found []flow.Promotion
	err = session.Promote(cc.Context, request, func(p flow.Promotion) { found = append(found, p) })
	done()
	for _, p := range found {
		if p.Check != nil {
			if printErr := a.printVerification(*p.Check); printErr != nil {
				return printErr
			}
		}
		if p.Key == "" {
			continue
		}
		if printErr := a.printPromotion(p, request.DryRun); printErr != nil {
			return printErr
		}
	}
	return err
}

// promotedInfo is one element of `promote` with --json.
type promotedInfo struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Element string `json:"element"`
	Key     string `json:"key"`
	Strict  bool   `json:"strict"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Code    string `json:"code"`
	Commit  string `json:"commit,omitempty"`
	Ref     string `json:"ref,omitempty"`
	OldRef  string `json:"old_ref,omitempty"`
	File    string `json:"file,omitempty"`
	Patch   string `json:"patch,omitempty"`
	Record  string `json:"record,omitempty"`
	How     string `json:"how,omitempty"`
	Where   string `json:"where,omitempty"`
	Checked bool   `json:"verified,omitempty"`
	Private string `json:"private,omitempty"`
	Shared  string `json:"shared,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

func (a *app) printPromotion(p flow.Promotion, dry bool) error {
	if a.json {
		return writeJSONLine(a.stdout, promotedInfo{Schema: "git-bst.promoted", Version: 1, Element: p.Element, Key: p.Key, Strict: p.Strict,
			Verdict: string(p.Step.Verdict), Reason: p.Step.Reason.Text, Code: string(p.Step.Reason.Code), Commit: p.Commit, Ref: p.Ref, OldRef: p.OldRef,
			File: p.File, Patch: p.Patch, Record: p.Record, How: string(p.Trust.How), Where: string(p.Trust.Where), Checked: p.Trust.Verified, Private: p.Private, Shared: p.Shared, DryRun: dry})
	}
	what := "promoted"
	switch {
	case p.Step.Verdict == plan.Skip:
		what = "in the cache already"
	case dry:
		what = "would be promoted"
	}
	made := ""
	if p.Trust.How != "" {
		made = ", made " + madeText(p.Trust)
	}
	fmt.Fprintf(a.stdout, "%s: %s: %s%s\n", ui.Safe(p.Element), what, p.Key, made)
	if p.Patch != "" {
		fmt.Fprintf(a.stdout, "  %s: new; a source of %s\n", ui.Safe(p.Patch), ui.Safe(p.File))
	} else if p.File != "" {
		old := "new"
		if p.OldRef != "" {
			old = p.OldRef + " →"
		}
		fmt.Fprintf(a.stdout, "  %s: ref: %s %s\n", ui.Safe(p.File), ui.Safe(old), ui.Safe(p.Ref))
	}
	if p.Private != "" {
		fmt.Fprintf(a.stdout, "  for this machine alone: %s\n", ui.Safe(p.Private))
	}
	if p.Shared != "" {
		fmt.Fprintf(a.stdout, "  in BuildStream's cache too: %s\n", ui.Safe(p.Shared))
	}
	return nil
}
