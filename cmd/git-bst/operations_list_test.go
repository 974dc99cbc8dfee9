package main

// fires says which hooks of ours an operation runs.
type fires string

const (
	onUsual   fires = "usual" // one that is always installed
	onRefs    fires = "refs"  // reference-transaction only
	onNothing fires = ""      // none that matters: HEAD stays
)

// An operation is one use of git, in the order and with the names of the table of what git's hooks
// see. Its lines are a shell's, in the folder of the work tree.
type operation struct {
	name    string
	fires   fires
	prepare string // not compared
	run     string // what it prints and returns is compared
	dir     string // beside the work tree; "" for the work tree itself
	code    int    // that it returns
	build   bool   // build the work tree afterwards, where no hook does
}

// shellHelp has edit, which makes a file say something, and save, which commits all.
const shellHelp = `
edit() { mkdir -p "$(dirname "$1")"; echo "$2" >"$1"; }
save() { git add -A && git commit -q -m "$1"; }
`

// operations is the table: each begins with what the one before it left.
var operations = []operation{
	{name: "git add", prepare: "edit a 2", run: "git add -A", build: true},
	{name: "git commit", fires: onUsual, run: "git commit -m two"},
	{name: "git commit -a", fires: onUsual, prepare: "edit a 3", run: "git commit -a -m three"},
	{name: "git commit --amend", fires: onUsual, prepare: "edit a 4; git add a", run: "git commit --amend -m four"},
	{name: "git commit --allow-empty", fires: onUsual, run: "git commit --allow-empty -m empty"},
	{name: "git commit --no-verify", fires: onUsual, prepare: "edit b 1; git add b", run: "git commit --no-verify -m unverified"},
	{name: "git reset --soft HEAD~1", fires: onRefs, run: "git reset --soft HEAD~1", build: true},
	{name: "git reset --mixed HEAD~1", fires: onRefs, prepare: "save again", run: "git reset --mixed HEAD~1"},
	{name: "git reset --hard HEAD", fires: onRefs, prepare: "edit a 5", run: "git reset --hard HEAD"},
	{name: "git reset --soft HEAD (no-op)", fires: onRefs, prepare: "edit a 6", run: "git reset --soft HEAD"},
	{name: "git reset --soft HEAD~1 (b)", fires: onRefs, prepare: "save six; edit a 7; git add a", run: "git reset --soft HEAD~1"},
	{name: "git reset --hard ORIG_HEAD", fires: onRefs, run: "git reset --hard ORIG_HEAD"},
	{name: "git branch side", run: "git branch side HEAD~1"},
	{name: "git switch side", fires: onUsual, run: "git switch side"},
	{name: "git switch main", fires: onUsual, prepare: "edit s 1; save s1", run: "git switch main"},
	{name: "git checkout -- file", prepare: "edit a 8", run: "git checkout -- a"},
	{name: "git restore file", prepare: "edit a 9", run: "git restore a"},
	{name: "git merge (non-ff)", fires: onUsual, prepare: "edit m 1; save m1", run: "git merge --no-edit side"},
	{name: "git merge (ff)", fires: onUsual, prepare: "git switch -q -c ffb; edit m 2; save m2; git switch -q main", run: "git merge ffb"},
	{name: "git rebase main (3 commits)", fires: onUsual, prepare: "git switch -q -c reb HEAD~1; for n in 1 2 3; do edit r$n $n; save r$n; done", run: "git rebase main"},
	{name: "git cherry-pick", fires: onUsual, prepare: "git switch -q main", run: "git cherry-pick reb"},
	{name: "git revert", fires: onUsual, run: "git revert --no-edit HEAD", build: true},
	{name: "git stash", fires: onNothing, prepare: "edit a stashed; git add a; edit a more", run: "git stash"},
	{name: "git stash pop", fires: onNothing, run: "git stash pop", build: true},
	{name: "git fetch", prepare: "git stash -q; git clone -q ../origin ../other; (cd ../other && edit o 1 && save o1 && git push -q)", run: "git fetch"},
	{name: "git pull (merge)", fires: onUsual, run: "git pull --no-rebase --no-edit origin main"},
	{name: "git worktree add", fires: onUsual, run: "git worktree add ../linked -b wtb HEAD~1"},
	{name: "commit in linked worktree", fires: onUsual, dir: "linked", prepare: "edit w 1; git add w", run: "git commit -m w1"},
	{name: "reset --soft in linked worktree", fires: onRefs, dir: "linked", run: "git reset --soft HEAD~1"},
	{name: "git update-ref HEAD HEAD~1", fires: onRefs, run: "git update-ref HEAD HEAD~1"},
	{name: "git update-ref refs/heads/main ORIG", fires: onRefs, run: "git update-ref refs/heads/main HEAD@{1}"},
	{name: "git tag t", run: "git tag t"},
	{name: "git status (index refresh)", prepare: "touch a", run: "git status"},
	{name: "git --no-optional-locks status", prepare: "touch a", run: "git --no-optional-locks status"},
	{name: "git commit from subdir with -C", fires: onUsual, prepare: "edit sub/f 1; git add sub", run: "git -C sub commit -m sub"},
	{name: "git commit <path> (partial)", fires: onUsual, prepare: "edit a 10; edit b 10; git add a b", run: "git commit -m partial a", build: true},
	{name: "git am", fires: onRefs, prepare: "git reset -q --hard; git format-patch -q -1 --stdout reb >../patch", run: "git am ../patch"},
	{name: "git push", run: "git push origin main"},
	{name: "git gc", run: "git gc --quiet"},
	{name: "git pack-refs", run: "git pack-refs --all"},
	{name: "git rebase -i exec/fixup autosquash", fires: onUsual,
		prepare: "edit x 1; save x1; edit y 1; save y1; edit x 2; git commit -q -a --fixup HEAD~1", run: "git -c sequence.editor=: rebase -i --autosquash --exec true HEAD~3"},
	{name: "git replay/apply -> checkout -b", fires: onUsual, run: "git checkout -b newb HEAD~1"},
	{name: "git commit-tree+update-ref (plumbing)", fires: onRefs, run: "git update-ref HEAD $(git commit-tree -m plumbing -p HEAD main^{tree})"},
	{name: "git read-tree -mu HEAD", run: "git read-tree -mu HEAD"},
	{name: "git symbolic-ref HEAD", fires: onNothing, run: "git symbolic-ref HEAD refs/heads/side"},
	{name: "git switch main2", fires: onUsual, prepare: "git branch main2 main~2; git reset -q --hard", run: "git switch main2"},
	{name: "git branch -D", run: "git branch -D newb"},
	{name: "git branch -m", run: "git branch -m main2 main3"},
	{name: "git rebase --apply", fires: onUsual, prepare: "git switch -q -c reb2 main~2; edit p 1; save p1; edit q 1; save q1", run: "git rebase --apply main"},
	{name: "git rebase ff (no replay)", fires: onUsual, prepare: "git switch -q -c reb3 main~1", run: "git rebase main"},
	{name: "git commit aborted (empty msg)", prepare: "edit a 11; git add a", run: "git commit -m ''", code: 1},
	{name: "git reset <path>", run: "git reset -- a"},
	{name: "git reset --keep", fires: onRefs, prepare: "edit untracked 1", run: "git reset --keep HEAD~1"},
	{name: "git reset --merge", fires: onRefs, run: "git reset --merge HEAD~1"},
	{name: "git update-ref --stdin (5 refs, 1 transaction)", run: `for n in 1 2 3 4 5; do echo "create refs/x/$n HEAD"; done | git update-ref --stdin`},
	{name: "git fetch with 3 new branches", prepare: "(cd ../other && for n in 1 2 3; do git push -q origin HEAD:refs/heads/b$n; done)", run: "git fetch"},
}
