// Package gitint says what a git repository contains, as trees of the content store.
//
// A Snapshot is a git tree together with two digests of REAPI directories. The canonical form is
// git's own: the bytes of the blobs. The staged form is what a checkout writes when the user's
// own configuration is switched off: in-tree .gitattributes and LFS pointers are applied (rule 3).
// Without such attributes the two are equal.
//
// Git itself decides what a work tree is: `git add -A` runs on a copy of the index with its own
// object directory (the quarantine), so that the snapshot of a work tree equals that of the
// commit made from it, and the user's repository stays as it was. Everything of ours is in
// "<git dir>/bst".
//
// The memo maps git object ids to digests. It holds only entries that this program proved by
// hashing the bytes both ways (rule 40), and may be deleted at any time.
//
// Git is called as rule 39 says: no hooks, no file system monitor, no filters without consent,
// no replace objects, no fetching behind the user's back.
package gitint
