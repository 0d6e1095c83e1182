#!/bin/sh
# Installs what is missing to build and test giltrace on Debian or Ubuntu. Does nothing when all is there.
# With the argument "fuzz" also clang's fuzzing runtime.
set -eu

packages="make gcc libc6-dev clang llvm bpftool libbpf-dev libelf-dev libdw-dev zlib1g-dev libcapstone-dev libjansson-dev
libcmocka-dev python3 bpftrace"
# On Ubuntu, bpftool comes with linux-tools-common.
if ! apt-cache show bpftool >/dev/null 2>&1 && apt-cache show linux-tools-common >/dev/null 2>&1; then
	packages=$(echo "$packages" | sed 's/bpftool/linux-tools-common/')
fi

if [ "${1:-}" = fuzz ]; then
	packages="$packages libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
fi

missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "giltrace: install these by your system's means:$missing" >&2
	exit 1
fi
become=
[ "$(id -u)" -eq 0 ] || become=sudo
echo "Installing$missing"
$become apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
