// Command run makes a release of a commit: programs for all platforms, in
// archives, with checksums. "make dist" starts it.
package main
