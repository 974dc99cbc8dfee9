package gitint

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// systemAttributes are where git may look for the machine's attributes: that depends on how it
// was built.
var systemAttributes = []string{"/etc/gitattributes", "/usr/local/etc/gitattributes"}

// attributesSum names the states of all files that can give attributes to files in folders; ""
// for no folders. Git's configuration is no part of it.
func (r *Repo) attributesSum(folders []string) string {
	if len(folders) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, folder := range folders {
		fmt.Fprintln(sum, statFile(filepath.Join(r.place.topLevel, folder, ".gitattributes")))
	}
	for _, path := range r.attributeFiles() {
		fmt.Fprintln(sum, path, followStat(path))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// attributesSince reports whether any of these files may have changed since a time of the file
// system, in nanoseconds; also when that cannot be told.
func (r *Repo) attributesSince(folders []string, begin int64) bool {
	for _, folder := range folders {
		dir := filepath.Join(r.place.topLevel, folder)
		if statFile(dir).Mtime >= begin || statFile(filepath.Join(dir, ".gitattributes")).Ctime >= begin {
			return true
		}
	}
	for _, path := range r.attributeFiles() {
		if path == "" || followStat(path).Ctime >= begin {
			return true
		}
	}
	return false
}

// attributeFiles are those outside of the work tree. One that only git could find is "".
func (r *Repo) attributeFiles() []string {
	files := append([]string{filepath.Join(r.place.commonDir, "info", "attributes")}, systemAttributes...)
	env := map[string]string{}
	for _, variable := range r.git.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	file, set := r.config.values["core.attributesfile"]
	below, home := strings.CutPrefix(file, "~/")
	switch {
	case !set && env["XDG_CONFIG_HOME"] != "":
		file = filepath.Join(env["XDG_CONFIG_HOME"], "git", "attributes")
	case !set:
		file = filepath.Join(env["HOME"], ".config", "git", "attributes")
	case home:
		file = filepath.Join(env["HOME"], below)
	case strings.HasPrefix(file, "~"), strings.HasPrefix(file, "%"):
		file = ""
	case !filepath.IsAbs(file):
		file = filepath.Join(r.place.topLevel, file)
	}
	return append(files, file)
}

// followStat is the state of what path leads to.
func followStat(path string) fileStat {
	info, err := os.Stat(path)
	if err != nil {
		return fileStat{}
	}
	return statOf(info)
}
