#!/bin/sh
# Runs each program of a toygil that was built with a sanitizer, under each design that promises what the sanitizer
# checks, with 2 and 8 threads and its books kept. Stops at the first that fails, and prints what it said.
# Usage: toygil-programs.sh TOYGIL PROGRAM...
set -eu

toygil=$1
shift
runs=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT
for design in ticks interval per-interpreter free; do
	for program in "$@"; do
		for threads in 2 8; do
			if ! "$toygil" --gil="$design" --threads="$threads" --duration=0.3 --truth=/dev/null "$program" \
					>"$said" 2>&1; then
				cat "$said"
				echo "failed: $program under $design with $threads threads" >&2
				exit 1
			fi
			runs=$((runs + 1))
		done
	done
done
echo "clean: $runs runs of $toygil"
