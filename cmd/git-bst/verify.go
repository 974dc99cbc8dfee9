package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/textdiff"
	"github.com/git-bst/git-bst/internal/ui"
)

func verifyCommand() command {
	return command{
		name: "verify", help: "build elements clean and compare with what is in the cache", args: "[ELEMENT...] [REVISION...]", max: many,
		about: "Builds each element, the configured one or the project's default when none is named, from its sources in a place of its own, with no " +
			"cache for what it builds, and compares file by file with the artifact that is there: content, kind, executable bit and links.\n\n" +
			"When all is equal, the artifact is marked as verified. When something differs, it is built clean a second time. Two clean builds that " +
			"agree withdraw the artifact and all that came of it (what was continued from it or built on it), and the clean result takes its place. " +
			"Two that differ show that the element is not reproducible: this is said, and nothing else changes.\n\n" +
			"The exit code is 0 when all elements were verified, 1 when one differed, 2 when clean builds of it failed, 3 when there was nothing to " +
			"compare with. Dependencies are taken as they are in the cache: verify them first.\n\n" +
			"REVISION is a commit, or a range such as main~5..main: what is built of its content is verified, with the recipe and the dependencies of now. " +
			"With --sample N, up to N artifacts that were continued from earlier builds are drawn, newer ones more often, and verified with the recipe that they had.\n\n" +
			"What differs is called timestamps, build paths or archive metadata where it is no more than that, else content. Where a continued build missed a change, " +
			"the files that had changed are named and remembered: a change of them is built clean from then on.",
		examples: []string{"git bst verify", "git bst verify base/zlib.bst app.bst", "git bst verify HEAD~5..HEAD", "git bst verify --sample 3", "git bst --json verify app.bst"},
		flags: append(buildFlags(),
			&cli.IntFlag{Name: "sample", Usage: "verify up to `N` artifacts that were continued, whatever they are of"},
			&cli.Uint64Flag{Name: "seed", Usage: "draw the sample that `SEED` stands for; by default another one each time"},
		),
		action: runVerify,
	}
}

func runVerify(a *app, cc *cli.Context) error {
	var elements, revisions []string
	for _, arg := range a.arguments(cc) {
		if strings.HasSuffix(arg, ".bst") {
			elements = append(elements, arg)
		} else {
			revisions = append(revisions, arg)
		}
	}
	switch {
	case cc.Int("sample") < 0:
		return usagef("git bst verify: --sample %d: a number is expected", cc.Int("sample"))
	case cc.IsSet("sample") && len(revisions) > 0:
		return usagef("git bst verify: --sample draws from all that is in the cache: it takes no revision")
	case cc.IsSet("seed") && !cc.IsSet("sample"):
		return usagef("git bst verify: --seed is for --sample")
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	var found []flow.Verification
	report := func(v flow.Verification) { found = append(found, v) }
	switch {
	case cc.IsSet("sample"):
		err = a.audit(cc, session, elements, report)
	case len(revisions) > 0:
		err = session.VerifyAt(cc.Context, elements, revisions, report)
	default:
		err = session.Verify(cc.Context, elements, report)
	}
	done()
	for _, v := range found {
		if printErr := a.printVerification(v); printErr != nil {
			return printErr
		}
	}
	return err
}

// audit verifies a sample.
func (a *app) audit(cc *cli.Context, session *flow.Session, elements []string, report func(flow.Verification)) error {
	request := flow.AuditRequest{Elements: elements, Sample: cc.Int("sample"), Seed: cc.Uint64("seed")}
	if !cc.IsSet("seed") {
		request.Seed = uint64(a.now().UnixNano())
	}
	verified, err := session.Audit(cc.Context, request, func(rec record.Record) {
		a.talk("git-bst: drawn: %s of %s", record.Short(rec.ID), rec.Element)
	}, report)
	if err == nil && verified < request.Sample {
		a.talk("git-bst: %d artifacts were continued and not verified, and can be built again", verified)
	}
	return err
}

// verifyInfo is one element of `verify` with --json.
type verifyInfo struct {
	Schema    string           `json:"schema"`
	Version   int              `json:"version"`
	Element   string           `json:"element"`
	Key       string           `json:"key"`
	Result    string           `json:"result"`
	How       string           `json:"how,omitempty"`
	Record    string           `json:"record,omitempty"`
	Differs   []differenceInfo `json:"differs,omitempty"`
	Failure   string           `json:"failure,omitempty"`
	Withdrawn []withdrawnInfo  `json:"withdrawn,omitempty"`
	Commit    string           `json:"commit,omitempty"`
	Missed    []string         `json:"missed,omitempty"`
}

type differenceInfo struct {
	Path     string `json:"path"`
	Change   string `json:"change"`
	Unstable bool   `json:"unstable,omitempty"`
	Kind     string `json:"kind"`
}

type withdrawnInfo struct {
	Project string `json:"project"`
	Element string `json:"element"`
	Record  string `json:"record"`
}

func (a *app) printVerification(v flow.Verification) error {
	if a.json {
		info := verifyInfo{Schema: "git-bst.verify", Version: 1, Element: v.Element, Key: v.Key, Result: string(v.Result), How: string(v.How), Record: v.Record,
			Commit: v.Commit, Missed: v.Missed}
		for _, d := range v.Differs {
			info.Differs = append(info.Differs, differenceInfo{d.Path, d.Change.String(), d.Unstable, string(d.Kind)})
		}
		if v.Failure != nil {
			info.Failure = v.Failure.Summary()
		}
		for _, rec := range v.Withdrawn {
			info.Withdrawn = append(info.Withdrawn, withdrawnInfo{rec.Project, rec.Element, rec.ID})
		}
		return writeJSONLine(a.stdout, info)
	}
	of := ui.Safe(v.Element)
	if v.Commit != "" {
		of += " at " + brief(v.Commit)
	}
	made := ""
	if v.How != "" {
		made = ", which was made " + string(v.How)
	}
	switch v.Result {
	case flow.Verified:
		fmt.Fprintf(a.stdout, "%s: verified: a clean build gave the same files as what is in the cache%s\n", of, made)
	case flow.NotReproducible:
		fmt.Fprintf(a.stdout, "%s: not reproducible: two clean builds differ\n", of)
	case flow.Withdrawn:
		fmt.Fprintf(a.stdout, "%s: withdrawn: two clean builds agree on something else than what was in the cache%s\n", of, made)
	}
	for _, d := range v.Differs {
		note := ""
		if d.Kind != textdiff.Content {
			note = " (" + string(d.Kind) + ")"
		}
		if d.Unstable {
			note += " (differs between clean builds too)"
		}
		fmt.Fprintf(a.stdout, "  %s %s%s\n", d.Change, ui.Safe(d.Path), note)
	}
	if len(v.Missed) > 0 {
		fmt.Fprintf(a.stdout, "  missed: a change of %s; from now on, a change of that is built clean\n", ui.Safe(strings.Join(v.Missed, " or ")))
	}
	for _, rec := range v.Withdrawn {
		fmt.Fprintf(a.stdout, "  withdrawn: %s of %s, built %s\n", ui.Safe(rec.Element), ui.Safe(rec.Project), rec.Started.Local().Format("2006-01-02 15:04:05"))
	}
	return nil
}
