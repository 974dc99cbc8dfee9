package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func verifyCommand() command {
	return command{
		name: "verify", help: "build elements clean and compare with what is in the cache", args: "[ELEMENT...]", max: many,
		about: "Builds each element, the configured one or the project's default when none is named, from its sources in a place of its own, with no " +
			"cache for what it builds, and compares file by file with the artifact that is there: content, kind, executable bit and links.\n\n" +
			"When all is equal, the artifact is marked as verified. When something differs, it is built clean a second time. Two clean builds that " +
			"agree withdraw the artifact and all that came of it (what was continued from it or built on it), and the clean result takes its place. " +
			"Two that differ show that the element is not reproducible: this is said, and nothing else changes.\n\n" +
			"The exit code is 0 when all elements were verified, 1 when one differed, 2 when clean builds of it failed, 3 when there was nothing to " +
			"compare with. Dependencies are taken as they are in the cache: verify them first.",
		examples: []string{"git bst verify", "git bst verify base/zlib.bst app.bst", "git bst --json verify app.bst"},
		flags:    buildFlags(),
		action:   runVerify,
	}
}

func runVerify(a *app, cc *cli.Context) error {
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	var found []flow.Verification
	err = session.Verify(cc.Context, cc.Args().Slice(), func(v flow.Verification) { found = append(found, v) })
	done()
	for _, v := range found {
		if printErr := a.printVerification(v); printErr != nil {
			return printErr
		}
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
}

type differenceInfo struct {
	Path     string `json:"path"`
	Change   string `json:"change"`
	Unstable bool   `json:"unstable,omitempty"`
}

type withdrawnInfo struct {
	Project string `json:"project"`
	Element string `json:"element"`
	Record  string `json:"record"`
}

func (a *app) printVerification(v flow.Verification) error {
	if a.json {
		info := verifyInfo{Schema: "git-bst.verify", Version: 1, Element: v.Element, Key: v.Key, Result: string(v.Result), How: string(v.How), Record: v.Record}
		for _, d := range v.Differs {
			info.Differs = append(info.Differs, differenceInfo{d.Path, d.Change.String(), d.Unstable})
		}
		if v.Failure != nil {
			info.Failure = v.Failure.Summary()
		}
		for _, rec := range v.Withdrawn {
			info.Withdrawn = append(info.Withdrawn, withdrawnInfo{rec.Project, rec.Element, rec.ID})
		}
		return writeJSONLine(a.stdout, info)
	}
	made := ""
	if v.How != "" {
		made = ", which was made " + string(v.How)
	}
	switch v.Result {
	case flow.Verified:
		fmt.Fprintf(a.stdout, "%s: verified: a clean build gave the same files as what is in the cache%s\n", ui.Safe(v.Element), made)
	case flow.NotReproducible:
		fmt.Fprintf(a.stdout, "%s: not reproducible: two clean builds differ\n", ui.Safe(v.Element))
	case flow.Withdrawn:
		fmt.Fprintf(a.stdout, "%s: withdrawn: two clean builds agree on something else than what was in the cache%s\n", ui.Safe(v.Element), made)
	}
	for _, d := range v.Differs {
		note := ""
		if d.Unstable {
			note = " (differs between clean builds too)"
		}
		fmt.Fprintf(a.stdout, "  %s %s%s\n", d.Change, ui.Safe(d.Path), note)
	}
	for _, rec := range v.Withdrawn {
		fmt.Fprintf(a.stdout, "  withdrawn: %s of %s, built %s\n", ui.Safe(rec.Element), ui.Safe(rec.Project), rec.Started.Local().Format("2006-01-02 15:04:05"))
	}
	return nil
}
