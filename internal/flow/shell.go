package flow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/git-bst/git-bst/internal/build"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/recipe"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/keys"
)

// ShellRequest is a command to be run by hand where an element is built (Build) or runs.
type ShellRequest struct {
	Element string
	Build   bool
	Record  string   // with Build: the attempt whose tree is entered, as for Session.Record; "" for the newest with one
	Command []string // none: an interactive sh
	TTY     *os.File // the user's terminal; nil for none
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Shell enters the build tree of a build attempt of an element, failed ones too, or its sources when
// there is none (Build); or the files that it needs at run time. It returns the command's exit code.
// What is changed inside is gone afterwards.
func (s *Session) Shell(ctx context.Context, request ShellRequest) (int, error) {
	shell := build.Shell{Command: request.Command, TTY: request.TTY, Stdin: request.Stdin, Stdout: request.Stdout, Stderr: request.Stderr}
	if err := s.prepareShell(ctx, request, &shell); err != nil {
		return 0, err
	}
	if err := s.chooseSandbox(ctx); err != nil {
		return 0, err
	}
	result, err := s.env.Enter(ctx, shell)
	if err != nil {
		return 0, fmt.Errorf("enter %s: %w", shell.Job.Element, err)
	}
	if result.ExitCode == 127 && len(request.Command) == 0 && shell.Job.Parts.Root.Kind != keys.RootHost {
		return 0, hintNoShell(fmt.Errorf("enter %s: there is no sh in it", shell.Job.Element), shell.Job.Element)
	}
	return result.ExitCode, nil
}

func (s *Session) prepareShell(ctx context.Context, request ShellRequest, shell *build.Shell) error {
	if request.Build && request.Record != "" && request.Element == "" { // the element need not exist any more
		rec, err := s.recordWithTree(ctx, record.Filter{}, request.Record)
		if err != nil {
			return err
		}
		return s.enterRecord(ctx, rec, nil, shell)
	}
	g, n, err := s.element(ctx, request.Element)
	if err != nil {
		return err
	}
	if request.Build {
		return s.enterBuild(ctx, g, n, request.Record, shell)
	}
	if err := s.planAll(ctx, g); err != nil {
		return err
	}
	return s.enterRuntime(ctx, g, n, shell)
}

// planAll resolves all elements, so that what is built is known.
func (s *Session) planAll(ctx context.Context, g *graph) error {
	for _, e := range g.project.Order {
		if _, _, err := s.resolve(ctx, g, g.nodes[e], Asked{}); err != nil {
			return fmt.Errorf("plan %s: %w", e.FullName(), err)
		}
	}
	return nil
}

func (s *Session) enterBuild(ctx context.Context, g *graph, n *node, name string, shell *build.Shell) error {
	if !stagesSources(n.recipe) {
		return fmt.Errorf("an element of kind %s has no build tree", n.element.Kind)
	}
	rec, err := s.recordWithTree(ctx, record.Filter{Project: n.element.Project.Name, Element: n.element.Name}, name)
	if err == nil {
		return s.enterRecord(ctx, rec, n.recipe.Env, shell)
	}
	if name != "" || !errors.Is(err, ErrNotCached) {
		return err
	}
	if err := s.planAll(ctx, g); err != nil {
		return err
	}
	for _, dep := range n.element.BuildScope() {
		if g.nodes[dep].built == nil {
			err := fmt.Errorf("%w: artifact of %s, which %s is built with", ErrNotCached, dep.FullName(), n.element.FullName())
			return hint.Addf(err, "to build it: git bst build %s", dep.FullName())
		}
	}
	if shell.Job, err = s.job(ctx, g, n); err != nil {
		return err
	}
	return s.ensureSources(ctx, n)
}

func (s *Session) enterRuntime(ctx context.Context, g *graph, n *node, shell *build.Shell) error {
	if n.built == nil {
		err := fmt.Errorf("%w: artifact of %s", ErrNotCached, n.element.FullName())
		return hint.Add(err, "to build it: git bst build "+n.element.FullName(), "to enter its build tree: git bst shell --build "+n.element.FullName())
	}
	shell.Job = build.Job{Element: n.element.Name, Name: n.element.FullName(), Project: n.element.Project.Name, Recipe: n.recipe}
	layout := keys.Layout{WorkDir: "/", RootWritable: true, UID: intOr(n.recipe.Sandbox.UID), GID: intOr(n.recipe.Sandbox.GID)}
	top := recipe.Placement{Location: "/"}
	if s.config.Build.Root == keys.RootHost {
		shell.Job.Parts.Root.Kind, shell.Runtime = keys.RootHost, n.built.Files
		shell.Job.Host = build.HostRoot{Extra: s.config.Build.HostPaths}
		layout.InstallRoot, layout.WorkDir, layout.RootWritable = n.recipe.InstallRoot, n.recipe.InstallRoot, false
		shell.Job.Parts.Layout = layout
		return nil
	}
	shell.Job.Parts.Layout = layout
	for _, e := range n.element.RunScope() {
		if g.nodes[e].built == nil {
			return fmt.Errorf("%w: artifact of %s, which %s needs at run time", ErrNotCached, e.FullName(), n.element.FullName())
		}
		shell.Job.Stack = append(shell.Job.Stack, s.placed(g.nodes[e], top))
	}
	return nil
}
