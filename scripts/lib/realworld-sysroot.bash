# shellcheck shell=bash
# Part of scripts/realworld: a BuildStream project on a Debian sysroot.

# debian_sysroot FILE: makes the archive of a small Debian with a C compiler, of the release and from the
# mirror that this machine's apt is set up for. Device nodes, caches and documentation stay out.
debian_sysroot() {
	local mirror suite dir=$work/debootstrap
	read -r mirror suite <<<"$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		sed -n 's/^\([^ ]* [a-z]*\) main$/\1/p' | head -n 1)"
	[[ -n $suite ]] || { echo 'no mirror of a Debian release in the set-up of apt' >&2; return 1; }
	debootstrap --variant=minbase --include=gcc,libc6-dev,make "$suite" "$dir" "$mirror" >&2 || return
	mkdir -p "${1%/*}"
	tar -c -f "$1.new" -C "$dir" --sort=name --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./run/*' \
		--exclude='./tmp/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/*' --exclude='./var/log/*' \
		--exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' . || return
	rm -rf "$dir"
	mv "$1.new" "$1"
}

# system_ready NAME: makes, once, the sysroot and the project on it. NAME is for the verdict.
system_ready() {
	if [[ -d $work/system/.git ]]; then return; fi
	if (($(id -u))); then
		fail "$1" 'debootstrap and a second user need root: run this as root'
		return 1
	fi
	local archive=$cache/git-bst-sources/sysroot.tar
	if ! { [[ -s $archive ]] || debian_sysroot "$archive"; } 2>"$work/why"; then
		fail "$1" 'a Debian sysroot' "$work/why"
		return 1
	fi
	{ ln "$archive" "$work/sysroot.tar" 2>/dev/null || cp "$archive" "$work/sysroot.tar"; } && chmod 644 "$work/sysroot.tar"
	if ! write_system >"$work/why" 2>&1; then
		fail "$1" 'the project on the sysroot' "$work/why"
		return 1
	fi
	mkdir "$work/sysroot"
	tar -x -f "$work/sysroot.tar" -C "$work/sysroot"
}

# write_system: a project of seven elements, with sources of three kinds.
write_system() {
	local dir=$work/system name
	for name in zlib lua5.4 curl; do
		[[ -d $work/up/$name ]] || make_repository "$name" "$work/up/$name" || return
	done
	mkdir -p "$dir/elements" "$dir/files" && cp -r "$work/up/zlib" "$dir/files/zlib" && rm -rf "$dir/files/zlib/.git" &&
		tar -c -z -f "$work/lua.tar.gz" -C "$work/up" --exclude=.git lua5.4 || return
	write_project "$dir"
	write_elements "$dir/elements" "$(git -C "$work/up/curl" rev-parse HEAD)"
	(cd "$dir" && git init -q && git add -A && git bst init && git add -A && git commit -q -m system)
}

write_project() {
	cat >"$1/project.conf" <<-END
		name: system
		min-version: 2.0
		element-path: elements
		aliases:
		  here: file://$work/
		plugins:
		- origin: pip
		  package-name: buildstream-plugins
		  elements:
		  - autotools
		  - make
		  sources:
		  - git
	END
}

# write_elements DIR COMMIT: the elements; COMMIT is curl's.
write_elements() {
	local archive_ref lua_ref
	archive_ref=$(sha256sum <"$work/sysroot.tar" | cut -d ' ' -f 1)
	lua_ref=$(sha256sum <"$work/lua.tar.gz" | cut -d ' ' -f 1)
	cat >"$1/base.bst" <<-END
		kind: import
		description: A Debian with a C compiler
		sources:
		- kind: tar
		  url: here:sysroot.tar
		  base-dir: ''
		  ref: $archive_ref
		public:
		  bst:
		    integration-commands:
		    - ldconfig
	END
	cat >"$1/zlib.bst" <<-'END'
		kind: manual
		build-depends:
		- base.bst
		config:
		  configure-commands:
		  - ./configure --prefix="%{prefix}"
		  build-commands:
		  - make
		  install-commands:
		  - make -j1 DESTDIR="%{install-root}" install
		sources:
		- kind: local
		  path: files/zlib
	END
	cat >"$1/lua.bst" <<-END
		kind: make
		build-depends:
		- base.bst
		variables:
		  make-args: ''
		  make-install-args: 'INSTALL_TOP="%{install-root}%{prefix}" install'
		sources:
		- kind: tar
		  url: here:lua.tar.gz
		  ref: $lua_ref
	END
	cat >"$1/curl.bst" <<-END
		kind: autotools
		build-depends:
		- base.bst
		depends:
		- zlib.bst
		variables:
		  conf-local: --without-ssl --with-zlib=/usr
		sources:
		- kind: git
		  url: here:up/curl
		  ref: $2
	END
	write_compositions "$1"
}

# write_compositions DIR: the elements that are made of others.
write_compositions() {
	cat >"$1/programs.bst" <<-END
		kind: compose
		description: What is needed to run curl and lua, without what is needed to build with them
		build-depends:
		- curl.bst
		- lua.bst
		config:
		  include:
		  - runtime
		  include-orphans: False
	END
	cat >"$1/headers.bst" <<-END
		kind: filter
		build-depends:
		- zlib.bst
		config:
		  include:
		  - devel
	END
	cat >"$1/trial.bst" <<-'END'
		kind: script
		description: The programs of the composition, run in the sandbox
		build-depends:
		- base.bst
		- programs.bst
		config:
		  commands:
		  - mkdir -p "%{install-root}"
		  - curl --version >"%{install-root}/curl"
		  - curl -s file:///etc/debian_version >"%{install-root}/read"
		  - lua -e 'print(6 * 7)' >"%{install-root}/lua"
	END
}

# try_sysroot: zlib on the sysroot, as root and as an ordinary user, against two builds by hand.
try_sysroot() {
	system_ready sysroot || return 0
	local dir=$work/sysroot-zlib hand who
	mkdir -p "$dir"
	for hand in hand1 hand2; do
		if ! by_hand zlib "$work/up/zlib" "$dir/$hand" system/zlib.bst "$work/sysroot" >"$dir/$hand.log" 2>&1; then
			fail sysroot 'the build by hand' "$dir/$hand.log"
			return 0
		fi
	done
	for who in root user; do
		if ! "as_$who" zlib.bst "$dir/out-$who" >"$dir/$who.log" 2>&1; then
			fail sysroot "as $who: git bst build, artifact checkout" "$dir/$who.log"
			continue
		fi
		pass sysroot "as $who: git bst build, artifact checkout"
		compare "sysroot" "$dir/out-$who" "$dir/hand1/install" "$dir/hand2/install"
		if run_zlib "$dir/out-$who" >"$dir/run.log" 2>&1; then
			pass sysroot "as $who: what was built runs"
		else
			fail sysroot "as $who: what was built does not run" "$dir/run.log"
		fi
	done
}

# as_root ELEMENT OUT, as_user ELEMENT OUT: builds an element of the project and checks it out.
as_root() { (cd "$work/system" && git bst build "$1" && git bst artifact checkout "$1" "$2"); }
as_user() {
	local home=$work/user id=54321
	mkdir -p "$home"
	if [[ ! -d $home/system ]]; then
		cp -r "$work/system" "$home/system"
		chown -R "$id:$id" "$home"
	fi
	setpriv --reuid="$id" --regid="$id" --clear-groups --inh-caps=-all --no-new-privs env -i PATH="$PATH" HOME="$home" \
		sh -c 'cd "$HOME/system" && git bst build "$1" && git bst artifact checkout "$1" "$HOME/out"' sh "$1" || return
	mv "$home/out" "$2"
}

# try_system: the whole project, against builds by hand put together by hand.
try_system() {
	system_ready system || return 0
	local dir=$work/system-out hand=$work/system-hand element started=$SECONDS
	mkdir -p "$dir" "$hand"
	if ! (cd "$work/system" && git bst build programs.bst headers.bst trial.bst) >"$dir.log" 2>&1; then
		fail system 'git bst build programs.bst headers.bst trial.bst' "$dir.log"
		return 0
	fi
	pass system "git bst build of 7 elements in $((SECONDS - started)) s"
	for element in zlib curl lua programs headers trial; do
		if ! (cd "$work/system" && git bst artifact checkout "$element.bst" "$dir/$element") >"$dir.log" 2>&1; then
			fail system "git bst artifact checkout $element.bst" "$dir.log"
			return 0
		fi
	done
	if ! system_by_hand "$hand" >"$hand.log" 2>&1; then
		fail system 'the builds by hand' "$hand.log"
		return 0
	fi
	for element in zlib curl lua programs headers; do
		same "$element" "$dir/$element" "$hand/$element"
	done
	if [[ $(<"$dir/trial/lua") == 42 && $(<"$dir/trial/read") == "$(<"$work/sysroot/etc/debian_version")" ]] && grep -q '^Features:.* libz' "$dir/trial/curl"; then
		pass system 'the programs of the composition run in the sandbox'
	else
		fail system 'the programs of the composition in the sandbox'
	fi
}

# same ELEMENT OURS HAND: one verdict.
same() {
	local m=$work/manifests/system-$1
	mkdir -p "$m"
	manifest "$2" >"$m/ours"
	manifest "$3" >"$m/hand"
	differing "$m/ours" "$m/hand" >"$m/others"
	if [[ -s $m/hand && ! -s $m/others ]]; then
		pass system "$1.bst as by hand: $(wc -l <"$m/ours") paths, 0 differ"
	else
		fail system "$1.bst as by hand: $(wc -l <"$m/others") of $(wc -l <"$m/hand") paths differ:"
		indented "$m/others"
	fi
}

# system_by_hand DIR: builds zlib, lua and, with zlib in the sysroot, curl; then puts together what
# the split rules say: runtime is the programs and shared libraries, devel what one compiles with.
system_by_hand() (
	cd "$1" &&
		by_hand zlib "$work/up/zlib" "$1/build-zlib" system/zlib.bst "$work/sysroot" &&
		by_hand lua5.4 "$work/up/lua5.4" "$1/build-lua" system/lua.bst "$work/sysroot" &&
		cp -r "$1/build-zlib/install/." "$work/sysroot" || return
	hand_curl() { hand_autotools '--without-ssl --with-zlib=/usr'; }
	by_hand curl "$work/up/curl" "$1/build-curl" system/curl.bst "$work/sysroot" || return
	for name in zlib lua curl; do cp -a "build-$name/install" "$name" || return; done
	mkdir programs headers
	for name in zlib lua curl; do
		(cd "$name" && find usr/bin usr/lib -maxdepth 1 \( -path 'usr/bin/*' -o -name 'lib*.so*' \) -print0 2>/dev/null |
			xargs -0 -r cp -a --parents -t ../programs)
	done
	(cd zlib && cp -a --parents -t ../headers usr/include usr/lib/*.a usr/lib/pkgconfig/*.pc)
	cp -a zlib/. curl # a checkout has what the element needs at run time, too
)
