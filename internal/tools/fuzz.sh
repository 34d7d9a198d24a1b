#!/usr/bin/env bash
# Runs every fuzz target of the module for some time each: fuzz.sh 2s
#
# A target that fails leaves its input in testdata/fuzz, where "go test" runs it
# from then on. The fuzzer itself now and then reports the end of its time as a
# failure ("context deadline exceeded") and leaves no input; such a target gets
# a second chance.
set -euo pipefail
cd "$(dirname "$0")/../.."
time=${1:-10s}

run() { go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 1s "$1"; }

count=0
while IFS=: read -r file target; do
	pkg=$(dirname "$file")
	echo "fuzz $pkg $target"
	if ! out=$(run "$pkg" "$target" 2>&1); then
		if [[ $out == *"context deadline exceeded"* && $out != *"Failing input written"* ]]; then
			out=$(run "$pkg" "$target" 2>&1) || { echo "$out" >&2; exit 1; }
		else
			echo "$out" >&2
			exit 1
		fi
	fi
	echo "$out" | tail -n 1
	count=$((count + 1))
done < <(grep -ro --include='*_test.go' --exclude-dir=node_modules --exclude-dir=interop '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' | sort)
echo "$count fuzz targets, $time each"
test "$count" -gt 0
