package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/compdb"
	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
	"github.com/git-bst/git-bst/keys"
)

// IDERequest says for which element a compilation database is wanted, and where.
type IDERequest struct {
	Element string
	Record  string // the build attempt that it is made from, as for Session.Record; "" for the newest with a build tree
	Output  string // absolute path of the file; "" for one in the git directory
	Install bool   // put it at the top of the work tree, where git does not see it
	Sysroot string // absolute folder that has the headers of a sysroot; "" without
}

// IDEReport says what was written.
type IDEReport struct {
	Element  string `json:"element"`
	Record   string `json:"record"`
	File     string `json:"file"`
	Made     string `json:"generated"` // the folder with what the build generated
	From     string `json:"from"`      // "build tree" or "log"
	Commands int    `json:"commands"`
}

// IDE writes a compilation database for editors, with paths that are right in the element's work tree:
// from a compile_commands.json in the build tree where there is one, else from what the builds that
// led to it printed. What the build generated is extracted into a folder in the git directory, so
// that editors find it. Nothing is run. ErrRefused where a file of the user's would be overwritten.
func (s *Session) IDE(ctx context.Context, request IDERequest) (IDEReport, error) {
	_, n, err := s.element(ctx, request.Element)
	if err != nil {
		return IDEReport{}, err
	}
	rec, err := s.recordWithTree(ctx, record.Filter{Project: n.element.Project.Name, Element: n.element.Name}, request.Record)
	if err != nil {
		return IDEReport{}, err
	}
	e, err := s.newEditor(ctx, n, rec)
	if err != nil {
		return IDEReport{}, err
	}
	e.sysroot = request.Sysroot
	if err := e.findCommands(ctx); err != nil {
		return IDEReport{}, fmt.Errorf("make a compilation database of %s: %w", rec.Element, err)
	}
	report := IDEReport{Element: rec.Element, Record: rec.ID, Made: e.made, From: e.from, File: request.Output}
	commands := compdb.Map(e.commands, compdb.Mapping{Has: e.has, File: e.file, Folders: e.folders, Directory: e.directory})
	report.Commands = len(commands)
	if err := e.extract(ctx); err != nil {
		return report, fmt.Errorf("extract what the build of %s generated: %w", rec.Element, err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(commands); err != nil {
		return report, err
	}
	return e.write(request, report, out.Bytes())
}

// editor is what is known of a build when a database is made of it.
type editor struct {
	s                 *Session
	rec               record.Record
	buildRoot, start  string                // absolute paths in the build
	source            map[string]tree.Entry // by path below the build root
	built             map[string]tree.Entry
	work              []workFolder
	top, gitDir, made string // absolute paths here
	sysroot           string
	from              string
	commands          []compdb.Command
	wanted            map[string]tree.Entry // what is extracted
	kept              map[string]bool       // folders that hold something extracted, and those in which commands ran
}

// workFolder is a folder of the user's that is staged below the build root.
type workFolder struct{ below, dir string }

func (s *Session) newEditor(ctx context.Context, n *node, rec record.Record) (*editor, error) {
	image, err := cas.Get(ctx, s.cas, rec.Parts.PreImage)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotCached, collected(rec, "list of inputs"))
	}
	parts, err := keys.PartsOf(image)
	if err != nil {
		return nil, fmt.Errorf("read build %s: %w", record.Short(rec.ID), err)
	}
	e := &editor{s: s, rec: rec, buildRoot: parts.Layout.BuildRoot, start: parts.Layout.WorkDir, top: s.repo.TopLevel(), gitDir: s.repo.GitDir(),
		wanted: map[string]tree.Entry{}, kept: map[string]bool{}}
	if n.work != nil {
		e.top, e.gitDir = n.work.Dir(), n.work.repo.GitDir()
		e.work = []workFolder{{"", n.work.Dir()}}
	}
	for _, src := range n.element.Sources {
		if folder, err := src.Config.Str("path"); n.work == nil && src.Kind == "local" && err == nil {
			e.work = append(e.work, workFolder{src.Directory, filepath.Join(n.element.Project.Dir, filepath.FromSlash(folder))})
		}
	}
	name := digest.Of([]byte(rec.Project + "\n" + rec.Element)).Hash()[:16]
	e.made = filepath.Join(e.gitDir, "bst", "ide", name, "generated")
	if e.built, err = s.entriesOf(ctx, rec.BuildTree); err != nil {
		return nil, err
	}
	if e.source, err = s.entriesOf(ctx, rec.SourceTree); errors.Is(err, cas.ErrNotFound) {
		e.source, err = map[string]tree.Entry{}, nil
	}
	return e, err
}

// entriesOf are all paths of a tree; none for the zero digest.
func (s *Session) entriesOf(ctx context.Context, root digest.Digest) (map[string]tree.Entry, error) {
	entries := map[string]tree.Entry{}
	if root.IsZero() {
		return entries, nil
	}
	err := tree.Walk(ctx, s.cas, root, func(name string, e tree.Entry) error {
		entries[name] = e
		return nil
	})
	return entries, err
}

// maxDatabase bounds a compile_commands.json: that of the largest known projects is some 200 MB.
const maxDatabase = 256 << 20

// findCommands reads the databases in the build tree, or the logs.
func (e *editor) findCommands(ctx context.Context) error {
	var names []string
	for name, entry := range e.built {
		if path.Base(name) == compdb.FileName && entry.Kind == tree.KindFile && entry.Digest.Size() <= maxDatabase && e.source[name] != entry {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	e.from = "build tree"
	for _, name := range names {
		data, err := cas.Get(ctx, e.s.cas, e.built[name].Digest)
		if err != nil {
			return err
		}
		if commands, err := compdb.Parse(data); err == nil { // a file of that name need not be one
			e.commands = append(e.commands, commands...)
		}
	}
	if len(e.commands) > 0 {
		return nil
	}
	e.from = "log"
	if err := e.readLogs(ctx); err != nil || len(e.commands) > 0 {
		return err
	}
	return hint.Add(errors.New("neither its build tree nor its logs tell how files were compiled"),
		"let it print its commands: make V=1 (variable make-args), ninja -v; or write them: cmake -DCMAKE_EXPORT_COMPILE_COMMANDS=ON (meson does by itself)",
		"then build it once more: git bst build --clean "+e.rec.Element)
}

// readLogs reads the logs of the build, of its base, of that one's base and so on: a continued build
// prints only what it compiled.
func (e *editor) readLogs(ctx context.Context) error {
	rec := e.rec
	for range maxBases {
		for _, phase := range rec.Phases {
			log, err := e.s.cas.Open(ctx, phase.Log)
			if phase.Log.IsZero() || errors.Is(err, cas.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			commands, err := compdb.FromLog(log, e.start, e.has)
			if err := errors.Join(err, log.Close()); err != nil {
				return fmt.Errorf("read the log of %s: %w", phase.Name, err)
			}
			e.commands = append(e.commands, commands...)
		}
		if rec.Base == "" {
			return nil
		}
		base, err := e.s.env.Records.Get(ctx, rec.Base)
		if err != nil {
			return nil // what is no longer on record can't tell
		}
		rec = base
	}
	return nil
}

// below returns the path of a file of the build below its build root.
func (e *editor) below(name string) (string, bool) {
	name = path.Clean(name)
	if name == e.buildRoot {
		return ".", true
	}
	return strings.CutPrefix(name, strings.TrimSuffix(e.buildRoot, "/")+"/")
}

// has reports whether the build tree holds a file.
func (e *editor) has(name string) bool {
	rel, ok := e.below(name)
	return ok && e.built[rel].Kind != tree.KindNone && e.built[rel].Kind != tree.KindDir
}

// inWork returns where a path below the build root is in the user's folders, if it is there.
func (e *editor) inWork(rel string) (string, bool) {
	for _, folder := range slices.Backward(e.work) {
		inside := rel
		if folder.below != "" && folder.below != "." {
			var ok bool
			if inside, ok = strings.CutPrefix(rel, strings.Trim(folder.below, "/")+"/"); !ok {
				continue
			}
		}
		name := filepath.Join(folder.dir, filepath.FromSlash(inside))
		if _, err := os.Lstat(name); err == nil {
			return name, true
		}
	}
	return "", false
}

// file is where an editor finds a file of the build: in the work tree where it is a source, else
// extracted.
func (e *editor) file(name string) string {
	rel, ok := e.below(name)
	if !ok {
		return e.inSysroot(name)
	}
	_, isSource := e.source[rel]
	if here, ok := e.inWork(rel); ok && (isSource || e.built[rel].Kind == tree.KindNone) {
		return here
	}
	e.want(rel)
	return filepath.Join(e.made, filepath.FromSlash(rel))
}

func (e *editor) inSysroot(name string) string {
	if e.sysroot == "" {
		return name
	}
	return filepath.Join(e.sysroot, filepath.FromSlash(name))
}

// folders is where an editor finds the headers of a folder of the build: those of the sources in the
// work tree, generated ones extracted.
func (e *editor) folders(name string) []string {
	rel, ok := e.below(name)
	if !ok {
		return []string{e.inSysroot(name)}
	}
	var places []string
	if here, ok := e.inWork(rel); ok {
		places = append(places, here)
	}
	e.keep(rel)
	return append(places, filepath.Join(e.made, filepath.FromSlash(rel)))
}

// directory stands for a folder in which a command ran.
func (e *editor) directory(name string) string {
	rel, ok := e.below(name)
	if !ok {
		return e.made
	}
	if here, ok := e.inWork(rel); ok {
		return here
	}
	e.keep(rel)
	return filepath.Join(e.made, filepath.FromSlash(rel))
}

func (e *editor) keep(rel string) { e.kept[rel] = true }

func (e *editor) want(rel string) {
	if entry := e.resolved(rel); entry.Kind == tree.KindFile {
		e.wanted[rel] = entry
	}
}

// maxLinks bounds a chain of links.
const maxLinks = 8

// resolved is what a path of the build tree leads to, by links that stay in it.
func (e *editor) resolved(rel string) tree.Entry {
	for range maxLinks {
		entry := e.built[rel]
		if entry.Kind != tree.KindSymlink {
			return entry
		}
		if path.IsAbs(entry.Target) {
			target, ok := e.below(entry.Target)
			if !ok {
				return tree.Entry{}
			}
			rel = target
			continue
		}
		rel = path.Join(path.Dir(rel), entry.Target)
	}
	return tree.Entry{}
}

// generated are the endings of what compilers include or compile.
var generated = []string{".h", ".hh", ".hpp", ".hxx", ".h++", ".H", ".inc", ".inl", ".ipp", ".tcc", ".tpp", ".def", ".c", ".cc", ".cpp", ".cxx", ".C", ".m", ".mm", ".cu", ".moc"}

// extract writes what the build generated, and what of its source is not in the work tree, in the
// place of what was extracted before.
func (e *editor) extract(ctx context.Context) error {
	for rel, entry := range e.built {
		if entry.Kind != tree.KindDir && (slices.Contains(generated, path.Ext(rel)) || path.Ext(rel) == "" && strings.Contains("/"+rel, "/include/")) {
			if _, here := e.inWork(rel); !here || e.source[rel].Kind == tree.KindNone {
				e.want(rel)
			}
		}
	}
	var changes []tree.Change
	for rel, entry := range e.wanted {
		if !slices.ContainsFunc(strings.Split(rel, "/"), func(part string) bool { return strings.EqualFold(part, ".git") }) {
			changes = append(changes, tree.Change{Path: rel, Op: tree.Added, New: entry})
		}
	}
	root, err := tree.Apply(ctx, e.s.cas, digest.Empty, changes)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(e.made), 0o755); err != nil {
		return err
	}
	unlock, err := fsx.Lock(ctx, filepath.Join(filepath.Dir(e.made), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	fresh := e.made + ".new"
	if err := fsx.RemoveAll(fresh); err != nil {
		return err
	}
	if err := tree.Export(ctx, e.s.cas, root, fresh, tree.ExportOptions{Default: e.rec.Started}); err != nil {
		return err
	}
	for rel := range e.kept {
		if filepath.IsLocal(filepath.FromSlash(rel)) {
			if err := os.MkdirAll(filepath.Join(fresh, filepath.FromSlash(rel)), 0o755); err != nil {
				return err
			}
		}
	}
	if err := fsx.RemoveAll(e.made); err != nil {
		return err
	}
	return os.Rename(fresh, e.made)
}

// write puts the database where it is wanted.
func (e *editor) write(request IDERequest, report IDEReport, data []byte) (IDEReport, error) {
	mark := filepath.Join(filepath.Dir(e.made), "installed")
	switch {
	case request.Install:
		report.File = filepath.Join(e.top, compdb.FileName)
		if err := mayReplace(report.File, mark); err != nil {
			return report, err
		}
		if err := e.exclude(); err != nil {
			return report, err
		}
	case report.File == "":
		report.File = filepath.Join(filepath.Dir(e.made), compdb.FileName)
	}
	if err := fsx.WriteFile(report.File, data, 0o644); err != nil {
		return report, fmt.Errorf("write the compilation database: %w", err)
	}
	if !request.Install {
		return report, nil
	}
	return report, fsx.WriteFile(mark, []byte(digest.Of(data).String()+"\n"), 0o644)
}

// mayReplace refuses to overwrite a file that is not as we left it.
func mayReplace(file, mark string) error {
	old, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", file, err)
	}
	if sum, err := os.ReadFile(mark); err == nil && strings.TrimSpace(string(sum)) == digest.Of(old).String() {
		return nil
	}
	err = fmt.Errorf("%w: write %s: there is one that git bst ide did not write", ErrRefused, file)
	return hint.Add(err, "move it away, or name another place: git bst ide --output FILE")
}

// exclude has git ignore the file at the top of the work tree, for this clone only.
func (e *editor) exclude() error {
	common := e.gitDir
	if text, err := os.ReadFile(filepath.Join(e.gitDir, "commondir")); err == nil { // of a linked work tree
		common = filepath.Join(e.gitDir, strings.TrimSpace(string(text)))
		if path.IsAbs(strings.TrimSpace(string(text))) {
			common = strings.TrimSpace(string(text))
		}
	}
	file, line := filepath.Join(common, "info", "exclude"), "/"+compdb.FileName
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("have git ignore %s: %w", compdb.FileName, err)
	}
	if slices.Contains(strings.Split(string(old), "\n"), line) {
		return nil
	}
	if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		old = append(old, '\n')
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("have git ignore %s: %w", compdb.FileName, err)
	}
	if err := fsx.WriteFile(file, append(old, line+"\n"...), 0o644); err != nil {
		return fmt.Errorf("have git ignore %s: %w", compdb.FileName, err)
	}
	return nil
}
