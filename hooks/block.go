// Package hooks puts git-bst behind git's hooks, beside whatever is there already, and takes it out
// again to the byte.
//
// A hook of ours is a *block*: marked lines in the file that git runs. It starts the program in the
// background with nothing of git's open and nothing of the hook's input taken, so the git command
// neither waits nor fails nor prints. All that the program derives from it is derived from content
// when asked too: hooks are never needed.
package hooks

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Names are the hooks that may be installed, in git's order. ReferenceTransaction runs 4 to 14 times
// a command, so it is installed only when asked for.
var Names = []string{PostCheckout, PostCommit, PostMerge, PostRewrite, ReferenceTransaction}

// The hooks' names, git's own.
const (
	PostCheckout         = "post-checkout"
	PostCommit           = "post-commit"
	PostMerge            = "post-merge"
	PostRewrite          = "post-rewrite"
	ReferenceTransaction = "reference-transaction"
)

// ErrNotShell is returned for a hook that is no shell script: nothing can be put into it.
var ErrNotShell = errors.New("the hook is not a shell script")

// ErrDamagedBlock is returned where only one end of a block is found: somebody edited it.
var ErrDamagedBlock = errors.New("the hook has a part of git-bst's block only")

const (
	beginMark = "# >>> git-bst >>> builds in the background; to take it out: git bst hooks uninstall"
	endMark   = "# <<< git-bst <<<"
	// madeMark says that the file was made for the block, and goes with it.
	madeMark = "# this file was made by git-bst"
	shebang  = "#!/bin/sh\n"
)

// find sets git_bst to program or, where it is gone, to the git-bst in the search path; there tells
// whether that can be run; start runs it behind, with nothing of git's open.
func find(program string) string {
	return fmt.Sprintf("git_bst=%s; [ -x \"$git_bst\" ] || git_bst=git-bst", quote(program))
}

const there = `command -v "$git_bst" >/dev/null 2>&1`

func start(hook string) string {
	return fmt.Sprintf("\"$git_bst\" __hook %s \"$@\" </dev/null >/dev/null 2>&1 &", hook)
}

// guard is a shell's condition: whether a hook has anything to start. A rebase makes a commit for each
// of many steps, of which only the last one is wanted; git counts them in its folder, and post-rewrite
// follows. Asking costs the shell nothing; a program that is started at each step would.
func guard(hook string) string {
	switch hook {
	case ReferenceTransaction:
		return `[ "${1:-}" = committed ]`
	case PostCommit:
		return `! { read -r git_bst <"${GIT_DIR:-.git}/rebase-merge/msgnum" && read -r git_bst_end <"${GIT_DIR:-.git}/rebase-merge/end" && [ "$git_bst" != "$git_bst_end" ]; } 2>/dev/null`
	case PostCheckout:
		return `[ "${3:-}" = 1 ]`
	}
	return ":"
}

// Block returns the lines for one hook that start program, an absolute path; where it is gone, the
// git-bst in the search path.
func Block(hook, program string) string {
	return fmt.Sprintf("%s\nif %s; then\n\t%s\n\tif %s; then %s fi\nfi\n%s\n", beginMark, guard(hook), find(program), there, start(hook), endMark)
}

// quote makes a word of the shell's.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Insert returns a hook's file with the block of that hook in it, in place of one that is there. The
// block comes first, below the line that names the shell: what follows may end the script. A nil
// file is made. ErrNotShell, ErrDamagedBlock.
func Insert(file []byte, hook, program string) ([]byte, error) {
	if file == nil {
		return []byte(shebang + madeMark + "\n" + Block(hook, program)), nil
	}
	begin, end, err := blockOf(file)
	if err != nil {
		return nil, err
	}
	if begin >= 0 {
		return slices.Concat(file[:begin], []byte(Block(hook, program)), file[end:]), nil
	}
	at, err := firstLine(file)
	if err != nil {
		return nil, err
	}
	return slices.Concat(file[:at], []byte(Block(hook, program)), file[at:]), nil
}

// Remove returns a hook's file without the block; nil where the file was made for it and holds
// nothing else. Without a block it is as it was. ErrDamagedBlock.
func Remove(file []byte) ([]byte, error) {
	begin, end, err := blockOf(file)
	if err != nil || begin < 0 {
		return file, err
	}
	rest := slices.Concat(file[:begin], file[end:])
	if string(rest) == shebang+madeMark+"\n" {
		return nil, nil
	}
	return rest, nil
}

// Has reports whether a hook's file has the block. ErrDamagedBlock.
func Has(file []byte) (bool, error) {
	begin, _, err := blockOf(file)
	return begin >= 0, err
}

// blockOf returns where the block begins and ends; -1 without one.
func blockOf(file []byte) (begin, end int, err error) {
	begin, last := lineAt(file, beginMark), lineAt(file, endMark)
	switch {
	case begin < 0 && last < 0:
		return -1, -1, nil
	case begin < 0 || last < begin:
		return -1, -1, ErrDamagedBlock
	}
	end = last + len(endMark)
	if end < len(file) && file[end] == '\n' {
		end++
	}
	return begin, end, nil
}

// lineAt returns where the line begins in file; -1 when it has no such line.
func lineAt(file []byte, line string) int {
	for at := 0; at < len(file); {
		next := len(file)
		if n := bytes.IndexByte(file[at:], '\n'); n >= 0 {
			next = at + n
		}
		if string(file[at:next]) == line {
			return at
		}
		at = next + 1
	}
	return -1
}

// shells are the programs that read a POSIX shell's script.
var shells = []string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"}

// firstLine returns where the second line of a shell script begins; 0 for one that names no
// interpreter, which git gives to sh.
func firstLine(file []byte) (int, error) {
	if bytes.IndexByte(file, 0) >= 0 {
		return 0, ErrNotShell
	}
	if !bytes.HasPrefix(file, []byte("#!")) {
		return 0, nil
	}
	line, _, more := bytes.Cut(file, []byte("\n"))
	words := strings.Fields(string(line[2:]))
	if len(words) > 0 && base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") || strings.Contains(w, "=") })
	}
	if len(words) == 0 || !slices.Contains(shells, base(words[0])) || !more {
		return 0, ErrNotShell
	}
	return len(line) + 1, nil
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
