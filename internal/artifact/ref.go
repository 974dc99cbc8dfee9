package artifact

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

var (
	keyPattern     = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
	namePattern    = regexp.MustCompile(`\A[0-9A-Za-z_-][0-9A-Za-z._-]*\z`)
	notNamePattern = regexp.MustCompile(`[^0-9A-Za-z._-]`)
)

// Ref names an artifact. With Project and Element it is one of BuildStream's keys (strict,
// strong or weak: they are told apart by value only); with neither, Key is a build key.
type Ref struct {
	// Project is the project's name.
	Project string
	// Element is the name of the element with its folder and extension: "base/zlib.bst".
	Element string
	// Key is 64 hex digits.
	Key string
}

// BuildRef returns the reference by build key.
func BuildRef(buildKey string) Ref { return Ref{Key: buildKey} }

// IsBuild reports whether r is a reference by build key.
func (r Ref) IsBuild() bool { return r.Project == "" && r.Element == "" }

// String returns the form that BuildStream prints and takes as an argument,
// "project/normal-name/key", or "build/key".
func (r Ref) String() string {
	if r.IsBuild() {
		return "build/" + r.Key
	}
	return r.Project + "/" + NormalName(r.Element) + "/" + r.Key
}

// path returns the slash-separated path below a Store's folder; a Ref that could lead outside
// its folder is ErrInvalid.
func (r Ref) path() (string, error) {
	if !keyPattern.MatchString(r.Key) {
		return "", fmt.Errorf("%w: key %q of %s/%s", ErrInvalid, r.Key, r.Project, r.Element)
	}
	if r.IsBuild() {
		return path.Join("builds", r.Key[:2], r.Key), nil
	}
	name := NormalName(r.Element)
	if !namePattern.MatchString(r.Project) || !namePattern.MatchString(name) {
		return "", fmt.Errorf("%w: no such name: project %q, element %q", ErrInvalid, r.Project, r.Element)
	}
	return path.Join("refs", r.Project, name, r.Key), nil
}

// parsePath is the inverse of path, but for the element's folder, which a path does not tell.
func parsePath(p string) (Ref, bool) {
	parts := strings.Split(p, "/")
	var r Ref
	switch {
	case len(parts) == 3 && parts[0] == "builds":
		r = BuildRef(parts[2])
	case len(parts) == 4 && parts[0] == "refs":
		r = Ref{Project: parts[1], Element: parts[2] + ".bst", Key: parts[3]}
	}
	back, err := r.path()
	return r, err == nil && back == p
}

// NormalName returns the name by which an element's artifacts are filed: "/" becomes "-", the
// extension goes, and what is no ASCII letter, digit, "-", "." or "_" becomes "_".
func NormalName(element string) string {
	name := strings.ReplaceAll(element, "/", "-")
	if dot := strings.LastIndexByte(name, '.'); strings.Trim(name[:max(dot, 0)], ".") != "" {
		name = name[:dot]
	}
	return notNamePattern.ReplaceAllString(name, "_")
}
