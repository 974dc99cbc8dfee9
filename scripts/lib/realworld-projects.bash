# shellcheck shell=bash
# Part of scripts/realworld: the projects. For each: what a user edits (edit_: first in the unpacked
# sources, later in the element that `git bst init` wrote), the commands of a build by hand (hand_: one a line, each run by a shell of its own, with
# a name=value line for each environment variable that the kind sets), and a trial of the result (run_).
# The commands are those that BuildStream documents for its element kinds, written out.

jobs=$(nproc)
if ((jobs > 8)); then jobs=8; fi
destination=/buildstream-install
folders="--bindir=/usr/bin --sbindir=/usr/sbin --sysconfdir=/etc --datadir=/usr/share --includedir=/usr/include"
folders+=" --libdir=/usr/lib --libexecdir=/usr/libexec --localstatedir=/var --sharedstatedir=/usr/com --mandir=/usr/share/man --infodir=/usr/share/info"

# configure_with ARGUMENTS element FILE: what a user adds to an element of kind autotools.
configure_with() {
	if [[ $2 == element ]]; then printf '\nvariables:\n  conf-local: %s\n' "$1" >>"$3"; fi
}

# hand_autotools ARGUMENTS: the kind's commands. Sources without a configure script get one.
hand_autotools() {
	cat <<-END
		MAKEFLAGS=-j$jobs
		V=1
		if [ -x ./configure ]; then true; else autoreconf -ivf .; fi
		./configure --prefix=/usr --exec-prefix=/usr $folders $1
		make
		make -j1 DESTDIR="$destination" install
	END
}

# curl is built without TLS: a library for it is one more thing that the host would have to have.
edit_curl() { configure_with --without-ssl "$@"; }
hand_curl() { hand_autotools --without-ssl; }
run_curl() {
	echo hello >"$work/hello"
	with_libraries "$1" "$1/usr/bin/curl" --version | grep -q '^Protocols:.* file' &&
		[[ $(with_libraries "$1" "$1/usr/bin/curl" -s "file://$work/hello") == hello ]]
}

# jq is built without regular expressions: their library is a submodule that the package leaves out. Its
# folder has to be there, and git keeps no empty one.
edit_jq() {
	if [[ $1 == sources ]]; then touch "$2/modules/oniguruma/.keep"; fi
	configure_with --with-oniguruma=no "$@"
}
hand_jq() { hand_autotools --with-oniguruma=no; }
run_jq() { [[ $(echo '{"a":[1,2,39]}' | with_libraries "$1" "$1/usr/bin/jq" '.a | add') == 42 ]]; }

edit_zlib() { :; }
hand_zlib() {
	cat <<-END
		MAKEFLAGS=-j$jobs
		./configure --prefix="/usr"
		make
		make -j1 DESTDIR="$destination" install
	END
}
run_zlib() {
	printf '#include <stdio.h>\n#include <string.h>\n#include <zlib.h>\n%s\n' 'int main(void) {
		unsigned char in[4096], packed[8192], out[4096];
		uLongf size = sizeof packed, back = sizeof out;
		memset(in, 7, sizeof in);
		if (compress(packed, &size, in, sizeof in) || uncompress(out, &back, packed, size)) return 1;
		return back != sizeof in || memcmp(in, out, back) || strcmp(zlibVersion(), ZLIB_VERSION);
	}' >"$work/try.c"
	try_library "$1" -lz
}

edit_json-c() { :; }
hand_json-c() {
	cat <<-END
		JOBS=-j$jobs
		cmake -B_builddir -H"." -G"Ninja" -DCMAKE_VERBOSE_MAKEFILE=ON -DCMAKE_INSTALL_PREFIX:PATH="/usr" -DCMAKE_INSTALL_LIBDIR:PATH="lib"
		cmake --build _builddir -- \${JOBS}
		env DESTDIR="$destination" cmake --build _builddir --target install
	END
}
run_json-c() {
	printf '#include <string.h>\n#include <json-c/json.h>\n%s\n' 'int main(void) {
		struct json_object *o = json_tokener_parse("{\"a\": 42}"), *a;
		return !json_object_object_get_ex(o, "a", &a) || json_object_get_int(a) != 42 || strcmp(json_c_version(), JSON_C_VERSION);
	}' >"$work/try.c"
	try_library "$1" -ljson-c
}

edit_lua5.4() { :; }
hand_lua5.4() {
	cat <<-END
		MAKEFLAGS=-j$jobs
		V=1
		make
		make -j1 INSTALL_TOP="$destination/usr" install
	END
}
run_lua5.4() { [[ $("$1/usr/bin/lua" -e 'print(6 * 7)') == 42 ]]; }

edit_libslirp() { :; }
hand_libslirp() {
	cat <<-END
		JOBS=$jobs
		meson setup . _builddir --prefix=/usr $folders
		ninja -v -j \${JOBS} -C _builddir
		env DESTDIR="$destination" meson install -C _builddir --no-rebuild
	END
}
run_libslirp() {
	printf '#include <string.h>\n#include <slirp/libslirp.h>\n%s\n' 'int main(void) { return strcmp(slirp_version_string(), SLIRP_VERSION_STRING); }' >"$work/try.c"
	# shellcheck disable=SC2046 # several arguments
	try_library "$1" -lslirp $(pkg-config --cflags glib-2.0)
}

# with_libraries DIR COMMAND...: runs it with the libraries that are installed below DIR.
with_libraries() { LD_LIBRARY_PATH=$1/usr/lib "${@:2}"; }

# try_library DIR ARGUMENTS...: compiles try.c against what is installed below DIR, and runs it.
try_library() {
	cc -o "$work/try" "$work/try.c" -I"$1/usr/include" -L"$1/usr/lib" "${@:2}" && with_libraries "$1" "$work/try"
}
