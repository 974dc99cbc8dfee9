package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/ui"
)

func trustCommand() command {
	return command{
		name: "trust", help: "agree to what the repository asks for",
		about: "A repository's .git-bst.toml may ask for what only you can allow: paths of this machine inside the sandbox, another place or size for the cache, larger downloads. " +
			"This prints what it asks for and agrees to exactly that, for this clone; when the request changes, you are asked again. The consent is kept in the git directory (bst/trust.json), sealed with a key beside your settings: one that came with somebody else's git directory counts for nothing.",
		examples: []string{"git bst trust --list", "git bst trust", "git bst trust --withdraw"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "list", Usage: "only print what is asked for and what was agreed to"},
			&cli.BoolFlag{Name: "withdraw", Usage: "take back all consent given in this clone"},
		},
		action: trust,
	}
}

func trust(a *app, cc *cli.Context) error {
	if cc.Bool("list") && cc.Bool("withdraw") {
		return usagef("git bst trust: --list and --withdraw exclude each other")
	}
	where, err := a.projectPlace(cc.Context)
	if err != nil {
		return err
	}
	if cc.Bool("withdraw") {
		err := fsx.CheckOwnDir(filepath.Dir(where.trustFile())) // nothing is removed elsewhere
		if err == nil {
			err = os.Remove(where.trustFile())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("withdraw consent: %w", err)
		}
		if a.json {
			return writeJSON(a.stdout, trustInfo{Schema: "git-bst.trust", Format: 1, Request: []string{}, Given: []config.GivenForOne{}})
		}
		a.talk("git-bst: no consent is given any more in this clone")
		return nil
	}
	c, err := a.looseSettings(cc)
	if err != nil {
		return err
	}
	given, err := a.consents(where)
	if err != nil {
		return err
	}
	if cc.Bool("list") {
		return a.listTrust(c.Request(), given)
	}
	return a.giveTrust(where.trustFile(), c.Request(), given)
}

type trustInfo struct {
	Schema  string               `json:"schema"`
	Format  int                  `json:"version"`
	Request []string             `json:"request"`
	Agreed  bool                 `json:"agreed"`
	Given   []config.GivenForOne `json:"given"`
}

func (a *app) listTrust(request config.Request, given config.Consents) error {
	if a.json {
		info := trustInfo{"git-bst.trust", 1, request.Lines, given.Include(request), given.Given}
		return writeJSON(a.stdout, info)
	}
	state := "not agreed to"
	if given.Include(request) {
		state = "agreed to"
	}
	for _, line := range request.Lines {
		fmt.Fprintf(a.stdout, "%s (%s)\n", ui.Safe(line), state)
	}
	if len(request.Lines) == 0 {
		a.talk("git-bst: the repository asks for nothing that needs consent")
	}
	return nil
}

func (a *app) giveTrust(file string, request config.Request, given config.Consents) error {
	if len(request.Lines) == 0 {
		if a.json {
			return a.listTrust(request, given)
		}
		a.talk("git-bst: the repository asks for nothing that needs consent")
		return nil
	}
	seal, err := config.MakeSeal(config.SealFile(a.environ), rand.Reader)
	if err != nil {
		return fmt.Errorf("give consent: %w", err)
	}
	given = given.With(request, seal, a.now())
	data, err := given.Encode()
	if err != nil {
		return fmt.Errorf("give consent: %w", err)
	}
	if err := fsx.OwnDir(filepath.Dir(file)); err != nil {
		return fmt.Errorf("give consent: %w", err)
	}
	if err := fsx.WriteFile(file, data, 0o600); err != nil {
		return fmt.Errorf("give consent: %w", err)
	}
	if a.json {
		return a.listTrust(request, given)
	}
	for _, line := range request.Lines {
		fmt.Fprintf(a.stdout, "%s\n", ui.Safe(line))
	}
	a.talk("git-bst: agreed to; to take it back: git bst trust --withdraw")
	return nil
}
