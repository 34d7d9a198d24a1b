//go:build !linux

package cli

func reportCoreDumps() {}
