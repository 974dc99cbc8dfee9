package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/record"
	"github.com/git-bst/git-bst/internal/tree"
)

// reference makes what a clean build makes in a fraction of the time: it runs the element's own commands in
// a folder that is made anew for each content, with nothing of ours but the sandbox. Two things are
// kept from content to content. What configure made is used again where only the contents of C files
// and headers differ. An object is used again where its compiler was called with equal words among files of
// equal names, and the unit and all headers that it read then are equal now.
type reference struct {
	plain
	store string            // what is kept lies below it
	kept  map[string]string // by what configure reads: the source with which it ran
	order []string          // the keys of kept, the oldest first
}

// configuresKept is how many results of configure are kept: enough for a few branches, some megabytes each.
const configuresKept = 12

// compilerDir is where the script below is in the sandbox, first in PATH, under the names of compilers.
const compilerDir = "/fuzz"

// keepingCompiler calls the compiler that has its name, or takes what that made before.
const keepingCompiler = `#!/bin/sh
real=/usr/bin/${0##*/} unit= units=0 object= rules= compile= before=
for word; do
	case $before in -o) object=$word ;; -MF) rules=$word ;; esac
	case $word in -c) compile=1 ;; -*) ;; *.c) unit=$word units=$((units + 1)) ;; esac
	before=$word
done
[ "$compile$units" = 11 ] && [ "$object" ] && [ "$rules" ] || exec "$real" "$@"
words=$({ cat /fuzz/names; pwd; printf '%s\n' "$real" "$@"; } | sha256sum)
words=/fuzz/objects/${words%% *}
if [ -f "$words" ]; then
	files=$(sha256sum "$unit" $(cat "$words") 2>&1 | sha256sum)
	files=$words.${files%% *}
	if [ -f "$files.o" ]; then
		cp "$files.d" "$rules"
		exec cp "$files.o" "$object"
	fi
fi
"$real" "$@" || exit
tr -s ' \\' '\n\n' <"$rules" | grep -v -e ':$' -e '^/usr/' -e '^$' | sort -u >"$words.$$"
mv "$words.$$" "$words"
files=$(sha256sum "$unit" $(cat "$words") 2>&1 | sha256sum)
files=$words.${files%% *}
cp "$rules" "$files.d"
cp "$object" "$files.$$"
mv "$files.$$" "$files.o"
`

func newReference(f *fuzz) *reference {
	f.Helper()
	r := &reference{store: filepath.Join(f.dir, "kept"), kept: map[string]string{}}
	r.plain = plain{f: f, dir: filepath.Join(f.dir, "reference"), compiler: filepath.Join(r.store, "compiler")}
	if err := os.MkdirAll(filepath.Join(r.compiler, "objects"), 0o755); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"cc", "gcc"} {
		if err := os.WriteFile(filepath.Join(r.compiler, name), []byte(keepingCompiler), 0o755); err != nil {
			f.Fatal(err)
		}
	}
	return r
}

// of makes what a clean build of a source makes, with the commands of a record.
func (r *reference) of(source string, rec record.Record) came {
	r.f.Helper()
	r.log.Reset()
	if err := r.setUp(rec); err != nil {
		r.f.Fatal(err)
	}
	configured, err := r.configure(source)
	if err != nil {
		r.f.Fatal(err)
	}
	if !configured || !r.run("build", "install", "strip") {
		return came{failed: true, output: r.log.String()}
	}
	store, err := cas.OpenLocal(filepath.Join(r.store, "cas"), cas.Options{})
	if err != nil {
		r.f.Fatal(err)
	}
	defer store.Close()
	imported, err := tree.Import(r.f.Context(), store, r.path("install"), tree.ImportOptions{HashOnly: true})
	if err != nil {
		r.f.Fatal(err)
	}
	return came{files: imported.Root.String()}
}

// configure brings the folder to where configure has run on a source. It reports whether that went well.
func (r *reference) configure(source string) (bool, error) {
	key, err := r.key(source)
	if err != nil {
		return false, err
	}
	kept := filepath.Join(r.store, key)
	was, known := r.kept[key]
	if !known {
		if err := r.first(source); err != nil || !r.run("configure") {
			return false, err
		}
		return true, r.keep(key, source)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		return false, err
	}
	if err := copyAll(kept, r.dir); err != nil {
		return false, err
	}
	changed, err := r.edit(was, source)
	for _, name := range changed {
		if err == nil {
			err = os.Chtimes(r.path("build/"+name), sourceTime, sourceTime)
		}
	}
	return true, err
}

// keep keeps the folder as configure left it.
func (r *reference) keep(key, source string) error {
	r.kept[key], r.order = source, append(r.order, key)
	if len(r.order) > configuresKept {
		delete(r.kept, r.order[0])
		if err := os.RemoveAll(filepath.Join(r.store, r.order[0])); err != nil {
			return err
		}
		r.order = r.order[1:]
	}
	return copyAll(r.dir, filepath.Join(r.store, key))
}

// key names what configure reads of a source and of the recipe: all but the contents of C files and headers.
func (r *reference) key(source string) (string, error) {
	var text, names strings.Builder
	for line := range strings.Lines(r.f.git("ls-tree", "-r", source)) {
		about, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if own := strings.HasPrefix(name, "elements/") || name == "project.conf" || name == ".git-bst.toml"; own {
			continue
		}
		names.WriteString(name + "\n")
		if ext := filepath.Ext(name); ext == ".c" || ext == ".h" {
			about, _, _ = strings.Cut(about, " ") // its mode
		}
		fmt.Fprintln(&text, about, name)
	}
	fmt.Fprintf(&text, "%+v", r.inputs)
	if err := os.WriteFile(filepath.Join(r.compiler, "names"), []byte(names.String()), 0o644); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text.String())))[:16], nil
}

// copyAll copies a folder with its times.
func copyAll(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}
