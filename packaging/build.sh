#!/bin/sh
# Makes Debian and RPM packages of what "make dist" left in the folder dist, for
# every architecture of Linux that is there. usage: build.sh [DIST], in the top folder
set -eu

dist=${1:-dist}
stage=$dist/stage
version=$(sed -n 's/^version=//p' "$stage/about")
SOURCE_DATE_EPOCH=$(sed -n 's/^time=//p' "$stage/about")
VERSION=${version#v}
export SOURCE_DATE_EPOCH VERSION ARCH TREE
umask 022

for programs in "$stage"/linux_*; do
	ARCH=${programs##*_}
	TREE=$stage/package_$ARCH
	rm -rf "$TREE"
	mkdir -p "$TREE/doc" "$TREE/licenses"
	cp -r "$programs/bin" "$stage/system/completions" "$stage/system/man" "$stage/system/systemd" "$TREE/"
	mv "$TREE/systemd/low-ports.conf" "$TREE/"
	cp -r "$programs/README.md" "$programs/docs" "$TREE/doc/"
	cp "$programs/LICENSE" "$programs/LICENSES-of-others.txt" "$TREE/licenses/"
	cat packaging/copyright "$programs/LICENSES-of-others.txt" >"$TREE/copyright"
	gzip -9n <"$programs/CHANGELOG.md" >"$TREE/doc/CHANGELOG.md.gz"
	gzip -9n "$TREE"/man/*
	find "$TREE" -exec touch -d "@$SOURCE_DATE_EPOCH" {} + # trees in a package keep the times of their files
	for kind in deb rpm; do
		${GO:-go} tool -modfile=packaging/go.mod nfpm package --config packaging/nfpm.yaml --packager $kind --target "$dist/"
	done
done
${GO:-go} run ./internal/release/run -out "$dist" -sums
