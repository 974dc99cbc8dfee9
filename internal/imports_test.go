// Package internal_test holds the rules that no single package can: who may import whom, and
// what only cmd/git-bst may touch.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/git-bst/git-bst/"

// layers lists our packages from the lowest to the highest. A package imports only packages of
// lower layers, and of its own layer only what sameLayer allows. A new line here is a change of
// the design: say why in the commit.
var layers = [][]string{
	{"internal/digest", "internal/fsx", "internal/hint", "internal/textdiff", "internal/compdb"},
	{"internal/cas", "internal/config"},
	{"internal/tree", "internal/ledger"},
	{"internal/bsttest"},
	{"internal/project", "gitint"},
	{"internal/recipe", "internal/source"},
	{"keys"},
	{"internal/artifact", "internal/record", "internal/trace", "internal/workspace"},
	{"internal/plan"},
	{"internal/action", "internal/sandbox", "internal/remote"},
	{"internal/build"},
	{"internal/flow"},
	{"internal/ui", "hooks"},
	{"cmd/git-bst"},
}

// sameLayer lists the allowed imports between packages of one layer: importer → imported.
var sameLayer = map[string][]string{
	"internal/sandbox": {"internal/action"},
	"internal/remote":  {"internal/action"},
	"internal/recipe":  {"internal/source"},
	"internal/record":  {"internal/artifact"}, // a record names the artifact that it made
}

// narrow lists packages that may import less than their layer allows.
var narrow = map[string][]string{
	"internal/config": {"internal/hint", "internal/fsx"},
}

// outside lists which of our packages may import a library (and all below it). A library that
// is not listed may be imported by nobody.
var outside = map[string][]string{
	"go.yaml.in/yaml/v4":                 {"internal/project"},
	"github.com/go-git":                  {"gitint"},
	"github.com/BurntSushi/toml":         {"internal/config"},
	"github.com/urfave/cli/v2":           {"cmd/git-bst"},
	"github.com/rogpeppe/go-internal":    {"cmd/git-bst", "internal/fsx", "internal/cas"},
	"google.golang.org/protobuf":         {"internal/tree", "internal/artifact", "internal/action", "internal/remote"},
	"google.golang.org/grpc":             {"internal/remote"},
	"golang.org/x/sys":                   {"*"},
	"golang.org/x/sync":                  {"*"},
	"golang.org/x/term":                  {"cmd/git-bst", "internal/ui"},
	"github.com/ulikunitz/xz":            {"internal/source"},
	"github.com/klauspost/compress":      {"internal/source", "internal/cas", "internal/remote"},
	"github.com/pjbgf/sha1cd":            {"gitint"},
	"github.com/bazelbuild/remote-apis/": {"internal/remote"},
}

// onlyInMain lists what only cmd/git-bst may use: the program's surroundings.
var onlyInMain = []string{
	"os.Exit", "os.Getenv", "os.LookupEnv", "os.Environ", "os.Args",
	"os.Stdin", "os.Stdout", "os.Stderr", "log.Fatal", "log.Fatalf",
}

// exceptions lists uses of onlyInMain with their reason.
var exceptions = map[string][]string{
	// The sandbox's init is a process of its own, started from our binary: it is a second main.
	"internal/sandbox": {"os.Exit", "os.Environ", "os.Stdin", "os.Stdout", "os.Stderr"},
}

type sourceFile struct {
	pkg    string // slash-separated, from the module's root
	name   string
	syntax *ast.File
	isTest bool
	fset   *token.FileSet
}

func TestImports(t *testing.T) {
	for _, file := range sourceFiles(t) {
		if rank(file.pkg) < 0 && file.pkg != "internal" {
			t.Errorf("%s: package %s is in no layer of this test", file.name, file.pkg)
			continue
		}
		for _, spec := range file.syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if why := refusal(file, path); why != "" {
				t.Errorf("%s: %s", file.fset.Position(spec.Pos()), why)
			}
		}
	}
}

func refusal(file sourceFile, path string) string {
	own, isOwn := strings.CutPrefix(path, module)
	switch {
	case isOwn && own == file.pkg:
		return ""
	case isOwn:
		return refuseOwn(file, own)
	case !strings.Contains(strings.Split(path, "/")[0], "."):
		return "" // the standard library
	}
	for library, users := range outside {
		if path == library || strings.HasPrefix(path, strings.TrimSuffix(library, "/")+"/") {
			if slices.Contains(users, "*") || slices.Contains(users, file.pkg) {
				return ""
			}
			return file.pkg + " may not import " + path + ": only " + strings.Join(users, ", ") + " may"
		}
	}
	return "library " + path + " is not on the list of this test"
}

func refuseOwn(file sourceFile, own string) string {
	if file.isTest && (own == "internal/bsttest" || file.pkg == "internal/bsttest") {
		return ""
	}
	if allowed, ok := narrow[file.pkg]; ok && !slices.Contains(allowed, own) {
		return file.pkg + " may import only " + strings.Join(allowed, ", ") + ", not " + own
	}
	from, to := rank(file.pkg), rank(own)
	if to < from || slices.Contains(sameLayer[file.pkg], own) || file.pkg == "internal" {
		return ""
	}
	return file.pkg + " may not import " + own + ": it is not in a lower layer"
}

func rank(pkg string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return slices.Contains(layer, pkg) })
}

func TestOnlyMainTouchesItsSurroundings(t *testing.T) {
	for _, file := range sourceFiles(t) {
		if file.isTest || file.pkg == "cmd/git-bst" {
			continue
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			name, ok := selector.X.(*ast.Ident)
			if !ok || name.Obj != nil {
				return true
			}
			use := name.Name + "." + selector.Sel.Name
			if slices.Contains(onlyInMain, use) && !slices.Contains(exceptions[file.pkg], use) {
				t.Errorf("%s: %s belongs to cmd/git-bst only", file.fset.Position(n.Pos()), use)
			}
			return true
		})
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, file := range sourceFiles(t) {
		for _, decl := range file.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: no init functions", file.fset.Position(f.Pos()))
			}
		}
	}
}

// sourceFiles parses every Go file of the module but testdata.
func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	root, fset := "..", token.NewFileSet()
	var files []sourceFile
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && path != root && (base == "testdata" || strings.HasPrefix(base, ".")) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		files = append(files, sourceFile{
			pkg: filepath.ToSlash(rel), name: path, syntax: syntax,
			isTest: strings.HasSuffix(base, "_test.go"), fset: fset,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
