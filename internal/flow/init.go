package flow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/config"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/project"
)

var (
	// ErrExists is returned when a file that Init would write is there already.
	ErrExists = errors.New("file exists")
	// ErrUnknownKind is returned when Init finds nothing that says how to build a repository, or
	// when it is asked for a kind that it doesn't know.
	ErrUnknownKind = errors.New("unknown kind of project")
	// ErrName is returned when Init is asked for a name that no project can have.
	ErrName = errors.New("no name for a project")
)

// InitRequest is what Init works from.
type InitRequest struct {
	Top  string // of the work tree, absolute
	Dir  string // where the user stands, in Top, absolute
	Name string // of the project and its element; "" for the name of the folder Top
	Kind string // one of InitKinds; "" to find out
	// Programs is where the programs are that builds run.
	Programs Programs
}

// InitResult says what Init did.
type InitResult struct {
	Existing bool     // there is a BuildStream project already: only .git-bst.toml was written
	Project  string   // folder with project.conf, slash-separated, from Top
	Name     string   // of the project; "" for an existing one
	Element  string   // "NAME.bst"; "" for an existing project
	Kind     string   // one of InitKinds; "" for an existing project
	Because  string   // the file that told the kind; "" if it was asked for
	Also     []string // other kinds that the files would allow
	Written  []string // slash-separated, from Top
	Hints    []string // what the user should look at
}

// Init makes a repository buildable: project.conf, one element and .git-bst.toml at the top of the
// work tree; in an existing BuildStream project .git-bst.toml only. It overwrites nothing
// (ErrExists names the file) and, when it fails, leaves nothing behind. Without Kind and without
// a known build system it returns ErrUnknownKind. It runs nothing.
func Init(ctx context.Context, request InitRequest) (InitResult, error) {
	if project, ok := existingProject(request); ok {
		return initExisting(ctx, request, project)
	}
	found, err := detect(request.Top)
	if err != nil {
		return InitResult{}, err
	}
	chosen, err := choose(found, request.Kind)
	if err != nil {
		return InitResult{}, err
	}
	name := request.Name
	if name == "" {
		name = filepath.Base(request.Top)
	}
	if name, err = projectName(name, request.Name != ""); err != nil {
		return InitResult{}, err
	}
	result := InitResult{Project: ".", Name: name, Element: name + ".bst", Kind: chosen.kind, Because: chosen.file}
	for _, other := range found {
		if other.kind != chosen.kind && !slices.Contains(result.Also, other.kind) {
			result.Also = append(result.Also, other.kind)
		}
	}
	element, hints := elementText(request.Top, chosen.kind)
	folder := elementFolder(request.Top)
	path, missing := request.Programs.environmentPath(chosen.kind, folder+"/"+result.Element)
	element, result.Hints = withPath(element, path), append(missing, hints...)
	err = writeNew(ctx, request.Top, &result, []newFile{
		{"project.conf", projectText(name, folder, chosen.kind)},
		{folder + "/" + result.Element, element},
		{".git-bst.toml", settingsText(result.Element)},
	})
	return result, err
}

// existingProject returns the folder of the nearest project.conf at or above where the user
// stands, slash-separated, from the top.
func existingProject(request InitRequest) (string, bool) {
	rel, err := filepath.Rel(request.Top, request.Dir)
	if err != nil || !filepath.IsLocal(rel) {
		rel = "."
	}
	for {
		if _, err := os.Lstat(filepath.Join(request.Top, rel, "project.conf")); err == nil {
			return filepath.ToSlash(rel), true
		}
		if rel == "." {
			return "", false
		}
		rel = filepath.Dir(rel)
	}
}

func initExisting(ctx context.Context, request InitRequest, conf string) (InitResult, error) {
	result := InitResult{Existing: true, Project: conf}
	dir := filepath.Join(request.Top, filepath.FromSlash(conf))
	if _, err := project.Load(ctx, project.Request{Dir: dir, ConfigOnly: true}); err != nil {
		return result, fmt.Errorf("read the project in %s: %w", dir, err)
	}
	if exists(request.Top, config.RepositoryFile) {
		err := fmt.Errorf("make a project: %w: %s and project.conf", ErrExists, config.RepositoryFile)
		return result, hint.Add(err, "this repository is set up already; next: git bst build", "its settings: git bst config --show-origin",
			"to begin anew, move project.conf, the elements and "+config.RepositoryFile+" away first")
	}
	if request.Kind != "" || request.Name != "" {
		err := fmt.Errorf("make a project: %w: %s", ErrExists, filepath.Join(dir, "project.conf"))
		return result, hint.Add(err, "for the BuildStream project that is there: git bst init, without --kind and --name",
			"to begin anew, move project.conf away first")
	}
	return result, writeNew(ctx, request.Top, &result, []newFile{{config.RepositoryFile, existingSettingsText(conf)}})
}

// projectName makes a name that BuildStream takes: letters, digits, "-" and "_", with no digit in
// front. A name that was asked for is taken as it is or refused.
func projectName(name string, asked bool) (string, error) {
	clean := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
	clean = strings.Trim(clean, "-")
	if clean != "" && clean[0] >= '0' && clean[0] <= '9' {
		clean = "project-" + clean
	}
	if clean == "" {
		clean = "project"
	}
	if asked && clean != name {
		err := fmt.Errorf("make a project: %w: %q: letters, digits, - and _ only, and no digit in front", ErrName, name)
		return "", hint.Addf(err, "for example: git bst init --name %s", clean)
	}
	return clean, nil
}

// elementFolder returns a folder for elements that the repository does not use for its own files.
// Nothing in that folder is part of the built source (rule 7).
func elementFolder(top string) string {
	for _, name := range []string{"elements", "bst", "bst-elements"} {
		if _, err := os.Lstat(filepath.Join(top, name)); errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
	return ".bst-elements"
}

type newFile struct {
	name string // slash-separated, from the top
	text string
}

// writeNew writes all files or none, and overwrites nothing.
func writeNew(ctx context.Context, top string, result *InitResult, files []newFile) (err error) {
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(top, filepath.FromSlash(f.name))); err == nil {
			err := fmt.Errorf("write %s: %w", f.name, ErrExists)
			return hint.Addf(err, "nothing was changed; to begin anew, move %s away first", f.name)
		}
	}
	defer func() {
		if err != nil {
			undo(top, result)
		}
	}()
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(top, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		if err := writeExclusive(path, f.text); err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
		result.Written = append(result.Written, f.name)
	}
	return nil
}

// undo removes what was written, and the folder made for it if that is empty.
func undo(top string, result *InitResult) {
	for _, name := range result.Written {
		path := filepath.Join(top, filepath.FromSlash(name))
		os.Remove(path)
		if filepath.Dir(path) != filepath.Clean(top) {
			os.Remove(filepath.Dir(path)) // fails if it is not empty
		}
	}
	result.Written = nil
}

func writeExclusive(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
