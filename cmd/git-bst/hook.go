package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/gitint"
	"github.com/git-bst/git-bst/hooks"
	"github.com/git-bst/git-bst/internal/flow"
	"github.com/git-bst/git-bst/internal/plan"
	"github.com/git-bst/git-bst/internal/ui"
)

// hookCommand is what the blocks in git's hooks start, in the background. It never fails: there is
// nobody to tell.
func hookCommand() command {
	return command{
		name: "__hook", hidden: true, raw: true, args: "HOOK [ARGUMENT...]", min: 1, max: many,
		help:  "note what a hook of git's says is new, and build it in the background",
		about: "Started by the hooks that `git bst hooks install` installs. What goes wrong is in the builder's log.",
		action: func(a *app, cc *cli.Context) error {
			args := cc.Args().Slice()
			if a.env(hookVariable) != "" || !worthwhile(args) {
				return nil
			}
			_, _ = unix.Setsid() // a signal from the terminal is not for this process
			a.runHook(cc, args[0])
			return nil
		},
	}
}

// hookVariable is set for the builder and all that it starts: what that does to git is no news.
const hookVariable = "_GIT_BST_HOOK"

// worthwhile reports whether a hook says that there may be another commit: the checkout of files does
// not.
func worthwhile(args []string) bool {
	if args[0] == hooks.PostCheckout {
		return len(args) == 4 && args[3] == "1"
	}
	return true
}

// runHook puts HEAD's commit on the queue and builds, unless a builder runs already.
func (a *app) runHook(cc *cli.Context, hook string) {
	a.environ = append(gitint.Git{Env: a.environ}.Environment(), hookVariable+"=1")
	place, err := a.hookPlace(cc.Context)
	if err != nil {
		return
	}
	queue := hooks.OpenQueue(place.Common)
	if !a.hooksEnabled(place.Common) {
		return
	}
	log, err := openHookLog(queue.Log())
	if err != nil {
		return
	}
	defer log.Close()
	a.stderr, a.results.to = log, log
	if err := a.want(cc, place, queue, hook); err != nil {
		a.printError(err, exitError)
		return
	}
	beNice()
	if err := a.builder(cc, place, queue).Run(cc.Context); err != nil {
		a.printError(err, exitError)
	}
}

// maxHookLog is the size from which the builder's log begins anew; the older half is kept beside it.
const maxHookLog = 1 << 20

func openHookLog(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Size() > maxHookLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("open %s: it is not a regular file", path)
	}
	return file, nil
}

// want puts HEAD's commit on the queue, if the policy of its branch wants it.
func (a *app) want(cc *cli.Context, place hooks.Place, queue hooks.Queue, hook string) error {
	settings, err := a.settings(cc)
	if err != nil {
		return err
	}
	policy, err := a.policyNow(cc.Context, place, settings.Hooks.Policy, settings.Hooks.Branches)
	if err != nil || policy == "off" {
		return err
	}
	out, err := place.Git.Run(cc.Context, place.Top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return nil // no commit yet
	}
	want := hooks.Wanted{Dir: place.Top, Commit: strings.TrimSpace(string(out)), Hook: hook, Time: a.now()}
	return queue.Want(cc.Context, want, hooks.Older(settings.Hooks.Older))
}

func (a *app) policyNow(ctx context.Context, place hooks.Place, policy string, branches map[string]string) (string, error) {
	branch := "HEAD"
	if out, err := place.Git.Run(ctx, place.Top, "symbolic-ref", "--quiet", "--short", "HEAD"); err == nil {
		branch = strings.TrimSpace(string(out))
	}
	return hookPolicy(policy, branches, branch)
}

func (a *app) builder(cc *cli.Context, place hooks.Place, queue hooks.Queue) hooks.Builder {
	builder := hooks.Builder{Queue: queue, Wait: rebasePatience, Now: a.now}
	if settings, err := a.settings(cc); err == nil {
		builder.Older = hooks.Older(settings.Hooks.Older)
	}
	builder.GitDir = func(ctx context.Context, dir string) (string, error) {
		out, err := place.Git.Run(ctx, dir, "rev-parse", "--absolute-git-dir")
		return strings.TrimSpace(string(out)), err
	}
	builder.Build = func(ctx context.Context, want hooks.Wanted) (string, error) {
		fmt.Fprintf(a.stderr, "%s%s in %s, as of %s, %s\n", hooks.BeginMark, brief(want.Commit), want.Dir, want.Hook, a.now().Format(time.RFC3339))
		text, err := a.buildWanted(cc, ctx, place, want)
		if err != nil && ctx.Err() == nil {
			a.printError(err, exitError)
			a.notify(ctx, queue, want, err)
		} else if err == nil {
			_ = queue.Untell()
		}
		return text, err
	}
	return builder
}

// buildWanted does for a commit what its branch's policy says.
func (a *app) buildWanted(cc *cli.Context, ctx context.Context, place hooks.Place, want hooks.Wanted) (string, error) {
	a.dir = want.Dir
	settings, err := a.settings(cc)
	if err != nil {
		return "", err
	}
	place.Top = want.Dir
	policy, err := a.policyNow(ctx, place, settings.Hooks.Policy, settings.Hooks.Branches)
	if err != nil || policy == "off" {
		return "nothing: the policy is off", err
	}
	printer, stop := a.printer(ctx, settings)
	defer stop()
	options := a.flowOptions(settings, printer)
	options.Revision = want.Commit
	session, err := flow.Open(ctx, options)
	if err != nil {
		return "", err
	}
	defer session.Close()
	if policy == "map" {
		return "mapped", session.Map(ctx)
	}
	if policy == "promote" {
		rows, err := session.Status(ctx, nil, flow.TreesNone)
		if err != nil {
			return "", err
		}
		for _, row := range rows {
			switch row.Step.Verdict {
			case plan.Skip, plan.Promote, plan.Same:
			default:
				return fmt.Sprintf("nothing: %s is not built (%s)", row.Element, row.Step.Reason.Text), nil
			}
		}
	}
	report, err := session.Build(ctx, flow.BuildRequest{})
	if ctx.Err() == nil {
		a.noteBuilt(ctx, session, nil, want.Commit)
	}
	if err != nil {
		return "", err
	}
	text := summaryText(summaryOf(report))
	if policy == "promote" {
		more, err := promoteBehind(ctx, session)
		return text + more, err
	}
	due := session.Due(ctx, report)
	if len(due) == 0 {
		return text, nil
	}
	var verified []string
	err = session.Verify(ctx, due, func(v flow.Verification) { verified = append(verified, v.Element+": "+string(v.Result)) })
	return text + "; " + strings.Join(verified, ", "), err
}

// promoteBehind gives what was built of a commit its name in the store: by a hook no file is edited (rule 36).
func promoteBehind(ctx context.Context, session *flow.Session) (text string, err error) {
	err = session.Promote(ctx, flow.PromoteRequest{StoreOnly: true}, func(p flow.Promotion) {
		if p.Strict {
			text += "; " + p.Element + " has its name: " + brief(p.Key)
		}
	})
	if errors.Is(err, flow.ErrNothing) || errors.Is(err, flow.ErrRefused) {
		return text, nil // most elements have no ref that could name a commit
	}
	return text, err
}

// notify tells the user that a background build failed: the desktop, where there is one, and the next
// command of ours, with a line. `git bst hooks status` tells it too.
func (a *app) notify(ctx context.Context, queue hooks.Queue, want hooks.Wanted, failure error) {
	text, _, _ := strings.Cut(failure.Error(), "\n")
	_ = queue.Tell(fmt.Sprintf("%s in %s: %s", brief(want.Commit), want.Dir, text))
	program, err := a.program("notify-send")
	if err != nil || a.env("DBUS_SESSION_BUS_ADDRESS") == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--app-name=git-bst", "--", "git bst: "+filepath.Base(want.Dir)+" "+brief(want.Commit), text)
	cmd.Env = a.environ
	_ = cmd.Run()
}

// tellFailure says once that a background build failed.
func (a *app) tellFailure() {
	if a.found == nil || a.quiet || a.json || a.env(hookVariable) != "" {
		return
	}
	queue := hooks.OpenQueue(a.found.CommonDir())
	if _, err := os.Lstat(queue.Log()); err != nil || !a.hooksEnabled(a.found.CommonDir()) {
		return
	}
	if line := queue.Told(); line != "" {
		a.talk("git-bst: a background build failed: %s; its log: git bst hooks status", ui.Safe(line))
	}
}

// hookNiceness leaves the machine to the user: what a background build should not slow down comes
// first.
const hookNiceness = 10

// beNice lowers the priority of all threads of this process; those that it starts inherit it.
func beNice() {
	_ = fs.WalkDir(os.DirFS("/proc/self/task"), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if tid, err := strconv.Atoi(name); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, hookNiceness)
			return fs.SkipDir
		}
		return nil
	})
}
