# shellcheck shell=bash
# Part of scripts/realworld: projects on the host's root, and builds by hand.

# need_programs NAME...: installs what the projects need and is missing, or says what to install.
need_programs() {
	local wanted='git:git gcc:gcc make:make bwrap:bubblewrap' name entry missing=()
	if [[ -z ${REALWORLD_PROGRAM:-} ]] && ! command -v go >/dev/null; then
		echo 'scripts/realworld: to install first: go, of the version in go.mod' >&2
		exit 1
	fi
	for name; do
		case $name in
		json-c) wanted+=' cmake:cmake ninja:ninja-build' ;;
		jq) wanted+=' autoreconf:autoconf automake:automake libtoolize:libtool bison:bison flex:flex' ;;
		libslirp) wanted+=' meson:meson ninja:ninja-build pkg-config:pkg-config' ;;
		sysroot | system) wanted+=' debootstrap:debootstrap setpriv:util-linux' ;;
		esac
	done
	for entry in $wanted; do
		command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
	done
	if [[ ! -e /usr/include/stdio.h ]]; then missing+=(libc6-dev); fi
	if [[ " $* " == *' libslirp '* ]] && ! pkg-config --exists glib-2.0 2>/dev/null; then missing+=(libglib2.0-dev); fi
	if ((${#missing[@]} == 0)); then return; fi
	echo "scripts/realworld: installing ${missing[*]}" >&2
	if ! install_packages "${missing[@]}" >/dev/null; then
		echo "scripts/realworld: to install first: ${missing[*]}" >&2
		exit 1
	fi
}

# install_packages PACKAGE...: with a fresh list of packages if the one that is there does not do.
install_packages() {
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -y)
	if (($(id -u))); then apt=(sudo -n "${apt[@]}"); fi
	"${apt[@]}" install --no-install-recommends "$@" ||
		{ "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; }
}

# own_home DIR: from here on all is done with a home of our own.
own_home() {
	export HOME=$1 XDG_CACHE_HOME=$1/cache XDG_CONFIG_HOME=$1/config PATH=$work/bin:$PATH
	unset "${!GIT_@}"
	git config --global user.name Realworld
	git config --global user.email realworld@example.org
	git config --global init.defaultBranch main
	git config --global advice.detachedHead false
}

# make_repository NAME DIR: the project's upstream source as a git repository of one commit.
make_repository() {
	(cd "$root" && scripts/source-package "$1" "$2") 2>"$work/why" || return
	"edit_$1" sources "$2"
	(cd "$2" && git init -q && git add -A && git commit -q -m "$1")
}

# try_project NAME: the whole of a project on the host's root.
try_project() {
	local name=$1 dir=$work/$1 started=$SECONDS element
	mkdir -p "$dir"
	if ! declare -F "hand_$name" >/dev/null; then
		fail "$name" "no such project"
		return
	fi
	if ! make_repository "$name" "$dir/$name"; then
		fail "$name" "no source package to be had" "$work/why"
		return
	fi
	if ! by_git_bst "$name" "$dir" >"$dir/log" 2>&1; then
		fail "$name" "git bst init, build, artifact checkout" "$dir/log"
		return
	fi
	pass "$name" "git bst init, build, artifact checkout in $((SECONDS - started)) s"
	element=$(cd "$dir/$name" && git bst config project.element)
	for hand in hand1 hand2; do
		if ! by_hand "$name" "$dir/$name" "$dir/$hand" "${element%.bst}/$element" / >"$dir/$hand.log" 2>&1; then
			fail "$name" "the build by hand" "$dir/$hand.log"
			return
		fi
	done
	compare "$name" "$dir/out" "$dir/hand1/install" "$dir/hand2/install"
	if "run_$name" "$dir/out" >"$dir/run.log" 2>&1; then
		pass "$name" "what was built runs"
	else
		fail "$name" "what was built does not run" "$dir/run.log"
	fi
}

# by_git_bst NAME DIR: what README tells a user to do; the files go to DIR/out.
by_git_bst() (
	cd "$2/$1" && git bst init && element=$(git bst config project.element) && "edit_$1" element "elements/$element" &&
		git bst build && git bst artifact checkout "$element" "$2/out"
)

# by_hand NAME UPSTREAM DIR PLACE ROOT: builds the first commit of the repository UPSTREAM in DIR, at the
# build path of the element PLACE, on the root ROOT (/ is the host's); the files go to DIR/install.
by_hand() (
	umask 022
	mkdir -p "$3/install" "$3/tmp" && git clone -q --no-hardlinks "$2" "$3/source" &&
		git -C "$3/source" checkout -q "$(git -C "$2" rev-list --max-parents=0 HEAD)" || return
	rm -rf "$3/source/.git"
	# As a clean build's: all of one time, so that nothing that is shipped seems out of date.
	find "$3/source" -exec touch -h -d '2011-11-11 11:11:11Z' {} +
	"hand_$1" >"$3/commands"
	box "$5" "$3" "/buildstream/$4"
)

# box ROOT DIR PATH: runs DIR/commands by bubblewrap, each in a shell of its own, with BuildStream's
# environment and without a network. DIR/source is at PATH, DIR/install is the install root.
box() {
	local arguments=() variables=() commands=() line name
	while IFS= read -r line; do
		if [[ $line =~ ^([A-Z]+)=([^ ]*)$ ]]; then
			variables+=(--setenv "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}")
		else
			commands+=("$line")
		fi
	done <"$2/commands"
	if [[ $1 == / ]]; then
		arguments+=(--ro-bind /usr /usr --ro-bind /etc /etc)
		for name in bin sbin lib lib32 lib64 libx32; do
			if [[ -L /$name ]]; then
				arguments+=(--symlink "$(readlink "/$name")" "/$name")
			elif [[ -d /$name ]]; then
				arguments+=(--ro-bind "/$name" "/$name")
			fi
		done
	else
		arguments+=(--bind "$1" /)
	fi
	arguments+=(--proc /proc --dev /dev --bind "$2/tmp" /tmp --tmpfs /dev/shm --bind "$2/source" "$3" --bind "$2/install" "$destination")
	if [[ $1 != / ]]; then arguments+=(--remount-ro /); fi
	for name in PATH=/usr/bin:/bin:/usr/sbin:/sbin SHELL=/bin/sh TERM=dumb USER=tomjon USERNAME=tomjon LOGNAME=tomjon \
		LC_ALL=C HOME=/tmp TZ=UTC SOURCE_DATE_EPOCH=1321009871 "PWD=$3"; do
		variables+=(--setenv "${name%%=*}" "${name#*=}")
	done
	for line in "${commands[@]}"; do
		printf '+ %s\n' "$line"
		bwrap --unshare-all --unshare-user --uid 0 --gid 0 --hostname buildstream --die-with-parent --new-session --clearenv \
			"${variables[@]}" "${arguments[@]}" --chdir "$3" sh -c -e "$line" </dev/null || return
	done
}
