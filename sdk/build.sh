#!/bin/sh
# Builds what the package loads into dist/: the two programs of cmd/nym-wasm and
# Go's wasm_exec.js, which fits just the compiler that made them.
set -eu
cd "$(dirname "$0")"
go=${GO:-go}
mkdir -p dist
build() {
	GOOS=js GOARCH=wasm "$go" build -trimpath -ldflags='-s -w' "$@"
}
build -tags messages -o dist/nym.wasm ../cmd/nym-wasm
build -tags streams -o dist/nym-streams.wasm ../cmd/nym-wasm
"$go" run ./strip dist/nym.wasm dist/nym-streams.wasm
cp "$("$go" env GOROOT)/lib/wasm/wasm_exec.js" dist/wasm_exec.js
cp ../LICENSE LICENSE
