// Package release makes what people download: static programs for every
// platform, in archives with their manual pages, with a list of what they are
// made of and a list of checksums. "make dist" runs it:
//
//	err := release.Make(ctx, release.Config{Repository: ".", Revision: "HEAD", Out: "dist"})
//
//	commit ──clone──▶ source ──go build──▶ stage/OS_ARCH/ ──┬──▶ NAME_VERSION_OS_ARCH.tar.gz, .zip
//	                    │                   bin/            ├──▶ NAME_VERSION_OS_ARCH.cdx.json (SBOM)
//	                    └──on this machine▶ man/            └──▶ packages and images: packaging/, deploy/
//	                                        completions/
//	                                        systemd/       SHA256SUMS over all of it
//
// A release is made of a commit, never of a working tree, and what comes out
// depends on the commit, the target and the version of Go alone: paths are
// trimmed, every time is that of the commit, archives are sorted and belong to
// nobody. [Check] proves it by building twice, in other folders and with another
// cache.
//
// The version is what the Go toolchain reads from the tags of the repository and
// writes into each program, so that "PROGRAM --version", the names of the files
// and the packages cannot disagree.
//
// The package signs nothing and publishes nothing.
package release
