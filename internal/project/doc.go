// Package project reads BuildStream 2 projects: project.conf and element files in, a closed graph
// of elements with expanded configuration out. It runs nothing and never uses the network.
//
// Words: a Node is a piece of YAML with its Place; every scalar is text, trimmed. A directive is one
// of the keys (>) (<) (=) for lists, (?) for conditions, (!) for assertions, (@) for includes. An
// Element is one .bst file after composition with the project's and its kind's defaults. A
// Dependency is an edge to an element needed for building, for running, or both. The order of an
// element's dependencies is BuildStream's own, because keys depend on it.
//
// The stages of Load, in order: parse (yaml.go), compose (compose.go), choose by options
// (option.go, condition.go), include (include.go), the project's two passes (config.go), the graph
// of files (graph.go), the order of dependencies (order.go), the elements (element.go, source.go).
package project
