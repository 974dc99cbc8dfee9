package gitint

// WithBackend makes r read objects in this way: "git" or "go-git".
func WithBackend(r *Repo, name string) *Repo {
	r.force = backend(name)
	return r
}
