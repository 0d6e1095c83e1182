#!/bin/sh
# Seeds for the fuzzing of conditions: those that docs/fail-if.md has in its table, one a file.
set -eu
mkdir -p "$1"
sed -n 's/^| `\([^`]*\)` | .*/\1/p' docs/fail-if.md | {
	number=0
	while IFS= read -r condition; do
		number=$((number + 1))
		printf '%s' "$condition" >"$1/example-$number"
	done
}
