#!/bin/sh
# Unpacks interpreters of other Debian releases under .cache/, each release with its own libc: `chroot .cache/forky
# /usr/bin/python3.14` runs them. Nothing is installed; the mirror and the keys are those of this machine's apt.
#
# Usage: tests/fetch-pythons.sh [DIRECTORY]. Does nothing for a release that is there already. Exits with 1 when a
# release could not be fetched.
set -u

cache=${1:-$(dirname "$0")/../.cache}
mkdir -p "$cache" || exit 1
cache=$(cd "$cache" && pwd)

# The mirror of the distribution's main component, where this machine's packages come from.
mirror() {
	apt-get indextargets --format '$(CREATED_BY)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
		sed -n 's/^Packages|Debian|main|//p' | head -n 1
}

# An apt of its own: it knows no installed package, so that all that is needed to run comes along.
apt_in() {
	directory=$1
	shift
	apt-get -q -o Dir::Etc::SourceList="$directory/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State::Lists="$directory/lists" -o Dir::State::Status="$directory/status" \
		-o Dir::State::Extended_States="$directory/extended_states" \
		-o Dir::Cache="$directory/cache" -o Dir::Cache::Archives="$directory/cache/archives" \
		-o APT::Keep-Downloaded-Packages=true -o Binary::apt-get::APT::Keep-Downloaded-Packages=true \
		-o DPkg::Post-Invoke::= -o APT::Update::Post-Invoke::= -o APT::Update::Post-Invoke-Success::= \
		-o Acquire::Languages=none -o Acquire::Retries=2 -o APT::Sandbox::User=root \
		-o APT::Install-Recommends=false -o APT::Get::AllowUnauthenticated=false "$@"
}

# fetch RELEASE PACKAGE...: unpacks what the release has of the packages, and all that they need.
fetch() {
	release=$1
	shift
	[ -e "$cache/$release/.complete" ] && return 0
	work=$cache/$release.apt
	root=$cache/$release.new
	rm -rf "$work" "$root"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$root" || return 1
	: >"$work/status"
	echo "deb $(mirror) $release main" >"$work/sources.list"
	apt_in "$work" update >"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return 1; }
	wanted=
	for package in "$@"; do
		apt_in "$work" --simulate install "$package" >>"$work/log" 2>&1 && wanted="$wanted $package"
	done
	[ -n "$wanted" ] || { echo "$release has none of: $*" >&2; return 1; }
	# shellcheck disable=SC2086  # a list of words
	apt_in "$work" -y --download-only install $wanted >>"$work/log" 2>&1 || { tail -n 3 "$work/log" >&2; return 1; }
	unpack "$root" "$work"/cache/archives/*.deb || return 1
	touch "$root/.complete"
	rm -rf "${cache:?}/$release" "$work"
	mv "$root" "$cache/$release"
	echo "$release:$wanted"
}

# A merged /usr first, as the C library's package expects.
unpack() {
	root=$1
	shift
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/dev" "$root/proc" "$root/tmp"
	for link in bin sbin lib lib64; do
		ln -s "usr/$link" "$root/$link"
	done
	for package in "$@"; do
		dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink || return 1
	done
	mknod -m 666 "$root/dev/null" c 1 3 2>/dev/null || : >"$root/dev/null"
}

if ! command -v apt-get >/dev/null 2>&1 || [ -z "$(mirror)" ]; then
	echo "fetch-pythons: no Debian mirror is configured here" >&2
	exit 1
fi
status=0
fetch trixie python3.13 libpython3.13 python3.13-nogil || status=1
fetch forky python3.14 libpython3.14 python3.15 libpython3.15 python3.14-nogil python3.13-nogil || status=1
exit $status
