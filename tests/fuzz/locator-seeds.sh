#!/bin/sh
# SPDX-License-Identifier: MIT
# Seeds for the fuzzing of the locator: each shape that it knows, as small libraries.
#
# Usage: tests/fuzz/locator-seeds.sh DIRECTORY
set -eu

mkdir -p "$1"
tests=$(dirname "$0")/../unit
seed() {
	name=$1 source=$2
	shift 2
	$compiler "$@" -o "$corpus/$name" "$tests/$source"
}
corpus=$1
compiler=cc
seed fixture locator_fixture.c -O2 -shared -fPIC
seed no-plt locator_fixture.c -O2 -shared -fPIC -fno-plt
seed sysv-hash locator_fixture.c -O2 -shared -fPIC -Wl,--hash-style=sysv
seed program locator_fixture.c -O2 -DPROGRAM -no-pie -fno-pie -rdynamic
seed variables locator_fixture.c -O2 -shared -fPIC -DSPLIT_VARIABLES
seed ticks locator_fixture_ticks.c -O2 -shared -fPIC -pthread
seed ticks-program locator_fixture_ticks.c -O0 -DPROGRAM -no-pie -fno-pie -rdynamic -pthread
seed rare locator_fixture.S -shared
seed split locator_fixture_split.c -O2 -shared -fPIC -DCOLD_WAIT -DCOLD_DROP
seed split-no-plt locator_fixture_split.c -O2 -shared -fPIC -fno-plt -DCOLD_WAIT
compiler=clang
seed registers locator_fixture.c -O2 -shared -fPIC -fno-plt
