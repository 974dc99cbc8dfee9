package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A database is one place where a distribution keeps what is installed.
type database struct {
	name string
	glob string // below the root
	read func(r *reader, name, path string) error
}

// databases lists them all; a host may have several. What cannot be read cheaply (rpm's) is
// known by its size and time, which change with every upgrade.
var databases = []database{
	{"dpkg", "var/lib/dpkg/status", (*reader).dpkg},
	{"dpkg", "var/lib/dpkg/status.d/*", (*reader).content}, // images without dpkg itself
	{"rpm", "var/lib/rpm/rpmdb.sqlite", (*reader).stat},
	{"rpm", "var/lib/rpm/rpmdb.sqlite-wal", (*reader).stat},
	{"rpm", "var/lib/rpm/Packages", (*reader).stat},
	{"rpm", "var/lib/rpm/Packages.db", (*reader).stat},
	{"rpm", "usr/lib/sysimage/rpm/rpmdb.sqlite", (*reader).stat},
	{"rpm", "usr/lib/sysimage/rpm/rpmdb.sqlite-wal", (*reader).stat},
	{"rpm", "usr/lib/sysimage/rpm/Packages.db", (*reader).stat},
	{"apk", "lib/apk/db/installed", (*reader).apk},
	{"apk", "usr/lib/apk/db/installed", (*reader).apk},
	{"pacman", "var/lib/pacman/local", (*reader).names},
	{"portage", "var/db/pkg/*", (*reader).names},
	{"xbps", "var/db/xbps/pkgdb-*.plist", (*reader).content},
	{"nix", "run/current-system", (*reader).link},
	{"nix", "nix/var/nix/profiles/default", (*reader).link},
}

// packages adds what every package database says.
func (r *reader) packages(HostOptions) error {
	found := false
	for _, db := range databases {
		paths, err := filepath.Glob(filepath.Join(r.root, db.glob))
		if err != nil {
			return err
		}
		slices.Sort(paths)
		for _, path := range paths {
			found = true
			if err := db.read(r, db.name, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("read package database: %w", err)
			}
		}
	}
	if !found {
		r.add("packages: no database that we know")
	}
	return nil
}

// dpkg adds a line for each installed package.
func (r *reader) dpkg(name, path string) error {
	return r.parsed(name, path, func(data []byte) []string {
		var lines []string
		for stanza := range bytes.SplitSeq(data, []byte("\n\n")) {
			f := fields(stanza, "Package: ", "Architecture: ", "Version: ", "Status: ")
			if strings.HasSuffix(f[3], " installed") {
				lines = append(lines, fmt.Sprintf("%s:%s %s", f[0], f[1], f[2]))
			}
		}
		return lines
	})
}

// apk adds a line for each installed package; its checksum tells rebuilds apart.
func (r *reader) apk(name, path string) error {
	return r.parsed(name, path, func(data []byte) []string {
		var lines []string
		for stanza := range bytes.SplitSeq(data, []byte("\n\n")) {
			if f := fields(stanza, "P:", "V:", "C:"); f[0] != "" {
				lines = append(lines, strings.Join(f, " "))
			}
		}
		return lines
	})
}

// fields returns the values of lines that begin so, "" for those that are not there.
func fields(stanza []byte, starts ...string) []string {
	values := make([]string, len(starts))
	for scan := bufio.NewScanner(bytes.NewReader(stanza)); scan.Scan(); {
		for i, start := range starts {
			if value, found := bytes.CutPrefix(scan.Bytes(), []byte(start)); found && values[i] == "" {
				values[i] = string(value)
			}
		}
	}
	return values
}

// parsed adds the lines that parse finds in a file, sorted.
func (r *reader) parsed(name, path string, parse func([]byte) []string) error {
	text, err := r.cache.derive("packages", path, func(data []byte) string {
		lines := parse(data)
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	})
	if err != nil || text == "" {
		return err
	}
	for line := range strings.SplitSeq(text, "\n") {
		r.add("package %s %s", name, line)
	}
	return nil
}

// content adds the digest of a file.
func (r *reader) content(name, path string) error {
	sum, err := r.cache.hash(path)
	if err == nil {
		r.add("packages %s %s sha256:%s", name, r.inside(path), sum)
	}
	return err
}

// stat adds size and time of a file.
func (r *reader) stat(name, path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	r.add("packages %s %s %d bytes of %d.%09d", name, r.inside(path), st.Size, st.Mtim.Sec, st.Mtim.Nsec)
	return nil
}

// names adds the names in a folder: they hold the versions.
func (r *reader) names(name, path string) error {
	entries, err := os.ReadDir(path)
	for _, entry := range entries {
		if entry.IsDir() {
			r.add("package %s %s/%s", name, filepath.Base(path), entry.Name())
		}
	}
	return err
}

// link adds where a symlink leads: the name in the store holds a hash of all that is below.
func (r *reader) link(name, path string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return nil
	}
	r.add("packages %s %s -> %s", name, r.inside(path), target)
	return nil
}

// inside is a path as the host itself calls it.
func (r *reader) inside(path string) string {
	return filepath.Join("/", strings.TrimPrefix(path, strings.TrimSuffix(r.root, "/")))
}
