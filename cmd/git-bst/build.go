package main

import (
	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
)

func buildCommand() command {
	return command{
		name: "build", help: "build elements and all that they need", args: "[ELEMENT...]", max: many,
		about: "Builds elements, the configured one or the project's default when none is named. What is in the cache is not built again: " +
			"equal inputs have equal keys, whatever work tree, branch or commit they come from. When only later phases of an element changed, " +
			"the earlier ones are taken from the cache. A build that failed keeps its log and build tree, and is not run again with the same " +
			"inputs unless --retry is given.\n\n" +
			"When only the source changed, the nearest earlier build's tree is continued where a trace shows that it is safe; " +
			"git bst explain says which, and why or why not. --clean, --reconfigure and --from overrule the choice, but not the rules: " +
			"what may be wrong is built clean.\n\n" + verdictHelp,
		examples: []string{"git bst build", "git bst build base/zlib.bst", "git bst build --retry app.bst", "git bst build --from 5f3a app.bst", "git bst build -o debug=True app.bst"},
		flags: append(buildFlags(),
			&cli.BoolFlag{Name: "retry", Usage: "build again what failed with the same inputs"},
			&cli.BoolFlag{Name: "clean", Usage: "build the named elements without any earlier result"},
			&cli.BoolFlag{Name: "reconfigure", Usage: "continue the last builds of the named elements and run configure again on their trees"},
			&cli.StringFlag{Name: "from", Usage: "continue the build of this `RECORD` (see git bst records) and no other; refused where the rules say no"},
			&cli.BoolFlag{Name: "keep-going", Aliases: []string{"k"}, Usage: "after a failure, build what does not depend on it"},
		),
		action: runBuild,
	}
}

func runBuild(a *app, cc *cli.Context) error {
	if cc.Bool("clean") && (cc.Bool("reconfigure") || cc.IsSet("from")) {
		return usagef("git bst build: --clean uses no earlier build: it excludes --reconfigure and --from")
	}
	if cc.IsSet("from") && cc.String("from") == "" {
		return usagef("git bst build: --from names no record; see: git bst records")
	}
	session, done, err := a.openToBuild(cc)
	if err != nil {
		return err
	}
	report, err := session.Build(cc.Context, flow.BuildRequest{
		Elements: cc.Args().Slice(), KeepGoing: cc.Bool("keep-going"),
		Asked: flow.Asked{Clean: cc.Bool("clean"), Retry: cc.Bool("retry"), Reconfigure: cc.Bool("reconfigure"), From: cc.String("from")},
	})
	if len(report.Outcomes) > 0 {
		a.noteBuilt(cc.Context, session, cc.Args().Slice(), "")
	}
	done()
	if len(report.Outcomes) > 0 {
		a.printSummary(report)
	}
	return err
}
