# shellcheck shell=bash
# Part of scripts/realworld: verdicts, and the comparison of installed files.

passed=0 failed=0

# pass NAME TEXT and fail NAME TEXT [FILE]: one verdict; FILE's last lines say more.
pass() {
	passed=$((passed + 1))
	printf 'PASS %-9s %s\n' "$1" "$2"
}
fail() {
	failed=$((failed + 1))
	printf 'FAIL %-9s %s\n' "$1" "$2"
	if [[ -s ${3:-} ]]; then tail -n 25 "$3" | sed 's/^/     /'; fi
}

# manifest DIR: a line for all below DIR, sorted by path: path, then d, l and target, f or x (executable
# by its owner) and SHA-256, or ? for what no artifact can hold.
manifest() (
	cd "$1" || exit
	{
		find . -mindepth 1 -type d -printf '%P\td\n'
		find . -mindepth 1 -type l -printf '%P\tl\t%l\n'
		find . -mindepth 1 ! -type d ! -type l ! -type f -printf '%P\t?\t%y\n'
		digests f ! -perm -u=x
		digests x -perm -u=x
	} | LC_ALL=C sort
)
digests() {
	find . -type f "${@:2}" -print0 | xargs -0 -r sha256sum | sed -E "s/^([0-9a-f]{64})  \.\/(.*)\$/\2\t$1\t\1/"
}

# differing A B: the paths on which two manifests disagree, sorted.
differing() {
	LC_ALL=C comm -3 "$1" "$2" | sed 's/^\t//' | cut -f 1 | LC_ALL=C sort -u
}

# indented FILE: at most ten lines of a list of paths.
indented() {
	head -n 10 "$1" | sed 's/^/     /'
	if (($(wc -l <"$1") > 10)); then echo "     and $(($(wc -l <"$1") - 10)) more"; fi
}

# agreed OURS HAND1 HAND2: the paths on which ours differs from a manifest by hand, but not the two by hand
# from each other, sorted.
agreed() {
	{ differing "$1" "$2"; differing "$1" "$3"; } | LC_ALL=C sort -u | LC_ALL=C comm -23 - <(differing "$2" "$3")
}

# compare NAME OURS HAND1 HAND2: two verdicts about folders: whether the builds by hand agree with each
# other on at least 98 % of the files, and whether ours is the same wherever they agree. Where they
# disagree on a file's bytes only, ours has to have a file there too.
compare() {
	local name=$1 m=$work/manifests/$1 files noise others
	mkdir -p "$m"
	manifest "$2" >"$m/ours"
	manifest "$3" >"$m/hand1"
	manifest "$4" >"$m/hand2"
	files=$(grep -c $'\t[fxl]' "$m/hand1" || :)
	differing "$m/hand1" "$m/hand2" >"$m/noise"
	for others in ours hand1 hand2; do cut -f 1,2 "$m/$others" >"$m/$others.types"; done
	{
		agreed "$m/ours" "$m/hand1" "$m/hand2"
		agreed "$m/ours.types" "$m/hand1.types" "$m/hand2.types"
	} | LC_ALL=C sort -u >"$m/others"
	noise=$(wc -l <"$m/noise") others=$(wc -l <"$m/others")
	if ((files > 0 && noise * 50 <= files)); then
		pass "$name" "by hand twice: $files files, $noise on which the two disagree"
	else
		fail "$name" "by hand twice: $files files, $noise on which the two disagree, more than 2 %"
	fi
	indented "$m/noise"
	if ((files > 0 && others == 0)); then
		pass "$name" "git bst as by hand: $(wc -l <"$m/ours") paths, $files files compared, 0 differ"
	else
		fail "$name" "git bst as by hand: $files files compared, $others differ:"
		indented "$m/others"
	fi
}

# try_comparison: that the comparison sees each kind of difference, on small folders.
try_comparison() {
	local dir=$work/comparison change bad='' m=$work/comparison/m
	mkdir -p "$dir/a/d" "$dir/a/empty" "$m"
	echo text | tee "$dir/a/d/file" >"$dir/a/d/odd  name"
	ln -s file "$dir/a/d/link"
	manifest "$dir/a" >"$m/a"
	for change in 'echo texT >d/file' 'chmod +x d/file' 'ln -sfn other d/link' 'rm "d/odd  name"' 'touch more' 'rmdir empty' \
		'rm d/link && cp d/file d/link' 'rm d/file && mkdir d/file' 'rm d/file && mkfifo d/file'; do
		rm -rf "$dir/b"
		cp -a "$dir/a" "$dir/b"
		(cd "$dir/b" && sh -e -c "$change")
		manifest "$dir/b" >"$m/b"
		if (($(differing "$m/a" "$m/b" | wc -l) != 1)); then bad+=" ($change)"; fi
	done
	rm -rf "$dir/b"
	cp -a "$dir/a" "$dir/b"
	chmod 600 "$dir/b/d/file"
	manifest "$dir/b" >"$m/b"
	if [[ -z $bad && $(wc -l <"$m/a") == 5 ]] && cmp -s "$m/a" "$m/b"; then
		pass compare 'the comparison sees 9 kinds of difference'
	else
		fail compare "the comparison does not see:$bad"
	fi
}
