# shellcheck shell=bash
# bench_hooks FILES: what installed hooks add to git's commands in a large repository. Two clones, one with
# hooks; each command is run in both, in turn and in changing order, and the builder is waited for between
# the pairs. Prints the medians and the median of the differences. Sourced by scripts/bench.

# timed DIR COMMAND...: microseconds; its output is captured, as by an editor.
timed() {
	local start end said
	cd "$1" || return
	shift
	start=${EPOCHREALTIME/./}
	said=$("$@" 2>&1) || { echo "$said" >&2; return 1; }
	end=${EPOCHREALTIME/./}
	cd "$work" || return
	took=$((end - start))
}

idle() {
	local said
	for ((tries = 0; tries < 3000; tries++)); do
		said=$(git -C "$work/hooked" bst --json hooks status)
		if [[ $said == *'"busy": false'* && $said == *'"waiting": []'* ]]; then return; fi
		sleep 0.1
	done
	echo 'the builder does not end' >&2
	return 1
}

median() { sort -n | awk '{ a[NR] = $1 } END { printf "%d", NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }

# paired WHAT COUNT PREPARE COMMAND...: COUNT is how many of git's steps the command has.
paired() {
	local what=$1 count=$2 prepare=$3 i plain hooked first second
	shift 3
	: >"$work/plain.us" && : >"$work/hooked.us" && : >"$work/more.us"
	for ((i = 0; i < pairs; i++)); do
		first=plain second=hooked
		if ((i % 2)); then first=hooked second=plain; fi
		for one in "$first" "$second"; do
			(cd "$work/$one" && "$prepare" "$i") >/dev/null 2>&1
			idle
			timed "$work/$one" "$@" || return
			declare "$one=$took"
			idle
		done
		echo "$plain" >>"$work/plain.us" && echo "$hooked" >>"$work/hooked.us" && echo "$((hooked - plain))" >>"$work/more.us"
	done
	awk -v what="$what" -v plain="$(median <"$work/plain.us")" -v hooked="$(median <"$work/hooked.us")" -v more="$(median <"$work/more.us")" -v count="$count" \
		'BEGIN { printf "%-34s %9.1f ms  with hooks %9.1f ms  median of the differences %6.1f ms", what, plain / 1000, hooked / 1000, more / 1000
			if (count > 1) printf ", %.2f ms for each of %d commits", more / 1000 / count, count
			print "" }'
}

edit_one() { echo "int edited_$RANDOM$RANDOM;" >src/d0/f0.c && git add src/d0/f0.c; }
nothing() { :; }
thirty_behind() {
	git -c core.hooksPath=/dev/null checkout -q -f -B topic base
	for n in {1..30}; do
		echo "$n" >"topic$n"
		git add "topic$n"
		git -c core.hooksPath=/dev/null commit -q -m "topic $n"
	done
}
other_branch() { git -c core.hooksPath=/dev/null checkout -q -f main; }

bench_hooks() {
	local repository=$work/plain pairs=${PAIRS:-15}
	mkdir -p "$repository"
	cd "$repository" || return
	git init -q -b main
	git config gc.auto 0 # its time is nobody's here
	git config maintenance.auto false
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i++) {
			if (i % 100 == 0) { dir = "src/d" int(i / 100); system("mkdir -p " dir) }
			file = dir "/f" i % 100 ".c"
			printf "int f%d(void) { return %d; }\n", i, i > file
			close(file)
		}
	}'
	printf 'name: many\nmin-version: 2.0\n' >project.conf
	printf 'kind: import\nsources:\n- kind: local\n  path: .\n' >many.bst
	printf '[project]\nelement = "many.bst"\n' >.git-bst.toml
	git add -A
	git commit -q -m one
	git branch base
	echo upstream >upstream
	git add upstream
	git commit -q -m upstream
	git branch -f onto
	git gc --quiet
	cp -rp "$repository" "$work/hooked"
	git -C "$work/hooked" status >/dev/null
	git -C "$work/plain" status >/dev/null
	cd "$work/hooked" || return
	git bst build >/dev/null 2>&1
	git bst hooks install 2>/dev/null
	git config bst.hooks.policy "${POLICY:-build}"
	cd "$work" || return
	echo "git's commands in a repository of $1 files, hooks.policy ${POLICY:-build}, $pairs pairs"
	paired 'git commit' 1 edit_one git commit -q -m edited
	paired 'git switch' 1 other_branch git switch -q base
	pairs=$(((pairs + 1) / 2))
	paired 'git rebase of 30 commits' 30 thirty_behind git rebase -q onto
}
