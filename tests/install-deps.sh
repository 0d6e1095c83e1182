#!/bin/sh
# Installs what is missing to build and test giltrace on Debian or Ubuntu. Does nothing when all is there.
# With the argument "test" also what some tests use beside, where there is such a package: without it they are skipped.
# With "bench" also what the benchmarks hold giltrace against. With "fuzz" also clang's fuzzing runtime.
set -eu

packages="make gcc libc6-dev clang llvm bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev libcapstone-dev libjansson-dev
libncurses-dev libcmocka-dev python3"
optional=
# On Ubuntu, bpftool comes with linux-tools-common.
if ! apt-cache show bpftool >/dev/null 2>&1 && apt-cache show linux-tools-common >/dev/null 2>&1; then
	packages=$(echo "$packages" | sed 's/bpftool/linux-tools-common/')
fi
[ "${1:-}" != test ] || optional="bpftrace chromium golang-go fish man-db mandoc tmux zsh"
[ "${1:-}" != bench ] || optional="bpftrace linux-perf python3-bpfcc austin"
[ "${1:-}" != bench ] || optional="$optional linux-headers-$(dpkg --print-architecture)" # for BCC, which compiles
[ "${1:-}" != fuzz ] || packages="$packages libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"

is_installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

# Ubuntu's chromium is only a hint at another way of installing it.
is_available() {
	apt-cache show "$1" 2>/dev/null | grep -q '^Package:' && ! apt-cache show "$1" | grep -qi 'snap'
}

missing=
for package in $packages $optional; do
	is_installed "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "giltrace: install these by your system's means:$missing" >&2
	exit 1
fi
become=
[ "$(id -u)" -eq 0 ] || become=sudo
$become apt-get update -qq
missing=
for package in $packages; do
	is_installed "$package" || missing="$missing $package"
done
for package in $optional; do
	is_installed "$package" || ! is_available "$package" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "Installing$missing"
# shellcheck disable=SC2086  # a list of words
$become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
