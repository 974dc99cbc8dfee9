package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
)

// HostOptions say what of the host a build depends on.
type HostOptions struct {
	Root  string   // "" is "/"; another one is for tests
	Path  []string // the absolute folders in which the build looks for programs, PATH
	Tools []string // names looked up in Path, or absolute paths: compilers and the like
	Extra []string // as HostRoot.Extra

	// CacheDir, where not "", keeps what was read of files, by their path, size, time and
	// inode. It is our own: several processes may use it at once, and it may be deleted.
	CacheDir string
	Now      func() time.Time // nil is time.Now
}

// Host is a fingerprint of the host's part of a build's inputs (rule 10).
type Host struct {
	Digest digest.Digest // of Lines
	// Lines are the inputs, one a line in a fixed order, to be compared by people: each installed
	// package with its version, each alternative, each tool, and each folder outside the package
	// database with a digest of its entries' names, sizes, times and modes.
	Lines []string
}

// systemFolders are the folders of /usr, beside PATH's, in which compilers, linkers, pkg-config,
// cmake and aclocal look by themselves. A file that was put there by hand belongs to no package.
var systemFolders = []struct {
	glob string
	how  counting
}{
	{"/usr/include", searched},
	{"/usr/lib", oneLevel}, {"/usr/lib32", oneLevel}, {"/usr/lib64", oneLevel}, {"/usr/libx32", oneLevel}, {"/usr/lib/*-linux-*", oneLevel},
	{"/usr/lib*/pkgconfig", searched}, {"/usr/lib/*-linux-*/pkgconfig", searched}, {"/usr/share/pkgconfig", searched},
	{"/usr/lib*/cmake", searched}, {"/usr/lib/*-linux-*/cmake", searched}, {"/usr/share/cmake*", searched}, {"/usr/share/aclocal*", searched},
	{"/usr/lib*/*", fewNames}, {"/usr/libexec/*", fewNames}, {"/usr/share/*", fewNames},
}

// deep are the folders among fewNames of which all levels count: those of compilers and
// interpreters, whose modules and headers lie deeper.
var deep = []string{
	"*-linux-*", "aclocal*", "cmake*", "clang*", "gcc*", "ghc*", "go", "go-[0-9]*", "guile*", "jvm", "llvm*", "lua*", "node_modules", "nodejs",
	"ocaml*", "perl*", "php*", "pkgconfig", "python*", "R", "ruby*", "rustlib", "tcl*",
}

// unread are folders of /usr that builds do not read, however full they are.
var unread = []string{"doc", "fonts", "icons", "info", "locale", "man", "sounds", "debug", "firmware"}

// Fingerprint reads the host's part of a build's inputs: the processor's kind, the package
// database, alternatives, what is shown of /etc, /usr/local, /opt, Extra, the folders of Path, the
// system's folders of headers and libraries, and the named tools. It runs nothing. What does not
// exist is said not to. What belongs to no package, as far as that is known, counts by content,
// so that equal machines have equal fingerprints; the rest by size and time.
//
// Not seen: a package's file that was changed in place (not exchanged) in /usr, unless it is a
// program, a library or a named tool; any file that was changed so in other folders of /usr, as
// in those of interpreters' modules; and what was exchanged or added more than three levels down
// there, unless in a folder of deep.
//
// The two points of the package whose results enter keys are this function and HostRoot's
// layout: what is shown there must be looked at here.
func Fingerprint(ctx context.Context, options HostOptions) (Host, error) {
	r := newReader(options)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Host{}, fmt.Errorf("fingerprint host: %w", err)
	}
	r.add("host 2") // the version of this list
	r.add("machine %s", unix.ByteSliceToString(name.Machine[:]))
	look := func(HostOptions) error { return r.look(ctx) }
	steps := []func(HostOptions) error{r.packages, r.alternatives, r.etc, r.folders, r.path, r.system, look, r.tools}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return Host{}, err
		}
		if err := step(options); err != nil {
			return Host{}, fmt.Errorf("fingerprint host: %w", err)
		}
	}
	r.cache.save()
	return Host{Digest: digest.Of([]byte(strings.Join(r.lines, "\n") + "\n")), Lines: r.lines}, nil
}

// reader collects the lines.
type reader struct {
	root     string
	cache    *statCache
	memory   string // the file with what is remembered of areas, "" if none
	contents *contents
	owners   *owners
	areas    []area
	lines    []string
}

func newReader(options HostOptions) *reader {
	r := &reader{root: orElse(options.Root, "/"), cache: openCache(options)}
	r.contents, r.owners = &contents{now: r.cache.now, limit: maxContent}, &owners{root: r.root}
	if options.CacheDir != "" {
		r.memory = filepath.Join(options.CacheDir, "host-areas-1")
		r.contents.file = filepath.Join(options.CacheDir, "host-contents-1.json")
	}
	return r
}

func (r *reader) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// at is a path of the host as seen from outside the root.
func (r *reader) at(name string) string { return filepath.Join(r.root, name) }

// alternatives are links, whose targets choose the compiler.
func (r *reader) alternatives(HostOptions) error {
	const folder = "/etc/alternatives"
	entries, err := os.ReadDir(r.at(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		target, err := os.Readlink(r.at(folder + "/" + entry.Name()))
		if err == nil {
			r.add("alternative %s -> %s", entry.Name(), target)
		}
	}
	return nil
}

// area adds an area, if there is anything of that name.
func (r *reader) area(name string, how counting) (bool, error) {
	found, err := present(r.at(name))
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", name, err)
	}
	if found {
		r.areas = append(r.areas, area{name, r.at(name), how})
	}
	return found, nil
}

// etc is what a HostRoot shows of /etc.
func (r *reader) etc(HostOptions) error {
	for _, name := range etcNames {
		if name == "alternatives" {
			continue
		}
		if _, err := r.area("/etc/"+name, wholly); err != nil {
			return err
		}
	}
	return nil
}

// folders are those that no package owns. Each folder in them has a line.
func (r *reader) folders(options HostOptions) error {
	for _, top := range append([]string{"/usr/local", "/opt"}, options.Extra...) {
		entries, err := os.ReadDir(r.at(top))
		if errors.Is(err, fs.ErrNotExist) {
			r.add("folder %s is not there", top)
			continue
		}
		if err != nil { // a file, or not ours to read, and so not the build's either
			if _, err := r.area(top, wholly); err != nil {
				return err
			}
			continue
		}
		for _, entry := range entries {
			if _, err := r.area(filepath.Join(top, entry.Name()), wholly); err != nil {
				return err
			}
		}
	}
	return nil
}

// path are the folders that are searched for programs. Those within what was looked at are left out.
func (r *reader) path(options HostOptions) error {
	for _, folder := range options.Path {
		if !filepath.IsAbs(folder) || under(folder, "/usr/local") || under(folder, "/opt") {
			continue
		}
		real, ok := r.resolve(folder)
		if ok && real != filepath.Clean(folder) { // /bin -> usr/bin
			r.add("path %s -> %s", folder, real)
			if slices.Contains(options.Path, real) {
				continue
			}
		}
		found, err := false, error(nil)
		if ok {
			found, err = r.area(real, oneLevel)
		}
		if err != nil {
			return err
		}
		if !found {
			r.add("folder %s is not there", folder)
		}
	}
	return nil
}

// system are the folders that builds read besides. A link counts as one.
func (r *reader) system(HostOptions) error {
	for _, folder := range systemFolders {
		found, err := filepath.Glob(r.at(folder.glob))
		if err != nil {
			return err
		}
		for _, path := range found {
			info, err := os.Lstat(path)
			name := r.inside(path)
			how := folder.how
			if err != nil || how.levels == fewNames.levels && (!info.IsDir() || matches(unread, name)) {
				continue // files of /usr/lib count already
			}
			if how.levels == fewNames.levels && matches(deep, name) {
				how = names
			}
			r.areas = append(r.areas, area{name, path, how})
		}
	}
	return nil
}

// matches reports whether one of the patterns is for the last part of a path.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := filepath.Match(pattern, filepath.Base(name))
		return ok && err == nil
	})
}

// look adds the lines of the areas: those that are remembered where nothing has changed.
func (r *reader) look(ctx context.Context) error {
	memory := readWatched(r.memory)
	changed := r.changed(memory)
	lines, fresh := make([]string, len(r.areas)), make([]*watched, len(r.areas))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, a := range r.areas {
		if !changed[i].Load() {
			lines[i] = memory[a.key()].Line
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w, err := r.walk(a)
			if errors.Is(err, fs.ErrNotExist) { // gone since it was listed
				lines[i] = "folder " + a.name + " is not there"
				return nil
			}
			if err != nil {
				return err
			}
			lines[i] = w.line(r.contents)
			again := w.watch(lines[i])
			if !w.settled(r.cache.now()) {
				again.Parts = nil // not to be remembered
			}
			fresh[i] = &again
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.lines = append(r.lines, lines...)
	r.remember(memory, fresh)
	return nil
}

// atOnce is how many areas are looked at at once: it is the kernel that works, and others want to, too.
const atOnce = 2

// changed says which areas are not remembered as they are.
func (r *reader) changed(memory map[string]watched) []atomic.Bool {
	changed := make([]atomic.Bool, len(r.areas))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, a := range r.areas {
		known, ok := memory[a.key()]
		if !ok || len(known.Parts) == 0 {
			changed[i].Store(true)
			continue
		}
		for _, p := range known.Parts {
			group.Go(func() error {
				if !changed[i].Load() && !p.holds() {
					changed[i].Store(true)
				}
				return nil
			})
		}
	}
	_ = group.Wait()
	return changed
}

// remember writes what was walked, if anything was.
func (r *reader) remember(memory map[string]watched, fresh []*watched) {
	var walked []area
	for i, w := range fresh {
		if w == nil {
			continue
		}
		walked = append(walked, r.areas[i])
		key := r.areas[i].key()
		delete(memory, key)
		if w.Parts != nil {
			memory[key] = *w
		}
	}
	if r.memory == "" || len(walked) == 0 {
		return
	}
	maps.DeleteFunc(memory, func(_ string, w watched) bool {
		found, err := present(w.Path)
		return err == nil && !found
	})
	writeWatched(r.memory, memory)
	r.contents.save(walked)
}

// under reports whether name is folder or in it.
func under(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// tools are named programs, by what they resolve to and its content.
func (r *reader) tools(options HostOptions) error {
	for _, tool := range options.Tools {
		name, ok := r.find(tool, options.Path)
		if !ok {
			r.add("tool %s is not there", tool)
			continue
		}
		sum, err := r.cache.hash(r.at(name))
		if err != nil {
			return fmt.Errorf("read tool %s: %w", tool, err)
		}
		r.add("tool %s = %s sha256:%s", tool, name, sum)
	}
	return nil
}

// find looks a tool up and follows its links within the root.
func (r *reader) find(tool string, folders []string) (string, bool) {
	candidates := []string{tool}
	if !strings.Contains(tool, "/") {
		candidates = nil
		for _, folder := range folders {
			candidates = append(candidates, filepath.Join(folder, tool))
		}
	}
	for _, candidate := range candidates {
		name, ok := r.resolve(candidate)
		if !ok {
			continue
		}
		info, err := os.Lstat(r.at(name))
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name, true
		}
	}
	return "", false
}

// resolve follows symlinks within the root.
func (r *reader) resolve(name string) (string, bool) {
	todo := strings.Split(strings.Trim(filepath.Clean(name), "/"), "/")
	here := "/"
	for links := 0; len(todo) > 0; {
		next := filepath.Join(here, todo[0])
		info, err := os.Lstat(r.at(next))
		if err != nil {
			return "", false
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			here, todo = next, todo[1:]
			continue
		}
		target, err := os.Readlink(r.at(next))
		if links++; err != nil || links > maxLinks {
			return "", false
		}
		todo, here = splitLink(here, target, todo[1:]), "/"
	}
	return here, true
}
