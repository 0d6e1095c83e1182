#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds interpreters of kinds that no distribution here has, from the sources of Debian's python3.13, into .cache/built:
#
#   free-threaded   --disable-gil
#   no-plt          clang, a shared library, calls through the global offset table (-fno-plt)
#   bolt            gcc, a shared library, then rewritten by BOLT as a whole, with functions split by a profile
#   musl            linked with musl instead of glibc
#
# Usage: tests/build-pythons.sh [KIND...]. Some minutes each; does nothing for one that is there. Exits with 1 when one
# could not be built. Tests of kinds that are not there are skipped by name.
set -u

tests=$(cd "$(dirname "$0")" && pwd)
cache=$tests/../.cache/built
mkdir -p "$cache" || exit 1
cache=$(cd "$cache" && pwd)

# The sources, unpacked at $cache/source.
fetch() {
	[ -e "$cache/source/configure" ] && return 0
	work=$cache/apt
	rm -rf "$work" "$cache/source"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$cache/source" || return 1
	: >"$work/status"
	mirror=$(apt-get indextargets --format '$(CREATED_BY)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
		sed -n 's/^Packages|Debian|main|//p' | head -n 1)
	[ -n "$mirror" ] || { echo "build-pythons: no Debian mirror is configured here" >&2; return 1; }
	echo "deb-src $mirror trixie main" >"$work/sources.list"
	for step in update "source --download-only python3.13"; do
		# shellcheck disable=SC2086  # a list of words
		(cd "$work" && apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
			-o Dir::State::Lists="$work/lists" -o Dir::State::Status="$work/status" \
			-o Dir::Cache="$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none $step) \
			>>"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return 1; }
	done
	tar -x -C "$cache/source" --strip-components=1 -f "$work"/python3.13_*.orig.tar.xz && rm -rf "$work"
}

# build KIND CC CFLAGS LDFLAGS OPTION...: configures, compiles and installs at $cache/KIND.
build() {
	kind=$1 cc=$2 cflags=$3 ldflags=$4
	shift 4
	rm -rf "$cache/$kind" "$cache/$kind.work"
	mkdir -p "$cache/$kind.work" && cd "$cache/$kind.work" || return 1
	# Nobody needs more modules than those without a library of their own: the lock is the same.
	{
		"$cache/source/configure" --prefix="$cache/$kind" --without-ensurepip --disable-test-modules "$@" \
			CC="$cc" CFLAGS="$cflags" LDFLAGS="$ldflags" &&
			make -j"$(nproc)" && make install
	} >log 2>&1 || { tail -n 5 log >&2; return 1; }
	cd "$cache" && rm -rf "$cache/$kind.work"
}

build_free_threaded() {
	build free-threaded gcc "" "" --disable-gil
}

build_no_plt() {
	build no-plt clang "-fno-plt" "-Wl,-rpath,$cache/no-plt/lib" --enable-shared
}

build_bolt() {
	build bolt gcc "-fno-reorder-blocks-and-partition" "-Wl,--emit-relocs -Wl,-rpath,$cache/bolt/lib" --enable-shared &&
		python3 "$tests/bolt.py" "$cache/bolt/lib/libpython3.13.so.1.0"
}

# The compiler behind musl-gcc is the distribution's and says so, which confuses configure; and the distribution's
# libraries are of no use.
build_musl() {
	printf '%s\n' '#!/bin/sh' 'case " $* " in *" --print-multiarch "*) exit 0 ;; esac' 'exec musl-gcc "$@"' \
		>"$cache/musl-cc" && chmod +x "$cache/musl-cc" &&
		build musl "$cache/musl-cc" "" "-static-libgcc" PKG_CONFIG=false
}

fetch || exit 1
status=0
for kind in ${*:-free-threaded no-plt bolt musl}; do
	[ -e "$cache/$kind.complete" ] && continue
	if "build_$(echo "$kind" | tr - _)"; then
		: >"$cache/$kind.complete"
		echo "built: $kind"
	else
		echo "build-pythons: $kind could not be built" >&2
		status=1
	fi
done
exit $status
