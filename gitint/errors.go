package gitint

import "errors"

// Errors that callers tell apart. All come with hints that say what to do.
var (
	// ErrNoRepository: the folder is in no git repository.
	ErrNoRepository = errors.New("not a git repository")
	// ErrBare: the repository has no work tree, or the folder is inside its git directory.
	ErrBare = errors.New("the repository has no work tree here")
	// ErrUnsafe: the repository belongs to another user and git refuses it.
	ErrUnsafe = errors.New("the repository belongs to another user")
	// ErrConflicted: the index has unmerged entries and is no tree.
	ErrConflicted = errors.New("the index has unmerged files")
	// ErrUnknownRevision: no commit is called that.
	ErrUnknownRevision = errors.New("unknown revision")
	// ErrNoCommit: the branch has no commit yet.
	ErrNoCommit = errors.New("there is no commit yet")
	// ErrMissingObject: an object that should be in the repository is not.
	ErrMissingObject = errors.New("object not in the repository")
	// ErrMissingLFS: the content of an LFS pointer is not on this machine.
	ErrMissingLFS = errors.New("LFS content not downloaded")
	// ErrSubmodule: a submodule is not there, so that its files are unknown.
	ErrSubmodule = errors.New("submodule not initialised")
	// ErrNested: a repository inside the work tree has no commit, which git cannot add.
	ErrNested = errors.New("nested repository without a commit")
	// ErrSparse: there are files outside the sparse checkout, which git will not add.
	ErrSparse = errors.New("files outside the sparse checkout")
	// ErrName: a file's name or a link's target cannot be in a tree, e.g. is not UTF-8.
	ErrName = errors.New("name cannot be stored")
	// ErrGit: the repository is damaged, or git cannot do this with it.
	ErrGit = errors.New("git cannot read the repository")
)
