package main

import (
	"slices"
	"strings"
)

// flagsFirst puts the one argument that some commands have behind their flags,
// where the parser looks for it: people write "localnet kill NAME --dir DIR".
func flagsFirst(args []string) []string {
	if len(args) < 4 || !slices.Contains([]string{"start", "stop", "kill", "write"}, args[1]) ||
		strings.HasPrefix(args[2], "-") || !strings.HasPrefix(args[3], "-") {
		return args
	}
	return slices.Concat(args[:2], args[3:], args[2:3])
}
