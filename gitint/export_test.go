package gitint

// WithBackend makes r read objects in this way, "git" or "go-git", and never
// from the work tree.
func WithBackend(r *Repo, name string) *Repo {
	r.force = backend(name)
	r.objectsOnly = true
	return r
}
