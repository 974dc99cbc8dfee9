# shellcheck shell=bash
# scripts/bench promote: from an edit in curl's workspace to the element's own artifact: what git bst
# promote takes, beside BuildStream's final build of the same commit. Nothing may be compiled, promoting may take
# 500 ms, and the artifact must be that of a clean build.
# shellcheck disable=SC1091
source "$root/scripts/lib/bench-workspace.bash"

limit_ms=500

# digest_of COMMAND...: the digest of curl's files, as COMMAND show says.
digest_of() { "$@" show --deps none --format '%{full-key} %{artifact-cas-digest}' curl.bst 2>/dev/null; }
in_project() { git -C "$work/p" bst "$@"; }

# promoted BUILD NAME: three times edits, builds with the function BUILD, commits, pushes and promotes; prints the quickest.
promoted() {
	local problem best='' i
	for i in 1 2 3; do
		append "$work/ws/lib/url.c" "int curl_promoted_$2$i(void) { return $i; }"
		$1
		git -C "$work/ws" commit -q -am "edit $i"
		git -C "$work/ws" push -q origin HEAD:refs/heads/work
		ours promote
		problem=$(expect 0)
		if [[ -n $problem ]]; then break; fi
		if [[ -z $best ]] || ((ours_ms < best)); then best=$ours_ms; fi
	done
	ours_ms=${best:-$ours_ms}
	if [[ -z $problem ]] && ((ours_ms > limit_ms)); then problem="more than $limit_ms ms"; fi
	row "promote, built $2" "$problem"
}

build_clean() { in_project build --clean curl.bst >/dev/null 2>&1; }
build_continued() { in_project build curl.bst >/dev/null 2>&1; }

# final_build: BuildStream's, of the promoted commit; the same key and the same files.
final_build() {
	local ours theirs problem=''
	ours=$(digest_of in_project)
	ours_ms=$took ours_units=0 ours_status=0
	if [[ -z $BST ]]; then
		timed "$work/ours.log" in_project verify curl.bst
		row 'verify' "$( ((status == 0)) || echo 'a clean build gives something else')"
		return
	fi
	cp "$work/p/elements/curl.bst" "$work/bst/elements/curl.bst"
	theirs
	theirs=$(digest_of bst)
	[[ $ours == "$theirs" ]] || problem="other artifacts: $ours and $theirs"
	ours_ms=$promote_ms
	row 'against the final build' "$problem"
}

bench_promote() {
	prepare_workspace_bench
	git -C "$work/up" config receive.denyCurrentBranch ignore
	in_project build curl.bst >"$work/ours.log" 2>&1 || { cat "$work/ours.log"; exit 1; }
	in_project workspace open curl.bst "$work/ws" >/dev/null 2>&1
	echo 'an edit of curl, committed, pushed and promoted'
	promoted build_clean clean
	promoted build_continued continued
	promote_ms=$ours_ms
	final_build
	printf '%d wrong\n' "$wrong"
	if [[ -n ${bstcache:-} ]]; then chmod -R u+w "$bstcache" && rm -rf "$bstcache"; fi
	((wrong == 0))
}
