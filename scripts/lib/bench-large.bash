# shellcheck shell=bash
# scripts/bench large [UNITS]: a build tree of 50 000 files (15 000 units: a source, an object and what it
# depends on, each, and a third as many headers), with make and with ninja. The compiler is a stand-in that
# costs next to nothing, so what is measured is git bst and the tools themselves. The floor is the same
# commands in a plain folder, in the same run; each figure is the best of RUNS (5).

missed=0

# goal WHAT MS FLOOR FLOOR-MS LIMIT: a line with a limit that the ratio should not be over.
goal() {
	line "$1" "$2" "$3" "$4"
	awk -v ms="$2" -v base="$4" -v limit="$5" 'BEGIN { exit !(ms > limit * (base > 0 ? base : 1)) }' || return 0
	printf '%-44s over its goal of %s x\n' "" "$5"
	missed=$((missed + 1))
}

# large_sources DIR UNITS: the sources that both tools build.
large_sources() {
	mkdir -p "$1/docs" "$1/mk"
	cd "$1"
	echo 'read me' >docs/README
	awk -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "src/d%d/f%d\n", i / 21, i }' >"$work/units"
	sed 's|/[^/]*$||' "$work/units" | sort -u | xargs mkdir -p
	awk '{ h = $0; sub(/[^\/]*$/, "", h); h = h "h" int((NR - 1) / 3) ".h"; c = $0 ".c"
		if ((NR - 1) % 3 == 0) { print "#define H" NR > h; close(h) }
		print "#include \"h" int((NR - 1) / 3) ".h\"\nint f" NR "(void) { return " NR "; }" > c; close(c) }' "$work/units"
	# The stand-in: in, out, what it depends on.
	cat >mk/cc <<-'SCRIPT'
		[ -d "${2%/*}" ] || mkdir -p "${2%/*}"
		{ read -r include; read -r rest; read -r more || :; } <"$1"
		echo "$include $rest $more" >"$2"
		echo "$2: $1 ${1%/*}/$(IFS=\"; set -- $include; echo "$2")" >"$3"
	SCRIPT
}

large_make() {
	{
		printf 'OBJS := \\\n'
		sed 's|^src\(.*\)|out\1.o \\|' "$work/units"
		printf '\nMAKEFLAGS += -r\n.SUFFIXES:\nall: $(OBJS)\n$(OBJS): out/%%.o: src/%%.c\n\t@sh mk/cc $< $@ $(@:.o=.d)\n'
		printf 'install:\n\tinstall -D out/d0/f0.o $(DESTDIR)/usr/share/f0.o\n'
		printf 'ifneq ($(MAKECMDGOALS),install)\n-include $(OBJS:.o=.d)\n$(OBJS:.o=.d): ;\nendif\n'
	} >Makefile
	tool_build="make -s -j$(nproc)"
}

large_ninja() {
	{
		printf 'rule cc\n  command = sh mk/cc $in $out $out.d\n  depfile = $out.d\n  deps = gcc\n'
		sed 's|^src\(.*\)|build out\1.o: cc src\1.c|' "$work/units"
	} >build.ninja
	tool_build='ninja --quiet'
}

# large_sysroot TAR: a root with what the steps need and nothing else, from this machine's programs.
large_sysroot() {
	local root=$work/sysroot file
	mkdir -p "$root/bin" "$root/usr" "$root/tmp"
	ln -s ../bin "$root/usr/bin"
	for file in sh mkdir cp make ninja; do
		if file=$(command -v "$file"); then cp -L "$file" "$root/bin/"; fi
	done
	while read -r file; do
		mkdir -p "$root${file%/*}"
		cp -L "$file" "$root$file"
	done < <(ldd "$root"/bin/* | grep -oE '/[^ ]+\.so[^ ]*' | sort -u)
	tar -c -f "$1" -C "$root" .
}

# large_project: the project of the tree in the current folder. It is built in the sysroot, as what a build on
# this machine's own system depends on is looked at each time, and that is as much as the machine has in
# /usr/local, whatever the tree.
large_project() {
	mkdir -p elements
	[[ -s $work/sysroot.tar ]] || large_sysroot "$work/sysroot.tar"
	printf 'name: many\nmin-version: 2.0\nelement-path: elements\n' >project.conf
	printf 'kind: import\nsources:\n- kind: tar\n  url: file://%s\n  base-dir: ""\n  ref: %s\n' \
		"$work/sysroot.tar" "$(sha256sum <"$work/sysroot.tar" | cut -d ' ' -f 1)" >elements/base.bst
	printf 'kind: manual\nbuild-depends: [base.bst]\nsources:\n- kind: local\n  path: .\nconfig:\n  build-commands:\n  - %s\n  install-commands:\n  - mkdir -p "%%{install-root}/usr/share" && cp out/d0/f0.o "%%{install-root}/usr/share/f0.o"\n  strip-commands: []\n' \
		"$tool_build" >elements/many.bst
	git config bst.build.continue auto
	git config bst.project.element many.bst
}

large_install() { mkdir -p "$1/usr/share" && cp out/d0/f0.o "$1/usr/share/f0.o"; }

# large_one TOOL UNITS: all steps with one of the tools.
large_one() {
	local tool=$1 repository=$work/$1 plain=$work/$1-plain start clean
	rm -rf "$XDG_CACHE_HOME"
	large_sources "$repository" "$2"
	"large_$tool"
	cp -r "$repository" "$plain"
	plain_build() { (cd "$plain" && $tool_build && large_install "$work/destination"); }
	plain_noop() { (cd "$plain" && $tool_build); }
	start=${EPOCHREALTIME/./}
	plain_build >/dev/null
	clean=$(((${EPOCHREALTIME/./} - start) / 1000))
	cd "$repository"
	git init --quiet
	large_project
	git add -A
	git commit --quiet -m large
	sleep 2 # so that no file is newer than the index
	git status >/dev/null
	start=${EPOCHREALTIME/./}
	git bst build >/dev/null 2>"$work/stderr" || { cat "$work/stderr" >&2; return 1; }
	line "$tool: clean build" $(((${EPOCHREALTIME/./} - start) / 1000)) 'by hand' "$clean"
	large_steps "$tool"
	cd "$work"
}

# says WORD COMMAND...: runs it; what it prints must have the word.
says() {
	local word=$1
	shift
	"$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
	grep -q "$word" "$work/said" || { echo "expected: $word" && cat "$work/said"; return 1; }
}

large_steps() {
	local tool=$1 floor status none changed=src/d3/f64.c
	plain_one() { echo "/* $RANDOM$RANDOM */" >>"$plain/$changed"; }
	ours_one() { echo "/* $RANDOM$RANDOM */" >>"$changed"; }
	floor=$(best plain_noop)
	status=$(best git status)
	none=$(best says skip git bst build)
	goal "$tool: no change" "$none" "$tool" "$floor" "$([[ $tool == make ]] && echo 0.25 || echo 1)"
	goal "$tool: no change" "$none" 'git status' "$status" 1.3
	floor=$(BEFORE=plain_one best plain_build)
	goal "$tool: one file changed" "$(BEFORE=ours_one best says continue git bst build)" "$tool" "$floor" "$([[ $tool == make ]] && echo 1.3 || echo 1.6)"
	git commit --quiet -a -m one
	git bst build >/dev/null 2>&1
	echo again >>docs/README
	git commit --quiet -a -m readme
	git status >/dev/null
	goal "$tool: a commit of what was never opened" "$(best says same git bst status)" 'of 50 ms' 50 1
	says same git bst build || return 1
	git switch --quiet -c other
	ours_one
	git commit --quiet -a -m other
	git bst build >/dev/null 2>&1
	git switch --quiet -
	goal "$tool: branch there and back" "$(best says skip git bst build)" 'no change' "$none" 1.15
	cp "$changed" "$plain/$changed"
	plain_build >/dev/null
	git bst artifact checkout many.bst "$work/$tool-files" >/dev/null 2>&1
	cmp "$work/$tool-files/usr/share/f0.o" "$work/destination/usr/share/f0.o"
}

bench_large() {
	local units=${1:-15000} tool
	for tool in make ninja; do
		if ! command -v "$tool" >/dev/null; then
			echo "$tool is not installed"
			continue
		fi
		echo "$tool, $units units"
		large_one "$tool" "$units"
	done
	if ((missed)); then
		echo "$missed figures are over their goals"
		return 1
	fi
}
