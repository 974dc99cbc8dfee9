package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/fsx"
)

// manCommand writes the man pages. They are made from the table when git-bst is installed, so that
// they can't be out of date.
func manCommand() command {
	return command{
		name: "__man", hidden: true, args: "DIR", min: 1, max: 1,
		help:  "write the man pages",
		about: "Writes git-bst.1 and a page for each command into DIR.",
		action: func(a *app, cc *cli.Context) error {
			dir := a.path(cc.Args().First())
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			for name, text := range manPages() {
				if err := fsx.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					return fmt.Errorf("write man pages: %w", err)
				}
			}
			return nil
		},
	}
}

// manPages returns the pages by their file names.
func manPages() map[string]string {
	pages := map[string]string{"git-bst.1": programPage()}
	for _, c := range commands() {
		if !c.hidden {
			pages["git-bst-"+c.name+".1"] = commandPage(c)
		}
	}
	return pages
}

// page is a man page that is being written.
type page struct{ strings.Builder }

func newPage(name, help string) *page {
	p := &page{}
	fmt.Fprintf(p, ".TH \"%s\" 1 \"\" \"git-bst %s\" \"Git BuildStream\"\n", roff(strings.ToUpper(name)), release)
	p.section("name")
	p.text(name + " - " + help)
	return p
}

// roff escapes text for a line of a man page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func (p *page) section(title string) { fmt.Fprintf(p, ".SH %s\n", roff(strings.ToUpper(title))) }

// text writes paragraphs; they are separated by empty lines.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.WriteString(roff(paragraph) + "\n")
	}
}

func (p *page) item(name, text string) { fmt.Fprintf(p, ".TP\n.B %s\n%s\n", roff(name), roff(text)) }

func (p *page) synopsis(path []string, c command) {
	fmt.Fprintf(p, ".nf\n%s\n.fi\n", roff(synopsis(path, c)))
}

func (p *page) flags(flags []cli.Flag) {
	for _, f := range flags {
		name, text := describeFlag(f)
		p.item(strings.TrimSpace(name), text)
	}
}

func (p *page) exitCodes(own string) {
	p.section("exit status")
	if own != "" {
		p.text(own)
		return
	}
	for _, e := range exitCodes {
		p.item(fmt.Sprint(e.code), e.meaning)
	}
}

func programPage() string {
	p := newPage("git-bst", "build BuildStream elements from git work trees")
	p.section("synopsis")
	p.synopsis(nil, command{})
	p.section("description")
	p.text(programHelp + "\n\nIt reads BuildStream 2 projects as they are. git bst init makes any other repository buildable with this machine's compilers. " +
		"What is built is named by its content: the same sources, recipe and dependencies are never built again, from whichever branch, commit or clone they come.")
	p.section("commands")
	for _, c := range commands() {
		if !c.hidden {
			p.item("git-bst-"+c.name+"(1)", c.help)
		}
	}
	p.section("options")
	p.flags(globalFlags())
	p.section("configuration")
	p.text("Settings come from, later wins: defaults, the user's config.toml in $XDG_CONFIG_HOME/git-bst, the repository's " + config.RepositoryFile +
		", git config bst.*, variables GIT_BST_*, flags. In the files they stand as TOML; for git, bst. stands in front.")
	for _, s := range config.Settings() {
		p.item(s.Key, settingText(s))
	}
	p.exitCodes("")
	p.section("see also")
	p.text("git(1), git-config(1)")
	return p.String()
}

// settingText describes a setting in one paragraph.
func settingText(s config.Setting) string {
	text := s.Doc
	if len(s.Choices) > 0 {
		text += " One of: " + strings.Join(s.Choices, ", ") + "."
	} else {
		text += " It is " + s.Form.String() + "."
	}
	if s.Default != "" {
		text += " Default: " + s.Default + "."
	}
	return text + " Variable: " + s.Env() + "."
}

func commandPage(c command) string {
	p := newPage("git-bst-"+c.name, c.help)
	p.section("synopsis")
	if c.action != nil {
		p.synopsis([]string{c.name}, c)
	}
	for _, sub := range c.sub {
		p.synopsis([]string{c.name, sub.name}, sub)
	}
	if c.about != "" {
		p.section("description")
		p.text(c.about)
	}
	if len(c.sub) > 0 {
		p.section("commands")
	}
	for _, sub := range c.sub {
		fmt.Fprintf(p, ".SS %s\n", roff(sub.name))
		p.text(sub.help + "\n\n" + sub.about)
		p.flags(sub.flags)
	}
	p.section("options")
	p.flags(append(c.flags[:len(c.flags):len(c.flags)], commonFlags()...))
	if examples := allExamples(c); len(examples) > 0 {
		p.section("examples")
		p.WriteString(".nf\n" + roff(strings.Join(examples, "\n")) + "\n.fi\n")
	}
	p.exitCodes(c.exits)
	p.section("see also")
	p.text("git-bst(1)")
	return p.String()
}

func allExamples(c command) []string {
	lines := c.examples[:len(c.examples):len(c.examples)]
	for _, sub := range c.sub {
		lines = append(lines, sub.examples...)
	}
	return lines
}
