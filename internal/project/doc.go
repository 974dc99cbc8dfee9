// Package project reads BuildStream 2 projects: project.conf and element files in, a closed graph
// of elements with expanded configuration out. It runs nothing and never uses the network.
//
// Words: a Node is a piece of YAML with its Place; every scalar is text, trimmed. A directive is one
// of the keys (>) (<) (=) for lists, (?) for conditions, (!) for assertions, (@) for includes. An
// Element is one .bst file after composition with the project's and its kind's defaults. A
// Dependency is an edge to an element needed for building, for running, or both. The order of an
// element's dependencies is BuildStream's own, because keys depend on it. A junction is an element
// that leads to another project, which a loader of its own reads; a link is an element that stands
// for another one, or for a junction.
//
// The stages of Load, in order: parse (yaml.go), compose (compose.go), choose by options
// (option.go, condition.go), include (include.go), the project's two passes (config.go), the graph
// of files (graph.go) over links (link.go) and junctions (junction.go), the order of dependencies
// (order.go), the elements (element.go, source.go), and last whether a project was loaded in ways
// that exclude each other (conflict.go).
package project
