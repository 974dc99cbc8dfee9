package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

func sourceCommand() command {
	return command{
		name: "source", help: "fetch and track sources",
		about: "Sources are fetched by themselves when an element is built. These commands do it ahead, or look for newer versions.",
		sub:   []command{sourceFetch(), sourceTrack()},
	}
}

// depsFlag selects dependencies for commands that act on sources.
func depsFlag(value string) cli.Flag {
	return &cli.StringFlag{Name: "deps", Aliases: []string{"d"}, Value: value, Usage: "`WHICH` dependencies too: none, run, build or all"}
}

func sourceFetch() command {
	return command{
		name: "fetch", help: "bring sources into the cache", args: "[ELEMENT...]", max: many,
		about:    "Downloads the sources that are not in the cache, several at a time, and checks each against its ref. An interrupted download goes on where it ended.",
		examples: []string{"git bst source fetch --deps all app.bst"},
		flags:    []cli.Flag{optionFlag(), depsFlag("none")},
		action: func(a *app, cc *cli.Context) error {
			deps, err := flow.ParseDeps(cc.String("deps"))
			if err != nil {
				return usageError{err: err}.asError()
			}
			session, done, err := a.openToBuild(cc)
			if err != nil {
				return err
			}
			fetched, err := session.FetchSources(cc.Context, cc.Args().Slice(), deps)
			done()
			if err != nil {
				return err
			}
			for _, name := range fetched {
				if a.json {
					if err := writeJSONLine(a.stdout, map[string]interface{}{"schema": "git-bst.fetched", "version": 1, "element": name}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintln(a.stdout, ui.Safe(name))
			}
			if len(fetched) == 0 {
				a.talk("git-bst: all sources are in the cache")
			}
			return nil
		},
	}
}

func sourceTrack() command {
	return command{
		name: "track", help: "find the newest refs of sources and write them into their elements", args: "ELEMENT...", min: 1, max: many,
		about: "Asks where the sources come from for their newest version, and writes it as the ref of the source into the element's file. Nothing " +
			"else in the file changes: comments and layout stay.",
		examples: []string{"git bst source track app.bst"},
		flags:    []cli.Flag{optionFlag(), depsFlag("none")},
		action: func(a *app, cc *cli.Context) error {
			deps, err := flow.ParseDeps(cc.String("deps"))
			if err != nil {
				return usageError{err: err}.asError()
			}
			session, done, err := a.openToBuild(cc)
			if err != nil {
				return err
			}
			refs, tracked, err := session.TrackSources(cc.Context, cc.Args().Slice(), deps)
			done()
			for _, ref := range refs {
				if a.json {
					_ = writeJSONLine(a.stdout, map[string]interface{}{"schema": "git-bst.tracked", "version": 1, "element": ref.Element.FullName(),
						"source": ref.Index, "ref": ref.Ref, "old_ref": ref.Old})
					continue
				}
				fmt.Fprintf(a.stdout, "%s %s\n", ui.Safe(ref.Element.FullName()), ui.Safe(ref.Ref))
			}
			switch {
			case err != nil:
			case tracked == 0:
				a.talk("git-bst: nothing to track: no source of %s has a ref", ui.Safe(strings.Join(cc.Args().Slice(), ", ")))
				a.talk("git-bst: hint: sources of kind local have none; those of dependencies are tracked with --deps all")
			case len(refs) == 0:
				a.talk("git-bst: all refs are the newest")
			}
			return err
		},
	}
}
