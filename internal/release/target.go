package release

import (
	"fmt"
	"strings"
)

// A Target is a platform that programs are built for.
type Target struct{ OS, Arch string }

// Targets are those of a release.
var Targets = []Target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"linux", "riscv64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"},
	{"freebsd", "amd64"},
}

// String gives the form of the Go toolchain, such as linux/amd64.
func (t Target) String() string { return t.OS + "/" + t.Arch }

// name is a target in the names of files.
func (t Target) name() string { return t.OS + "_" + t.Arch }

// exe is how the names of programs end.
func (t Target) exe() string {
	if t.OS == "windows" {
		return ".exe"
	}
	return ""
}

// ParseTargets reads a list such as "linux/amd64,windows/amd64". An empty list
// is all of [Targets]; one that is not among them is refused.
func ParseTargets(list string) (targets []Target, err error) {
	if list == "" {
		return Targets, nil
	}
	known := make(map[string]Target)
	for _, t := range Targets {
		known[t.String()] = t
	}
	for word := range strings.SplitSeq(list, ",") {
		t, ok := known[word]
		if !ok {
			return nil, fmt.Errorf("release: there is no target %q; there are %v", word, Targets)
		}
		delete(known, word) // a second time is an error too
		targets = append(targets, t)
	}
	return targets, nil
}
