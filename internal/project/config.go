package project

// config is one pass over project.conf.
type config struct{}
