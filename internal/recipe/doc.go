// Package recipe turns a loaded element into what its kind means: which commands run in which
// phases, what is staged where, and what the kind adds to keys. It decides and touches nothing.
//
// Words: a Phase is a list of commands that succeed or fail together and whose result can be kept;
// a Placement is a location in the sandbox with the dependencies staged there.
package recipe
