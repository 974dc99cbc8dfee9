# shellcheck shell=bash
# scripts/bench workspace: curl in a workspace, step by step, by three: git bst, BuildStream 2.8 and, as
# the floor, the same commands by hand in the same sysroot with bubblewrap. Each step prints what each of
# them took, the ratios, and how many C files each of them compiled; and what is wrong counts as failed.
# The table that this stands beside is of BuildStream 1.6.8, whose workspaces are no better.
# shellcheck disable=SC1091
source "$root/scripts/lib/realworld-compare.bash"
source "$root/scripts/lib/realworld-projects.bash"
source "$root/scripts/lib/realworld-host.bash"
source "$root/scripts/lib/realworld-sysroot.bash"

conf_args=(--without-ssl --disable-ldap --disable-ldaps --without-libpsl --disable-manual --without-zlib)
wrong=0

# timed FILE COMMAND...: runs it, leaves its milliseconds in $took and its output in FILE.
timed() {
	local file=$1 start end
	shift
	start=${EPOCHREALTIME/./}
	"$@" >"$file" 2>&1 && status=0 || status=$?
	end=${EPOCHREALTIME/./}
	took=$(((end - start) / 1000))
}

# units FILE...: objects compiled, those for static and shared libraries of one file being one.
units() { cat "$@" /dev/null | { grep -E '(^|libtool: compile: +)(gcc|cc) .* -c ' || :; } | { grep -oE -- '-o [^ ]+\.o( |$)' || :; } | sed 's|\.libs/||' | sort -u | wc -l; }

# newer_logs DIR: the logs that were written since the marker.
newer_logs() { find "$1" -type f -newer "$work/marker" 2>/dev/null; }
mark() { touch "$work/marker"; sleep 0.02; }

bst() {
	env XDG_CACHE_HOME="$bstcache" XDG_CONFIG_HOME="$bstcache/config" TMPDIR="$bstcache" PATH="${BST%/*}:$PATH" "$BST" --no-colors --no-interactive -C "$work/bst" "$@"
}

# ours ARGUMENTS...: runs git bst in the workspace; leaves ours_ms, ours_units, ours_status.
ours() {
	mark
	timed "$work/ours.log" git -C "$work/ws" bst "$@"
	ours_ms=$took ours_status=$status
	local logs
	mapfile -t logs < <(newer_logs "$XDG_CACHE_HOME/git-bst/logs")
	ours_units=0
	if ((${#logs[@]})); then ours_units=$(units "${logs[@]}"); fi
}

theirs() {
	their_ms=- their_units=-
	if [[ -z $BST ]]; then return; fi
	mark
	timed "$work/theirs.log" bst build curl.bst
	their_ms=$took
	local logs
	mapfile -t logs < <(newer_logs "$bstcache/buildstream/logs")
	their_units=0
	if ((${#logs[@]})); then their_units=$(units "${logs[@]}"); fi
}

# hand COMMANDS: in the sysroot, at the path that the element is built at.
hand() {
	bwrap --ro-bind "$work/sysroot" / --dev /dev --proc /proc --tmpfs /tmp --unshare-all --die-with-parent \
		--bind "$work/hand" /buildstream/bench/curl.bst --bind "$work/hand-install" /buildstream-install --chdir /buildstream/bench/curl.bst \
		--clearenv --setenv PATH /usr/bin:/bin:/usr/sbin:/sbin --setenv HOME /tmp --setenv LC_ALL C --setenv TZ UTC --setenv V 1 sh -e -c "$1"
}

floor() {
	rm -rf "$work/hand-install"
	mkdir "$work/hand-install"
	timed "$work/floor.log" hand "$1"
	floor_ms=$took floor_units=$(units "$work/floor.log")
}

built="make -j$(nproc) && make -j1 DESTDIR=/buildstream-install install"
configured="./configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var ${conf_args[*]}"

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b == "-" || b + 0 == 0 || a == "-") print "-"; else printf "%.3f", a / b }'; }

# row STEP [PROBLEM]: prints what the step came to; a problem counts as failed.
row() {
	printf '%-34s git bst %7s ms %4s CC | by hand %7s ms %4s CC, %6s x | BuildStream %7s ms %4s CC, %6s x%s\n' "$1" "$ours_ms" "$ours_units" \
		"${floor_ms:--}" "${floor_units:--}" "$(ratio "$ours_ms" "${floor_ms:--}")" "${their_ms:--}" "${their_units:--}" "$(ratio "$ours_ms" "${their_ms:--}")" "${2:+   WRONG: $2}"
	if [[ -n ${2:-} ]]; then
		wrong=$((wrong + 1))
		sed 's/^/    /' "$work/ours.log" | tail -n 15
	fi
	floor_ms='' floor_units='' their_ms='' their_units=''
}

# quick RATIO VALUE FLOOR: whether value is at most ratio times floor.
quick() { awk -v r="$1" -v v="$2" -v f="$3" 'BEGIN { exit !(f == "-" || v <= r * f) }'; }

# expect UNITS: says what is wrong where the build failed or compiled another number of files.
expect() {
	if ((ours_status)); then echo "exit code $ours_status"; elif [[ $ours_units != "$1" ]]; then echo "$ours_units files compiled, expected $1"; fi
}

write_bench_project() {
	local dir=$1
	mkdir -p "$dir/elements"
	cat >"$dir/project.conf" <<-END
		name: bench
		min-version: 2.0
		element-path: elements
		plugins:
		- origin: pip
		  package-name: buildstream-plugins
		  elements: [autotools]
		  sources: [git]
	END
	cat >"$dir/elements/base.bst" <<-END
		kind: import
		sources:
		- kind: tar
		  url: file://$work/sysroot.tar
		  base-dir: ''
		  ref: $(sha256sum <"$work/sysroot.tar" | cut -d ' ' -f 1)
	END
	write_curl "$dir" "${conf_args[*]}"
	(cd "$dir" && git init -q && git add -A && git commit -q -m bench)
}

# write_curl DIR ARGUMENTS [MORE]: curl's element with these arguments of configure.
write_curl() {
	cat >"$1/elements/curl.bst" <<-END
		kind: autotools
		build-depends: [base.bst]
		variables:
		  conf-local: $2
		  notparallel: False
		${3:-}
		sources:
		- kind: git
		  url: file://$work/up
		  ref: $(git -C "$work/up" rev-parse HEAD)
	END
}

# edit_all COMMAND...: the same edit in all three trees.
edit_all() {
	local dir
	for dir in "$work/ws" "$work/bstws" "$work/hand"; do
		if [[ -d $dir ]]; then (cd "$dir" && "$@"); fi
	done
}
# in_git COMMAND...: the same git command in the two workspaces.
in_git() {
	local dir
	for dir in "$work/ws" "$work/bstws"; do
		if [[ -d $dir ]]; then (cd "$dir" && "$@") >/dev/null 2>&1; fi
	done
}
append() { printf '%s\n' "$2" >>"$1"; }
insert_error() { printf 'int broken(void) { return nothing_of_that_name; }\n' >>"$1"; }
drop_last() { sed -i '$d' "$1"; }

prepare_workspace_bench() {
	local cache=$home/.cache
	export SOURCE_PACKAGES=$cache/git-bst-sources
	mkdir -p "$SOURCE_PACKAGES"
	[[ -s $SOURCE_PACKAGES/sysroot.tar ]] || cache=$cache debian_sysroot "$SOURCE_PACKAGES/sysroot.tar"
	cp --reflink=auto "$SOURCE_PACKAGES/sysroot.tar" "$work/sysroot.tar"
	mkdir "$work/sysroot"
	tar -x -f "$work/sysroot.tar" -C "$work/sysroot"
	mkdir -p "$work/sysroot/buildstream/bench/curl.bst" "$work/sysroot/buildstream-install"
	(cd "$root" && scripts/source-package curl "$work/up")
	rm -f "$work/up/.gitignore"
	(cd "$work/up" && git init -q && git add -Af && git commit -q -m curl)
	git config --global protocol.file.allow always
	write_bench_project "$work/p"
	cp -r "$work/up" "$work/hand"
	rm -rf "$work/hand/.git"
	if [[ -n $BST ]]; then
		bstcache=$(mktemp -d /tmp/bst.XXXXXX)
		cp -r "$work/p" "$work/bst"
	else
		echo 'NOT COMPARED with BuildStream, which is not here: eval "$(scripts/peers)" first'
	fi
}

steps_clean() {
	floor "$configured && $built"
	hand_total=$floor_units
	timed "$work/ours.log" git -C "$work/p" bst build curl.bst
	ours_ms=$took ours_status=$status
	ours_units=$(units $(find "$XDG_CACHE_HOME/git-bst/logs" -type f))
	theirs
	row 'clean build, sysroot unpacked too' "$(expect "$hand_total")"
	timed "$work/ours.log" git -C "$work/p" bst workspace open curl.bst "$work/ws"
	ours_ms=$took ours_status=$status ours_units=0
	if [[ -n $BST ]]; then
		timed "$work/theirs.log" bst workspace open --directory "$work/bstws" curl.bst
		their_ms=$took their_units=0
	fi
	row 'workspace open' "$(expect 0)"
	ours build
	theirs
	row 'first build, content is cached' "$(expect 0)"
}

# idle STEP: git bst must run nothing.
idle() {
	ours build
	theirs
	local problem
	problem=$(expect 0)
	if [[ -z $problem ]] && ! grep -q 'phases run: 0' "$work/ours.log"; then problem='something ran'; fi
	if [[ -z $problem ]] && ! quick 0.05 "$ours_ms" "$their_ms"; then problem='more than 0.05 x BuildStream'; fi
	row "$1" "$problem"
}

steps_nothing() {
	idle 'no change'
	in_git git status
	idle 'after git status'
	in_git git commit -q --allow-empty -m empty
	idle 'after git commit --allow-empty'
	in_git git reset -q --soft HEAD~1
	idle 'after git reset --soft'
	edit_all touch lib/url.c
	idle 'after touch'
}

# step NAME LIMIT: a build by all three; as many files as by hand, at most LIMIT x its time.
step() {
	floor "$built"
	ours build
	theirs
	local problem
	problem=$(expect "$floor_units")
	if [[ -z $problem ]] && ! quick "$2" "$ours_ms" "$floor_ms"; then problem="more than $2 x by hand"; fi
	row "$1" "$problem"
}

steps_edits() {
	floor "$built" # so that by hand there is nothing left from the touch
	edit_all append lib/url.c 'int curl_bench_one(void) { return 1; }'
	step 'one file, the first time' 3
	edit_all append lib/url.c 'int curl_bench_two(void) { return 2; }'
	step 'one file' 1.5
	one_file=$ours_units # a file may be compiled for two programs
	edit_all append lib/urldata.h '/* another header */'
	step 'header' 1.5
	git -C "$work/ws" stash -q
	ours build
	git -C "$work/ws" stash pop -q
	idle 'after git stash, build, git stash pop'
	git -C "$work/ws" commit -q -am work
	idle 'after git commit of it'
	git -C "$work/ws" switch -q -c work
	git -C "$work/ws" switch -q -c other HEAD~1
	ours build
	git -C "$work/ws" switch -q work
	idle 'branch there and back'
}

steps_element() {
	local dir
	for dir in p bst; do
		[[ ! -d $work/$dir ]] || write_curl "$work/$dir" "${conf_args[*]} --disable-ftp"
	done
	floor "make distclean >/dev/null; $configured --disable-ftp && $built"
	ours build
	theirs
	row 'conf-local + --disable-ftp' "$(expect "$floor_units"; speaks_ftp "$work/p" git -C "$work/p" bst artifact checkout curl.bst)"
	if [[ -n $BST ]]; then echo "    BuildStream's artifact: $(speaks_ftp "$work/bst" bst artifact checkout --directory curl.bst 2>&1 || :)"; fi
	write_curl "$work/p" "${conf_args[*]} --disable-ftp" $'config:\n  install-commands:\n    (>):\n    - touch "%{install-root}/usr/extra"'
	ours build
	row 'install-commands only' "$(expect 0)"
	write_curl "$work/p" "${conf_args[*]}"
	[[ -z $BST ]] || write_curl "$work/bst" "${conf_args[*]}"
}

# speaks_ftp DIR CHECKOUT...: says so where the curl that was built still lists ftp.
speaks_ftp() {
	rm -rf "$work/out"
	case $2 in
	bst) bst artifact checkout --deps none --directory "$work/out" curl.bst >/dev/null 2>&1 ;;
	*) "${@:2}" "$work/out" >/dev/null 2>&1 ;;
	esac || { echo 'no artifact'; return; }
	if bwrap --ro-bind "$work/sysroot" / --ro-bind "$work/out" /buildstream-install --setenv LD_LIBRARY_PATH /buildstream-install/usr/lib \
		/buildstream-install/usr/bin/curl --version | grep -qw ftp; then echo 'it still speaks ftp'; fi
}

steps_failure() {
	ours build # the element is as it was
	edit_all insert_error lib/url.c
	ours build
	ours_status=$((ours_status == 2 ? 0 : 1))
	row 'a file that does not compile' "$(expect 1)"
	edit_all drop_last lib/url.c
	edit_all append lib/url.c 'int curl_bench_fixed(void) { return 3; }'
	ours build
	row 'mended' "$(expect "$one_file")"
	{ git -C "$work/ws" bst workspace close && git -C "$work/p" bst workspace open --attach curl.bst "$work/ws"; } >/dev/null 2>&1
	idle 'closed and opened again'
}

# steps_failed_build: a failed build without any workspace, opened, mended. A cache of its own.
steps_failed_build() {
	local half
	git -C "$work/ws" bst workspace close >/dev/null 2>&1
	export XDG_CACHE_HOME=$work/cache2
	(cd "$work/up" && append lib/version.c 'int broken(void) { return nothing_of_that_name; }' && git commit -q -am broken)
	write_curl "$work/p" "${conf_args[*]}"
	timed "$work/ours.log" git -C "$work/p" bst build curl.bst
	ours_ms=$took ours_status=$((status == 2 ? 0 : 1))
	half=$(units $(find "$XDG_CACHE_HOME/git-bst/logs" -type f))
	ours_units=$half
	row 'failing build, no workspace' "$(expect "$half")"
	git -C "$work/p" bst workspace open curl.bst "$work/ws2" >"$work/ours.log" 2>&1
	(cd "$work/ws2" && drop_last lib/version.c)
	mark
	timed "$work/ours.log" git -C "$work/ws2" bst build
	ours_ms=$took ours_status=$status
	ours_units=$(units $(newer_logs "$XDG_CACHE_HOME/git-bst/logs"))
	row 'opened, mended, built' "$(if ((ours_status)); then echo 'failed'; elif ((ours_units > hand_total - half + 4)); then echo "$ours_units compiled of $hand_total, $half were"; fi)"
}

bench_workspace() {
	prepare_workspace_bench
	echo "curl in a workspace; by hand: $(nproc) jobs in the same sysroot"
	steps_clean
	steps_nothing
	steps_edits
	steps_failure
	steps_element
	steps_failed_build
	printf '%d wrong\n' "$wrong"
	if [[ -n ${bstcache:-} ]]; then chmod -R u+w "$bstcache" && rm -rf "$bstcache"; fi
	((wrong == 0))
}
