package project_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/git-bst/git-bst/internal/project"
)

// errorCase is a project that must be refused, from testdata/errors/NAME.txt: lines of KEY: VALUE, then
// files, each after a line "-- NAME --". A project.conf that is not there is a minimal one.
type errorCase struct {
	reason  project.Reason
	at      string // file:line:column, "" for none
	element string
	detail  string // a regular expression
	target  string
	options map[string]string
	files   map[string]string
}

func readErrorCase(t *testing.T, path string) errorCase {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := errorCase{target: "a.bst", options: map[string]string{}, files: map[string]string{"project.conf": "name: t\nmin-version: 2.0\n"}}
	name := ""
	for _, line := range strings.SplitAfter(string(data), "\n") {
		if marker, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(marker, " --") {
			name = strings.TrimSuffix(marker, " --")
			c.files[name] = ""
			continue
		}
		if name != "" {
			c.files[name] += line
			continue
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "reason":
			c.reason = project.Reason(value)
		case "at":
			c.at = value
		case "element":
			c.element = value
		case "detail":
			c.detail = value
		case "target":
			c.target = value
		case "option":
			option, choice, _ := strings.Cut(value, "=")
			c.options[option] = choice
		case "", "ours", "bst":
		default:
			t.Fatalf("%s: unknown key %q", path, key)
		}
	}
	return c
}

func (c errorCase) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range c.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(content, "symlink "); ok {
			if err := os.Symlink(strings.TrimSpace(target), path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if content == "remove\n" {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadErrors(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d cases in testdata/errors, want at least 40 (%v)", len(paths), err)
	}
	met := map[project.Reason]bool{}
	for _, path := range paths {
		c := readErrorCase(t, path)
		met[c.reason] = true
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			_, err := project.Load(context.Background(), project.Request{Dir: c.write(t), Targets: []string{c.target}, Options: c.options})
			var load *project.LoadError
			if !errors.As(err, &load) {
				t.Fatalf("error %v, want a LoadError", err)
			}
			if load.Reason != c.reason || load.At.String() != c.at || c.element != "" && load.Element != c.element {
				t.Errorf("got %s at %q in %q, want %s at %q in %q: %v", load.Reason, load.At, load.Element, c.reason, c.at, c.element, err)
			}
			if !regexp.MustCompile(c.detail).MatchString(err.Error()) {
				t.Errorf("error %q does not match %q", err, c.detail)
			}
		})
	}
	for _, reason := range reachable {
		if !met[reason] {
			t.Errorf("no case for reason %s", reason)
		}
	}
}

// reachable are the load reasons of BuildStream that this loader can meet. SubprojectInconsistent needs
// sources that are fetched: testscripts have it.
var reachable = []project.Reason{
	project.MissingFile, project.InvalidYAML, project.InvalidData, project.IllegalComposite, project.CircularDependency,
	project.UnresolvedVariable, project.UnsupportedProject, project.ExpressionFailed, project.UserAssertion,
	project.TrailingListDirective, project.InvalidSymbolName, project.MissingProjectConf, project.LoadingDirectory,
	project.ProjPathInvalid, project.ProjPathInvalidKind, project.RecursiveInclude, project.CircularReferenceVariable,
	project.ProtectedVariableRedefined, project.InvalidDependencyConfig, project.BadElementSuffix, project.BadCharactersInName,
	project.UndefinedProvenanceAttibute, project.InvalidJunction, project.LinkForbiddenDependencies, project.ConflictingJunction,
	project.CircularReference,
}
