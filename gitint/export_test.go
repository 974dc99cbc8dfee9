package gitint

// WithBackend makes r read objects in this way, "git" or "go-git", and never
// from the work tree.
func WithBackend(r *Repo, name string) *Repo {
	r.force = backend(name)
	r.objectsOnly = true
	return r
}

// IndexNames lists an index as this package reads it.
func IndexNames(path, format string) (names []string, err error) {
	r := &Repo{place: place{format: format}}
	err = eachFileEntry(path, r.oidLen()/2, func(e indexEntry) { names = append(names, string(e.name)) })
	return names, err
}

// ReadBase reports whether what is remembered of base is believed.
func ReadBase(path string) (tree string, ok bool) {
	b, ok := readBase(path)
	return b.Tree, ok
}
