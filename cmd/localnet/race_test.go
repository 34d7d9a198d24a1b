//go:build race

package main

// The program under test is built as this test is.
func init() { buildFlags = append(buildFlags, "-race") }
