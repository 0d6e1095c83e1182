#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs speedscope under .cache/npm, for the test that opens our files in it. Does nothing when it is there. Exits with
# 1 when it could not be fetched; the test is skipped then.
set -u

cache=$(dirname "$0")/../.cache/npm
[ -e "$cache/node_modules/speedscope/package.json" ] && exit 0
command -v npm >/dev/null 2>&1 || { echo "fetch-speedscope: npm is not installed" >&2; exit 1; }
mkdir -p "$cache" && cd "$cache" || exit 1
npm install --no-audit --no-fund --ignore-scripts --no-save speedscope@1.25.0 >log 2>&1 || { tail -n 3 log >&2; exit 1; }
