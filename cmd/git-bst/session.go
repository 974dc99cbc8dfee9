package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/ui"
)

// refresh is how often a live line is drawn anew: often enough for a clock that counts seconds.
const refresh = time.Second

// optionFlag is for commands that load a project.
func optionFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "option", Aliases: []string{"o"}, Usage: "set the project's option `NAME=VALUE`"}
}

// placeFlags are for commands that look for what is built: they find what a build with the same
// flags has made.
func placeFlags() []cli.Flag {
	return []cli.Flag{
		optionFlag(),
		&cli.StringFlag{Name: "root", Usage: "build on `ROOT`: sysroot (what the element depends on) or host (this machine's /usr)"},
		&cli.StringFlag{Name: "sandbox", Usage: "`KIND` of sandbox: auto, namespaces, bubblewrap or none"},
	}
}

// buildFlags are for commands that may build.
func buildFlags() []cli.Flag {
	return append(placeFlags(),
		&cli.StringFlag{Name: "builders", Usage: "build `N` elements at a time"},
		&cli.StringFlag{Name: "max-jobs", Usage: "let each element's make run `N` jobs"},
		&cli.StringFlag{Name: "timeout", Usage: "end the build of an element that takes longer than `DURATION`, such as 90m"},
		&cli.StringFlag{Name: "lines", Usage: "show the last `N` lines of a failed phase's log"},
	)
}

// open opens the session for a command that only looks.
func (a *app) open(cc *cli.Context) (*flow.Session, error) {
	settings, err := a.looseSettings(cc)
	if err != nil {
		return nil, err
	}
	session, err := flow.Open(cc.Context, a.flowOptions(settings, nil))
	return session, a.sure(err)
}

// sure says, where there is no project, why the workspace in which the user may be is none.
func (a *app) sure(err error) error {
	if a.unsure != nil && errors.Is(err, flow.ErrNoProject) {
		return fmt.Errorf("use this workspace: %w", a.unsure)
	}
	return err
}

// openToBuild opens the session for a command that builds or fetches. close must be called; it
// ends the printing of events.
func (a *app) openToBuild(cc *cli.Context) (session *flow.Session, done func(), err error) {
	settings, err := a.settings(cc)
	if err != nil {
		return nil, nil, err
	}
	printer, stop := a.printer(cc.Context, settings)
	session, err = flow.Open(cc.Context, a.flowOptions(settings, printer))
	if err != nil {
		stop()
		return nil, nil, a.sure(err)
	}
	return session, func() { session.Close(); stop() }, nil
}

func (a *app) flowOptions(settings config.Config, printer *ui.Printer) flow.Options {
	options := flow.Options{Dir: a.dir, Config: settings, Environ: a.environ, Found: a.found, Now: a.now, Stage: a.stage, Standing: a.standing,
		HTTP: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}}
	if printer != nil {
		options.Emit = func(e build.Event) { printer.Event(uiEvent(e)) }
	}
	return options
}

// printer starts printing events; stop ends it.
func (a *app) printer(ctx context.Context, settings config.Config) (printer *ui.Printer, stop func()) {
	printer = ui.New(a.uiOptions(settings))
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(refresh)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		printer.Animate(ctx, ticker.C)
	}()
	return printer, func() {
		cancel()
		ticker.Stop()
		<-ended
		_ = printer.Close()
	}
}

func uiEvent(e build.Event) ui.Event {
	return ui.Event{
		Time: e.Time, Kind: string(e.Kind), Element: e.Element, Phase: e.Phase, Verdict: e.Verdict, Reason: e.Reason, Code: e.Code,
		Key: e.Key, LogPath: e.LogPath, Command: e.Command, Duration: e.Duration, ExitCode: e.ExitCode, Signal: e.Signal, Lines: e.Lines,
	}
}

// uiOptions say how this run prints: live lines and colours on a terminal only.
func (a *app) uiOptions(settings config.Config) ui.Options {
	terminal := false
	width := func() int { return 80 }
	if file, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		terminal = a.env("TERM") != "dumb" && a.env("CI") == ""
		width = func() int {
			if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
				return columns
			}
			return 80
		}
	}
	color := a.color && (terminal && settings.UI.Color == "auto" || settings.UI.Color == "always")
	live := terminal && settings.UI.Progress == "auto" || settings.UI.Progress == "live"
	return ui.Options{
		Results: a.stdout, Talk: a.stderr, JSON: a.json, Quiet: a.quiet, Verbose: a.verbose, Color: color, Live: live,
		Width: width, Now: a.now, Lines: settings.Log.Lines,
	}
}
