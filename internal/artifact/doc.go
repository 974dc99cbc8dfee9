// Package artifact keeps what builds made.
//
// An artifact is a message in BuildStream's own form (buildstream.v2.Artifact, version 2): the
// tree of files that an element produced, its public data, environment and variables, the log,
// and, where they were kept, the build tree and the sources. The message holds digests only; the
// bytes are in the content-addressed store.
//
// A reference is a file that holds one serialised artifact and is named by a key:
//
//	refs/<project>/<normal name>/<key>   strict and weak keys, laid out as BuildStream does
//	builds/<2 digits>/<build key>        build keys, ours alone (rule 10: host-root artifacts)
//
// A reference counts only while all that it needs is in the store; else it is as if absent.
//
// Split rules say which files of an artifact belong to which domain ("devel", "runtime"); an
// overlap is a file that one element puts over another's.
package artifact
