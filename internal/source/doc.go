// Package source brings the sources of elements: it fetches them into mirrors, finds newer
// versions of them, and stages them as trees of the store, as BuildStream 2.8 and its plugins do.
//
// A *source* is one entry of an element's sources; its *kind* says how it is read. Its *ref* pins
// one version: the SHA-256 of a file, or a commit. A *mirror* is what was fetched from one URL,
// below Env.MirrorDir:
//
//	downloads/URL/SHA256        one file (kinds tar and remote); SHA256.etag, SHA256.part beside it
//	git/URL/                    a bare repository (kinds git and git_repo), all commits ever fetched
//	trees/KEY                   the digest of a tree that was staged from a mirror, as text
//	local/FOLDER                the status of a project's folder when it was read last (tree.StatIndex)
//	tmp/                        work in progress; what a killed process left goes after a day
//
// where URL is readable and ends with a part of the URL's SHA-256. Everything appears by rename, so
// a mirror is whole whenever a process is killed. The same mirror may be used by several processes.
//
// To *stage* is to make the tree that a build is given: sources in order, each at its directory,
// later ones over earlier ones. Staging reads mirrors only, never a network.
//
// What differs from BuildStream, on purpose:
//
//   - tar: a member with ".." in its name or an absolute name is an error; BuildStream refuses only
//     what leads outside, and drops the slash. Archives packed by zstd are read.
//   - tar: devices and fifos are left out as there, with a warning. So a `.git` in an archive is
//     staged as there, with a warning; it is content for the sandbox only: nothing named .git is
//     written outside of the store here, not even while a patch is applied (rule 39).
//   - git, git_repo: attributes in the tree are applied, the user's and the machine's git
//     configuration is not (rule 3). Filters such as LFS are not run: their pointers are staged.
//     Of git_repo's library the versions before 1.0 apply no attributes; we do as the newer ones.
//   - git with tags, git_repo: the staged .git has the same commits, trees and tags as BuildStream's,
//     in a fixed form. BuildStream's own has the times of the day and the host's hook templates in
//     it, so that no two of its stagings are equal. The tree without .git is equal (rule 9).
//   - patch: a patch that is a script for ed is refused.
package source
