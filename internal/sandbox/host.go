package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

// maxEntries is how many files a fingerprint looks at in one folder outside the package
// database; beyond them only folders are, whose times change with names in them. 20 000 take
// about 20 ms; only machine images for CI have more.
const maxEntries = 50_000

// Fingerprint reads the host's part of a build's inputs: the processor's kind, the package
// database, alternatives, what is shown of /etc, /usr/local, /opt, the folders of Path and the
// named tools. It runs nothing. What does not exist is said not to. Not seen: a file changed in
// place in /usr outside these folders, with the package database unchanged.
//
// The two points of the package whose results enter keys are this function and HostRoot's
// layout: what is shown there must be looked at here.
func Fingerprint(ctx context.Context, options HostOptions) (Host, error) {
	r := reader{root: orElse(options.Root, "/"), cache: openCache(options)}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Host{}, fmt.Errorf("fingerprint host: %w", err)
	}
	r.add("host 1") // the version of this list
	r.add("machine %s", unix.ByteSliceToString(name.Machine[:]))
	steps := []func(HostOptions) error{r.packages, r.alternatives, r.etc, r.folders, r.path, r.tools}
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
	root  string
	cache *statCache
	lines []string
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

// etc is what a HostRoot shows of /etc.
func (r *reader) etc(HostOptions) error {
	for _, name := range etcNames {
		if name == "alternatives" {
			continue
		}
		if err := r.folder("/etc/"+name, ifThere); err != nil {
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
			if err := r.folder(top, ifThere); err != nil {
				return err
			}
			continue
		}
		for _, entry := range entries {
			if err := r.folder(filepath.Join(top, entry.Name()), ifThere); err != nil {
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
		if real, err := os.Readlink(r.at(folder)); err == nil { // /bin -> usr/bin
			r.add("path %s -> %s", folder, real)
			if slices.Contains(options.Path, filepath.Join("/", real)) {
				continue
			}
		}
		if err := r.folder(folder, oneLevel); err != nil {
			return err
		}
	}
	return nil
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
