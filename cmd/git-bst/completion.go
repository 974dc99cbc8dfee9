package main

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

var shells = []string{"bash", "zsh", "fish"}

//go:embed completion/git-bst.bash
var bashCompletion string

//go:embed completion/git-bst.zsh
var zshCompletion string

//go:embed completion/git-bst.fish
var fishCompletion string

func completionCommand() command {
	return command{
		name: "completion", help: "print the completion script for a shell", args: "SHELL", min: 1, max: 1,
		about: "Prints a script that completes commands, flags and element names after git bst and git-bst. SHELL is bash, zsh or fish. scripts/install puts them where the shells look.",
		examples: []string{
			"git bst completion bash > ~/.local/share/bash-completion/completions/git-bst",
			"git bst completion zsh > ~/.zfunc/_git-bst",
			"git bst completion fish > ~/.config/fish/conf.d/git-bst.fish",
		},
		action: func(a *app, cc *cli.Context) error {
			script := []string{bashCompletion, zshCompletion, fishCompletion}
			i := slices.Index(shells, cc.Args().First())
			if i < 0 {
				return usagef("git bst completion: %q is not one of %s", cc.Args().First(), strings.Join(shells, ", "))
			}
			_, err := io.WriteString(a.stdout, script[i])
			return err
		},
	}
}
