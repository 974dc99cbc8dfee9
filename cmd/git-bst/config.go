package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/ui"
)

func configCommand() command {
	return command{
		name: "config", help: "print the settings", args: "[KEY]", max: 1,
		about: "Prints all settings as they hold here, or the value of KEY. They come from, later wins: defaults, the user's config.toml, " +
			"the repository's .git-bst.toml, git config bst.*, variables GIT_BST_*, flags.\n\n" +
			"To change one: git config [--global] bst.KEY VALUE, or edit one of the files.",
		examples: []string{"git bst config --show-origin", "git bst config cache.dir", "git config --global bst.build.builders 4"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "show-origin", Usage: "print where each setting was given"},
		},
		action: printConfig,
	}
}

type settingInfo struct {
	Schema string `json:"schema"`
	Format int    `json:"version"`
	Key    string `json:"key"`
	Value  string `json:"value"`
	Layer  string `json:"layer"`
	Place  string `json:"place,omitempty"`
}

func printConfig(a *app, cc *cli.Context) error {
	c, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	values, single := c.Values(), cc.NArg() == 1
	if single {
		value, err := c.Value(cc.Args().First())
		if err != nil {
			return usageError{err: err}.asError()
		}
		values = []config.Value{value}
	}
	for _, v := range values {
		if a.json {
			info := settingInfo{"git-bst.setting", 1, v.Key, v.Text, v.Origin.Layer.String(), v.Origin.Place}
			if err := writeJSONLine(a.stdout, info); err != nil {
				return err
			}
			continue
		}
		origin := ""
		if cc.Bool("show-origin") {
			origin = v.Origin.String() + "\t"
		}
		text := v.Text
		if !single {
			text = v.Key + "=" + text
		}
		fmt.Fprintln(a.stdout, ui.Safe(origin+text))
	}
	if len(c.Request().Lines) > 0 && c.CheckTrust() != nil {
		a.talk("git-bst: hint: the repository asks for more, see: git bst trust --list")
	}
	return nil
}
